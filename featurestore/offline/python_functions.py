"""Row functions in DuckDB: the same Python function, called with the same values (R17)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from inspect import Parameter, Signature
from typing import Any

import duckdb
from duckdb.func import FunctionNullHandling

from featurestore.errors import RowFunctionFailed
from featurestore.expr.nodes import Node, PythonCall, walk
from featurestore.offline.expressions import sql_type
from featurestore.semantics.dtypes import Value
from featurestore.semantics.python_functions import PythonFunction


def row_functions(nodes: Iterable[Node]) -> list[PythonFunction]:
    """The row functions that expressions call."""
    found = {node.function: None for top in nodes for node in walk(top) if isinstance(node, PythonCall)}
    return sorted(found, key=lambda function: function.name)


@contextmanager
def calling(connection: duckdb.DuckDBPyConnection, functions: Sequence[PythonFunction]) -> Iterator[None]:
    """Within it, a connection knows row functions, and what one of them raises is raised.

    Raises: RowFunctionFailed.
    """
    failures: list[RowFunctionFailed] = []
    for function in functions:
        types: list[Any] = [sql_type(each.dtype) for each in function.parameters]
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
            raise failures[0] from None
        raise
    finally:
        for function in functions:
            connection.remove_function(function.sql_name)


def _noting(function: PythonFunction, failures: list[RowFunctionFailed]) -> Callable[..., Value]:
    def call(*values: Value) -> Value:
        try:
            return function.answer(values)
        except RowFunctionFailed as failure:
            failures.append(failure)
            raise

    places = [Parameter(each.name, Parameter.POSITIONAL_OR_KEYWORD) for each in function.parameters]
    call.__signature__ = Signature(places)  # type: ignore[attr-defined]  # DuckDB counts the parameters
    return call
