"""Files and frames of every make are read as the same canonical rows, and what does not fit is refused or counted."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
import pytest

from featurestore import Column, Csv, EventTime, Frame, KnownTime, Parquet, RowId, Source, column
from featurestore.errors import FeatureStoreError, InputError, MissingColumn, NaiveTime
from featurestore.log.event_log import EventLog
from featurestore.offline.connection import connect
from featurestore.offline.scan import History, reading, scan_sql
from featurestore.online.events import check_events, encode
from featurestore.plan.scan import plan_scan
from featurestore.semantics.identity import fingerprint

COLUMNS: dict[str, Any] = {
    "id": RowId[int],
    "whole": Column[int],
    "number": Column[float],
    "text": Column[str],
    "flag": Column[bool],
    "day": Column[date],
    "at": EventTime,
}
AT = datetime(2024, 3, 31, 1, 30, 0, 123456, UTC)
ROWS = [
    {"id": 1, "whole": 2**62, "number": 0.1, "text": "a,b", "flag": True, "day": date(2024, 2, 29), "at": AT},
    {"id": 2, "whole": None, "number": None, "text": None, "flag": None, "day": None, "at": AT},
    {
        "id": 3,
        "whole": -1,
        "number": -0.0,
        "text": "\u00e9\U0001f600",
        "flag": False,
        "day": date(1969, 12, 31),
        "at": AT,
    },
]


def source(data: Any = None, columns: dict[str, Any] | None = None, **options: Any) -> type[Source]:
    """A source over some data."""
    body = {"__annotations__": columns or COLUMNS, "__module__": __name__}
    made: type[Source] = type("Thing", (Source,), body, data=data, **options)
    return made


def scanned(made: type[Source], root: Path, log: EventLog | None = None) -> list[dict[str, Any]]:
    """The rows that a scan of a source gives."""
    scan, history = plan_scan(made), History(root, log)
    connection = connect([root, *history.folders(scan)])
    try:
        with reading(scan):
            found: pa.Table = connection.sql(scan_sql(connection, scan, history)).to_arrow_table()
        rows: list[dict[str, Any]] = found.to_pylist()
        return [{name.removeprefix("c."): value for name, value in row.items()} for row in rows]
    finally:
        connection.close()


def expected() -> list[dict[str, Any]]:
    """What the rows above are, canonical."""
    scan = plan_scan(source())
    found = []
    for row in check_events(scan, ROWS).rows:
        columns = sorted(scan.columns, key=lambda each: each.name)
        marks = {"event_at_us": row["at"], "known_at_us": row["at"], "row_id": row["id"], "usable": True}
        found.append(row | marks | {"fingerprint": fingerprint((row[each.name], each.dtype) for each in columns)})
    return found


TABLE = pa.Table.from_pylist(ROWS)


def test_every_make_of_table_gives_the_same_rows(tmp_path: Path) -> None:
    """Parquet, CSV, Arrow, pandas and polars are one source in five coats; the fingerprint is that of Python."""
    pq.write_table(TABLE, tmp_path / "rows.parquet")
    pacsv.write_csv(TABLE, tmp_path / "rows.csv")
    pandas = TABLE.to_pandas(types_mapper={pa.int64(): pd.Int64Dtype(), pa.bool_(): pd.BooleanDtype()}.get)
    for data in (Parquet("rows.parquet"), Csv("rows.csv"), Frame(TABLE), pandas, pl.from_arrow(TABLE)):
        assert scanned(source(data), tmp_path) == expected(), data


def push(log: EventLog) -> None:
    """Append ROWS, known at 7."""
    scan = plan_scan(source())
    with log.turn("Thing"):
        log.append("Thing", encode(check_events(scan, ROWS).rows, scan), 7)


def test_pushed_rows_are_the_same_rows(tmp_path: Path) -> None:
    """What goes through the log comes out of a scan as it went in."""
    log = EventLog(tmp_path / "log")
    push(log)
    assert scanned(source(), tmp_path, log) == [row | {"known_at_us": 7} for row in expected()]
    log.close()


def test_history_and_log_are_one_source(tmp_path: Path) -> None:
    """A source with data and pushed rows has both."""
    log = EventLog(tmp_path / "log")
    push(log)
    assert len(scanned(source(Frame(TABLE)), tmp_path, log)) == 6
    log.close()


def test_narrow_numbers_widen_and_wide_ones_are_null(tmp_path: Path) -> None:
    """R8: int8 and float32 are read exactly; what int64 cannot hold is null."""
    table = pa.table(
        {
            "id": pa.array([1], pa.int8()),
            "whole": pa.array([2**63], pa.uint64()),
            "number": pa.array([0.1], pa.float32()),
            "at": [AT],
        }
    )
    columns = {name: COLUMNS[name] for name in ("id", "whole", "number", "at")}
    (row,) = scanned(source(Frame(table), columns), tmp_path)
    assert (row["id"], row["whole"], row["number"]) == (1, None, 0.10000000149011612)


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_r1_instants_of_every_unit_are_microseconds(unit: str, tmp_path: Path) -> None:
    """Seconds to nanoseconds, before and after 1970, are floored to microseconds."""
    factor = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}[unit]
    values = pa.array([-1 * factor - (unit == "ns"), factor], pa.int64()).cast(pa.timestamp(unit, "UTC"))
    rows = scanned(source(Frame(pa.table({"at": values})), {"at": EventTime}), tmp_path)
    assert [row["event_at_us"] for row in rows] == [-1_000_000 - (unit == "ns"), 1_000_000]


def test_r2_known_at_is_the_column_or_the_event_and_its_delay(tmp_path: Path) -> None:
    """A declared column counts; without one the delay; without that the event."""
    table = pa.table({"at": [AT], "known": [datetime(2024, 4, 1, tzinfo=UTC)]})
    micros = int(AT.timestamp()) * 1_000_000 + AT.microsecond
    for made, known in (
        (source(Frame(table), {"at": EventTime}), micros),
        (source(Frame(table), {"at": EventTime}, delay="10m"), micros + 600_000_000),
        (source(Frame(table), {"at": EventTime, "known": KnownTime}), 1_711_929_600_000_000),
    ):
        (row,) = scanned(made, tmp_path)
        assert (row["event_at_us"], row["known_at_us"]) == (micros, known)


def test_r1_naive_times_are_read_in_the_declared_zone(tmp_path: Path) -> None:
    """An ambiguous local time is the earlier instant; one that the clocks jumped over makes its row unusable (R16)."""
    local = [datetime(2024, 3, 31, 2, 30), datetime(2024, 10, 27, 2, 30), datetime(2024, 7, 1, 12)]
    frame, text = Frame(pa.table({"at": local})), tmp_path / "local.csv"
    text.write_text("at\n" + "\n".join(each.isoformat(" ") for each in local) + "\n")
    utc = [None, datetime(2024, 10, 27, 0, 30, tzinfo=UTC), datetime(2024, 7, 1, 10, tzinfo=UTC)]
    instants = [None if each is None else int(each.timestamp() * 1e6) for each in utc]
    for data in (frame, Csv("local.csv")):
        rows = scanned(source(data, {"at": EventTime}, zone="Europe/Berlin"), tmp_path)
        assert [row["event_at_us"] for row in rows] == instants
        assert [row["usable"] for row in rows] == [False, True, True]


def test_a_column_may_have_another_name_in_the_data(tmp_path: Path) -> None:
    """`column("from")` reads what Python cannot write."""
    body = {"__annotations__": {"from_": Column[str], "at": EventTime}, "from_": column("from"), "__module__": __name__}
    made: type[Source] = type("Mail", (Source,), body, data=Frame(pa.table({"from": ["x"], "at": [AT]})))
    assert scanned(made, tmp_path)[0]["from_"] == "x"


@pytest.mark.parametrize(
    ("table", "error"),
    [
        (TABLE.drop_columns(["text"]), MissingColumn),
        (
            TABLE.set_column(1, "whole", pa.array(["1", "2", "3"])).set_column(3, "text", pa.array([1, 2, 3])),
            InputError,
        ),
        (TABLE.set_column(6, "at", pa.array([datetime(2024, 1, 1)] * 3)), NaiveTime),
        (TABLE.set_column(6, "at", pa.array([1, 2, 3])), InputError),
    ],
)
def test_data_that_does_not_fit_is_refused(table: pa.Table, error: type[FeatureStoreError], tmp_path: Path) -> None:
    """A missing column, a wrong type and a naive time are refused with the source and what it has."""
    with pytest.raises(error) as caught:
        scanned(source(Frame(table)), tmp_path)
    assert "Thing" in str(caught.value) and caught.value.fix


def test_files_that_are_not_there_are_named(tmp_path: Path) -> None:
    """A pattern that fits nothing is an error, not an empty source."""
    with pytest.raises(InputError, match="has no files"):
        scanned(source(Parquet("none/*.parquet")), tmp_path)


def test_nothing_but_the_declared_folders_can_be_read(tmp_path: Path) -> None:
    """DuckDB opens no other file, installs nothing and cannot be told to."""
    connection = connect([tmp_path])
    for text in (
        "SELECT * FROM read_text('/etc/hostname')",
        "COPY (SELECT 1) TO '/tmp/leak.csv'",
        "SET enable_external_access = true",
        "INSTALL httpfs",
        "ATTACH '/tmp/other.db'",
    ):
        with pytest.raises(Exception, match=r"(?i)permission|disabled|locked|cannot"):
            connection.execute(text)
    connection.close()


def csv_source(tmp_path: Path, text: str) -> type[Source]:
    """A source over a CSV file with the column `text`; `@` stands for an instant, and one comes first."""
    text = f"at,text\n{text}".replace("@", "2024-05-01T00:00:00Z")
    (tmp_path / "rows.csv").write_bytes(text.encode("utf-8", "surrogateescape"))
    return source(Csv("rows.csv"), {"at": EventTime, "text": Column[str]})


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("@,a\n@,'b'\n", ["a", "'b'"]),
        ("@,'a'\n" * 3, ["'a'"] * 3),
        ("@,a\n" * 25_000 + '@,"b"\n', ["a"] * 25_000 + ["b"]),
        ("@,#a\n@,b#c\n", ["#a", "b#c"]),
        ('@,"a""b"\n@,"c,\nd"\n', ['a"b', "c,\nd"]),
    ],
    ids=["an apostrophe", "apostrophes", "quoted late", "hash", "doubled"],
)
def test_r8_a_csv_file_is_read_as_it_is_written(text: str, found: list[str], tmp_path: Path) -> None:
    """How values are quoted is not guessed from the rows before, so a row reads the same in every file."""
    assert sorted(row["text"] for row in scanned(csv_source(tmp_path, text), tmp_path)) == sorted(found)


@pytest.mark.parametrize(
    "text",
    ["@\n", "@,a\n@,b,c\n", '@,a\n@,"b\\"c"\n', "@,a\n" * 25_000 + "@\n", "@,a\n@,\udcff\n", "x\nat,text\n@,a\n"],
    ids=["short", "long", "backslash", "short late", "no UTF-8", "a second header"],
)
def test_r16_a_csv_file_with_lines_that_do_not_fit_is_an_error(text: str, tmp_path: Path) -> None:
    """No line is skipped: the error names the source and says what is wrong."""
    with pytest.raises(InputError, match="the data of `Thing` cannot be read") as caught:
        scanned(csv_source(tmp_path, text), tmp_path)
    assert caught.value.where == "Csv('rows.csv')" and caught.value.has and caught.value.fix
