"""The scalar functions of the language: one row each, with its type rule, its DuckDB text and its Python.

Unless a row is `nullable`, any null argument gives null. Arguments reach a row already brought to one type: an int64
beside a float64 is cast to float64 first (R10). Results that are floats are normalised (R7); integers that leave
int64 are null.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from featurestore.semantics.dtypes import (
    BOOL,
    DATE,
    EPOCH_DAY,
    FLOAT64,
    INT64,
    ORDERED,
    SCALARS,
    STRING,
    TIMESTAMP,
    DType,
    Value,
    finite,
)
from featurestore.semantics.instants import INT64_MAX, INT64_MIN
from featurestore.semantics.zones import offset_us

Rule = Callable[[tuple[DType, ...]], DType | None]
DAY_US: Final = 86_400_000_000


@dataclass(frozen=True, slots=True)
class Scalar:
    """One function: `rule` gives the result type or None; `{0}`, `{1}`, ... are arguments in `sql`,
    `{all}` all of them, `{p}` its parameter."""

    name: str
    rule: Rule
    sql: str
    python: Callable[..., Value]
    symbol: str = ""
    nullable: bool = False
    parameter: bool = False


def _takes(*signatures: tuple[tuple[DType, ...], DType]) -> Rule:
    table = dict(signatures)
    return table.get


def _same(*accepted: DType, gives: DType | None = None, arguments: int = 2) -> Rule:
    def rule(given: tuple[DType, ...]) -> DType | None:
        fits = len(given) == arguments and given[0] in accepted and len(set(given)) == 1
        return (gives or given[0]) if fits else None

    return rule


def _any_same(given: tuple[DType, ...]) -> DType | None:
    return given[0] if given and len(set(given)) == 1 else None


def _choice(given: tuple[DType, ...]) -> DType | None:
    return given[1] if len(given) == 3 and given[0] == BOOL and given[1] == given[2] else None


def _is_null(given: tuple[DType, ...]) -> DType | None:
    return BOOL if len(given) == 1 else None


def _int64(value: int) -> int | None:
    return value if INT64_MIN <= value <= INT64_MAX else None


def _number(compute: Callable[..., Any]) -> Callable[..., Value]:
    """A computation whose integer leaves null outside int64 and whose float leaves null when not finite."""

    def python(*values: Any) -> Value:
        result = compute(*values)
        return finite(result) if isinstance(result, float) else _int64(result)

    return python


def _divide(left: float, right: float) -> Value:
    return finite(left / right) if right != 0.0 else None


def _root(value: float) -> Value:
    return math.sqrt(value) if value >= 0.0 else None


def _rounded(compute: Callable[[float], int]) -> Callable[[float], Value]:
    """floor and ceil stay float64, so that no value leaves its type."""
    return lambda value: finite(float(compute(value))) if abs(value) < 2.0**52 else value


def _and(left: Value, right: Value) -> Value:
    return False if left is False or right is False else None if left is None or right is None else True


def _or(left: Value, right: Value) -> Value:
    return True if left is True or right is True else None if left is None or right is None else False


def _coalesce(*values: Value) -> Value:
    return next((value for value in values if value is not None), None)


def _to_int(value: float) -> Value:
    return int(value) if -(2.0**63) <= value < 2.0**63 else None


def _seconds_between(left: int, right: int) -> Value:
    difference = _int64(left - right)
    return None if difference is None else float(difference) / 1e6


def _civil(part: str) -> Callable[[int], Value]:
    def python(days: int) -> Value:
        ordinal = days + EPOCH_DAY
        return getattr(date.fromordinal(ordinal), part) if 1 <= ordinal <= date.max.toordinal() else None

    return python


def _sql_civil(part: str) -> str:
    return (
        f"CASE WHEN {{0}} BETWEEN {1 - EPOCH_DAY} AND {date.max.toordinal() - EPOCH_DAY} "
        f"THEN {part}(make_timestamp(CAST({{0}} AS BIGINT) * {DAY_US})) END"
    )


_NUMBERS: Final = (INT64, FLOAT64)


def _arithmetic(name: str, symbol: str, compute: Callable[..., Any]) -> list[Scalar]:
    whole = f"TRY_CAST(CAST({{0}} AS HUGEINT) {symbol} {{1}} AS BIGINT)"
    fraction = f"fs_finite({{0}} {symbol} {{1}})"
    return [
        Scalar(name, _same(INT64), whole, _number(compute), symbol),
        Scalar(name, _same(FLOAT64), fraction, _number(compute), symbol),
    ]


def _comparison(name: str, symbol: str, sql: str, compute: Callable[..., Any]) -> Scalar:
    accepted = SCALARS if name in ("eq", "ne") else ORDERED
    return Scalar(name, _same(*accepted, gives=BOOL), f"({{0}} {sql} {{1}})", compute, symbol)


SCALAR_ROWS: Final[tuple[Scalar, ...]] = (
    *_arithmetic("add", "+", operator.add),
    *_arithmetic("sub", "-", operator.sub),
    *_arithmetic("mul", "*", operator.mul),
    Scalar(
        "sub",
        _same(TIMESTAMP, gives=FLOAT64),
        "(CAST(TRY_CAST(CAST({0} AS HUGEINT) - {1} AS BIGINT) AS DOUBLE) / 1e6::DOUBLE)",
        _seconds_between,
        "-",
    ),
    Scalar("div", _same(FLOAT64), "CASE WHEN {1} <> 0 THEN fs_finite({0} / {1}) END", _divide, "/"),
    Scalar("neg", _takes(((INT64,), INT64)), "TRY_CAST(-CAST({0} AS HUGEINT) AS BIGINT)", _number(operator.neg), "-"),
    Scalar("neg", _takes(((FLOAT64,), FLOAT64)), "fs_finite(-{0})", _number(operator.neg), "-"),
    Scalar("abs", _takes(((INT64,), INT64)), "TRY_CAST(abs(CAST({0} AS HUGEINT)) AS BIGINT)", _number(abs)),
    Scalar("abs", _takes(((FLOAT64,), FLOAT64)), "abs({0})", _number(abs)),
    Scalar("floor", _takes(((FLOAT64,), FLOAT64)), "fs_finite(floor({0}))", _rounded(math.floor)),
    Scalar("ceil", _takes(((FLOAT64,), FLOAT64)), "fs_finite(ceil({0}))", _rounded(math.ceil)),
    Scalar("sqrt", _takes(((FLOAT64,), FLOAT64)), "CASE WHEN {0} >= 0 THEN sqrt({0}) END", _root),
    Scalar(
        "least",
        _same(*_NUMBERS, STRING, TIMESTAMP, DATE),
        "CASE WHEN {0} <= {1} THEN {0} WHEN {0} > {1} THEN {1} END",
        min,
    ),
    Scalar(
        "greatest",
        _same(*_NUMBERS, STRING, TIMESTAMP, DATE),
        "CASE WHEN {0} >= {1} THEN {0} WHEN {0} < {1} THEN {1} END",
        max,
    ),
    _comparison("eq", "==", "=", operator.eq),
    _comparison("ne", "!=", "<>", operator.ne),
    _comparison("lt", "<", "<", operator.lt),
    _comparison("le", "<=", "<=", operator.le),
    _comparison("gt", ">", ">", operator.gt),
    _comparison("ge", ">=", ">=", operator.ge),
    Scalar("and", _takes(((BOOL, BOOL), BOOL)), "({0} AND {1})", _and, "&", nullable=True),
    Scalar("or", _takes(((BOOL, BOOL), BOOL)), "({0} OR {1})", _or, "|", nullable=True),
    Scalar("not", _takes(((BOOL,), BOOL)), "(NOT {0})", operator.not_, "~"),
    Scalar("is_null", _is_null, "({0} IS NULL)", lambda value: value is None, nullable=True),
    Scalar("coalesce", _any_same, "coalesce({all})", _coalesce, nullable=True),
    Scalar(
        "when",
        _choice,
        "CASE WHEN {0} THEN {1} ELSE {2} END",
        lambda test, then, other: then if test else other,
        nullable=True,
    ),
    Scalar("to_float", _takes(((INT64,), FLOAT64), ((BOOL,), FLOAT64)), "CAST({0} AS DOUBLE)", float),
    Scalar("to_int", _takes(((FLOAT64,), INT64)), "TRY_CAST(trunc({0}) AS BIGINT)", _to_int),
    Scalar("to_int", _takes(((BOOL,), INT64)), "CAST({0} AS BIGINT)", int),
    # local time of a zone, as microseconds that read as UTC
    Scalar(
        "local",
        _takes(((TIMESTAMP,), INT64)),
        "TRY_CAST(CAST({0} AS HUGEINT) + {p}({0}) AS BIGINT)",
        lambda at, zone: _int64(at + offset_us(zone, at)),
        parameter=True,
    ),
    # whole days since 1970-01-01 of local microseconds; division floors (R1)
    Scalar(
        "day_number",
        _takes(((INT64,), INT64)),
        f"(({{0}} // {DAY_US}) - CAST(({{0}} % {DAY_US}) < 0 AS BIGINT))",
        lambda at: at // DAY_US,
    ),
    Scalar(
        "time_of_day",
        _takes(((INT64,), INT64)),
        f"((({{0}} % {DAY_US}) + {DAY_US}) % {DAY_US})",
        lambda at: at % DAY_US,
    ),
    Scalar("hour_of", _takes(((INT64,), INT64)), "({0} // 3600000000)", lambda at: at // 3_600_000_000),
    Scalar("minute_of", _takes(((INT64,), INT64)), "(({0} // 60000000) % 60)", lambda at: at // 60_000_000 % 60),
    Scalar("weekday_of", _takes(((INT64,), INT64)), "((({0} + 3) % 7 + 7) % 7 + 1)", lambda days: (days + 3) % 7 + 1),
    Scalar("month_of", _takes(((INT64,), INT64)), _sql_civil("month"), _civil("month")),
    Scalar("day_of", _takes(((INT64,), INT64)), _sql_civil("day"), _civil("day")),
    Scalar("year_of", _takes(((INT64,), INT64)), _sql_civil("year"), _civil("year")),
)

SCALAR_NAMES: Final = tuple(dict.fromkeys(row.name for row in SCALAR_ROWS))


def scalar_row(name: str, given: tuple[DType, ...]) -> tuple[Scalar, DType] | None:
    """The row of a function for these argument types and the type it gives, or None when it does not take them."""
    for row in SCALAR_ROWS:
        if row.name == name and (result := row.rule(given)) is not None:
            return row, result
    return None
