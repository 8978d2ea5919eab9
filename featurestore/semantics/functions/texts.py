"""Texts (R10): code points, no locale, ASCII case and ASCII white space; texts from values and values from texts."""

from __future__ import annotations

import re
import struct
from collections.abc import Callable
from datetime import date
from hashlib import md5
from typing import Final

from featurestore.semantics import likes, patterns
from featurestore.semantics.dtypes import (
    BOOL,
    DATE,
    EPOCH_DAY,
    FLOAT64,
    INT64,
    STRING,
    TIMESTAMP,
    DType,
    Value,
    finite,
)
from featurestore.semantics.functions.row import Scalar, int64, same, takes
from featurestore.semantics.instants import datetime_of

UPPER: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
LOWER: Final = UPPER.lower()
WHITE: Final = " \t\n\r\v\f"
_TO_LOWER, _TO_UPPER = str.maketrans(UPPER, LOWER), str.maketrans(LOWER, UPPER)
_SQL_WHITE: Final = " || ".join(["' '", *(f"chr({ord(each)})" for each in WHITE[1:])])
_FURTHEST: Final = 2**31
"""DuckDB's `substring` and lists count no further; no text is as long."""

_INTEGER: Final = "[+-]?[0-9]+"
_NUMBER: Final = r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?"
_FIRST_DAY, _LAST_DAY = 1 - EPOCH_DAY, date.max.toordinal() - EPOCH_DAY
_DAY_US: Final = 86_400_000_000
_BUCKET_BITS: Final = 60


def _replace(text: str, old: str, new: str) -> Value:
    return text.replace(old, new) if old else text


def _substring(text: str, start: int, length: int | None = None) -> Value:
    if start < 0 or (length is not None and length < 0):
        return None
    return text[start:] if length is None else text[start : start + length]


def _split(text: str, separator: str, index: int) -> Value:
    parts = text.split(separator) if separator else []
    return parts[index] if -len(parts) <= index < len(parts) else None


def _int_of_text(text: str) -> Value:
    if not re.fullmatch(_INTEGER, text):
        return None
    digits = text.lstrip("+-").lstrip("0") or "0"
    if len(digits) > 19:  # beyond int64, and Python itself refuses to read thousands of digits
        return None
    return int64(-int(digits) if text[0] == "-" else int(digits))


def _float_of_text(text: str) -> Value:
    return finite(float(text)) if re.fullmatch(_NUMBER, text) else None


def _instant_text(at_us: int) -> Value:
    if not _FIRST_DAY <= at_us // _DAY_US <= _LAST_DAY:
        return None
    return datetime_of(at_us).isoformat().replace("+00:00", "Z")


def _date_text(days: int) -> Value:
    return date.fromordinal(days + EPOCH_DAY).isoformat() if _FIRST_DAY <= days <= _LAST_DAY else None


def _bucket(letter: str, shown: Callable[[Value], str]) -> Callable[[Value, int], Value]:
    def python(value: Value, buckets: int) -> Value:
        if buckets <= 0:
            return None
        text = f"{letter}{shown(value)}"
        return (int(md5(text.encode(), usedforsecurity=False).hexdigest()[: _BUCKET_BITS // 4], 16)) % buckets

    return python


def _float_bits(value: float) -> str:
    return f"{struct.unpack('>Q', struct.pack('>d', value))[0]:064b}"


def _bucket_row(dtype: DType, letter: str, shown: Callable[[Value], str], sql: str) -> Scalar:
    """A bucket by the first 60 bits of the md5 of a text that differs for values that differ, and for types."""
    hashed = f"CAST('0x' || substr(md5('{letter}' || {sql}), 1, {_BUCKET_BITS // 4}) AS BIGINT)"
    return Scalar(
        "bucket",
        takes(((dtype, INT64), INT64)),
        f"CASE WHEN {{1}} > 0 THEN {hashed} % {{1}} END",
        _bucket(letter, shown),
    )


def _pattern_row(name: str, sql: str, compute: Callable[[str, str], bool], pattern: Callable[[str], str]) -> Scalar:
    return Scalar(name, takes(((STRING,), BOOL)), sql, compute, parameter=True, pattern=pattern)


_AS_TEXT: Final = "CAST({0} AS VARCHAR)"
_SQL_INSTANT_TEXT: Final = (
    f"CASE WHEN {{0}} BETWEEN {_FIRST_DAY * _DAY_US} AND {(_LAST_DAY + 1) * _DAY_US - 1} THEN "
    "strftime(make_timestamp({0}), '%Y-%m-%dT%H:%M:%S') || "
    "CASE WHEN {0} % 1000000 = 0 THEN 'Z' ELSE strftime(make_timestamp({0}), '.%fZ') END END"
)

ROWS: Final[tuple[Scalar, ...]] = (
    Scalar("add", same(STRING), "({0} || {1})", lambda left, right: left + right, "+"),
    Scalar(
        "lower",
        takes(((STRING,), STRING)),
        f"translate({{0}}, '{UPPER}', '{LOWER}')",
        lambda text: text.translate(_TO_LOWER),
    ),
    Scalar(
        "upper",
        takes(((STRING,), STRING)),
        f"translate({{0}}, '{LOWER}', '{UPPER}')",
        lambda text: text.translate(_TO_UPPER),
    ),
    Scalar("strip", takes(((STRING,), STRING)), f"trim({{0}}, {_SQL_WHITE})", lambda text: text.strip(WHITE)),
    Scalar("length", takes(((STRING,), INT64)), "CAST(length({0}) AS BIGINT)", len),
    Scalar("contains", same(STRING, gives=BOOL), "contains({0}, {1})", lambda text, part: part in text),
    Scalar("starts_with", same(STRING, gives=BOOL), "starts_with({0}, {1})", str.startswith),
    Scalar("ends_with", same(STRING, gives=BOOL), "ends_with({0}, {1})", str.endswith),
    Scalar(
        "replace",
        same(STRING, arguments=3),
        "CASE WHEN {1} = '' AND {2} IS NOT NULL THEN {0} ELSE replace({0}, {1}, {2}) END",
        _replace,
    ),
    Scalar(
        "substring",
        takes(((STRING, INT64), STRING)),
        f"CASE WHEN {{1}} >= 0 THEN substring({{0}}, least({{1}}, {_FURTHEST} - 1) + 1) END",
        _substring,
    ),
    Scalar(
        "substring",
        takes(((STRING, INT64, INT64), STRING)),
        f"CASE WHEN {{1}} >= 0 AND {{2}} >= 0 THEN "
        f"substring({{0}}, least({{1}}, {_FURTHEST} - 1) + 1, least({{2}}, {_FURTHEST})) END",
        _substring,
    ),
    Scalar(
        "split",
        takes(((STRING, STRING, INT64), STRING)),
        f"CASE WHEN {{1}} <> '' THEN list_extract(string_split({{0}}, {{1}}), "
        f"CASE WHEN {{2}} < 0 THEN greatest({{2}}, -{_FURTHEST}) ELSE least({{2}}, {_FURTHEST}) + 1 END) END",
        _split,
    ),
    _pattern_row("like", "({0} LIKE {p} ESCAPE '\\')", likes.like, str),
    _pattern_row(
        "ilike",
        f"(translate({{0}}, '{UPPER}', '{LOWER}') LIKE {{p}} ESCAPE '\\')",
        lambda text, pattern: likes.like(text.translate(_TO_LOWER), pattern.translate(_TO_LOWER)),
        lambda pattern: pattern.translate(_TO_LOWER),
    ),
    _pattern_row("matches", "regexp_matches({0}, {p})", patterns.matches, patterns.re2_of),
    Scalar("to_string", takes(((INT64,), STRING)), _AS_TEXT, str),
    Scalar("to_string", takes(((BOOL,), STRING)), _AS_TEXT, lambda value: "true" if value else "false"),
    Scalar(
        "to_string",
        takes(((DATE,), STRING)),
        f"CASE WHEN {{0}} BETWEEN {_FIRST_DAY} AND {_LAST_DAY} THEN CAST(DATE '1970-01-01' + {{0}} AS VARCHAR) END",
        _date_text,
    ),
    Scalar("to_string", takes(((TIMESTAMP,), STRING)), _SQL_INSTANT_TEXT, _instant_text),
    Scalar(
        "to_int",
        takes(((STRING,), INT64)),
        f"CASE WHEN regexp_full_match({{0}}, '{_INTEGER}') THEN TRY_CAST({{0}} AS BIGINT) END",
        _int_of_text,
    ),
    Scalar(
        "to_float",
        takes(((STRING,), FLOAT64)),
        f"CASE WHEN regexp_full_match({{0}}, '{_NUMBER}') THEN fs_finite(TRY_CAST({{0}} AS DOUBLE)) END",
        _float_of_text,
    ),
    _bucket_row(BOOL, "b", lambda value: str(int(value)), "CAST(CAST({0} AS INTEGER) AS VARCHAR)"),
    _bucket_row(INT64, "i", str, _AS_TEXT),
    _bucket_row(FLOAT64, "f", _float_bits, "CAST(CAST({0} AS BIT) AS VARCHAR)"),
    _bucket_row(STRING, "s", str, "{0}"),
    _bucket_row(TIMESTAMP, "t", str, _AS_TEXT),
    _bucket_row(DATE, "d", str, _AS_TEXT),
)
