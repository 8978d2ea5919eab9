"""A spine in a file of text: declared columns as declared, others by all their rows, nothing from a sample."""

from __future__ import annotations

import gzip
import json
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from featurestore.errors import FeatureStoreError, InputError, InvalidValue, MissingAsOf, NaiveTime
from featurestore.offline.connection import connect
from featurestore.offline.inferred import inferred_types
from tests.offline.entrances import SPINE_ROW, csv_of, trained


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project without definitions."""
    (tmp_path / "featurestore.toml").write_text('project = "t"\n')
    return tmp_path


def inferred(root: Path, cells: list[str]) -> str:
    """The type of a column without a declaration."""
    (root / "x.csv").write_text("x,y\n" + "".join(f"{cell},1\n" for cell in cells))
    relation = f"read_csv('{root}/x.csv', all_varchar = true, header = true, delim = ',', quote = '\"')"
    connection = connect([root])
    try:
        return inferred_types(connection, relation, ["x"])["x"]
    finally:
        connection.close()


@pytest.mark.parametrize(
    ("cells", "kind"),
    [
        (["0"] * 25_000 + ["0.75"], "DOUBLE"),
        (["1", "-2", ""], "BIGINT"),
        (["9223372036854775807"], "BIGINT"),
        (["9223372036854775808"], "VARCHAR"),
        (["9007199254740993", "0.5"], "VARCHAR"),
        (["0.12345678901234567"], "DOUBLE"),
        (["0.123456789012345678"], "VARCHAR"),
        (["007"], "VARCHAR"),
        (["+39"], "VARCHAR"),
        (["-0"], "DOUBLE"),
        (["1e400"], "VARCHAR"),
        (["1e-400"], "VARCHAR"),
        (["1e-05", ".5", "nan", "-inf"], "DOUBLE"),
        (["nan"], "VARCHAR"),
        (["true", "False"], "BOOLEAN"),
        (["2024-02-29"], "DATE"),
        (["2024-02-30"], "VARCHAR"),
        (["2024-02-29", "2024-02-29T00:00:00"], "VARCHAR"),
        (["2024-02-29T00:00:00Z", "2024-02-29 00:00:00.123456+02:00"], "TIMESTAMPTZ"),
        (["2024-02-29T00:00:00.1234567Z"], "VARCHAR"),
        (["2024-02-29T10:00:00"], "TIMESTAMP"),
        (["", ""], "VARCHAR"),
        (["1", "x"], "VARCHAR"),
    ],
    ids=lambda cells: str(cells[-1]) if isinstance(cells, list) else cells,
)
def test_a_column_without_a_declaration_gets_the_first_type_that_loses_nothing(
    cells: list[str], kind: str, tmp_path: Path
) -> None:
    """All rows count, digits and leading zeros stay, and what no type holds is text."""
    assert inferred(tmp_path, cells) == kind


@pytest.mark.parametrize("limit", [None, "200MB"])
def test_a_csv_spine_is_read_by_the_declared_types(limit: str | None, project: Path) -> None:
    """Text keys stay text, an amount behind 25,000 whole ones keeps its digits, and so does a label."""
    few = [SPINE_ROW | {"label": "0"}] * 25_000
    last = {"k": "07", "t": "2024-02-01T00:00:00Z", "amount": "2.75", "day": "", "price": "7", "label": "0.75"}
    (project / "s.csv").write_text(csv_of([*few, last]))
    found = trained(project, "s.csv", memory_limit=limit)
    assert len(found) == 25_001
    assert found[0] == {
        "k": "7",
        "t": datetime(2024, 2, 1, tzinfo=UTC),
        "amount": 3.0,
        "day": date(2024, 2, 29),
        "price": Decimal("12.50"),
        "label": 0.0,
        "shopping__n": 1,
        "asked__twice": 6.0,
        "asked__day": date(2024, 2, 29),
        "asked__price": Decimal("12.50"),
    }
    assert [found[-1][name] for name in ("k", "amount", "day", "label", "shopping__n", "asked__twice")] == [
        "07",
        2.75,
        None,
        0.75,
        0,
        5.5,
    ]


@pytest.mark.parametrize("name", ["s.jsonl", "s.json", "s.csv.gz"])
def test_a_spine_may_be_json_or_compressed(name: str, project: Path) -> None:
    """A file of JSON is read as `ingest` and `lookup` read it; a key that a row lacks is null."""
    row = SPINE_ROW | {"amount": 3}
    lines = [json.dumps(row), json.dumps({key: value for key, value in row.items() if key != "day"})]
    texts = {"s.jsonl": "\n".join(lines) + "\n", "s.json": f"[{','.join(lines)}]", "s.csv.gz": csv_of([SPINE_ROW] * 2)}
    data = texts[name].encode()
    (project / name).write_bytes(gzip.compress(data) if name.endswith("gz") else data)
    found = trained(project, name)
    assert [row["asked__twice"] for row in found] == [6.0, 6.0]
    assert found[1]["asked__day"] == (None if "json" in name else date(2024, 2, 29))
    assert [row["shopping__n"] for row in found] == [1, 1]


@pytest.mark.parametrize(
    ("change", "error", "says"),
    [
        ({"amount": "3,5"}, InputError, "cannot be read"),
        ({"amount": "x"}, InvalidValue, "x is not a value of type float64"),
        ({"price": "12.505"}, InvalidValue, "12.505 is not a value of type decimal"),
        ({"day": "31/12/2025"}, InvalidValue, "31/12/2025 is not a value of type date"),
        ({"t": "2024-02-01T00:00:00"}, NaiveTime, "the times in the spine's `t` have no zone"),
        ({"t": "soon"}, MissingAsOf, "row 1 of the spine has no usable instant"),
        ({"t": ""}, MissingAsOf, "row 1 of the spine has no usable instant"),
    ],
    ids=lambda each: str(each) if isinstance(each, dict) else "",
)
def test_a_csv_spine_with_a_value_of_another_type_is_refused(
    change: dict[str, str], error: type[FeatureStoreError], says: str, project: Path
) -> None:
    """The first row that does not fit is named."""
    (project / "s.csv").write_text(csv_of([SPINE_ROW, SPINE_ROW | change]))
    with pytest.raises(error, match=says) as caught:
        trained(project, "s.csv")
    assert caught.value.where and caught.value.fix


@pytest.mark.parametrize(
    ("name", "data", "has"),
    [
        ("s.csv", csv_of([SPINE_ROW]).replace(",", ";").encode(), "its separator is `;`"),
        ("s.csv", csv_of([SPINE_ROW]).replace(",", "\t").encode(), "its separator is a tab"),
        ("s.csv", csv_of([SPINE_ROW]).encode("utf-16"), "s.csv is UTF-16"),
        ("s.csv", csv_of([SPINE_ROW | {"K": "x"}]).encode(), "`k`"),
        ("s.jsonl", b'{"k": "7"}\n[1]\n', "the row [1]"),
        ("s.jsonl", b'{"k": NaN}\n', "NaN"),
        ("s.parquet", b"k,t\n", "Parquet"),
    ],
)
def test_a_spine_file_that_is_none_says_what_it_is(name: str, data: bytes, has: str, project: Path) -> None:
    """Another separator, another encoding, a column twice and nonsense are told in four parts."""
    (project / name).write_bytes(data)
    with pytest.raises(InputError) as caught:
        trained(project, name)
    assert has in str(caught.value.has) and caught.value.where and caught.value.fix


@pytest.mark.parametrize("reader", ["'s.csv'", "read_csv('s.csv')", "read_csv_auto('s.csv', header = true) AS s"])
def test_a_spines_select_types_a_csv_by_all_its_rows(reader: str, project: Path) -> None:
    """What a key, a label and an amount hold is not guessed from the first rows."""
    rows = [SPINE_ROW | {"k": "007", "label": "0", "price": "1"}] * 25_000
    (project / "s.csv").write_text(csv_of([*rows, rows[0] | {"amount": "2.75", "label": "0.75"}]))
    sql = f"SELECT k, t, amount, day, price::DECIMAL(6,2) AS price, label FROM {reader}"
    found = trained(project, sql)
    assert (found[0]["k"], found[0]["label"], found[0]["amount"]) == ("007", 0.0, 3.0)
    assert (found[-1]["asked__twice"], found[-1]["label"]) == (5.5, 0.75)
