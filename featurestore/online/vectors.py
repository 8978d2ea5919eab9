"""Vectors: what a lookup gives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from featurestore.online.pointers import Position
from featurestore.semantics.dtypes import DType, Value, python_value
from featurestore.semantics.instants import datetime_of, instant_text
from featurestore.semantics.statuses import STATUS_NAMES

if TYPE_CHECKING:
    from datetime import datetime

    import pyarrow as pa


@dataclass(frozen=True, slots=True, repr=False)
class Vectors:
    """One vector for each question, in order.

    Shape: `values[i][j]` and `statuses[i][j]` belong to question i and `names[j]`; values are canonical, statuses 0
    ok, 1 null, 2 not_found, 3 overflow. Every value is as of `as_of_us`. `positions` are those of the plan's
    states, in order.
    """

    feature_set: str
    version: str
    as_of_us: int
    names: tuple[str, ...]
    dtypes: tuple[DType, ...]
    values: tuple[tuple[Value, ...], ...]
    statuses: tuple[tuple[int, ...], ...]
    positions: tuple[Position, ...]
    request_id: str

    def part(self, first: int, last: int, request_id: str) -> Vectors:
        """Some of the vectors, as the answer to a request of their own."""
        return Vectors(
            self.feature_set,
            self.version,
            self.as_of_us,
            self.names,
            self.dtypes,
            self.values[first:last],
            self.statuses[first:last],
            self.positions,
            request_id,
        )

    @property
    def as_of(self) -> datetime:
        """The one instant that every value is as of."""
        return datetime_of(self.as_of_us)

    @property
    def status(self) -> list[dict[str, str]]:
        """For each question, the status of each feature by name."""
        return [dict(zip(self.names, (STATUS_NAMES[code] for code in row), strict=True)) for row in self.statuses]

    def to_pylist(self) -> list[dict[str, object]]:
        """For each question, the value of each feature by name."""
        return [
            {name: python_value(value, dtype) for name, value, dtype in zip(self.names, row, self.dtypes, strict=True)}
            for row in self.values
        ]

    def to_arrow(self) -> pa.Table:
        """The vectors as an Arrow table, one column a feature, of the same types as a training set."""
        import pyarrow as pa

        from featurestore.tables import arrow_column

        columns = [arrow_column([row[place] for row in self.values], dtype) for place, dtype in enumerate(self.dtypes)]
        return pa.table(dict(zip(self.names, columns, strict=True)))

    def to_pandas(self) -> Any:
        """The vectors as a pandas frame, which must be installed where this is called: serving does without."""
        from featurestore.tables import pandas_frame

        return pandas_frame(self.to_arrow())

    def __len__(self) -> int:
        return len(self.values)

    def __repr__(self) -> str:
        shape = f"{len(self):,} rows of {len(self.names)} features"
        return f"<Vectors {self.feature_set}: {shape}, as of {instant_text(self.as_of_us)}, version {self.version}>"

    def _repr_html_(self) -> str:
        return str(self.to_pandas().head(20).to_html())
