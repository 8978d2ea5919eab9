"""Row functions in DuckDB: the same Python function, called with the same values (R17)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from inspect import Parameter, Signature
from typing import Any

import duckdb
from duckdb.func import FunctionNullHandling

from featurestore.errors import RowFunctionFailed
from featurestore.expr.nodes import Node, PythonCall, walk
from featurestore.offline.connection import quoted
from featurestore.offline.expressions import sql_type
from featurestore.plan.nodes import Plan
from featurestore.semantics.dtypes import DType, Value, python_value
from featurestore.semantics.python_functions import PythonFunction


def row_functions(nodes: Iterable[Node]) -> list[PythonFunction]:
    """The row functions that expressions call."""
    found = {node.function: None for top in nodes for node in walk(top) if isinstance(node, PythonCall)}
    return sorted(found, key=lambda function: function.name)


@contextmanager
def calling(connection: duckdb.DuckDBPyConnection, plan: Plan) -> Iterator[None]:
    """Within it, a connection knows the row functions of a plan.

    Raises: RowFunctionFailed  what one of them raised, with the row of `asked`.
    """
    failures: list[tuple[int, RowFunctionFailed]] = []
    functions = row_functions(plan.expressions)
    for function in functions:
        types: list[Any] = ["BIGINT", *(sql_type(each.dtype) for each in function.parameters)]
        connection.create_function(
            function.sql_name,
            _noting(function, failures),
            types,
            sql_type(function.gives),
            null_handling=FunctionNullHandling.SPECIAL,
            side_effects=True,  # else DuckDB calls it while it plans, or not at all
        )
    try:
        yield
    except duckdb.Error:
        if failures:
            row, failure = min(failures, key=lambda each: each[0])
            failure.where = ", ".join([f"row {row} of the spine", *_key_of(connection, plan, row)])
            raise failure from None
        raise
    finally:
        for function in functions:
            connection.remove_function(function.sql_name)


def _noting(function: PythonFunction, failures: list[tuple[int, RowFunctionFailed]]) -> Callable[..., Value]:
    dtypes = [each.dtype for each in function.parameters]

    def call(spine_row: int, *values: Any) -> Any:
        given = [_from_duckdb(value, dtype) for value, dtype in zip(values, dtypes, strict=True)]
        try:
            return _to_duckdb(function.answer(given), function.gives)
        except RowFunctionFailed as failure:
            failures.append((spine_row, failure))
            raise

    names = ["spine_row", *(f"p{place}" for place in range(len(function.parameters)))]
    places = [Parameter(name, Parameter.POSITIONAL_OR_KEYWORD) for name in names]
    call.__signature__ = Signature(places)  # type: ignore[attr-defined]  # DuckDB counts the parameters
    return call


def _from_duckdb(value: Any, dtype: DType) -> Value:
    """A list or map as DuckDB hands it over, canonical; any other value is so already."""
    if value is None or dtype.item is None:
        return value
    return tuple(value) if dtype.key is None else tuple(value.items())


def _to_duckdb(value: Value, dtype: DType) -> Any:
    """A canonical value as DuckDB reads it: a map by its columns, since a dict with the keys `key` and `value` means
    that to it."""
    if value is None or dtype.key is None:
        return value
    return {"key": [key for key, _ in value], "value": [item for _, item in value]}


def _key_of(connection: duckdb.DuckDBPyConnection, plan: Plan, row: int) -> list[str]:
    """The keys of a row of `asked`, as an error shows them."""
    keys = [given for given in plan.inputs if given.key]
    listed = ", ".join(["spine_row", *(quoted(f"i_{given.name}") for given in keys)])
    [found] = connection.execute(f"SELECT {listed} FROM asked WHERE spine_row = {row}").fetchall()
    return [f"{each.name}={python_value(value, each.dtype)!r:.80}" for each, value in zip(keys, found[1:], strict=True)]
