"""The nodes of a plan: `Scan -> State | View -> Plan`.

Left of the bar runs when a row arrives: a source's rows are scanned, keyed, and each brings values to folds. Right of
it runs when somebody asks: windows over the folds are finished into features, and views are assembled into one
vector. Offline does both halves as one SELECT; online does the left half in ingest and the right half in lookup.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from hashlib import sha256
from html import escape
from typing import Any

from featurestore.define.drift import Drift
from featurestore.expr.nodes import Aggregate, Node
from featurestore.expr.printing import text_of
from featurestore.semantics.dtypes import INT64, DType
from featurestore.semantics.instants import FIRST_US
from featurestore.semantics.windows import Span


@dataclass(frozen=True, slots=True)
class ScanColumn:
    """A column of a source: its name in the language, in the data, and its type; `unit` is that of an instant which
    the data holds as a number since 1970."""

    name: str
    stored: str
    dtype: DType
    unit: str = ""

    @property
    def sent(self) -> DType:
        """The type of the values in the data and of those that are pushed."""
        return INT64 if self.unit else self.dtype


@dataclass(frozen=True, slots=True)
class Scan:
    """The rows of a source. `data` is where its history is, which is no part of its meaning (R20).

    Units: `delay_us` microseconds.
    """

    source: str
    columns: tuple[ScanColumn, ...]
    event_at: str | None
    known_at: str | None
    row_id: str | None
    order: str | None
    delay_us: int
    zone: str | None
    data: Any = field(compare=False, repr=False)

    def dtype_of(self, name: str) -> DType:
        """The type of a column."""
        return next(column.dtype for column in self.columns if column.name == name)


@dataclass(frozen=True, slots=True)
class FoldUse:
    """A fold of one input over the rows that pass one filter, or one for each value of another input; all are places in
    the state's lists. `second` is the other input of a fold of pairs."""

    fold: str
    input: int | None
    filter: int | None
    n: int
    by: int | None = None
    second: int | None = None


@dataclass(frozen=True, slots=True)
class State:
    """What is kept of a source's rows for one key: values derived from each row, and the folds over them."""

    id: str
    scan: Scan
    key: tuple[str, ...]
    inputs: tuple[Node, ...]
    filters: tuple[Node, ...]
    folds: tuple[FoldUse, ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """An aggregate, and the state's fold it is finished from."""

    node: Aggregate
    fold: int


@dataclass(frozen=True, slots=True)
class PlannedFeature:
    """One feature of a view. What is said of it beside its expression is no part of its meaning (R20)."""

    name: str
    node: Node
    doc: str = field(default="", compare=False)
    drift: Drift | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class View:
    """The right half of a view: for the key that `inputs` name, finish `answers` and compute `features`.

    Units: `refresh_us` microseconds; 1 for a view that is always fresh.
    """

    name: str
    state: State | None
    inputs: tuple[str, ...]
    answers: tuple[Answer, ...]
    features: tuple[PlannedFeature, ...]
    version: str
    refresh_us: int = 1

    def instant_us(self, as_of_us: int) -> int:
        """The instant that every rule reads for `as_of` (R3)."""
        return as_of_us if self.refresh_us == 1 else max(as_of_us // self.refresh_us * self.refresh_us, FIRST_US)

    def reach_us(self, span: Span) -> int:
        """How far back from `as_of` a window of this view can begin; 2^63 for all history."""
        return 2**63 if span.reach_us is None else span.reach_us + self.refresh_us - 1

    @property
    def spans(self) -> tuple[Span, ...]:
        """The different windows, shortest first, all history last."""
        spans = {answer.node.span for answer in self.answers}
        return tuple(
            sorted(spans, key=lambda span: (span.reach_us is None, span.reach_us or 0, span.step_us, span.offset_us))
        )


@dataclass(frozen=True, slots=True)
class Input:
    """A value that the question must carry: part of a key, or a request column."""

    name: str
    dtype: DType
    key: bool


@dataclass(frozen=True, slots=True)
class Output:
    """One element of the vector: `name` is `view__feature` in snake case."""

    name: str
    view: str
    feature: str
    dtype: DType


@dataclass(frozen=True, slots=True, repr=False)
class Plan:
    """A feature set: its inputs, its views with those they derive from first, and the vector.

    `version` is that of the definitions; what is answered has the one that `version_with` gives.
    """

    name: str
    inputs: tuple[Input, ...]
    views: tuple[View, ...]
    outputs: tuple[Output, ...]
    version: str
    states: tuple[State, ...] = field(init=False, compare=False, repr=False)
    """The different states that the views read."""

    def __post_init__(self) -> None:
        states = {view.state.id: view.state for view in self.views if view.state}
        object.__setattr__(self, "states", tuple(states.values()))

    def __repr__(self) -> str:
        rows = self._rows()
        name, dtype = (max(len(row[column]) for row in rows) for column in (0, 1))
        return "\n".join([self._caption(), *(f"{row[0]:<{name}}  {row[1]:<{dtype}}  {row[2]}" for row in rows)])

    def _repr_html_(self) -> str:
        cells = [f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in self._rows()]
        head = "<tr><th>feature</th><th>type</th><th>definition</th></tr>"
        return f"<table><caption>{escape(self._caption())}</caption>{head}{''.join(cells)}</table>"

    def _caption(self) -> str:
        asked = ", ".join(f"{given.name} ({given.dtype})" for given in self.inputs)
        return f"feature set {self.name}, version {self.version}, inputs: {asked}"

    def _rows(self) -> list[tuple[str, str, str]]:
        """Name, type and definition of each feature."""
        written = {(view.name, each.name): text_of(each.node) for view in self.views for each in view.features}
        return [(each.name, str(each.dtype), written[each.view, each.feature]) for each in self.outputs]

    @property
    def scans(self) -> dict[str, Scan]:
        """The scan of each source that the views read."""
        return {state.scan.source: state.scan for state in self.states}

    @property
    def expressions(self) -> tuple[Node, ...]:
        """All that is computed: from rows, and into features."""
        rows = [node for state in self.states for node in (*state.inputs, *state.filters)]
        return (*rows, *(feature.node for view in self.views for feature in view.features))

    @property
    def static_sources(self) -> tuple[str, ...]:
        """The tables without time that it reads."""
        return tuple(dict.fromkeys(state.scan.source for state in self.states if state.scan.event_at is None))

    def version_with(self, contents: Iterable[tuple[str, str]]) -> str:
        """The version of answers from static tables of these contents, given as `(source, content)` (R20)."""
        known = sorted({each for each in contents if each[0] in self.static_sources})
        return digest([self.version, [list(each) for each in known]]) if known else self.version


def digest(meaning: object) -> str:
    """Twelve hex digits that stand for a meaning, given as JSON values."""
    return sha256(json.dumps(meaning, sort_keys=True, separators=(",", ":")).encode()).hexdigest()[:12]
