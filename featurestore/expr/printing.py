"""An expression as an author would write it."""

from __future__ import annotations

from contextvars import ContextVar
from fractions import Fraction
from typing import assert_never

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
    once,
)
from featurestore.expr.shapes import height_of
from featurestore.expr.widening import ARITHMETIC, COUNTS_BOOLS
from featurestore.semantics.aggregates import DECAYED
from featurestore.semantics.dtypes import BOOL, DATE, INT64, TIMESTAMP, python_value
from featurestore.semantics.instants import duration_text
from featurestore.semantics.scalars import SCALAR_ROWS, scalar_row
from featurestore.semantics.windows import Span

SYMBOLS = {row.name: row.symbol for row in SCALAR_ROWS if row.symbol}
WRITTEN = {row.name: row.written for row in SCALAR_ROWS if row.written}
# what is written as one method of an instant or a date, and the steps that it takes
_PARTS = {
    "hour_of": "hour",
    "minute_of": "minute",
    "second_of": "second",
    "weekday_of": "weekday",
    "day_of": "day",
    "day_of_year_of": "day_of_year",
    "month_of": "month",
    "year_of": "year",
    "date_of": "date",
    "instant_of": "midnight",
}
# aggregates that an author writes as another one with an option
_VARIANTS = {
    "var_pop": ("var", "population=True"),
    "std_pop": ("std", "population=True"),
    "covariance_pop": ("covariance", "population=True"),
    "skewness_pop": ("skewness", "population=True"),
    "kurtosis_pop": ("kurtosis", "population=True"),
    "quantile_interpolated": ("quantile", "interpolated=True"),
}
_BETWEEN = "time_between_"
_STEPS = ("local", "time_of_day", "day_number", "epoch_days", "local_midnight")


_AT_A_TIME = 40
"""Levels that are printed by one recursion."""
_printed: ContextVar[dict[Node, str] | None] = ContextVar("printed", default=None)
"""The texts of parts of the deep expression that is being printed."""


def text_of(node: Node) -> str:
    """The expression in the words of the language, on one line."""
    printed = _printed.get()
    if printed is not None:
        return printed.get(node) or _text(node)
    if height_of(node) <= _AT_A_TIME:
        return _text(node)
    printed = {}
    token = _printed.set(printed)
    try:
        for each in once(node):
            if height_of(each) % _AT_A_TIME == 0 and height_of(each):
                printed[each] = _text(each)
        return printed.get(node) or _text(node)
    finally:
        _printed.reset(token)


def _text(node: Node) -> str:
    match node:
        case Literal() if node.dtype.kind == "vector":
            return f"Vector({list(node.value)!r})"
        case Literal():
            return _constant(node)
        case ColumnRef():
            return f"{node.source}.{node.name}"
        case RequestRef():
            return f"{node.request}.{node.name}"
        case AsOf():
            return "as_of()"
        case FeatureRef():
            return f"{node.view}.{node.name}"
        case Call():
            return _call(node)
        case PythonCall():
            listed = ", ".join(text_of(_unwidened(argument)) for argument in node.arguments)
            return f"{node.function.python.__name__}({listed})"
        case Aggregate():
            options = [text_of(node.second)] if node.second else []
            options += [shown] if (shown := _parameter(node)) else []
            shown_span = node.span.length_us is not None and node.function not in DECAYED
            options += [f"over={_over(node.span)}"] if shown_span else []
            options += [f"where={text_of(node.where)}"] if node.where else []
            options += [f"by={text_of(node.by)}"] if node.by else []
            of = _uncounted(node.input) if node.input and node.function in COUNTS_BOOLS else node.input
            prefix = f"{_receiver(of)}." if of else ""
            if node.function.startswith(_BETWEEN):
                return f"time_between({', '.join(options)}).{node.function.removeprefix(_BETWEEN)}()"
            name, *variant = _VARIANTS.get(node.function, (node.function,))
            return f"{prefix}{name}({', '.join([*options, *variant])})"
        case Default():
            return f"feature({text_of(node.input)}, default={python_value(node.value, node.dtype)!r})"
        case _:
            assert_never(node)


def _call(node: Call) -> str:
    arguments = [_unwidened(each) for each in node.arguments] if _widens(node) else list(node.arguments)
    arguments = [_uncounted(each) for each in arguments] if node.function in ARITHMETIC else arguments
    first, *rest = arguments
    if node.function in _PARTS and (chain := _chain(node)) is not None:
        return chain
    if node.function in ("plus", "floor") and rest and (stepped := _stepped(node)) is not None:
        return stepped
    if node.function == "least" and (clipped := _clipped(node)) is not None:
        return clipped
    if node.function == "when":
        return _choice(arguments)
    texts = [text_of(each) for each in arguments]
    if node.function in WRITTEN:
        written = WRITTEN[node.function]
        head = _receiver(first) if written.startswith("{0}.") else texts[0]
        return written.format(head, *texts[1:], all=", ".join(texts), rest=", ".join(texts[1:]))
    if node.function in SYMBOLS and len(texts) == 1:
        return f"{SYMBOLS[node.function]}{texts[0]}"
    if node.function in SYMBOLS:
        # of all operators only `**` binds tighter than a sign before it
        left = _receiver(first) if node.function == "power" else texts[0]
        return f"({left} {SYMBOLS[node.function]} {texts[1]})"
    parameter = [repr(node.parameter)] if node.parameter else []
    return f"{_receiver(first)}.{node.function}({', '.join([*texts[1:], *parameter])})"


def _constant(node: Literal) -> str:
    if node.dtype.kind == "vector" and node.value is not None:
        return f"Vector({list(node.value)!r})"
    value = python_value(node.value, node.dtype)
    if node.dtype in (TIMESTAMP, DATE):
        return repr(value).replace("datetime.timezone.utc", "UTC").removeprefix("datetime.")
    return repr(value)


def _receiver(node: Node) -> str:
    """What a method is called on: a sign before it would be read as one before the call."""
    text = text_of(node)
    return f"({text})" if text.startswith(("-", "~")) else text


def _widens(node: Call) -> bool:
    """Whether the language itself makes floats of this call's ints, so that an author need not."""
    inner = tuple(_unwidened(argument).dtype for argument in node.arguments)
    kept = any(argument.dtype == INT64 for argument in node.arguments)
    return INT64 in inner and not kept and scalar_row(node.function, inner) is None


def _unwidened(node: Node) -> Node:
    match node:
        case Call(function="to_float", arguments=(inner,)) if inner.dtype == INT64:
            return inner
    return node


def _uncounted(node: Node) -> Node:
    """The bool that arithmetic and sums count as 0 or 1."""
    match node:
        case Call(function="to_int", arguments=(inner,)) if inner.dtype == BOOL:
            return inner
    return node


def _chain(node: Call) -> str | None:
    """`moment.hour('Europe/Paris')` for the steps that it takes; None for steps that no author can write."""
    inner, zone = node.arguments[0], node.parameter
    while isinstance(inner, Call) and inner.function in _STEPS:
        zone = inner.parameter or zone
        inner = inner.arguments[0]
    if inner.dtype not in (TIMESTAMP, DATE):
        return None
    return f"{_receiver(inner)}.{_PARTS[node.function]}({repr(zone) if zone not in ('', 'UTC') else ''})"


def _stepped(node: Call) -> str | None:
    """`moment.plus('1d')`, `moment.floor('1h')` for constants."""
    first, length = node.arguments
    if not isinstance(length, Literal) or not length.value:
        return None
    length_us = abs(length.value) * (86_400_000_000 if first.dtype == DATE else 1)
    method = node.function if length.value > 0 else "minus"
    return f"{_receiver(first)}.{method}({duration_text(length_us)!r})"


def _clipped(node: Call) -> str | None:
    match node:
        case Call(
            arguments=(Call(function="greatest", arguments=(first, Literal() as low)) as inner, Literal() as high)
        ) if not isinstance(first, Literal):
            first = _unwidened(first) if _widens(inner) else first
            return f"{_receiver(first)}.clip({text_of(low)}, {text_of(high)})"
    return None


def _choice(arguments: list[Node]) -> str:
    text, otherwise = "", arguments
    while True:
        test, then, other = otherwise
        text += f"{'.' if text else ''}when({text_of(test)}).then({text_of(then)})"
        if not (isinstance(other, Call) and other.function == "when"):
            return f"{text}.otherwise({text_of(other)})"
        otherwise = list(other.arguments)


def _parameter(node: Aggregate) -> str:
    """What an author writes before `over=`, or in its place."""
    if node.function in DECAYED:
        return f'halflife="{duration_text(node.n)}"'
    if "/" not in node.parameter:
        return node.parameter or (str(node.n) if node.n else "")
    exact = Fraction(node.parameter)
    short = str(float(exact))
    return short if Fraction(short) == exact else repr(node.parameter)


def _over(span: Span) -> str:
    assert span.length_us is not None, "all history has no `over=`"
    length = f'"{duration_text(span.length_us)}"'
    step = f', step="{duration_text(span.step_us)}"' if span.step_us > 1 else ""
    offset = f', offset="{duration_text(span.offset_us)}"' if span.offset_us else ""
    return f"Window({length}{step}{offset})" if step or offset else length
