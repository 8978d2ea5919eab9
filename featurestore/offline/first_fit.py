"""Questions of one key in layers, first fit: in each, no row that one question sees is hidden from a later one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

MOST_LAYERS = 500
"""Layers of one key; questions that fit none of them are left out."""
LEFT = -1


@dataclass(slots=True)
class _Layer:
    """Units: `last_us` microseconds. `seen` are all classes that a question of the layer sees, `hidden` those that one
    at the last instant does not; `firsts` is the delivery of each fact that counts, -1 while none does."""

    last_us: int
    seen: int
    hidden: int
    firsts: np.ndarray[Any, Any]


def first_fit(
    at_us: Sequence[int],
    seen: np.ndarray[Any, Any],
    hidden: np.ndarray[Any, Any],
    deliveries: Sequence[Sequence[int]] = (),
) -> list[int]:
    """The layer of each question of a key, or LEFT.

    `deliveries` are, for facts that came several times, the classes of those that can count, in their order (R6); -1
    stands for one that every question sees.
    Shape: `seen` and `hidden` have a row for each question and a column for each class of rows: whether it is visible
           and the question sees it, or does not.
    """
    order = sorted(range(len(at_us)), key=lambda place: at_us[place])
    bits, hides = _bitsets(seen), _bitsets(hidden)
    firsts = _firsts(seen, deliveries)
    layers: list[_Layer] = []
    found = [LEFT] * len(at_us)
    for place in order:
        for number, layer in enumerate(layers):
            if _fits(layer, at_us[place], bits[place], hides[place], firsts[place]):
                found[place] = number
                layer.hidden = hides[place] | (layer.hidden if at_us[place] == layer.last_us else 0)
                layer.last_us, layer.seen = at_us[place], layer.seen | bits[place]
                layer.firsts = np.maximum(layer.firsts, firsts[place])
                break
        else:
            if len(layers) < MOST_LAYERS:
                found[place] = len(layers)
                layers.append(_Layer(at_us[place], bits[place], hides[place], firsts[place]))
    return found


def _fits(layer: _Layer, at_us: int, seen: int, hidden: int, firsts: np.ndarray[Any, Any]) -> bool:
    if hidden & layer.seen or (at_us == layer.last_us and seen & layer.hidden):
        return False
    return not ((firsts >= 0) & (layer.firsts >= 0) & (firsts != layer.firsts)).any()


def _bitsets(marks: np.ndarray[Any, Any]) -> list[int]:
    """Each row as one integer, which Python compares at once."""
    return [int.from_bytes(row.tobytes(), "little") for row in np.packbits(marks, axis=1)]


def _firsts(seen: np.ndarray[Any, Any], deliveries: Sequence[Sequence[int]]) -> np.ndarray[Any, Any]:
    """For each question and fact, the place of the first delivery that it sees, -1 where it sees none."""
    found = np.full((len(seen), len(deliveries)), -1, dtype=np.int32)
    for column, classes in enumerate(deliveries):
        for place, each in reversed(list(enumerate(classes))):
            found[seen[:, each] if each >= 0 else slice(None), column] = place
    return found
