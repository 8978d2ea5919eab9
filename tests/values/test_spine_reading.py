"""What a training set reads of its spine is what a lookup would be given (R19): `verify` compares rows of it, read
without DuckDB, and a reader that rounds is noticed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from featurestore import Column, Entity, EventTime, FeatureSet, FeatureStore, FeatureView, Request, Source, column, rows
from featurestore.check.spine_reading import compare_spine
from featurestore.offline import spine as offline_spine
from featurestore.plan.build import plan_feature_set

AT = datetime(2024, 2, 1, tzinfo=UTC)
HISTORY = pa.table({"k": [1, 1, 2], "at": [datetime(2024, 1, day, tzinfo=UTC) for day in (1, 2, 3)]})


class K(Entity):
    """A key."""

    k: Column[int]


class Ask(Request):
    """Inputs of several types."""

    amount: Column[float]
    name: Column[str]
    moment: Column[datetime]
    day: Column[date]
    price: Column[Decimal] = column(precision=12, scale=2)


class Event(Source, data=HISTORY):
    """Rows of a key."""

    k: Column[int]
    at: EventTime


class Known(FeatureView, entity=K, source=Event):
    """Of the key."""

    n = rows()


class Asked(FeatureView, request=Ask):
    """Of the request."""

    twice = Ask.amount * 2
    length = Ask.name.length()
    hour = Ask.moment.hour()
    weekday = Ask.day.weekday()
    price = Ask.price + Decimal("0.01")


class Plain(Request):
    """Inputs of the types that a text may be guessed to have."""

    amount: Column[float]
    name: Column[str]


class Numbers(FeatureView, request=Plain):
    """Of these."""

    twice = Plain.amount * 2
    length = Plain.name.length()


FEATURES = FeatureSet("asked", Known, Asked)
ROWS: list[dict[str, Any]] = [
    {
        "k": place,
        "t": AT.replace(microsecond=place),
        "amount": place + 0.1,
        "name": f"n{place}",
        "moment": AT.replace(microsecond=999_999),
        "day": date(2024, 2, 29),
        "price": Decimal(f"{place}.25"),
    }
    for place in range(30)
]
ROWS.append(dict.fromkeys(ROWS[0]) | {"t": AT})


def csv_of(path: Path) -> str:
    """The rows as a file of texts."""
    lines = [",".join("" if each is None else str(each).replace(" ", "T") for each in row.values()) for row in ROWS]
    path.write_text("\n".join([",".join(ROWS[0]), *lines]) + "\n")
    return path.name


def parquet_of(path: Path) -> str:
    """The rows as a file of types."""
    pq.write_table(pa.Table.from_pylist(ROWS), path)
    return path.name


SPINES: dict[str, Callable[[Path], object]] = {
    "dicts": lambda _: ROWS,
    "numpy": lambda _: [
        row | {"k": None if row["k"] is None else np.int64(row["k"])} | {"amount": np.float64(row["amount"] or "nan")}
        for row in ROWS
    ],
    "arrow": lambda _: pa.Table.from_pylist(ROWS),
    "pandas": lambda _: pd.DataFrame(ROWS).astype({"k": "Int64"}),
    "parquet": lambda root: parquet_of(root / "spine.parquet"),
    "select": lambda root: f"SELECT * FROM '{parquet_of(root / 'spine.parquet')}'",
}


@pytest.mark.parametrize("kind", SPINES)
def test_every_kind_of_spine_is_read_as_a_lookup_would_be_given_it(kind: str, tmp_path: Path) -> None:
    """All rows, inputs and instants agree; with fewer rows asked for, a sample of them."""
    spine = SPINES[kind](tmp_path)
    found = compare_spine(plan_feature_set(FEATURES), spine, "t", tmp_path, 0)
    assert (found.rows, found.total, found.columns, found.cells) == (31, 31, 7, 217)
    assert (found.differing, found.examples) == ({}, {})
    some = compare_spine(plan_feature_set(FEATURES), spine, "t", tmp_path, 0, most_rows=5)
    assert (some.rows, some.total, some.differing) == (5, 31, {})


@pytest.mark.parametrize("kind", SPINES)
@pytest.mark.parametrize(
    ("name", "fault"),
    [("amount", "round({})"), ("k", "({} + 1)"), ("moment", "({} // 1000000 * 1000000)"), ("name", "lower({} || 'N')")],
)
def test_a_reader_that_changes_values_is_noticed(
    kind: str, name: str, fault: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fault that is planted into the reading of one column is a difference of that column, with an example."""
    before = offline_spine._converted

    def planted(given: Any, *more: Any) -> str:
        text = before(given, *more)
        return fault.format(text) if given.name == name else text

    monkeypatch.setattr(offline_spine, "_converted", planted)
    found = compare_spine(plan_feature_set(FEATURES), SPINES[kind](tmp_path), "t", tmp_path, 0)
    assert found.differing == {name: 30}
    assert f"`{name}`: a lookup is given" in found.examples[name]


def test_verify_reports_a_differing_spine_and_gives_no_certificate(
    store: FeatureStore, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A report without differences has a certificate; one with a spine that was read otherwise takes it away."""
    good = store.verify(FEATURES, cells=50, spine=ROWS, as_of="t")
    assert good.differing == 0 and good.spine is not None and good.spine.rows == 31
    assert "spine: 31 of 31 rows compared, 217 cells, 0 differing" in str(good)
    assert store.dataset(FEATURES, ROWS, as_of="t").certificate is not None
    before = offline_spine._converted
    monkeypatch.setattr(
        offline_spine,
        "_converted",
        lambda given, *more: f"round({before(given, *more)})" if given.name == "amount" else before(given, *more),
    )
    bad = store.verify(FEATURES, cells=50, spine=ROWS, as_of="t")
    assert bad.differing == 30 and "30 of amount differing" in str(bad)
    assert bad.to_json()["spine"]["differing"] == {"amount": 30}
    monkeypatch.undo()
    assert store.dataset(FEATURES, ROWS, as_of="t").certificate is None


def test_a_csv_spine_is_compared_text_by_text(tmp_path: Path) -> None:
    """Cells are read by the declared types; an empty text is left out, since it may be null."""
    plain = FeatureSet("plain", Known, Numbers)
    found = compare_spine(plan_feature_set(plain), csv_of(tmp_path / "spine.csv"), "t", tmp_path, 0)
    assert (found.rows, found.columns, found.differing) == (31, 4, {})
