"""Prints what all kernels give over fixed arguments, as digests of the bits: from Python, and from DuckDB in columns
and as macros. To be run in a process of its own, under a processor that is made to look like another."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from hashlib import md5

import duckdb
import pyarrow as pa

from featurestore.semantics.kernels.table import KERNELS, columns_of, macros_used
from tests.strategies.kernel_values import arguments

COUNT = 3000


def by_python(name: str, given: list[tuple[float, ...]]) -> list[float | None]:
    """What the function gives."""
    function = KERNELS[name].python
    return [function(*each) for each in given]


def by_columns(name: str, given: list[tuple[float, ...]]) -> list[float | None]:
    """What nested SELECTs of the kernel's columns give."""
    columns, relation = columns_of(name), "given"
    for step in columns.steps:
        listed = [f"{text.format(*_names(name), p='k')} AS {column.format(p='k')}" for column, text in step]
        relation = f"(SELECT *, {', '.join(listed)} FROM {relation})"
    return _asked(name, given, f"SELECT {columns.answer.format(p='k')} AS found FROM {relation}")


def by_macro(name: str, given: list[tuple[float, ...]]) -> list[float | None]:
    """What the macro gives."""
    return _asked(name, given, f"SELECT {KERNELS[name].sql.format(*_names(name))} AS found FROM given")


def digest(values: Iterable[float | None]) -> str:
    """Eight digits that are the same only for the same bits."""
    parts = [b"null" if value is None else struct.pack("<d", value) for value in values]
    return md5(b",".join(parts)).hexdigest()[:8]


def _names(name: str) -> list[str]:
    return [f"a{place}" for place in range(len(KERNELS[name].parameters))]


def _asked(name: str, given: list[tuple[float, ...]], sql: str) -> list[float | None]:
    columns = {
        each: pa.array(values, pa.float64())
        for each, values in zip(_names(name), zip(*given, strict=True), strict=True)
    }
    with duckdb.connect(config={"threads": "1"}) as connection:
        for head, body in macros_used(sql).items():
            connection.execute(f"CREATE TEMP MACRO {head} AS {body}")
        connection.register("given", pa.table(columns))
        found: list[float | None] = connection.sql(sql).to_arrow_table().column(0).to_pylist()
        return found


if __name__ == "__main__":
    for kernel in KERNELS:
        values = arguments(kernel, COUNT)
        print(kernel, *(digest(road(kernel, values)) for road in (by_python, by_columns, by_macro)))
