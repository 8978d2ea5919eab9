"""The nodes of a plan: `Scan -> State | View -> Plan`.

Left of the bar runs when a row arrives: a source's rows are scanned, keyed, and each brings values to folds. Right of
it runs when somebody asks: windows over the folds are finished into features, and views are assembled into one
vector. Offline does both halves as one SELECT; online does the left half in ingest and the right half in lookup.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from featurestore.expr.nodes import Aggregate, Node
from featurestore.semantics.dtypes import DType
from featurestore.semantics.windows import Span


@dataclass(frozen=True, slots=True)
class ScanColumn:
    """A column of a source: its name in the language, in the data, and its type."""

    name: str
    stored: str
    dtype: DType


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
    """A fold of one input over the rows that pass one filter; both are places in the state's lists."""

    fold: str
    input: int | None
    filter: int | None
    n: int


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
    """One feature of a view."""

    name: str
    node: Node
    doc: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class View:
    """The right half of a view: for the key that `inputs` name, finish `answers` and compute `features`."""

    name: str
    state: State | None
    inputs: tuple[str, ...]
    answers: tuple[Answer, ...]
    features: tuple[PlannedFeature, ...]
    version: str

    @property
    def spans(self) -> tuple[Span, ...]:
        """The different windows, shortest first, all history last."""
        spans = {answer.node.span for answer in self.answers}
        return tuple(sorted(spans, key=lambda span: (span.length_us is None, span.length_us or 0)))


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


@dataclass(frozen=True, slots=True)
class Plan:
    """A feature set: its inputs, its views with those they derive from first, and the vector."""

    name: str
    inputs: tuple[Input, ...]
    views: tuple[View, ...]
    outputs: tuple[Output, ...]
    version: str

    @property
    def states(self) -> tuple[State, ...]:
        """The different states that the views read."""
        return tuple({view.state.id: view.state for view in self.views if view.state}.values())


def digest(meaning: object) -> str:
    """Twelve hex digits that stand for a meaning, given as JSON values."""
    return sha256(json.dumps(meaning, sort_keys=True, separators=(",", ":")).encode()).hexdigest()[:12]
