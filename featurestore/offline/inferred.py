"""Types of text columns that nothing declares: read from all rows, and never at the cost of a digit.

A column gets the first of these types that holds every one of its texts: bool, int64, float64, date, timestamp with a
zone, timestamp without one. A text such as `007`, `+39`, a number of more digits than its type keeps, or a column
without any value stays text.
"""

from __future__ import annotations

from collections.abc import Sequence

import duckdb

from featurestore.offline.connection import literal, quoted
from featurestore.offline.interrupts import interruptible
from featurestore.semantics.texts import BOOL_TEXT, DATE_TEXT, LOCAL_TEXT, ZONED_TEXT

_NUMBER = r"-?((0|[1-9][0-9]*)(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]{1,3})?"
_NO_NUMBERS = ("nan", "inf", "infinity", "-inf", "-infinity")
_LOST = r".*\.[0-9]{6}[0-9]*[1-9].*"
"""A time with more digits than microseconds have."""
EXACT_DIGITS, EXACT_WHOLE = 17, 2**53
_TYPES = ("BOOLEAN", "BIGINT", "DOUBLE", "DATE", "TIMESTAMPTZ", "TIMESTAMP")
_BIT = {kind: 1 << place for place, kind in enumerate(_TYPES)}
_NO_DIGIT = 1 << len(_TYPES)
"""The bit of NaN and infinity: a column of nothing else may be words."""


def inferred_types(connection: duckdb.DuckDBPyConnection, relation: str, names: Sequence[str]) -> dict[str, str]:
    """The DuckDB type of each text column of a relation; one look at all its rows."""
    if not names:
        return {}
    masks = ", ".join(fitting_types(quoted(name)) for name in names)
    found = interruptible(connection, lambda: connection.execute(f"SELECT {masks} FROM {relation}").fetchall())
    return {name: type_of(mask) for name, mask in zip(names, found[0], strict=True)}


def fitting_types(text: str) -> str:
    """An aggregate of a text column: the types that hold all its values, as bits; null where there is none."""
    return f"bit_and({_mask(text)})"


def type_of(mask: int | None) -> str:
    """The DuckDB type of a column, by the bits of `fitting_types`."""
    if mask is None or mask & _NO_DIGIT:
        return "VARCHAR"
    return next((kind for kind in _TYPES if mask & _BIT[kind]), "VARCHAR")


def exact_number(text: str) -> str:
    """Whether a text is a number that a double keeps: 17 digits or fewer, and no whole number beyond 2^53."""
    double = f"TRY_CAST({text} AS DOUBLE)"
    digits = f"length(trim(regexp_replace(regexp_replace({text}, '[eE].*', ''), '[^0-9]', '', 'g'), '0'))"
    few = f"CASE WHEN length({text}) <= {EXACT_DIGITS} THEN TRUE ELSE {digits} <= {EXACT_DIGITS} END"
    held = f"CASE WHEN {double} = 0 THEN {digits} = 0 ELSE isfinite({double}) END"
    whole = f"(abs({double}) < {EXACT_WHOLE} OR NOT {_fits(text, '-?[0-9]+')})"
    cases = [
        f"WHEN {double} IS NULL OR NOT isfinite({double}) THEN FALSE",
        f"WHEN CAST({double} AS VARCHAR) = {text} THEN TRUE",  # as most programs write it; the rest costs more
        f"WHEN {_fits(text, _NUMBER)} THEN {few} AND {held} AND {whole}",
    ]
    return f"(CASE {' '.join(cases)} ELSE FALSE END)"


def _mask(text: str) -> str:
    """The bits of the types that hold a text; null for null. What costs little comes first."""
    whole = f"TRY_CAST({text} AS BIGINT)"
    both = _BIT["BIGINT"] | _BIT["DOUBLE"]
    no_number = f"lower({text}) IN ({', '.join(map(literal, _NO_NUMBERS))})"
    times = " ".join(
        f"WHEN {_fits(text, grammar)} AND TRY_CAST({text} AS {kind}) IS NOT NULL THEN {_BIT[kind]}"
        for kind, grammar in (("DATE", DATE_TEXT), ("TIMESTAMPTZ", ZONED_TEXT), ("TIMESTAMP", LOCAL_TEXT))
    )
    cases = [
        f"WHEN {text} IS NULL THEN NULL",
        f"WHEN CAST({whole} AS VARCHAR) = {text} THEN "
        f"CASE WHEN {whole} BETWEEN -{EXACT_WHOLE - 1} AND {EXACT_WHOLE - 1} THEN {both} ELSE {_BIT['BIGINT']} END",
        f"WHEN substr({text}, 5, 1) = '-' AND substr({text}, 8, 1) = '-' THEN CASE "
        f"WHEN contains({text}, '.') AND regexp_full_match({text}, {literal(_LOST)}) THEN 0 {times} ELSE 0 END",
        f"WHEN strpos('0123456789-.', left({text}, 1)) > 0 THEN CASE "
        f"WHEN {exact_number(text)} THEN {_BIT['DOUBLE']} "
        f"WHEN {no_number} THEN {_BIT['DOUBLE'] | _NO_DIGIT} ELSE 0 END",
        f"WHEN strpos('tTfF', left({text}, 1)) > 0 THEN "
        f"CASE WHEN {_fits(text, BOOL_TEXT)} THEN {_BIT['BOOLEAN']} ELSE 0 END",
        f"WHEN strpos('iInN', left({text}, 1)) > 0 AND {no_number} THEN {_BIT['DOUBLE'] | _NO_DIGIT}",
    ]
    return f"CASE {' '.join(cases)} ELSE 0 END"


def _fits(text: str, grammar: str) -> str:
    return f"regexp_full_match({text}, {literal(grammar)})"
