"""Questions: keys that rows have or do not have, instants at which rows appear and leave, request values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from hypothesis import strategies as st

from featurestore.define.view import ViewSpec
from featurestore.semantics.dtypes import DType
from featurestore.semantics.instants import FIRST_US, LAST_US, duration_us
from tests.strategies.definitions import View, input_types
from tests.strategies.histories import Rows
from tests.strategies.values import DELAY, EDGES_US, NOW_US, WINDOWS, instants, nullable, pick, values

_AFTER_US = (0, 0, *(duration_us(each) for each in (DELAY, *WINDOWS)))
_STEPS_US = tuple(duration_us(each) for each in WINDOWS)
_FEW: dict[str, tuple[Any, ...]] = {"int64": (1, 2, 0, 2**53 + 1), "string": ("a", "b", "1", "a\u0308")}


@dataclass(frozen=True, slots=True)
class Question:
    """One line of a spine: canonical values of all inputs, keys and request columns alike, and an instant."""

    inputs: Mapping[str, Any]
    as_of_us: int

    def key(self, spec: ViewSpec) -> tuple[Any, ...]:
        """The key that the question asks a view for."""
        return tuple(self.inputs[part.input] for part in spec.key)


@st.composite
def questions(draw: st.DrawFn, views: Sequence[View], rows: Mapping[str, Rows]) -> Question:
    """A question to these views over these rows (by source name)."""
    inputs = {name: draw(nullable(_asked(dtype))) for name, dtype in input_types(views).items()}
    for view in views:
        if view.__spec__.source is not None:
            spec = view.__spec__
            found = draw(keys(spec, rows[view.__spec__.source.__name__]))
            inputs |= {part.input: value for part, value in zip(spec.key, found, strict=True)}
    return Question(inputs, draw(boundaries([row for each in rows.values() for row in each])))


@st.composite
def keys(draw: st.DrawFn, spec: ViewSpec, rows: Rows) -> tuple[Any, ...]:
    """A key of a view: mostly that of a row, also one that no row has, also one with a null part."""
    if pick(draw, (True,) * 9 + (False,)) and rows:
        row = pick(draw, rows)
        return tuple(row[name] for name in spec.key_columns)
    return tuple(draw(nullable(_asked(part.column.dtype))) for part in spec.key)


@st.composite
def boundaries(draw: st.DrawFn, rows: Sequence[Mapping[str, Any]]) -> int:
    """Instants at -1, 0 and +1 us of where a row becomes visible or leaves a window, and those near NOW_US."""
    held = {
        row[name] for row in rows for name in ("happened_at", "learnt_at", "_known_at_us") if row.get(name) is not None
    }
    if not held or pick(draw, (False, False, False, True)):
        return draw(instants())
    # a window's length and an offset after a row, or the step at which windows and refreshed views move on
    after_us = pick(draw, _AFTER_US) + pick(draw, (0, *_AFTER_US))
    at_us = max(pick(draw, sorted(held)), pick(draw, sorted(held))) + after_us
    step_us = pick(draw, (1, 1, *_STEPS_US))
    at_us = at_us // step_us * step_us + pick(draw, (0, step_us)) + pick(draw, EDGES_US)
    return at_us if FIRST_US <= at_us <= LAST_US else NOW_US


@cache
def _asked(dtype: DType) -> st.SearchStrategy[Any]:
    few = _FEW.get(dtype.kind)
    return st.sampled_from(few) | values(dtype) if few else values(dtype)
