"""Expressions drawn from the tables: a row added to `AGGREGATES` or `SCALAR_ROWS` is drawn without a change here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from itertools import product

from hypothesis import strategies as st

from featurestore import Source
from featurestore.errors import TypeMismatch
from featurestore.expr.build import aggregate, call, literal
from featurestore.expr.nodes import Aggregate, Call, ColumnRef, Node, walk
from featurestore.semantics.aggregates import AGGREGATES, DECAYED, TIMED
from featurestore.semantics.aggregates import Aggregate as AggregateRow
from featurestore.semantics.dtypes import (
    BOOL,
    DECIMAL,
    FLOAT64,
    INT64,
    KEYS,
    LIST,
    SCALARS,
    STRING,
    VECTOR,
    DType,
    Vector,
    decimal_of,
    list_of,
    map_of,
    python_value,
    vector_of,
)
from featurestore.semantics.folding.categories import GROUPED
from featurestore.semantics.instants import duration_us
from featurestore.semantics.scalars import SCALAR_ROWS, Scalar
from featurestore.semantics.windows import Span
from tests.strategies.values import WINDOWS, pick, values

Leaves = Callable[[DType], Sequence[Node]]
Signature = tuple[DType, ...]
ZONES = ("UTC", "America/New_York", "Europe/Dublin", "Australia/Lord_Howe", "Asia/Kathmandu", "Africa/Casablanca")

_LIKE = (
    *("a%", "%a", "_", "%_%", "a_", "%A%b%", "\\%%", "%\\_", "\\\\%", "%ä%", "a", "%'", "{0}%"),
    *("%\n%", "_" * 4, "%%"),
)
PATTERNS = {
    "like": _LIKE,
    "ilike": (*_LIKE, "%B", "AA", "Ä%"),
    "matches": (
        *("^a", "b$", "^$", "a|b", "^(a|A)+$", r"\d+", r"^\w*$", r"\s", r"[^a-z]", "a.b", r"^[+-]?\d{1,3}(\.\d*)?$"),
        *("(?:a?){3}b", r"\D\S\W", "ä", "[\u00e0-\uffff]", r"\\", r"'", r"\{0\}", "(a*)*b", "^.$", r"[\]\-,]", "x{0}a"),
    ),
}
"""Patterns of texts, by function."""

# The steps of `hour()` and the like, which only follow one another: they are made for the values the step before gives.
AFTER = {
    "day_number": "local",
    "time_of_day": "local",
    "hour_of": "time_of_day",
    "minute_of": "time_of_day",
    "second_of": "time_of_day",
    "weekday_of": "day_number",
    "month_of": "day_number",
    "day_of": "day_number",
    "day_of_year_of": "day_number",
    "year_of": "day_number",
    "date_of": "day_number",
    "instant_of": "local_midnight",
}
_MAPS = tuple(map_of(key, item) for key in KEYS for item in (INT64, FLOAT64))
_DECIMALS = (decimal_of(18, 2), decimal_of(12, 2))
_LISTS = tuple(list_of(dtype) for dtype in (*SCALARS, *_DECIMALS))
_TYPES = (*SCALARS, *_LISTS, *_MAPS, *_DECIMALS, vector_of(3))
FAMILIES = {DECIMAL: _DECIMALS[:1], LIST: (list_of(STRING), list_of(INT64)), VECTOR: (vector_of(3),)}
"""The types that stand for a family: those that columns have."""
_SHARES = ("1/2", "0/1", "9/10", "1/3", "1/1", "999999999999/1000000000000")
PARAMETERS = {
    "quantile": _SHARES,
    "quantile_interpolated": _SHARES,
    "approx_quantile": _SHARES,
    "top_n": ("1", "2", "3", "100"),
    "top_n_counts": ("1", "2", "3", "100"),
}
"""What a finisher is given beside the state, by aggregate."""
NUMBERED = ("last_n", "first_n", "top_values", "bottom_values")
"""The aggregates that take a number of rows or values."""


def signatures(row: Scalar) -> list[tuple[Signature, DType]]:
    """The argument types a function takes, up to three arguments and four of one type, with what it gives."""
    few = [given for count in (1, 2) for given in product(_TYPES, repeat=count)]
    given = [*few, *product((*SCALARS, *_DECIMALS), repeat=3), *((dtype,) * 4 for dtype in SCALARS)]
    return [(each, gives) for each in given if (gives := row.rule(each)) is not None]


SIGNATURES = {place: signatures(row) for place, row in enumerate(SCALAR_ROWS)}
"""By place in `SCALAR_ROWS`."""
_GIVING = {
    dtype: [place for place, found in SIGNATURES.items() if any(gives == dtype for _, gives in found)]
    for dtype in _TYPES
}
AGGREGATE_USES: tuple[tuple[AggregateRow, DType | None], ...] = tuple(
    (row.typed(row, dtype) if row.typed else row, dtype)
    for row in AGGREGATES
    for family in (row.takes or (None,))
    for dtype in FAMILIES.get(family, (family,))
)
"""Every row of the table with every input type it takes; None: no input."""


def seconds_of(row: AggregateRow) -> list[DType]:
    """The types that the second column of an aggregate can have."""
    return [dtype for family in row.second for dtype in FAMILIES.get(family, (family,))]


@cache
def literals(dtype: DType) -> st.SearchStrategy[Node]:
    """Constants as an author could write them."""
    if dtype.kind == "vector":
        return values(dtype).map(lambda value: literal(Vector(value)))
    return values(dtype).map(lambda value: literal(python_value(value, dtype)))


def draw_scalar(draw: st.DrawFn, leaves: Leaves, dtype: DType, depth: int = 2, function: str = "") -> Node:
    """An expression of a type over what `leaves` offers, at most `depth` calls deep; `function` names its root."""
    places = [place for place in _GIVING[dtype] if function in ("", SCALAR_ROWS[place].name)]
    places = [
        place
        for place in places
        if any(gives == dtype and reachable(leaves, given) for given, gives in SIGNATURES[place])
    ]
    if not function and (depth <= 0 or not places or pick(draw, (True, False, False))):
        return _draw_leaf(draw, leaves, dtype)
    return draw_call(draw, leaves, pick(draw, places), dtype, depth)


def draw_call(draw: st.DrawFn, leaves: Leaves, place: int, dtype: DType | None = None, depth: int = 2) -> Node:
    """A call of one row of `SCALAR_ROWS`, giving `dtype` where the row can give several types."""
    row = SCALAR_ROWS[place]
    fitting = [found for found in SIGNATURES[place] if dtype is None or found[1] == dtype]
    signature, gives = pick(draw, [found for found in fitting if reachable(leaves, found[0])])
    arguments = [draw_scalar(draw, leaves, each, depth - 1, AFTER.get(row.name, "")) for each in signature]
    node = call(row.name, *arguments, parameter=pick(draw, PATTERNS.get(row.name, ZONES)) if row.parameter else "")
    return (
        _draw_widened(draw, leaves, node, gives) if FLOAT64 in signature and pick(draw, (False, False, True)) else node
    )


scalars = st.composite(draw_scalar)
calls = st.composite(draw_call)


def _draw_widened(draw: st.DrawFn, leaves: Leaves, node: Call, gives: DType) -> Node:
    """The call with ints where it takes floats, as authors write `Source.count / 2`; the language widens them."""
    ints = [
        _draw_leaf(draw, leaves, INT64) if each.dtype == FLOAT64 and pick(draw, (True, False)) else each
        for each in node.arguments
    ]
    try:
        mixed = call(node.function, *ints, parameter=node.parameter)
    except TypeMismatch:
        return node
    return mixed if mixed.dtype == gives else call("to_float", mixed) if gives == FLOAT64 else node


@st.composite
def aggregates(
    draw: st.DrawFn,
    source: type[Source],
    use: tuple[AggregateRow, DType | None] | None = None,
    span: Span | None = None,
) -> Aggregate:
    """An aggregate of a source; `use` pins the row of the table and its input type, `span` its window."""
    row, dtype = use or _draw_use(draw, source)
    leaves = columns_of(source)
    of = None if dtype is None else _draw_input(draw, leaves, dtype)
    where = _draw_input(draw, leaves, BOOL) if pick(draw, (False, False, True)) else None
    if of is not None and pick(draw, (False, False, False, True)):  # what `skip_nulls=True` writes
        present = call("not", call("is_null", of))
        where = present if where is None else call("and", where, present)
    n = pick(draw, (1, 2, 3, 100)) if row.name in NUMBERED else 0
    if row.name in DECAYED:
        n = duration_us(pick(draw, WINDOWS))
        span = Span(63 * n, n)
    parameter = pick(draw, PARAMETERS.get(row.name, ("",)))
    by = None
    if row.name in GROUPED and pick(draw, (False, False, True)):
        by = _draw_input(draw, leaves, pick(draw, KEYS))
    second = _draw_input(draw, leaves, pick(draw, seconds_of(row))) if row.second else None
    return aggregate(row.name, of, where, draw_span(draw, source) if span is None else span, n, parameter, by, second)


def spans(source: type[Source]) -> list[Span]:
    """Windows that a source can have, all history among them."""
    lengths = (None, *WINDOWS) if source.__spec__.event_at else (None,)
    return [Span(duration_us(each) if each else None) for each in lengths]


def draw_span(draw: st.DrawFn, source: type[Source]) -> Span:
    """A window that a source can have; one in three has a step, an offset or both."""
    span = pick(draw, spans(source))
    if span.length_us is None or pick(draw, (True, True, False)):
        return span
    steps = [1, *(step for each in WINDOWS if (step := duration_us(each)) <= span.length_us)]
    return replace(span, step_us=pick(draw, steps), offset_us=pick(draw, (0, *map(duration_us, WINDOWS))))


def columns_of(source: type[Source]) -> Leaves:
    """A source's columns, by type."""
    columns = [ColumnRef(source.__name__, spec.name, spec.dtype) for spec in source.__spec__.columns]
    return lambda dtype: [column for column in columns if column.dtype == dtype]


def uses_of(source: type[Source]) -> list[tuple[AggregateRow, DType | None]]:
    """Every row of the table that a source can have, with every input type."""
    return [use for use in AGGREGATE_USES if source.__spec__.event_at or use[0].name not in TIMED]


def _draw_use(draw: st.DrawFn, source: type[Source]) -> tuple[AggregateRow, DType | None]:
    name = pick(draw, uses_of(source))[0].name
    return pick(draw, [use for use in uses_of(source) if use[0].name == name])


def _draw_input(draw: st.DrawFn, leaves: Leaves, dtype: DType) -> Node:
    """An expression that reads a column, often just the column."""
    plain = dtype != BOOL and pick(draw, (True, False))
    node = pick(draw, leaves(dtype)) if plain else draw_scalar(draw, leaves, dtype)
    return node if any(isinstance(each, ColumnRef) for each in walk(node)) else pick(draw, leaves(dtype))


def _draw_leaf(draw: st.DrawFn, leaves: Leaves, dtype: DType) -> Node:
    offered = leaves(dtype)
    if offered and (dtype.item is not None or pick(draw, (True, True, False))):
        return pick(draw, offered)
    return draw(literals(dtype))


def reachable(leaves: Leaves, signature: Signature) -> bool:
    """Whether there is something of each type: anything can be a constant but a list."""
    return all(dtype.item is None or leaves(dtype) for dtype in signature)
