"""Expressions to DuckDB text: the value of a node, and its status."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, assert_never

from featurestore.expr.nodes import (
    Aggregate,
    AsOf,
    Call,
    ColumnRef,
    Default,
    FeatureRef,
    Literal,
    Node,
    PythonCall,
    RequestRef,
    inputs_of,
)
from featurestore.offline.connection import literal, offset_macro, wall_offset_macro
from featurestore.semantics import decimals
from featurestore.semantics.dtypes import FLOAT64, STRING, DType, Value
from featurestore.semantics.functions.row import Scalar
from featurestore.semantics.scalars import scalar_row
from featurestore.semantics.statuses import NULL, OK, OVERFLOW

Leaf = ColumnRef | RequestRef | AsOf | FeatureRef | Aggregate


class SqlExpressions:
    """Text for nodes whose leaves (columns, request values, features, aggregates) another part of the SELECT
    provides."""

    def __init__(self, value_of: Callable[[Leaf], str], status_of: Callable[[Leaf], str] | None = None) -> None:
        self._value_of, self._status_of = value_of, status_of
        self._places: dict[Node, str] = {}
        self._named: dict[Node, str] = {}
        self._computed: dict[Node, str] = {}

    @property
    def has_statuses(self) -> bool:
        """Whether nodes have statuses here: rows have values only."""
        return self._status_of is not None

    def placed(self, node: Node) -> str:
        """The column that holds a node which is computed once for all places; `<column>_s` holds a default's status,
        `<column>_c` what is computed before it is made finite."""
        return self._places.setdefault(node, f"x{len(self._places)}")

    def name(self, node: Node) -> None:
        """From now on a node's value is its column."""
        self._named[node] = self.placed(node)

    def name_computed(self, node: Node) -> None:
        """From now on what a node's value is made finite of is a column."""
        self._computed[node] = f"{self.placed(node)}_c"

    def texts(self, nodes: Iterable[Node]) -> Iterator[str]:
        """All texts of some nodes: their values, and their statuses."""
        for node in nodes:
            yield self.value(node)
            if self.has_statuses:
                yield self.status(node)

    def value(self, node: Node) -> str:
        """The node's canonical value."""
        if node in self._named:
            return self._named[node]
        match node:
            case Literal():
                return sql_literal(node.value, node.dtype)
            case ColumnRef() | RequestRef() | AsOf() | FeatureRef() | Aggregate():
                return self._value_of(node)
            case Call():
                row = row_of(node)
                return f"fs_finite({self.carried(node)})" if row.carries else self._filled(row.sql, node, row)
            case PythonCall():
                listed = ", ".join(["spine_row", *(self.value(argument) for argument in node.arguments)])
                return f"{node.function.sql_name}({listed})"
            case Default():
                inner, default = self.value(node.input), sql_literal(node.value, node.dtype)
                return (
                    f"CASE WHEN {inner} IS NULL AND {self.status(node.input)} <> {OVERFLOW} THEN "
                    f"{default} ELSE {inner} END"
                )
            case _:
                assert_never(node)

    def carried(self, node: Node) -> str:
        """An argument as it was computed, before it is made finite."""
        if node in self._computed:
            return self._computed[node]
        if isinstance(node, Call) and node not in self._named and (row := row_of(node)).carries:
            return f"({self._filled(row.computed, node, row)})"
        return self.value(node)

    def _filled(self, text: str, node: Call, row: Scalar) -> str:
        """A text of the table with the node's arguments in their places."""
        arguments = [
            self.carried(argument) if place in row.carries else self.value(argument)
            for place, argument in enumerate(node.arguments)
        ]
        listed, rest = ", ".join(arguments), ", ".join(arguments[1:])
        p, wall = parameter_texts(row, node.parameter)
        return text.format(*arguments, all=listed, rest=rest, p=p, l=wall)

    def status(self, node: Node) -> str:
        """The node's status (R14) as 0 ok, 1 null, 2 not_found, 3 overflow."""
        match node:
            case Literal() | AsOf():
                return str(OK)
            case ColumnRef() | RequestRef() | FeatureRef() | Aggregate():
                assert self._status_of is not None, "rows have values, not statuses"
                return self._status_of(node)
            case Call() | PythonCall():
                worst = ", ".join(dict.fromkeys([str(NULL), *(self.status(each) for each in inputs_of(node))]))
                return f"CASE WHEN {self.value(node)} IS NOT NULL THEN {OK} ELSE greatest({worst}) END"
            case Default():
                return f"{self._named[node]}_s" if node in self._named else self.status(node.input)
            case _:
                assert_never(node)


def parameter_texts(row: Scalar, parameter: str) -> tuple[str, str]:
    """What `{p}` and `{l}` stand for: the macros of a zone, or a pattern as DuckDB reads it."""
    if row.pattern is not None:
        return sql_literal(row.pattern(parameter), STRING), ""
    return (offset_macro(parameter), wall_offset_macro(parameter)) if parameter else ("", "")


def row_of(node: Call) -> Scalar:
    """The row of the table that a call was made from."""
    found = scalar_row(node.function, tuple(argument.dtype for argument in node.arguments))
    assert found is not None, "a call node was checked when it was made"
    return found[0]


def sql_type(dtype: DType) -> str:
    """The DuckDB type that holds canonical values of a type."""
    match dtype.kind:
        case "bool":
            return "BOOLEAN"
        case "int64" | "timestamp":
            return "BIGINT"
        case "date":
            return "INTEGER"
        case "float64":
            return "DOUBLE"
        case "string":
            return "VARCHAR"
        case "decimal":
            return "BIGINT"
        case "list":
            assert dtype.item is not None
            return f"{sql_type(dtype.item)}[]"
        case "vector":
            return "DOUBLE[]"
        case "map":
            assert dtype.item is not None and dtype.key is not None
            return f"MAP({sql_type(dtype.key)}, {sql_type(dtype.item)})"
        case _:
            assert_never(dtype.kind)


def json_shape(dtype: DType) -> Any:
    """What `json_transform` is told of a column, to read its canonical values."""
    if dtype.kind == "vector":
        return ["DOUBLE"]
    return [json_shape(dtype.item)] if dtype.item else sql_type(dtype)


def sql_literal(value: Value, dtype: DType) -> str:
    """A canonical value as DuckDB text, cast: a bare decimal would be a DECIMAL."""
    if value is None:
        return f"CAST(NULL AS {sql_type(dtype)})"
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, str):
        parts = value.split("\0")  # DuckDB's parser ends a statement at a NUL
        return "(" + " || chr(0) || ".join(literal(part) for part in parts) + ")" if len(parts) > 1 else literal(value)
    if isinstance(value, tuple):
        items = ", ".join(sql_literal(item, dtype.item or FLOAT64) for item in value)
        return f"CAST([{items}] AS {sql_type(dtype)})"
    return f"CAST('{value!r}' AS {sql_type(dtype)})"


def presented(text: str, dtype: DType) -> str:
    """A canonical value as users see it: timestamps, dates, decimals and vectors as such."""
    match dtype.kind:
        case "timestamp":
            return f"make_timestamptz({text})"
        case "date":
            return f"(DATE '1970-01-01' + {text})"
        case "decimal":
            return decimals.sql_scaled(text, dtype.precision, dtype.scale)
        case "vector":
            return f"CAST({text} AS DOUBLE[{dtype.length}])"
        case "list":
            assert dtype.item is not None
            inner = presented("e", dtype.item)
            return text if inner == "e" else f"list_transform({text}, lambda e: {inner})"
        case "map":
            assert dtype.item is not None and dtype.key is not None
            key, item = presented("e.key", dtype.key), presented("e.value", dtype.item)
            pair = f"{{'key': {key}, 'value': {item}}}"
            same = (key, item) == ("e.key", "e.value")
            return text if same else f"map_from_entries(list_transform(map_entries({text}), lambda e: {pair}))"
        case _:
            return text
