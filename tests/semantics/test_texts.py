"""Texts of values: one grammar, whichever parser stands behind it (R1, R8)."""

from __future__ import annotations

import string
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from featurestore.cli.given import value_of
from featurestore.errors import InputError
from featurestore.offline.columns import canonical_column
from featurestore.offline.connection import connect, define_zone
from featurestore.semantics.dtypes import BOOL, DATE, FLOAT64, INT64, TIMESTAMP, DType, canonical
from featurestore.semantics.instants import instant_us

ZONE = "Europe/Berlin"
OFFSETS = st.sampled_from((UTC, timezone(timedelta(hours=5, minutes=45)), timezone(-timedelta(hours=23, minutes=59))))
MOMENTS = st.datetimes(timezones=OFFSETS).flatmap(
    lambda moment: st.sampled_from(
        (
            moment.isoformat(),
            moment.isoformat(" ", "seconds"),
            moment.isoformat("T", "minutes"),
            moment.isoformat().replace("+00:00", "Z"),
            moment.strftime("%Y-%m-%dT%H:%M:%S.%f") + "789+0130",
            moment.strftime("%Y-%m-%d %H:%M:%S") + "+02",
            moment.strftime("%Y%m%dT%H%M%SZ"),
            moment.strftime("%G-W%V-%uT%H:%MZ"),
            moment.strftime("%Y-%jT%H:%MZ"),
            moment.strftime("%d.%m.%Y %H:%M"),
            moment.strftime("%Y-%m-%dT%H:%M:%S Europe/Berlin"),
        )
    )
)
NUMBERS = (
    st.floats().map(repr)
    | st.integers(-(2**70), 2**70).map(str)
    | st.decimals(allow_nan=False, allow_infinity=False).map(str)
    | st.from_regex(r"[+-]?[0-9]{0,25}\.?[0-9]{0,25}([eE][+-]?[0-9]{1,4})?", fullmatch=True)
)
WORDS = st.sampled_from(
    ("true", "FALSE", "t", "yes", "1", "nan", "-NaN", "Infinity", "epoch", "now", "null", "2024-01")
)


@st.composite
def texts(draw: st.DrawFn) -> str:
    """A text that is a value of some type or nearly one: a letter is often changed, left out or put in."""
    text = draw(MOMENTS | MOMENTS.map(lambda text: text[:10]) | NUMBERS | WORDS)
    for _ in range(draw(st.sampled_from((0, 0, 1, 2)))):
        at = draw(st.integers(0, len(text)))
        letter = draw(st.sampled_from(("", *"0123459-+:TZ. ezE_\n", "\u0663", string.ascii_letters[0])))
        text = text[:at] + letter + text[at + draw(st.sampled_from((0, 1))) :]
    return text


@pytest.fixture(scope="module")
def connection(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """DuckDB as the offline road opens it."""
    opened = connect([Path(tmp_path_factory.mktemp("texts"))])
    define_zone(opened, ZONE)
    yield opened
    opened.close()


def in_duckdb(connection: duckdb.DuckDBPyConnection, text: str, dtype: DType, zone: str | None = None) -> Any:
    """What a text in a CSV file is."""
    column = canonical_column("t", "VARCHAR", dtype, zone)
    return connection.execute(f"SELECT {column} FROM (SELECT CAST(? AS VARCHAR) AS t)", [text]).fetchall()[0][0]


def in_python(text: str, dtype: DType) -> Any:
    """What the same text is when it is pushed."""
    try:
        return canonical(value_of(text, dtype), dtype)
    except InputError:
        return None


@settings(max_examples=400)
@given(texts(), st.sampled_from((TIMESTAMP, TIMESTAMP, DATE, INT64, FLOAT64, FLOAT64, BOOL)))
def test_r8_a_text_is_the_same_value_or_none_on_both_roads(
    connection: duckdb.DuckDBPyConnection, text: str, dtype: DType
) -> None:
    """What one parser would take and the other would not is taken by neither."""
    left, right = in_duckdb(connection, text, dtype), in_python(text, dtype)
    assert (type(left), repr(left)) == (type(right), repr(right))


@pytest.mark.parametrize(
    "text",
    [
        *("20240101T000000Z", "2024-W01-1T00:00:00Z", "2024-1-1T00:00:00Z", "2024-01-01T24:00:00Z"),
        *("2024-01-01T00:00:00 Z", "2024-01-01t00:00:00z", "2024-01-01T00:00:00,5Z", "2024-01-01T00:00:60Z"),
        *(
            " 2024-01-01T00:00:00Z",
            "2024-01-01T00:00:00Z\n",
            "2024-01-01T00:00:00 UTC",
            "2024-01-01Z",
            "2024-01-01T00Z",
        ),
        *("2024-02-30T00:00:00Z", "0000-01-01T00:00:00Z", "10000-01-01T00:00:00Z", "epoch", "infinity", ""),
        *("2024-01-01T00:00:00.Z", "2024-01-01T00:00:00.1234567891Z", "2024-01-01T00:00:00+24:00"),
        "2024-01-01T00:00:00+0",
    ],
)
def test_r1_what_only_one_parser_takes_is_no_instant(connection: duckdb.DuckDBPyConnection, text: str) -> None:
    """Week dates, hour 24, names of zones, lone digits and words are no instants, in a file as in a pushed row."""
    assert in_duckdb(connection, text, TIMESTAMP) is None
    assert in_duckdb(connection, text, TIMESTAMP, ZONE) is None
    with pytest.raises(InputError):
        instant_us(text)


@pytest.mark.parametrize(
    ("text", "at_us"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01 01:00+01", 0),
        ("1970-01-01T00:53:28+00:53:28", 0),
        ("1969-12-31T23:59:59.9999999Z", -1),
        ("1970-01-01T05:30:00.5+0530", 500_000),
        ("0001-01-01T05:00:00+05:00", int((datetime(1, 1, 1) - datetime(1970, 1, 1)).total_seconds()) * 10**6),
    ],
)
def test_r1_iso_texts_are_one_instant_on_both_roads(
    connection: duckdb.DuckDBPyConnection, text: str, at_us: int
) -> None:
    """ISO 8601 with an offset of hours, minutes or seconds is that instant; what is finer than a microsecond is cut."""
    assert instant_us(text) == in_duckdb(connection, text, TIMESTAMP) == in_duckdb(connection, text, TIMESTAMP, ZONE)
    assert instant_us(text) == at_us
