"""What the third voice says of decimals, lists and vectors (R8): decimals as fractions, vectors item by item."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

from featurestore.semantics.dtypes import DType

LARGEST = 10**18 - 1


def held(unscaled: int) -> int | None:
    """A decimal that an expression gives, unless it has more than 18 digits."""
    return unscaled if -LARGEST <= unscaled <= LARGEST else None


def number(unscaled: int, dtype: DType) -> Fraction:
    """What a decimal is."""
    return Fraction(unscaled, 10**dtype.scale)


def summed_decimals(present: Sequence[int], dtype: DType, mean: bool) -> tuple[Any, bool]:
    """The exact sum, or the nearest float of it divided by the count; nothing of more than 18 digits is held."""
    total = held(sum(present))
    if total is None or not present:
        return None, total is None
    return (float(number(total, dtype)) / float(len(present)) if mean else total), False


def product(left: Sequence[float], right: Sequence[float], _: DType) -> float:
    """The products of the items, added from the first to the last."""
    total = left[0] * right[0]
    for place in range(1, len(left)):
        total = total + left[place] * right[place]
    return total


def item_at(items: Sequence[Any], place: int, _: DType) -> Any:
    """The item at a place, counted from 0, or from the end below it."""
    return dict(enumerate(items)).get(place if place >= 0 else len(items) + place)


OF_TYPES: dict[tuple[str, str], Callable[..., Any]] = {
    ("decimal", "add"): lambda left, right, _: held(left + right),
    ("decimal", "sub"): lambda left, right, _: held(left - right),
    ("decimal", "to_float"): lambda value, dtype: float(number(value, dtype)),
    ("decimal", "to_int"): lambda value, dtype: math.trunc(number(value, dtype)),
    ("list", "get"): item_at,
    ("list", "length"): lambda items, _: len(items),
    ("list", "contains"): lambda items, sought, _: any(item == sought for item in items),
    ("vector", "get"): item_at,
    ("vector", "values"): lambda items, _: tuple(items),
    ("vector", "dot"): product,
    ("vector", "norm"): lambda items, dtype: math.sqrt(product(items, items, dtype)),
}
"""By the kind of the first argument, whose type comes last."""
