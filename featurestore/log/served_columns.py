"""The columns of the serving log: one row for each question of a lookup, canonical values in their storage types."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, repeat
from typing import Any, NamedTuple, Protocol

import pyarrow as pa

from featurestore.plan.nodes import Plan
from featurestore.semantics.dtypes import DType, Value
from featurestore.tables import storage_type

FORMAT = "1"
SLICE_ROWS = 500
"""Rows of a batch: one of its columns is made in a fraction of a millisecond."""
_LOOKUP: tuple[tuple[str, pa.DataType], ...] = (
    ("request_id", pa.string()),
    ("place", pa.int32()),
    ("as_of_us", pa.int64()),
    ("served_us", pa.int64()),
    ("asked", pa.bool_()),
)
_STATE: tuple[tuple[str, pa.DataType], ...] = (("g", pa.string()), ("a", pa.int64()), ("u", pa.int64()))


class Held(Protocol):
    """Which log positions a state held."""

    @property
    def generation(self) -> str:
        """The name of what was built and serves."""

    @property
    def applied(self) -> int:
        """The last position whose row every key had."""

    @property
    def applying(self) -> int:
        """The last position whose row some keys may have had."""


class Answer(Protocol):
    """What a lookup gave, as far as the log is concerned."""

    @property
    def request_id(self) -> str:
        """The name of the request."""

    @property
    def version(self) -> str:
        """The version that answered."""

    @property
    def as_of_us(self) -> int:
        """The instant of every value."""

    @property
    def values(self) -> Sequence[Sequence[Value]]:
        """Canonical values by question and output."""

    @property
    def statuses(self) -> Sequence[Sequence[int]]:
        """Statuses by question and output."""

    @property
    def positions(self) -> Sequence[Held]:
        """For each state of the plan, which positions it held."""


@dataclass(frozen=True, slots=True, eq=False)
class Shape:
    """The columns that the lookups of one plan have."""

    plan: Plan
    inputs: tuple[tuple[str, pa.DataType], ...]
    outputs: tuple[pa.DataType, ...]
    fields: tuple[pa.Field[Any], ...]
    width: int
    sized_inputs: tuple[str, ...]
    sized_outputs: tuple[int, ...]

    @classmethod
    def of(cls, plan: Plan) -> Shape:
        """The columns of a plan."""
        columns = [*_LOOKUP]
        columns += [(f"i.{given.name}", storage_type(given.dtype)) for given in plan.inputs]
        for output in plan.outputs:
            columns += [(f"v.{output.name}", storage_type(output.dtype)), (f"s.{output.name}", pa.int8())]
        for state in plan.states:
            columns += [(f"{letter}.{state.id}", dtype) for letter, dtype in _STATE]
        return cls(
            plan,
            tuple((given.name, storage_type(given.dtype)) for given in plan.inputs),
            tuple(storage_type(output.dtype) for output in plan.outputs),
            tuple(pa.field(name, dtype) for name, dtype in columns),
            len(columns),
            tuple(given.name for given in plan.inputs if _is_sized(given.dtype)),
            tuple(place for place, output in enumerate(plan.outputs) if _is_sized(output.dtype)),
        )

    def cells(self, questions: Sequence[Mapping[str, Value]], values: Sequence[Sequence[Value]]) -> int:
        """About how much memory a lookup's record holds, in cells of eight bytes."""
        count = self.width * len(questions)
        for name in self.sized_inputs:
            count += sum(_size(question[name]) for question in questions)
        for place in self.sized_outputs:
            count += sum(_size(row[place]) for row in values)
        return count

    def schema(self, version: str) -> pa.Schema:
        """The schema of a file that answers of this version go to."""
        about: dict[bytes | str, bytes | str] = {
            "format": FORMAT,
            "feature_set": self.plan.name,
            "version": version,
            "plan_version": self.plan.version,
        }
        return pa.schema(self.fields, metadata=about)


class Record(NamedTuple):
    """One lookup, by reference."""

    shape: Shape
    questions: Sequence[Mapping[str, Value]]
    answer: Answer
    served_us: int
    asked: bool
    cells: int


Part = tuple[Record, int, int]
"""Some questions of one record, from and up to these places."""


def slices_of(records: Iterable[Record], most: int = SLICE_ROWS) -> Iterator[list[Part]]:
    """Records as parts of at most so many rows together."""
    found: list[Part] = []
    room = most
    for record in records:
        at, count = 0, len(record.questions)
        while at < count:
            taken = min(room, count - at)
            found.append((record, at, at + taken))
            at, room = at + taken, room - taken
            if not room:
                yield found
                found, room = [], most
    if found:
        yield found


def batch_of(parts: Sequence[Part], breathe: Callable[[], None] | None = None) -> pa.RecordBatch:
    """Parts of records of one shape as Arrow; `breathe` is called between columns."""
    shape = parts[0][0].shape
    arrays = []
    for array in _arrays(shape, parts):
        arrays.append(array)
        if breathe is not None:
            breathe()
    return pa.record_batch(arrays, schema=pa.schema(shape.fields))


def _arrays(shape: Shape, parts: Sequence[Part]) -> Iterator[pa.Array[Any]]:
    """The columns in the order of the shape's fields."""
    counts = [stop - start for _, start, stop in parts]
    # What a lookup has once is made once, and repeated by Arrow, which holds nobody up.
    owners = pa.array(chain.from_iterable(map(repeat, range(len(parts)), counts)), pa.int32())
    several = len(owners) > len(parts)

    def repeated(values: Iterable[Value], dtype: pa.DataType) -> pa.Array[Any]:
        once: pa.Array[Any] = pa.array(list(values), dtype)
        return once.take(owners) if several else once

    answers = [record.answer for record, _, _ in parts]
    yield repeated((answer.request_id for answer in answers), pa.string())
    yield pa.array(chain.from_iterable(range(start, stop) for _, start, stop in parts), pa.int32())
    yield repeated((answer.as_of_us for answer in answers), pa.int64())
    yield repeated((record.served_us for record, _, _ in parts), pa.int64())
    yield repeated((record.asked for record, _, _ in parts), pa.bool_())
    questions = [question for record, start, stop in parts for question in record.questions[start:stop]]
    for name, dtype in shape.inputs:
        yield pa.array([question[name] for question in questions], dtype)
    values = zip(*chain.from_iterable(record.answer.values[start:stop] for record, start, stop in parts), strict=True)
    statuses = zip(
        *chain.from_iterable(record.answer.statuses[start:stop] for record, start, stop in parts), strict=True
    )
    for cells, codes, dtype in zip(values, statuses, shape.outputs, strict=True):
        yield pa.array(cells, dtype)
        yield pa.Array.from_buffers(pa.int8(), len(codes), [None, pa.py_buffer(bytes(codes))])
    for held in zip(*(answer.positions for answer in answers), strict=True):
        yield repeated((each.generation for each in held), pa.string())
        yield repeated((each.applied for each in held), pa.int64())
        yield repeated((each.applying for each in held), pa.int64())


def _is_sized(dtype: DType) -> bool:
    return dtype.kind in ("string", "list", "map", "vector")


def _size(value: Value) -> int:
    """How many cells more than one a text, list, vector or map takes."""
    if value is None:
        return 0
    if isinstance(value, str):
        return len(value) // 8
    return sum(1 + (_size(item) if isinstance(item, (str, tuple)) else 0) for item in value)
