"""Nodes from typed parts: every node that is made has been checked against its table row, so an expression that
exists has a type."""

from __future__ import annotations

from collections.abc import Sequence

from featurestore.errors import InvalidDefinition, TypeMismatch
from featurestore.expr.nodes import (
    Aggregate,
    AsOf,
    Call,
    ColumnRef,
    FeatureRef,
    Literal,
    Node,
    PythonCall,
    RequestRef,
    walk,
)
from featurestore.expr.printing import text_of
from featurestore.expr.widening import COUNTS_BOOLS, as_float, as_int, ways_to_widen
from featurestore.semantics.aggregates import AGGREGATES, aggregate_row
from featurestore.semantics.dtypes import BOOL, INT64, KEYS, DType, canonical, dtype_of, map_of
from featurestore.semantics.folding.categories import GROUPED
from featurestore.semantics.scalars import SCALAR_ROWS, scalar_row
from featurestore.semantics.windows import Span


def literal(value: object) -> Literal:
    """A constant of the type that its Python type names."""
    dtype = dtype_of(value)
    if dtype is None:
        raise TypeMismatch(
            f"{value!r:.60} cannot stand in an expression",
            has=["bool", "int", "float", "str", "datetime", "date", "Decimal", "Vector"],
            fix=_NO_NULL if value is None else "write a constant of one of these types",
        )
    return Literal(canonical(value, dtype), dtype)


def call(name: str, *arguments: Node, parameter: str = "") -> Call:
    """A function call with its arguments widened as R10 says: a constant beside a decimal gets its decimal places, a
    bool in arithmetic is an int64, and an int64 is cast to float64 where the function takes no int64.

    Raises: TypeMismatch  when no row of the table takes these types.
    """
    for given in ways_to_widen(name, arguments):
        found = scalar_row(name, tuple(argument.dtype for argument in given))
        if found:
            return Call(name, given, found[1], parameter)
    rows = [row for row in SCALAR_ROWS if row.name == name]
    shown = rows[0].symbol or name
    types = " and ".join(str(argument.dtype) for argument in arguments)
    raise TypeMismatch(
        f"`{shown}` does not take {types}",
        where=f"the expression {_joined(shown, arguments, bool(rows[0].symbol))}",
        has=[f"{text_of(argument)}: {argument.dtype}" for argument in arguments],
        fix="give it values of one type that it takes; cast with `.to_int()` or `.to_float()`"
        + (_OF_ONE_SCALE if any(argument.dtype.kind == "decimal" for argument in arguments) else ""),
    )


_NO_NULL = "ask for null with `.is_null()`; where there is no value, write `when(test).then(value).otherwise(None)`"
_OF_ONE_SCALE = '; decimals must have equally many decimal places, and constants beside them are `Decimal("1.50")`'


def aggregate(
    name: str,
    of: Node | None,
    where: Node | None,
    span: Span,
    n: int = 0,
    parameter: str = "",
    by: Node | None = None,
    second: Node | None = None,
) -> Aggregate:
    """An aggregate over a source's rows; `second` is the other column of an aggregate of two.

    Raises: TypeMismatch       when the aggregate does not take the input's type, or `where` is no condition.
            InvalidDefinition  when aggregates nest, or input and condition come from two sources.
    """
    inputs = [node for node in (of, second, where, by) if node is not None]
    for node in (each for top in inputs for each in walk(top)):
        if isinstance(node, (Aggregate, FeatureRef)):
            raise InvalidDefinition(
                f"`{name}` is given `{text_of(node)}`, which is an aggregate already",
                fix="aggregate a column of the source; combine aggregates in an expression",
            )
        if isinstance(node, PythonCall):
            raise InvalidDefinition(
                f"`{name}` is given `{text_of(node)}`, and a row function cannot stand below an aggregate",
                fix="call it with what was aggregated, or write the expression with operators and methods",
            )
        if isinstance(node, (RequestRef, AsOf)):
            raise InvalidDefinition(
                f"`{name}` is given `{text_of(node)}`, which is known only when the question comes",
                fix="use the request in an expression over aggregates",
            )
    sources = sorted({node.source for top in inputs for node in walk(top) if isinstance(node, ColumnRef)})
    if len(sources) > 1:
        raise InvalidDefinition(
            f"`{name}` reads columns of two sources",
            has=sources,
            fix="take all columns, `where=` and `by=` from one source",
        )
    if of is not None and not sources:
        raise InvalidDefinition(f"`{name}` reads no column of a source", has=text_of(of), fix="aggregate a column")
    if where is not None and where.dtype != BOOL:
        raise TypeMismatch(
            f"`where=` of `{name}` takes a condition, not {where.dtype}",
            has=text_of(where),
            fix="compare it: `column > 0`",
        )
    if of is not None and second is not None:
        of, second = _paired(name, of, second)
    row = aggregate_row(name, of.dtype if of is not None else None)
    if row is None and of is not None and of.dtype == BOOL and name in COUNTS_BOOLS:
        of = as_int(of)
        row = aggregate_row(name, INT64)
    if row is None:
        takes = [str(dtype) for each in AGGREGATES if each.name == name for dtype in each.takes]
        assert of is not None
        raise TypeMismatch(
            f"`{name}` does not take {of.dtype}",
            where=f"`{text_of(of)}.{name}(...)`",
            has=takes,
            fix=f"aggregate a column of type {' or '.join(takes[:2])}, or use `count` or `last`",
        )
    result = row.gives(of.dtype if of is not None else INT64)
    if by is not None:
        result = grouped_type(name, by, result)
    return Aggregate(name, of, where, span, result, sources[0] if sources else "", n, parameter, by, second)


def _paired(name: str, of: Node, second: Node) -> tuple[Node, Node]:
    """The two columns of an aggregate; an int64 beside a float64 is cast to float64 (R10). Raises: TypeMismatch."""
    tried = [(of, second), (as_float(of), as_float(second))]
    for pair in tried:
        row = aggregate_row(name, pair[0].dtype)
        if row is not None and pair[1].dtype.family in row.second:
            return pair
    rows = [row for row in AGGREGATES if row.name == name]
    if not any(of.dtype.family in row.takes for row in rows):
        return of, second  # which is an error of the first
    raise TypeMismatch(
        f"`{name}` does not take {second.dtype} as its second column",
        where=f"`{text_of(of)}.{name}({text_of(second)})`",
        has=list(dict.fromkeys(str(dtype) for row in rows for dtype in row.second)),
        fix="give a column of one of these types",
    )


def grouped_type(name: str, by: Node, result: DType) -> DType:
    """The type of an aggregate with `by=`. Raises: InvalidDefinition, TypeMismatch."""
    if name not in GROUPED:
        raise InvalidDefinition(f"`{name}` takes no `by=`", has=list(GROUPED), fix="use one of these")
    if not any(isinstance(node, ColumnRef) for node in walk(by)):
        raise InvalidDefinition(f"`by=` of `{name}` reads no column of a source", has=text_of(by), fix="name a column")
    if by.dtype not in KEYS:
        raise TypeMismatch(
            f"`by=` of `{name}` takes categories, not {by.dtype}",
            has=text_of(by),
            fix=f"group by a {', '.join(map(str, KEYS))}",
        )
    return map_of(by.dtype, result)


def _joined(shown: str, arguments: Sequence[Node], infix: bool) -> str:
    texts = [text_of(argument) for argument in arguments]
    return f"`{f' {shown} '.join(texts)}`" if infix and len(texts) > 1 else f"`{shown}({', '.join(texts)})`"
