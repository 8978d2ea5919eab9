"""Every type of R8 on its way through the product: what goes in comes out, by files, frames, pushes, JSON and HTTP."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from featurestore import (
    FeatureStore,
)
from featurestore.offline.materialize import canonical_rows
from featurestore.online.events import check_events, times_and_identity
from featurestore.semantics.dtypes import (
    BOOL,
    DATE,
    FLOAT64,
    INT64,
    STRING,
    TIMESTAMP,
    DType,
    decimal_of,
    list_of,
    python_value,
    vector_of,
)
from featurestore.tables import arrow_type
from tests.reference_functions import entered, fingerprint_of
from tests.serve.shop import Served, serving
from tests.strategies.values import nullable, values

COLUMNS: dict[str, tuple[str, DType]] = {
    "flag": ("Column[bool]", BOOL),
    "whole": ("Column[int]", INT64),
    "number": ("Column[float]", FLOAT64),
    "text": ("Column[str]", STRING),
    "moment": ("Column[datetime]", TIMESTAMP),
    "day": ("Column[date]", DATE),
    "price": ("Column[Decimal] = column(precision=18, scale=4)", decimal_of(18, 4)),
    "tiny": ("Column[Decimal] = column(precision=18, scale=18)", decimal_of(18, 18)),
    "flags": ("Column[list[bool]]", list_of(BOOL)),
    "wholes": ("Column[list[int]]", list_of(INT64)),
    "numbers": ("Column[list[float]]", list_of(FLOAT64)),
    "texts": ("Column[list[str]]", list_of(STRING)),
    "moments": ("Column[list[datetime]]", list_of(TIMESTAMP)),
    "days": ("Column[list[date]]", list_of(DATE)),
    "prices": ("Column[list[Decimal]] = column(precision=12, scale=0)", list_of(decimal_of(12, 0))),
    "point": ("Column[Vector] = column(length=3)", vector_of(3)),
}
DECLARED = "\n".join(f"    {name}: {annotation}" for name, (annotation, _) in COLUMNS.items())
DEFINITIONS = f'''
"""Every type."""
from datetime import date, datetime
from decimal import Decimal

from featurestore import Column, Entity, EventTime, FeatureSet, FeatureView, Parquet, Request, RowId
from featurestore import Source, Vector, column


class Thing(Entity):
    """A thing."""

    thing: Column[int]


class Pushed(Source):
    """Rows that are pushed."""

    id: RowId[int]
    thing: Column[int]
    at: EventTime
{DECLARED}


class Filed(Source, data=Parquet("rows.parquet")):
    """Rows in a file."""

    thing: Column[int]
    at: EventTime
{DECLARED}


class Said(Request):
    """What comes with the question."""

{DECLARED}


class Latest(FeatureView, entity=Thing, source=Pushed):
    """What was pushed last."""

{chr(10).join(f"    {name} = Pushed.{name}.last()" for name in COLUMNS)}


class Past(FeatureView, entity=Thing, source=Filed):
    """What the file says last."""

{chr(10).join(f"    {name} = Filed.{name}.last()" for name in COLUMNS)}


class Echo(FeatureView, request=Said):
    """What was asked."""

{chr(10).join(f"    {name} = Said.{name}" for name in COLUMNS)}


latest = FeatureSet("latest", Latest)
past = FeatureSet("past", Past)
echo = FeatureSet("echo", Echo)
both = FeatureSet("both", Latest, Echo)
'''
AT = datetime(2024, 5, 1, tzinfo=UTC)
LATER = datetime(2024, 6, 1, tzinfo=UTC)
IDS = itertools.count(1)
SCHEMA = pa.schema([(name, arrow_type(dtype)) for name, (_, dtype) in COLUMNS.items()])
FEWER = settings(max_examples=max(1, settings().max_examples // 5))
Row = dict[str, Any]


def in_the_calendar(value: Any) -> bool:
    """Whether every instant among these is one that `datetime` can hold."""
    items = value if isinstance(value, tuple) else (value,)
    return all(not isinstance(item, int) or abs(item) < 2**57 for item in items)


def drawn(dtype: DType) -> st.SearchStrategy[Any]:
    """A value as users have it, normalised as R7 wants it."""
    held = values(dtype).map(entered)
    held = held.filter(in_the_calendar) if (dtype.item or dtype) == TIMESTAMP else held
    return nullable(held).map(lambda value: python_value(value, dtype))


ROWS = st.lists(st.fixed_dictionaries({name: drawn(dtype) for name, (_, dtype) in COLUMNS.items()}), max_size=4)


def table_of(rows: list[Row]) -> pa.Table:
    """Rows as Arrow, each column of its own type."""
    return pa.Table.from_pylist(rows, schema=SCHEMA)


def filed(rows: list[Row]) -> pa.Table:
    """The rows of `Filed`, each of a thing of its own."""
    instants = pa.array([AT] * len(rows), pa.timestamp("us", "UTC"))
    return table_of(rows).append_column("thing", pa.array(range(len(rows)), pa.int64())).append_column("at", instants)


def features(row: Row, view: str) -> Row:
    """What a view is to say of a row."""
    return {f"{view}__{name}": value for name, value in row.items()}


def missing(value: Any) -> bool:
    """Whether pandas has nothing there."""
    return value is None or value is pd.NaT or value is pd.NA or value != value


def rows_in_pandas(frame: pd.DataFrame) -> list[Row]:
    """A frame's rows with null as None."""
    columns = {
        name: [
            None if value is None or value is pd.NaT or value is pd.NA or value != value else value for value in column
        ]
        for name, column in frame.items()
    }
    return [dict(zip(columns, cells, strict=True)) for cells in zip(*columns.values(), strict=True)]


def arrow_in_pandas(table: pa.Table) -> pd.DataFrame:
    """A pandas frame that loses nothing."""
    return table.to_pandas(types_mapper=pd.ArrowDtype)


def write_project(root: Path) -> Path:
    """A project with every type."""
    (root / "definitions").mkdir()
    (root / "definitions" / "types.py").write_text(DEFINITIONS)
    (root / "featurestore.toml").write_text('project = "types"\n')
    return root


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose file has no rows."""
    root = write_project(tmp_path_factory.mktemp("types"))
    pq.write_table(filed([]), root / "rows.parquet")
    return root


@pytest.fixture(scope="module")
def store(project: Path) -> Iterator[FeatureStore]:
    """Its store, with an online state."""
    with FeatureStore(project) as opened:
        opened.materialize()
        yield opened


@pytest.fixture(scope="module")
def served(project: Path, store: FeatureStore) -> Iterator[Served]:
    """Its service."""
    with serving(project) as found:
        yield found


def pushed(rows: list[Row]) -> list[Row]:
    """Rows of `Pushed`, each of a thing of its own."""
    return [{"id": (number := next(IDS)), "thing": number, "at": AT, **row} for row in rows]


@FEWER
@given(rows=ROWS)
def test_r8_what_a_parquet_file_holds_comes_back(tmp_path_factory: pytest.TempPathFactory, rows: list[Row]) -> None:
    """From a file to a training set as Arrow, pandas, polars and Parquet, every value is what it was."""
    root = write_project(tmp_path_factory.mktemp("files"))
    pq.write_table(filed(rows), root / "rows.parquet")
    spine = [{"thing": place, "t": LATER} for place in range(-1, len(rows))]
    with FeatureStore(root) as store:
        train = store.dataset("past", spine, as_of="t")
    none = dict.fromkeys(COLUMNS)
    expected = [asked | features(row, "past") for asked, row in zip(spine, [none, *rows], strict=True)]
    assert train.to_arrow().to_pylist() == expected
    assert rows_in_pandas(train.to_pandas()) == expected
    assert train.to_polars().to_dicts() == expected
    assert pq.read_table(train.write(root / "train.parquet")).to_pylist() == expected


MAKES: tuple[Callable[[pa.Table], Any], ...] = (pa.Table.to_pylist, lambda table: table, arrow_in_pandas, pl.from_arrow)


@FEWER
@given(rows=ROWS.filter(bool), make=st.sampled_from(MAKES))
def test_r8_what_is_pushed_comes_back(store: FeatureStore, rows: list[Row], make: Callable[[pa.Table], Any]) -> None:
    """From dicts, Arrow, pandas or polars through ingest, every value is what a lookup and a training set say."""
    sent = pushed(rows)
    times = [("id", pa.int64()), ("thing", pa.int64()), ("at", pa.timestamp("us", "UTC"))]
    report = store.ingest("Pushed", make(pa.Table.from_pylist(sent, schema=pa.schema([*times, *SCHEMA]))))
    assert (report.rows, report.bad_values, report.quarantined) == (len(rows), 0, 0)
    vectors = store.lookup("latest", [{"thing": row["thing"]} for row in sent])
    expected = [features(row, "latest") for row in rows]
    assert vectors.to_pylist() == expected
    assert vectors.to_arrow().to_pylist() == expected
    assert rows_in_pandas(vectors.to_pandas()) == expected
    train = store.dataset("latest", [{"thing": row["thing"], "t": datetime.now(UTC)} for row in sent], as_of="t")
    assert train.to_arrow().drop_columns(["thing", "t"]).to_pylist() == expected
    assert train.to_arrow().drop_columns(["thing", "t"]).schema.types == vectors.to_arrow().schema.types


@FEWER
@given(rows=ROWS.filter(bool), make=st.sampled_from(MAKES))
def test_r8_what_is_asked_comes_back(store: FeatureStore, rows: list[Row], make: Callable[[pa.Table], Any]) -> None:
    """A request's values are the same in a spine of any make and in a lookup."""
    expected = [features(row, "echo") for row in rows]
    asked = table_of(rows).append_column("t", pa.array([LATER] * len(rows), pa.timestamp("us", "UTC")))
    train = store.dataset("echo", make(asked), as_of="t").to_arrow()
    assert train.select([*expected[0]]).to_pylist() == expected
    assert store.lookup("echo", rows).to_pylist() == expected


@FEWER
@given(rows=ROWS.filter(bool))
def test_r8_what_is_sent_over_http_comes_back(served: Served, rows: list[Row]) -> None:
    """JSON carries every value both ways: decimals as texts, vectors and lists as arrays, instants in ISO 8601."""
    sent = [json.loads(json.dumps(row, default=in_json)) for row in pushed(rows)]
    reply = served.events(sent, "Pushed").json()
    assert (reply["rows"], reply["bad_values"], reply["quarantined"]) == (len(rows), 0, 0)
    for inputs, feature_set in (([{"thing": row["thing"]} for row in sent], "latest"), (sent, "echo")):
        answer = served.lookup(inputs, feature_set).json()
        names = [name.split("__")[1] for name in answer["names"]]
        found = [dict(zip(names, each["values"], strict=True)) for each in answer["rows"]]
        assert [{name: from_json(value, COLUMNS[name][1]) for name, value in row.items()} for row in found] == rows


def test_the_examples_of_the_description_can_be_sent(served: Served) -> None:
    """Every example in /openapi.json is taken as it stands, as rows and as columns."""
    paths = served.client.get("/openapi.json").json()["paths"]
    del paths["/v1/events/Filed"]  # it has no RowId and takes no pushed rows
    for path, operations in paths.items():
        content = operations.get("post", {}).get("requestBody", {}).get("content", {})
        for sample in content.get("application/json", {}).get("examples", {}).values():
            reply = served.client.post(path, json=sample["value"])
            assert (reply.status_code, reply.json().get("bad_values", 0)) == (200, 0), reply.text


def test_r8_columns_of_lists_are_arrays_of_arrays(served: Served) -> None:
    """In a lookup by columns an array is a column, whatever its type."""
    sample = dict.fromkeys(COLUMNS) | {"texts": [["a"], []], "point": [[1, 2, 3], None], "price": "1.50"}
    answer = served.lookup(sample, "echo").json()
    rows = [dict(zip(answer["names"], each["values"], strict=True)) for each in answer["rows"]]
    assert [(row["echo__texts"], row["echo__point"], row["echo__price"]) for row in rows] == [
        (["a"], [1.0, 2.0, 3.0], "1.5000"),
        ([], None, "1.5000"),
    ]


@pytest.mark.parametrize(
    ("name", "sent", "says"),
    [
        ("price", 1.5, "never as a float"),
        ("price", "1.23456", "at most 4 decimal places"),
        ("point", [1, 2], "send 3 numbers"),
        ("wholes", [1, "2"], "int64"),
        ("texts", "a", "a list"),
        ("texts", {"a": 1}, "a list"),
    ],
)
def test_r8_what_is_no_value_is_refused_over_http(served: Served, name: str, sent: Any, says: str) -> None:
    """The problem names the question and the input, and says what to send."""
    reply = served.lookup([dict.fromkeys(COLUMNS) | {name: sent}], "echo")
    assert reply.status_code == 422 and f"`{name}`" in reply.text and says in reply.text


@FEWER
@given(rows=ROWS.filter(bool))
def test_r6_a_fingerprint_is_that_of_the_rules(store: FeatureStore, rows: list[Row]) -> None:
    """DuckDB, ingest and the reference write the same text for every type."""
    sent = pushed(rows)
    store.ingest("Pushed", sent)
    (state,) = store.plan("latest").states
    scanned = {row["row_id"]: row for row in canonical_rows(state, store.history)[0].to_pylist()}
    for row in check_events(state.scan, sent).rows:
        found = scanned[row["id"]]["fingerprint"]
        assert found == fingerprint_of([row[name] for name in sorted(row)])
        assert found == times_and_identity(state.scan, row, 0, 0)[3]


def test_verify_asks_about_every_type(store: FeatureStore) -> None:
    """Rows and questions of all types are replayed without a difference, unseen values included."""
    store.ingest("Pushed", pushed([example(seed) for seed in range(5)]))
    report = store.verify("both", cells=20_000)
    assert report.differing == 0 and report.cells >= 20_000


def example(seed: int) -> Row:
    """Some row."""
    count = seed % 3
    return {
        **dict.fromkeys(COLUMNS),
        "price": Decimal(seed) / 4,
        "tiny": Decimal(f"0.{seed:018}"),
        "texts": ["a\0b", None, "\U0001f600"][: count + 1],
        "wholes": [2**53 + 1, None][:count],
        "prices": [Decimal(seed)] * count,
        "point": [seed / 8, -0.5, 1e300],
    }


def in_json(value: Any) -> str:
    """What JSON has no word for."""
    return format(value, "f") if isinstance(value, Decimal) else value.isoformat()


def from_json(value: Any, dtype: DType) -> Any:
    """A value of a reply as Python has it."""
    if value is None:
        return None
    if dtype.item is not None:
        return [from_json(item, dtype.item) for item in value]
    reads: dict[str, Callable[[Any], Any]] = {
        "timestamp": datetime.fromisoformat,
        "date": date.fromisoformat,
        "decimal": Decimal,
    }
    return reads.get(dtype.kind, lambda same: same)(value)
