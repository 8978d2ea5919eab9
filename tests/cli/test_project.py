"""`init` and `plan`: first files that work, and what the definitions mean."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.cli.shop import DEFINITIONS, Cli, write_project


def test_the_commands_that_init_prints_work_in_that_order(tmp_path: Path) -> None:
    """A new project goes from `init` to a looked-up vector by the printed lines, with a server of its own."""
    shell = f'featurestore() {{ "{sys.executable}" -m featurestore.cli "$@"; }}\n'
    environment = {name: value for name, value in os.environ.items() if not name.startswith("FEATURESTORE_")}

    def run(text: str) -> subprocess.CompletedProcess[str]:
        command = ["bash", "-ec", shell + text]
        return subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60)

    begun = run("featurestore init 'my shop'")
    assert begun.returncode == 0, begun.stderr
    lines = [line.strip() for line in begun.stdout.split("next:\n")[1].splitlines()]
    assert [line.split()[1] for line in lines] == ["'my", "plan", "materialize", "ingest", "lookup"]
    done = run("\n".join(lines))
    assert done.returncode == 0, done.stderr
    values = {line.split()[0]: line.split()[1:] for line in done.stdout.splitlines() if line.endswith(" ok")}
    assert values["spending__purchases_1d"] == ["1", "ok"]
    assert values["spending__last_country"] == ["FR", "ok"]
    assert values["at_checkout__against_usual"] == ["4.0", "ok"]


@pytest.mark.parametrize("kind", ["parquet", "csv", "static"])
def test_init_from_a_file_drafts_definitions_that_work(kind: str, project: Path, cli: Cli) -> None:
    """The draft has every column with its type, the time, the row's id and the key; `plan --data`, `materialize` and a
    lookup work with it as it is, and a file that has no key is an error."""
    table = pq.read_table("visits.parquet").rename_columns(["visit_id", "user_id", "page", "seconds", "at"])
    table = table.append_column("an odd name", table.column("page"))
    table = table.drop_columns(["at"]) if kind == "static" else table
    file = Path("late visits.csv" if kind == "csv" else "late visits.parquet")
    if kind == "csv":
        lines = [",".join(str(value) for value in row.values()) for row in table.to_pylist()]
        file.write_text("\n".join([",".join(table.column_names), *lines]))
    else:
        pq.write_table(table, file)
    ran = cli("init", "drafted", "--from", str(file))
    assert ran.code == 0, ran.err
    text = Path("drafted/definitions/late_visits.py").read_text()
    assert "user_id: Column[int]" in text and "# an odd name: string" in text
    assert ("visit_id: RowId[int]" in text, "at: EventTime" in text) == (kind != "static", kind != "static")
    for arguments in (("plan", "--data"), ("materialize",), ("lookup", "late_visits", "user_id=3")):
        ran = cli("-C", str(project / "drafted"), *arguments)
        assert ran.code == 0, (arguments, ran.err)
    pq.write_table(pa.table({"x": [1.5]}), project / "no_key.parquet")
    ran = cli("init", str(project / "none"), "--from", str(project / "no_key.parquet"))
    assert ran.code == 1 and ran.err.splitlines()[0].endswith("no_key.parquet` can be a key")
    assert not (project / "none").exists()


def test_init_overwrites_nothing(project: Path, cli: Cli) -> None:
    """In a folder that has files, `init` leaves each as it is and says so."""
    before = (project / "featurestore.toml").read_text()
    (project / ".gitignore").write_text("data/\n")
    ran = cli("init")
    assert ran.code == 0
    assert "kept   featurestore.toml: it is there already" in ran.out
    assert "kept   .gitignore: add the line `.featurestore/` to it" in ran.out
    assert (project / "featurestore.toml").read_text() == before
    assert (project / ".gitignore").read_text() == "data/\n"
    assert [path.name for path in (project / "definitions").glob("*.py")] == ["shop.py"]


def test_plan_says_what_features_are(project: Path, cli: Cli) -> None:
    """A feature set is shown with its version, its inputs and their types, and each feature in the language's words."""
    ran = cli("plan", "visits")
    assert ran.code == 0, ran.err
    lines = [" ".join(line.split()) for line in ran.out.splitlines()]
    assert lines[0].startswith("visits version ") and lines[1] == "what a user looked at"
    assert "user int64 key" in lines
    seconds = 'feature(Visit.seconds.sum(over="7d"), default=0.0)'
    assert f"visits__seconds float64 {seconds} seconds on all pages" in lines
    assert any(line.endswith("Visit user 1d, 7d, 30d 5") for line in lines)
    assert any("keeps the rows of 32d up to its newest" in line for line in lines)


def test_plan_in_json_has_versions_and_types(project: Path, cli: Cli) -> None:
    """`plan --json` gives every feature set with its version, views with theirs, inputs and features."""
    sets = {each["name"]: each for each in cli("plan", "--json").json["feature_sets"]}
    assert list(sets) == ["visits", "notes", "everything"]
    types = {each["name"]: (each["type"], each["key"]) for each in sets["everything"]["inputs"]}
    assert types["user"] == ("int64", True) and types["asked_at"] == ("timestamp", False)
    (view,) = sets["visits"]["views"]
    assert view in sets["everything"]["views"] and len(view["version"]) == 12
    assert {each["name"]: each["type"] for each in sets["visits"]["features"]}["visits__pages"] == "list<string>"


def test_the_version_follows_the_meaning(project: Path, cli: Cli) -> None:
    """A comment leaves a feature set's version alone, another window changes it (R20)."""
    versions = []
    for text in ("", "# a comment\n", DEFINITIONS.replace('over="7d"', 'over="8d"')):
        root = write_project(project.parent / f"shop{len(versions)}", text if len(text) > 50 else DEFINITIONS + text)
        versions.append(cli("-C", str(root), "plan", "visits", "--json").json["feature_sets"][0]["version"])
    assert versions[0] == versions[1] != versions[2]


def test_plan_reports_every_definition_error_at_once(project: Path, cli: Cli) -> None:
    """Errors of several files come together, each in four parts with its file and line; the exit code is 1."""
    text = "from definitions.shop import *\nfrom featurestore import FeatureView\n"
    view = "class Wrong(FeatureView, entity=User, source=Visit):\n    n = Visit.secnds.sum()\n"
    (project / "definitions" / "typo.py").write_text(text + view)
    (project / "definitions" / "word.py").write_text(text + view.replace("Visit.secnds.sum()", "Visit.page.sum()"))
    ran = cli("plan", "--json")
    assert ran.code == 1
    first, second = ran.json["error"]["errors"]
    assert ran.json["error"]["name"] == "DefinitionErrors"
    assert first == {
        "name": "UnknownColumn",
        "what": "`Visit` has no column `secnds`",
        "in": "definitions/typo.py:4, `Wrong.n`",
        "has": "at, id, page, seconds, user",
        "fix": "write `seconds`",
    }
    assert second["name"] == "TypeMismatch" and second["in"].startswith("definitions/word.py:4")
    assert ran.err.startswith(
        "UnknownColumn: `Visit` has no column `secnds`\n  in   definitions/typo.py:4, `Wrong.n`\n"
    )
    assert "\nTypeMismatch: " in ran.err


def test_plan_marks_the_states_that_have_to_be_built(project: Path, cli: Cli) -> None:
    """A new feature's state, and one that was trimmed for a shorter window, are marked; `materialize --missing` builds
    these alone, a lookup names them until then, and nothing is missing afterwards."""

    def edited(text: str) -> Path:
        root = write_project(project.parent / f"edited{len(list(project.parent.iterdir()))}", text)
        shutil.copytree(project / ".featurestore", root / ".featurestore", dirs_exist_ok=True)
        shutil.copy(project / "featurestore.toml", root)
        return root

    def states(root: Path) -> dict[str, bool]:
        [found] = cli("-C", str(root), "plan", "everything", "--json").json["feature_sets"]
        return {each["id"].split(".")[0]: each["built"] for each in found["states"]}

    assert states(project) == {"Visit": False, "Note": False}
    assert "2 states to be built: run `featurestore materialize --missing`" in cli("plan", "everything").out
    assert len(cli("materialize", "--json").json["states"]) == 2
    assert states(project) == {"Visit": True, "Note": True}
    assert cli("materialize", "--missing").out == "no state was built: none is missing\n"
    longer = edited(DEFINITIONS.replace('page.last(over="30d")', 'page.last(over="90d")'))
    assert states(longer) == {"Visit": False, "Note": True}  # the same state, which was trimmed after 30 days
    other = edited(DEFINITIONS.replace("    text = Note.text.last()", "    text = Note.text.last(skip_nulls=True)"))
    assert states(other) == {"Visit": True, "Note": False}
    ran = cli("-C", str(other), "lookup", "notes", "user=1")
    assert ran.err.startswith("StoreEmpty: ") and "in   state `Note.user." in ran.err
    assert [
        each["state"].split(".")[0]
        for each in cli("-C", str(longer), "materialize", "--missing", "--json").json["states"]
    ] == ["Visit"]
    assert [
        each["state"].split(".")[0]
        for each in cli("-C", str(other), "materialize", "--missing", "--json").json["states"]
    ] == ["Note"]
    assert states(other) == {"Visit": True, "Note": True}
    assert cli("-C", str(other), "lookup", "notes", "user=1").code == 0


def test_plan_shows_the_version_that_is_served(project: Path, cli: Cli) -> None:
    """Next to the new version is the one that the online state answers with; with a table without time, whose
    content is part of it, it is the version of lookups and training sets."""
    text = DEFINITIONS.replace("class Ask(", STATIC).replace(
        'FeatureSet("notes", Notes)', 'FeatureSet("notes", Notes, Pages)'
    )
    root = write_project(project.parent / "static", text)
    (root / "pages.csv").write_text("page,words\n/1,120\n")
    assert "not served yet" in cli("-C", str(root), "plan", "notes").out
    assert cli("-C", str(root), "materialize").code == 0
    [found] = cli("-C", str(root), "plan", "notes", "--json").json["feature_sets"]
    answered = cli("-C", str(root), "lookup", "notes", "user=1", "page=/1", "--json").json
    assert found["served_version"] == found["next_version"] == answered["version"] != found["version"]
    assert f"served as {answered['version']}" in cli("-C", str(root), "plan", "notes").out
    other = write_project(project.parent / "changed", text.replace("notes = rows()", 'notes = rows(over="9d")'))
    shutil.copytree(root / ".featurestore", other / ".featurestore", dirs_exist_ok=True)
    [found] = cli("-C", str(other), "plan", "notes", "--json").json["feature_sets"]
    assert found["served_version"] == answered["version"] != found["next_version"]
    told = f"served now as {answered['version']}; after `featurestore materialize` as {found['next_version']}"
    assert told in cli("-C", str(other), "plan", "notes").out


STATIC = """class Page(Source, data=Csv("pages.csv"), static=True):
    page: Column[str]
    words: Column[int]


class Site(Entity):
    page: Column[str]


class Pages(FeatureView, entity=Site, source=Page):
    words = Page.words.last()


class Ask("""


def test_plan_with_data_reports_every_mistake_at_once(project: Path, cli: Cli) -> None:
    """`plan --data` tries every column of every source against the files: a wrong type, a time without a zone and a
    missing column of several sources come together, before anything is built, each with its fix; the exit code is 1."""
    ran = cli("plan", "--data")
    assert ran.code == 0, ran.err
    lines = [line.split() for line in ran.out.splitlines()]
    assert ["Visit", "120", "120", "fits"] in lines and ["Note", "0", "0", "only", "pushed"] in lines
    assert ran.out.splitlines()[-1] == "the data of 2 sources fits"
    table = pq.read_table("visits.parquet")
    naive = table.column("at").cast(pa.timestamp("us"))
    table = table.set_column(4, "at", naive).set_column(0, "id", table.column("id").cast(pa.bool_()))
    pq.write_table(table.drop_columns(["page"]), "visits.parquet")
    text = Path("definitions/shop.py").read_text()
    Path("definitions/shop.py").write_text(
        text.replace('Source, zone="Europe/Berlin")', 'Source, zone="Europe/Berlin", data=Csv("notes.csv"))')
    )
    Path("notes.csv").write_text("user,text,at\n1,a,31/12/2025 10:00\n2,b,30/12/2025 10:00\n")
    ran = cli("plan", "--data", "--json")
    assert ran.code == 1
    sources = ran.json["sources"]
    visit = {each["name"]: each for each in sources["Visit"]["mistakes"]}
    assert sources["Visit"]["rows"] == 120 and set(visit) >= {"MissingColumn", "NaiveTime"}
    assert "page" in visit["MissingColumn"]["what"] and all(each["fix"] for each in visit.values())
    assert any("Visit.id" in each["what"] for each in sources["Visit"]["mistakes"])
    assert sources["Note"]["mistakes"][0]["what"] == "not one row of `Note` can be used"
    ran = cli("plan", "--data")
    assert (ran.code, ran.err.count("\n  fix  ")) == (1, 4)
    assert ran.out.splitlines()[-1] == "4 mistakes in 2 sources"
    assert cli("plan").code == 0


def test_plan_needs_no_server(project: Path, cli: Cli) -> None:
    """`plan` reads definitions and nothing else: no state folder appears."""
    assert cli("plan").code == 0
    assert not (project / ".featurestore").exists()


def test_plan_reports_what_was_renamed_since_materialize(project: Path, cli: Cli) -> None:
    """A feature that is gone while a new one means the same is told as a rename, with how to keep the name."""
    assert cli("plan", "visits", "--json").json["feature_sets"][0]["changes"] is None
    assert cli("materialize").code == 0
    assert cli("plan", "visits", "--json").json["feature_sets"][0]["changes"]["renamed"] == []
    text = DEFINITIONS.replace("    seconds = feature(", "    duration = feature(")
    other = write_project(project.parent / "renamed", text)
    (other / ".featurestore").mkdir()
    shutil.copy(project / ".featurestore" / "materialized.json", other / ".featurestore")
    ran = cli("-C", str(other), "plan", "visits")
    assert ran.code == 0, ran.err
    lines = [" ".join(line.split()) for line in ran.out.splitlines()]
    assert "since it was materialised" in lines
    told = "renamed? visits__seconds it means the same as visits__duration;"
    assert f'{told} `feature(..., name="seconds")` keeps the name' in lines
