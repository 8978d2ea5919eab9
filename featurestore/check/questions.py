"""What `verify` asks: keys that are in the rows, at instants where answers change, to the microsecond."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from random import Random
from typing import Any, assert_never

import pyarrow as pa
import pyarrow.compute as pc

from featurestore.plan.nodes import Plan, View
from featurestore.semantics.dtypes import DType, Value
from featurestore.semantics.instants import FIRST_US, LAST_US
from featurestore.semantics.windows import Span
from featurestore.tables import storage_type

QUESTIONS_PER_INSTANT = 8
RECENT = 400
"""How many rows back from an instant keys are drawn from."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One instant, and the inputs of the questions asked at it."""

    as_of_us: int
    inputs: list[dict[str, Value]]


class _Rows:
    """A source's rows in the order of event time, to draw keys and instants from."""

    def __init__(self, table: pa.Table) -> None:
        ordered = table.sort_by("event_at_us")
        self.event_at: list[int] = ordered.column("event_at_us").to_pylist()  # type: ignore[assignment]  # usable rows
        self.known_at: list[int] = ordered.column("known_at_us").to_pylist()  # type: ignore[assignment]  # have both
        self.columns = {
            name.removeprefix("c."): ordered.column(name).to_pylist()
            for name in ordered.column_names
            if name.startswith("c.")
        }

    def row(self, place: int) -> dict[str, Value]:
        return {name: column[place] for name, column in self.columns.items()}

    def near(self, at_us: int, random: Random) -> int:
        """A row that happened shortly before an instant."""
        end = bisect_left(self.event_at, at_us)
        return random.randrange(max(0, end - RECENT), end) if end else random.randrange(len(self.event_at))


class Questions:
    """Draws questions for a plan from its sources' rows."""

    def __init__(self, plan: Plan, rows: dict[str, pa.Table], random: Random) -> None:
        self._plan, self._random = plan, random
        self._rows = {source: _Rows(table) for source, table in rows.items() if table.num_rows}
        self._views = [view for view in plan.views if view.state and view.state.scan.source in self._rows]
        self._timed = [view for view in self._views if view.state and view.state.scan.event_at is not None]

    def draw(self, instants: int, low_us: int, high_us: int) -> list[Asked]:
        """Questions at some instants in `[low, high)`, in order; nearly all at a boundary of a row, or 1 us beside
        it."""
        found = []
        for _ in range(instants):
            at_us, first = self._instant(low_us, high_us)
            inputs = [self._inputs(at_us, first if place == 0 else None) for place in range(QUESTIONS_PER_INSTANT)]
            found.append(Asked(at_us, inputs))
        return sorted(found, key=lambda asked: asked.as_of_us)

    def _instant(self, low_us: int, high_us: int) -> tuple[int, tuple[View, dict[str, Value]] | None]:
        """An instant at which a row enters or leaves a window of a view, and that view with that row."""
        random = self._random
        for _ in range(20 if self._timed else 0):
            view = random.choice(self._timed)
            assert view.state is not None
            rows = self._rows[view.state.scan.source]
            place = rows.near(random.randrange(low_us, high_us), random)
            moves = [_moves_us(span, rows.event_at[place], random) for span in view.spans if span.length_us is not None]
            seen_us = max(rows.event_at[place], rows.known_at[place])
            base = random.choice([seen_us, rows.event_at[place], *moves])
            if view.refresh_us > 1 and random.random() < 0.5:
                base = view.instant_us(base + view.refresh_us)
            at_us = base + random.choice((-1, 0, 1))
            if low_us <= at_us < high_us:
                return at_us, (view, rows.row(place))
        return random.randrange(low_us, high_us), None

    def _inputs(self, at_us: int, first: tuple[View, dict[str, Value]] | None) -> dict[str, Value]:
        """Inputs that fit together: each view's key is taken from a recent row that agrees with what is fixed
        already."""
        random = self._random
        fixed: dict[str, Value] = {}
        seen: dict[str, Value] = {}
        views = random.sample(self._views, len(self._views))
        if first is not None:
            views = [first[0], *(view for view in views if view is not first[0])]
        for view in views:
            assert view.state is not None
            columns = dict(zip(view.inputs, view.state.key, strict=True))
            row = first[1] if first is not None and view is first[0] else self._fitting(view, columns, fixed, at_us)
            seen = {**row, **seen}
            for name, column in columns.items():
                fixed.setdefault(name, row[column])
        inputs = {}
        for given in self._plan.inputs:
            value = fixed.get(given.name, seen.get(given.name)) if random.random() > 0.01 else None
            inputs[given.name] = value if value is not None else self._invented(given.dtype, at_us)
        return inputs

    def _fitting(self, view: View, columns: dict[str, str], fixed: dict[str, Value], at_us: int) -> dict[str, Value]:
        assert view.state is not None
        rows = self._rows[view.state.scan.source]
        row: dict[str, Value] = {}
        for _ in range(12):
            row = rows.row(rows.near(at_us, self._random))
            if all(row[column] == fixed[name] for name, column in columns.items() if name in fixed):
                break
        return row

    def _invented(self, dtype: DType, at_us: int) -> Value:
        """A value nobody has seen, or null."""
        random = self._random
        if random.random() < 0.3:
            return None
        match dtype.kind:
            case "bool":
                return random.random() < 0.5
            case "int64":
                return random.choice((0, 1, -1, random.randrange(10_000), 2**53 + 1))
            case "float64":
                return random.choice((0.0, 1.0, -0.5, random.uniform(-1e3, 1e3), 1e300))
            case "string":
                return random.choice(("", "nobody", "\u00e9\U0001f600"))
            case "timestamp":
                return at_us
            case "date":
                return at_us // 86_400_000_000
            case "decimal":
                most = 10**dtype.precision - 1
                return random.choice((0, 1, -1, random.randint(-most, most), most))
            case "vector":
                return tuple(random.choice((0.0, 1.0, random.uniform(-1e3, 1e3))) for _ in range(dtype.length))
            case "list":
                assert dtype.item is not None
                return tuple(self._invented(dtype.item, at_us) for _ in range(random.randrange(4)))
            case "map":
                return None  # no input is one
            case _:
                assert_never(dtype.kind)


def _moves_us(span: Span, event_at_us: int, random: Random) -> int:
    """An instant at which a row enters a window's end or leaves its start."""
    assert span.length_us is not None, "nothing leaves all history"
    back_us = span.offset_us + random.choice((span.length_us, 0 if span.offset_us else span.length_us))
    return back_us + (event_at_us if span.step_us == 1 else (event_at_us // span.step_us + 1) * span.step_us)


def asked_table(plan: Plan, questions: list[Asked]) -> pa.Table:
    """The questions as the table that the offline road answers."""
    flat = [(asked.as_of_us, row) for asked in questions for row in asked.inputs]
    columns: dict[str, Any] = {
        "spine_row": pa.array(range(len(flat)), pa.int64()),
        "as_of_us": pa.array([at_us for at_us, _ in flat], pa.int64()),
    }
    for given in plan.inputs:
        columns[f"i_{given.name}"] = pa.array([row[given.name] for _, row in flat], storage_type(given.dtype))
    return pa.table(columns)


def usable_rows(table: pa.Table) -> pa.Table:
    """The usable rows of a scan in the order in which they became visible, with that instant as `visible_at_us`."""
    usable = table.filter(table.column("usable"))
    visible = pc.max_element_wise(usable.column("event_at_us"), usable.column("known_at_us"))
    return usable.append_column("visible_at_us", visible).sort_by("visible_at_us")


def usable_span(tables: list[pa.Table]) -> tuple[int, int]:
    """The instants from the first to the last row of some tables, a little beyond at both ends."""
    lows = [value for table in tables if (value := pc.min(table.column("event_at_us")).as_py()) is not None]
    highs = [value for table in tables if (value := pc.max(table.column("visible_at_us")).as_py()) is not None]
    return max(min(lows, default=0) - 2, FIRST_US), min(max(highs, default=1) + 3, LAST_US)


def same_bits(left: Value, right: Value) -> bool:
    """Same type and same bits (R18): floats by their bits, lists element by element."""
    if isinstance(left, (list, tuple)) and isinstance(right, (list, tuple)):
        return len(left) == len(right) and all(map(same_bits, left, right))
    if isinstance(left, float) and isinstance(right, float):
        return left.hex() == right.hex()
    return type(left) is type(right) and left == right
