"""The columns of the serving log: one row for each question of a lookup, canonical values in their storage types."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, repeat
from typing import Any, Protocol

import pyarrow as pa

from featurestore.plan.nodes import Plan
from featurestore.semantics.dtypes import DType, Value
from featurestore.tables import storage_type

FORMAT = "1"
BATCH_ROWS = 500
"""Rows of a batch, about: one of its columns is made in a fraction of a millisecond."""
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


class Rows:
    """Lookups of one shape and version on their way into a file, as a few flat lists of plain values.

    A lookup leaves no object of its own behind: nothing that Python's garbage collector would have to walk through
    while other lookups wait.
    """

    def __init__(self, shape: Shape, version: str, first_us: int) -> None:
        self.shape, self.version, self.first_us = shape, version, first_us
        self.lookups = self.rows = self.cells = 0
        self._names = tuple(name for name, _ in shape.inputs)
        self._request_ids: list[str] = []
        self._counts: list[int] = []
        self._as_of_us, self._served_us, self._asked = array("q"), array("q"), bytearray()
        self._inputs: list[Value] = []
        self._values: list[Value] = []
        self._statuses = bytearray()
        self._generations: list[str] = []
        self._applied, self._applying = array("q"), array("q")

    def add(
        self, questions: Sequence[Mapping[str, Value]], answer: Answer, served_us: int, asked: bool, cells: int
    ) -> None:
        """Take a lookup."""
        names = self._names
        inputs = [question[name] for question in questions for name in names]
        values = list(chain.from_iterable(answer.values))
        statuses = bytes(chain.from_iterable(answer.statuses))
        positions = answer.positions
        applied, applying = [each.applied for each in positions], [each.applying for each in positions]
        self._request_ids.append(answer.request_id)
        self._counts.append(len(questions))
        self._as_of_us.append(answer.as_of_us)
        self._served_us.append(served_us)
        self._asked.append(asked)
        self._inputs += inputs
        self._values += values
        self._statuses += statuses
        self._generations += [each.generation for each in positions]
        self._applied.extend(applied)
        self._applying.extend(applying)
        self.lookups += 1
        self.rows += len(questions)
        self.cells += cells

    def batches(self, breathe: Callable[[], None] | None = None) -> Iterator[pa.RecordBatch]:
        """All of it as Arrow, some lookups at a time; `breathe` is called between columns."""
        first = at = 0
        while first < self.lookups:
            last, rows = first, 0
            while last < self.lookups and rows < BATCH_ROWS:
                rows += self._counts[last]
                last += 1
            arrays = []
            for each in self._arrays(first, last, at, at + rows):
                arrays.append(each)
                if breathe is not None:
                    breathe()
            yield pa.record_batch(arrays, schema=pa.schema(self.shape.fields))
            first, at = last, at + rows

    def _arrays(self, first: int, last: int, start: int, stop: int) -> Iterator[pa.Array[Any]]:
        """The columns of some lookups, which have these rows, in the order of the shape's fields."""
        counts = self._counts[first:last]
        # What a lookup has once is made once, and repeated by Arrow, which holds nobody up.
        owners = pa.array(chain.from_iterable(map(repeat, range(last - first), counts)), pa.int32())
        several = len(owners) > len(counts)

        def repeated(once: pa.Array[Any]) -> pa.Array[Any]:
            return once.take(owners) if several else once

        yield repeated(pa.array(self._request_ids[first:last], pa.string()))
        yield pa.array(chain.from_iterable(map(range, counts)), pa.int32())
        yield repeated(_plain(self._as_of_us[first:last], pa.int64()))
        yield repeated(_plain(self._served_us[first:last], pa.int64()))
        yield repeated(_plain(self._asked[first:last], pa.uint8()).cast(pa.bool_()))
        width = len(self.shape.inputs)
        for place, (_, dtype) in enumerate(self.shape.inputs):
            yield pa.array(self._inputs[start * width + place : stop * width : width], dtype)
        width = len(self.shape.outputs)
        for place, dtype in enumerate(self.shape.outputs):
            cells = slice(start * width + place, stop * width, width)
            yield pa.array(self._values[cells], dtype)
            yield _plain(self._statuses[cells], pa.int8())
        width = len(self.shape.plan.states)
        for place in range(width):
            held = slice(first * width + place, last * width, width)
            yield repeated(pa.array(self._generations[held], pa.string()))
            yield repeated(_plain(self._applied[held], pa.int64()))
            yield repeated(_plain(self._applying[held], pa.int64()))


def _plain(values: array[int] | bytearray, dtype: pa.DataType) -> pa.Array[Any]:
    """Numbers without a null, as they lie in memory."""
    return pa.Array.from_buffers(dtype, len(values), [None, pa.py_buffer(values)])


def _is_sized(dtype: DType) -> bool:
    return dtype.kind in ("string", "list", "map", "vector")


def _size(value: Value) -> int:
    """How many cells more than one a text, list, vector or map takes."""
    if value is None:
        return 0
    if isinstance(value, str):
        return len(value) // 8
    return sum(1 + (_size(item) if isinstance(item, (str, tuple)) else 0) for item in value)
