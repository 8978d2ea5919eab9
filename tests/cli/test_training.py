"""`dataset` and `materialize`: history as a training set, and as online state."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from featurestore.store import FeatureStore
from tests.cli.shop import Cli

ASK = ("dataset", "visits", "spine.parquet", "--as-of", "asked_at")


def test_dataset_is_written_as_the_library_gives_it(project: Path, cli: Cli) -> None:
    """`--out` holds the table that `FeatureStore.dataset` makes, statuses and all, and the summary says what it is."""
    ran = cli(*ASK, "--out", "train.parquet", "--statuses", "--threads", "2", "--json")
    assert ran.code == 0, ran.err
    with FeatureStore(project) as store:
        expected = store.dataset("visits", "spine.parquet", as_of="asked_at", statuses=True)
    assert pq.read_table(project / "train.parquet").equals(expected.table)
    summary = ran.json
    assert summary.pop("seconds") >= 0
    assert summary == {
        "feature_set": "visits",
        "version": expected.version,
        "rows": 12,
        "features": 5,
        "limit": None,
        "file": "train.parquet",
        "preview": None,
        "set_aside": {"Visit": expected.set_aside["Visit"].to_json()},
        "warnings": [],
        "notes": list(expected.notes),
        "explanation": None,
    }
    assert "12 rows, 5 features" in cli(*ASK, "--out", "train.parquet").out


def test_dataset_without_a_file_shows_ten_rows(project: Path, cli: Cli) -> None:
    """Without `--out` the first ten rows are printed, a line for each column; with `--json` as objects."""
    ran = cli(*ASK)
    lines = {line.split()[0]: line.split()[1:] for line in ran.out.splitlines()}
    assert lines["label"] == ["0", "1"] * 5
    assert lines["visits__seconds"][:2] == ["41.25", "42.75"] and len(lines["visits__seconds"]) == 10
    preview = cli(*ASK, "--json").json["preview"]
    assert len(preview) == 10
    assert preview[1]["asked_at"] == "2024-01-01T01:01:00.000000Z"
    assert preview[1]["visits__pages"] == ["/51", "/56"]


@pytest.mark.parametrize(
    "spine",
    ["spine.parquet", "spine.csv", "SELECT * FROM 'spine.parquet' ORDER BY user DESC"],
    ids=["parquet", "csv", "select"],
)
def test_a_limit_takes_the_first_rows_of_the_spine(spine: str, project: Path, cli: Cli) -> None:
    """`--limit` answers the first rows only, from every kind of spine, with the values that the whole set has; it is
    said, and a file may be written with it."""
    table = pq.read_table("spine.parquet")
    lines = [f"{row['user']},{row['label']},{row['asked_at'].isoformat()}" for row in table.to_pylist()]
    Path("spine.csv").write_text("\n".join(["user,label,asked_at", *lines]))
    asked = ("dataset", "visits", spine, "--as-of", "asked_at")
    assert cli(*asked, "--out", "all.parquet").code == 0
    ran = cli(*asked, "--out", "some.parquet", "--limit", "3")
    assert ran.out.splitlines()[-1] == "only the first 3 rows of the spine"
    assert pq.read_table("some.parquet").equals(pq.read_table("all.parquet").slice(0, 3))
    found = cli(*asked, "--limit", "2", "--json").json
    assert (found["rows"], found["limit"], len(found["preview"])) == (2, 2, 2)
    assert cli(*asked).out.splitlines()[-1] == (
        "only the first 10 rows of the spine; --limit N takes more, --out FILE.parquet all"
    )
    assert "only the first" not in cli(*asked, "--limit", "13").out


def test_show_prints_what_a_file_says_of_itself(project: Path, cli: Cli) -> None:
    """`show` needs no project: version, spine, certificate and the columns with what each is; JSON has the same."""
    version = cli(*ASK, "--out", "train.parquet", "--statuses", "--limit", "3", "--json").json["version"]
    (project / "featurestore.toml").unlink()
    ran = cli("show", "train.parquet")
    assert ran.code == 0, ran.err
    lines = [" ".join(line.split()) for line in ran.out.splitlines()]
    assert lines[0] == "train.parquet: 3 rows, 13 columns"
    assert {"feature set visits", f"version {version}", "spine spine.parquet, its first 3 rows"} <= set(lines)
    assert "certificate none: this version was not verified when the file was written" in lines
    assert {"user int64 input", "label int64 spine", "visits__pages list<string> feature"} <= set(lines)
    assert {"visits__pages__status string status", "asked_at timestamp[us, tz=UTC] as of"} <= set(lines)
    found = cli("show", "train.parquet", "--json").json
    assert (found["rows"], found["version"], found["spine"]["limit"]) == (3, version, 3)
    ran = cli("show", "spine.parquet")
    assert (ran.code, ran.err.splitlines()[0]) == (1, "InputError: `spine.parquet` does not say what it is")


def test_explain_says_how_it_was_computed(project: Path, cli: Cli) -> None:
    """`--explain` prints what `Dataset.explain` gives, and puts it into the JSON."""
    assert "\n    window 7d: " in cli(*ASK, "--explain").out
    assert "window 7d: " in cli(*ASK, "--explain", "--json").json["explanation"]


def test_dataset_takes_sql(project: Path, cli: Cli) -> None:
    """The spine may be a SELECT over files of the project."""
    spine = "SELECT * FROM 'spine.parquet' WHERE user < 3"
    assert cli("dataset", "visits", spine, "--as-of", "asked_at", "--json").json["rows"] == 3


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"asked_at": None}, "MissingAsOf: the spine has no column `asked_at`\n  in   dataset(visits, spine, "),
        (
            {"user": None},
            "MissingColumn: the spine lacks `user`\n  in   feature set `visits`\n  has  asked_at, label\n",
        ),
        ({"user": pa.array(["1"] * 12)}, "InvalidValue: the spine's `user` must be int64\n"),
        (
            {"asked_at": pa.array([0] * 12, pa.timestamp("us"))},
            "NaiveTime: the times in the spine's `asked_at` have no zone\n  in   feature set `visits`\n",
        ),
    ],
    ids=["no as_of", "no key", "wrong type", "naive time"],
)
def test_a_spine_that_does_not_fit_is_refused(
    change: dict[str, pa.Array | None], says: str, project: Path, cli: Cli
) -> None:
    """A spine without an instant or key column, with another type or without a zone gives the four parts and code 1."""
    table = pq.read_table(project / "spine.parquet")
    for name, column in change.items():
        table = table.drop_columns([name])
        table = table if column is None else table.append_column(name, column)
    pq.write_table(table, project / "spine.parquet")
    ran = cli(*ASK, "--out", "train.parquet")
    assert (ran.code, ran.out) == (1, "")
    assert ran.err.startswith(says)
    assert "\n  fix  " in ran.err
    assert not (project / "train.parquet").exists()


def test_a_spine_that_is_not_there_is_refused(project: Path, cli: Cli) -> None:
    """A spine file that does not exist is named."""
    ran = cli("dataset", "visits", "spline.parquet", "--as-of", "asked_at")
    assert (ran.code, ran.err.splitlines()[0]) == (1, "InputError: there is no spine file `spline.parquet`")


@pytest.mark.parametrize("name", ["notes", "Notes", "Note", "Note.user"])
def test_materialize_builds_the_states_of_a_name(name: str, project: Path, cli: Cli) -> None:
    """`--only` takes a feature set, a view, a source or a state; another name is an error with the nearest one."""
    ran = cli("materialize", "--only", name, "--json")
    assert [each["state"].split(".")[0] for each in ran.json["states"]] == ["Note"]
    assert cli("lookup", "notes", "user=1").code == 0
    assert cli("lookup", "visits", "user=1").err.startswith("StoreEmpty: ")
    ran = cli("materialize", "--only", "Nots")
    assert (ran.code, ran.err.splitlines()[0]) == (1, "UnknownFeature: `Nots` names no state")
    assert ran.err.endswith("  fix  write `Notes`\n")
    assert len(cli("materialize", "--only", "Visits", "--only", "notes", "--json").json["states"]) == 2


def test_materialize_accounts_for_every_row(project: Path, cli: Cli) -> None:
    """Each state tells its keys, the rows it keeps and what became of all rows (R16), to people and to programs."""
    states = {each["state"].split(".")[0]: each for each in cli("materialize", "--json").json["states"]}
    assert all(each.pop("seconds") >= 0 for each in states.values())
    state = states["Visit"].pop("state")
    size = states["Visit"].pop("bytes")
    assert states["Visit"] == {
        "keys": 5,
        "rows": 120,
        "applied": 120,
        "duplicate": 0,
        "unkeyed": 0,
        "quarantined": 0,
    }
    ran = cli("materialize")
    line = next(line for line in ran.out.splitlines() if line.startswith(state))
    assert line.split()[1:-1] == ["5", "120", f"{size // 5:,}", "120", "0", "0", "0"]
    assert ran.out.splitlines()[-1].startswith("2 states published, ")


def test_odd_questions_are_noted(project: Path, cli: Cli) -> None:
    """Rows without a key, and rows that come twice, are told below the training set, to people and to programs."""
    table = pq.read_table(project / "spine.parquet").slice(0, 2)
    users = pa.array([None, 1], pa.int64())
    pq.write_table(pa.concat_tables([table.set_column(0, "user", users)] * 2), project / "odd.parquet")
    notes = ["2 of 4 rows of the spine have no `user`", "2 of 4 rows of the spine repeat another: the same inputs"]
    ran = cli("dataset", "visits", "odd.parquet", "--as-of", "asked_at", "--out", "train.parquet")
    assert ran.code == 0 and all(note in ran.out for note in notes)
    found = cli("dataset", "visits", "odd.parquet", "--as-of", "asked_at", "--json").json
    assert [note in told for note, told in zip(notes, found["notes"], strict=True)] == [True, True]
    assert found["warnings"] == []
