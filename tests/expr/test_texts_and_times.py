"""Methods of texts, calendars and buckets: their types, values by hand on both roads, and what they refuse."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest

from featurestore.errors import DefinitionError, InvalidDefinition, TypeMismatch
from featurestore.expr.fluent import Expr
from featurestore.expr.nodes import ColumnRef
from featurestore.offline.connection import connect, define_zone
from featurestore.offline.expressions import SqlExpressions, sql_literal
from featurestore.offline.stages import staged
from featurestore.semantics.dtypes import DATE, FLOAT64, INT64, STRING, TIMESTAMP, canonical, dtype_of, python_value
from tests.parity.voices import said_by_python

ROOT = Path(__file__).resolve().parent.parent.parent
number: Expr[float] = Expr(ColumnRef("S", "number", FLOAT64))
whole: Expr[int] = Expr(ColumnRef("S", "whole", INT64))
text: Expr[str] = Expr(ColumnRef("S", "text", STRING))
moment: Expr[datetime] = Expr(ColumnRef("S", "moment", TIMESTAMP))
day: Expr[date] = Expr(ColumnRef("S", "day", DATE))
PARIS, NEW_YORK, CAIRO, LORD_HOWE = "Europe/Paris", "America/New_York", "Africa/Cairo", "Australia/Lord_Howe"


def at(*parts: int) -> datetime:
    """A time in UTC."""
    return datetime(*parts, tzinfo=UTC)  # type: ignore[arg-type,misc]


@pytest.fixture(scope="module")
def connection() -> duckdb.DuckDBPyConnection:
    """A DuckDB that knows the zones of the examples."""
    opened = connect([])
    for zone in ("UTC", PARIS, NEW_YORK, CAIRO, LORD_HOWE, "Atlantic/Azores", "Asia/Tokyo"):
        define_zone(opened, zone)
    return opened


@pytest.mark.parametrize(
    ("expr", "given", "expected"),
    [
        (text.lower(), "ÄBC İ", "Äbc İ"),
        (text.upper(), "straße ǆ", "STRAßE ǆ"),
        (text.strip(), " \t\r\n\v\fa \u00a0\n", "a \u00a0"),
        (text.length(), "a\u0308\U0001f600", 3),
        (text.contains("\u0308"), "a\u0308", True),
        (text.starts_with("a"), "a\u0308", True),
        (text.ends_with(""), "", True),
        (text.replace("aa", "b"), "aaa", "ba"),
        (text.replace("", "b"), "aaa", "aaa"),
        (text.substring(1), "a\u0308b", "\u0308b"),
        (text.substring(1, 1), "abc", "b"),
        (text.substring(7, 1), "abc", ""),
        (text.split("/", 1), "a/b/c", "b"),
        (text.split("/", -1), "a/b/c", "c"),
        (text.split("/", 3), "a/b/c", None),
        (text.split("/", 0), "", ""),
        (text + "b", "a", "ab"),
        ("b" + text, "a", "ba"),
        (text.to_int(), "-007", -7),
        (text.to_int(), "9223372036854775808", None),
        (text.to_int(), "1.0", None),
        (text.to_int(), " 1", None),
        (text.to_int(), "0" * 5000 + "1", 1),
        (text.to_float(), "-1.5e3", -1500.0),
        (text.to_float(), "-0", 0.0),
        (text.to_float(), "1e400", None),
        (text.to_float(), "nan", None),
        (text.to_float(), "1e-400", 0.0),
        (text.to_float(), "0.1", 0.1),
        (whole.to_string(), -7, "-7"),
        (day.to_string(), date(7, 1, 2), "0007-01-02"),
        (moment.to_string(), at(2024, 5, 3, 12), "2024-05-03T12:00:00Z"),
        (moment.to_string(), datetime(1969, 12, 31, 23, 59, 59, 999999, tzinfo=UTC), "1969-12-31T23:59:59.999999Z"),
        (number.round(), 0.49999999999999994, 0.0),
        (number.round(), -2.5, -3.0),
        (number.round(2), 2.675, 2.68),
        (number.round(-2), 1250.0, 1300.0),
        (number.round(15), 1e300, 1e300),
        (whole.round(-1), 25, 30.0),
        (number.sign(), -0.5, -1),
        (whole // 2, -7, -4),
        (whole % 2, -7, 1),
        (whole % -2, 7, -1),
        (whole // -1, -(2**63), None),
        (whole % -1, -(2**63), 0),
        (whole // 0, 1, None),
        (7 // whole, 2, 3),
        (whole.clip(low=0), -1, 0),
        (whole.clip(high=0), 1, 0),
        (text.isin(["a", "b"]), "b", True),
        (text.isin(["a", text + "x"]), "b", False),
        (moment.hour("Asia/Tokyo"), at(2024, 5, 3, 12), 21),
        (moment.second(), at(1969, 12, 31, 23, 59, 7), 7),
        (moment.is_weekend(NEW_YORK), at(2024, 5, 6, 3), True),
        (day.is_weekend(), date(2024, 5, 6), False),
        (day.weekday(), date(2024, 5, 5), 7),
        (day.day_of_year(), date(2024, 12, 31), 366),
        (day.year(), date(1, 1, 1), 1),
        (moment.date(NEW_YORK), at(2024, 5, 3, 3), date(2024, 5, 2)),
        (day.midnight(PARIS), date(2024, 5, 3), at(2024, 5, 2, 22)),
        (day.midnight(CAIRO), date(2024, 4, 26), at(2024, 4, 25, 22)),  # the clocks jump from 0:00 to 1:00
        (day.midnight("Atlantic/Azores"), date(2024, 10, 27), at(2024, 10, 27, 0)),  # 0:00 comes twice
        (moment.start_of("day", NEW_YORK), at(2024, 11, 4, 4, 30), at(2024, 11, 3, 4)),  # a day of 25 hours
        (moment.start_of("week", PARIS), at(2024, 3, 31, 12), at(2024, 3, 24, 23)),
        (moment.start_of("month"), at(2024, 2, 29, 12), at(2024, 2, 1)),
        (moment.start_of("year", LORD_HOWE), at(2024, 12, 31, 14), datetime(2024, 12, 31, 13, tzinfo=UTC)),
        (day.start_of("week"), date(1970, 1, 1), date(1969, 12, 29)),
        (day.start_of("month"), date(2024, 2, 29), date(2024, 2, 1)),
        (day.start_of("year"), date(2024, 2, 29), date(2024, 1, 1)),
        (day.start_of("day"), date(2024, 2, 29), date(2024, 2, 29)),
        (moment.floor("90m"), at(1969, 12, 31, 23), at(1969, 12, 31, 22, 30)),
        (moment.plus("1d12h"), at(2024, 2, 28, 12), at(2024, 3, 1)),
        (moment.minus("1us"), at(2024, 1, 1), datetime(2023, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)),
        (day.plus("1d"), date(9999, 12, 31), None),
        (day.minus("1w"), date(2024, 1, 1), date(2023, 12, 25)),
        (day - date(2024, 1, 1), date(2024, 3, 1), 60),
        (moment.epoch_us(), at(1970, 1, 1, 0, 0, 1), 1_000_000),
        (day.epoch_days(), date(1969, 12, 31), -1),
        (whole.bucket(1), 5, 0),
    ],
    ids=lambda each: repr(each) if isinstance(each, Expr) else "",
)
def test_r10_by_hand_on_both_roads(
    connection: duckdb.DuckDBPyConnection, expr: Expr[Any], given: Any, expected: Any
) -> None:
    """What an author expects, said by Python and by DuckDB."""
    dtype = dtype_of(given)
    assert dtype is not None
    held = canonical(given, dtype)
    names = dict.fromkeys(("number", "whole", "text", "moment", "day"), held)
    compiler = SqlExpressions(lambda _: "v")
    relation = staged(f"(SELECT {sql_literal(held, dtype)} AS v)", [expr.node], compiler)
    [(said,)] = connection.execute(f"SELECT {compiler.value(expr.node)} FROM {relation}").fetchall()
    for answer in (said_by_python(expr.node)(names), said):
        assert repr(python_value(answer, expr.node.dtype)) == repr(expected)


def test_a_bucket_depends_on_value_and_type() -> None:
    """One value has one bucket for good; a number and its text have different ones."""
    found = {
        "1": said_by_python(whole.bucket(2**60).node)({"whole": 1}),
        "'1'": said_by_python(text.bucket(2**60).node)({"text": "1"}),
        "1.0": said_by_python(number.bucket(2**60).node)({"number": 1.0}),
        "day 1": said_by_python(day.bucket(2**60).node)({"day": 1}),
        "moment 1": said_by_python(moment.bucket(2**60).node)({"moment": 1}),
    }
    assert len(set(found.values())) == len(found)
    spread = [said_by_python(whole.bucket(10).node)({"whole": each}) for each in range(10_000)]
    assert all(900 < spread.count(place) < 1100 for place in range(10))


@pytest.mark.parametrize(
    ("make", "error", "what"),
    [
        (lambda: number.round(16), InvalidDefinition, "`round` takes from -15 to 15 digits, not 16"),
        (lambda: number.round(True), InvalidDefinition, "`round` takes from -15 to 15 digits, not True"),
        (lambda: number.clip(), InvalidDefinition, "`clip` has no bound"),
        (lambda: text.bucket(0), InvalidDefinition, "`bucket` takes a number of buckets, not 0"),
        (lambda: text.substring(-1), InvalidDefinition, "`substring` takes a place from 0 on and a length, not -1"),
        (lambda: text.split("", 0), InvalidDefinition, "`split` is given an empty separator"),
        (lambda: day.start_of("hour"), InvalidDefinition, "`start_of` takes a period, not 'hour'"),  # type: ignore[arg-type]
        (
            lambda: day.year(PARIS),
            InvalidDefinition,
            "a date has no zone, and `S.day` is asked for it in 'Europe/Paris'",
        ),
        (lambda: day.plus("1h"), InvalidDefinition, "'1h' is no whole number of days"),
        (lambda: moment.plus("1 hour"), InvalidDefinition, "'1 hour' is not a duration"),
        (lambda: day.midnight("Europe/Pari"), InvalidDefinition, "there is no time zone 'Europe/Pari'"),
        (lambda: number // 2, TypeMismatch, "`//` does not take float64 and int64"),
        (lambda: number.lower(), TypeMismatch, "`lower` does not take float64"),  # type: ignore[misc]
        (lambda: number.to_string(), TypeMismatch, "`to_string` does not take float64"),  # type: ignore[misc]
        (lambda: text + whole, TypeMismatch, "`+` does not take string and int64"),
        (lambda: text.isin([1]), TypeMismatch, "`isin` does not take string and int64"),
    ],
    ids=lambda each: each if isinstance(each, str) else "",
)
def test_what_cannot_be_meant_is_refused(make: Callable[[], object], error: type[DefinitionError], what: str) -> None:
    """Each mistake has its own sentence and its own way out."""
    with pytest.raises(error) as caught:
        make()
    assert caught.value.what == what
    assert caught.value.fix


BAD = """
from datetime import date, datetime
from featurestore import Column, Request, row_function

class Ask(Request):
    number: Column[float]
    text: Column[str]
    moment: Column[datetime]
    day: Column[date]

@row_function
def risk(value: float) -> float | None:
    return value

good: float = risk.python(1.0) or 0.0
Ask.text.lower().length() + 1
Ask.moment.floor("1h") - Ask.moment
Ask.number.floor() + 1
risk(Ask.number).sqrt()
Ask.number.lower()  # bad
Ask.text.date()  # bad
Ask.number.to_string()  # bad
Ask.moment.midnight()  # bad
Ask.day.start_of("hour")  # bad
Ask.text.contains(1)  # bad
risk(Ask.number).lower()  # bad
"""


def test_mypy_refuses_methods_of_other_types(tmp_path: Path) -> None:
    """A method of texts on a number, of instants on a text: what would be refused when it is run."""
    (tmp_path / "bad.py").write_text(BAD, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--config-file=", "--no-error-summary", str(tmp_path / "bad.py")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
    )
    refused = {int(line.split(":")[1]) for line in done.stdout.splitlines() if ": error:" in line}
    assert refused == {number for number, line in enumerate(BAD.splitlines(), 1) if line.endswith("# bad")}, done.stdout
