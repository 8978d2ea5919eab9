"""`list`, `describe`, and completion in the shell: names, what belongs to them, and who uses them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from featurestore.cli import completion
from featurestore.define.names import written_names
from tests.cli.shop import DEFINITIONS, Cli

OWNED = DEFINITIONS.replace(
    'doc="seconds on all pages")', 'doc="seconds on all pages", owner="web", tags=("time", "sum"))'
)


class Context:
    """What Typer knows of a line that is being completed: the options before the command."""

    def __init__(self, folder: str = ".") -> None:
        self.params = {"folder": folder}

    def find_root(self) -> Context:
        """The context of the command line as a whole."""
        return self


def test_list_shows_what_is_defined(project: Path, cli: Cli) -> None:
    """Feature sets, views, sources and entities with what each says of itself, without state or server."""
    found = cli("list", "--json").json
    assert [each["name"] for each in found["feature_sets"]] == ["visits", "notes", "everything"]
    assert found["feature_sets"][0] == {"name": "visits", "features": 5, "doc": "what a user looked at"}
    assert {each["name"]: each["source"] for each in found["views"]} == {"Visits": "Visit", "Notes": "Note", "Now": ""}
    assert [each["data"] for each in found["sources"]] == ["visits.parquet", "only pushed"]
    lines = [" ".join(line.split()) for line in cli("list").out.splitlines()]
    assert {
        "feature sets",
        "visits 5 what a user looked at",
        "Visit 5 visits.parquet One row per visit.",
        "User user",
    } <= set(lines)
    assert not (project / ".featurestore").exists()


def test_describe_shows_parts_owners_and_users(project: Path, cli: Cli) -> None:
    """Any name: a view with its features, their owner and tags; a source with its columns; a feature with the sets that
    have it; another name is an error with the nearest one."""
    (project / "definitions" / "shop.py").write_text(OWNED)
    view = cli("describe", "Visits", "--json").json
    assert (view["kind"], view["key"], view["source"]) == ("view", ["user (int64)"], "Visit")
    assert view["used_by"] == ["visits", "everything"]
    [seconds] = [each for each in view["parts"] if each["name"] == "visits__seconds"]
    assert (seconds["owner"], seconds["tags"], seconds["doc"]) == ("web", ["time", "sum"], "seconds on all pages")
    source = cli("describe", "Visit", "--json").json
    assert source["used_by"] == ["Visits"] and {each["is"] for each in source["parts"]} == {
        "RowId",
        "Column",
        "EventTime",
    }
    assert cli("describe", "User", "--json").json["used_by"] == ["Visits", "Notes"]
    feature = cli("describe", "visits__seconds", "--json").json
    assert (feature["kind"], feature["owner"], feature["used_by"]) == ("feature", "web", ["visits", "everything"])
    assert cli("describe", "visits", "--json").json["sources"] == ["Visit"]
    lines = [" ".join(line.split()) for line in cli("describe", "Visits").out.splitlines()]
    assert {"Visits view", "What a user has looked at.", "used by visits, everything"} <= set(lines)
    ran = cli("describe", "visits__second")
    assert (ran.code, ran.err.splitlines()[-1]) == (1, "  fix  write `visits__seconds`")


def test_names_are_found_without_running_a_file(project: Path) -> None:
    """Names come from the text: a file that would fail, or never end, when it is imported gives its names too."""
    file = project / "definitions" / "shop.py"
    file.write_text(f"raise SystemExit\n{DEFINITIONS}\nclass Again(Visits, entity=User):\n    pass\n")
    (project / "definitions" / "broken.py").write_text("class (\n")
    found = written_names(sorted((project / "definitions").glob("*.py")))
    assert found["FeatureSet"] == ["visits", "notes", "everything"]
    assert found["FeatureView"] == ["Visits", "Notes", "Now", "Again"]
    assert (found["Source"], found["Entity"], found["Request"]) == (["Visit", "Note"], ["User"], ["Ask"])


def test_completion_offers_names_and_never_fails(project: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """The shell is offered the names that begin as what was typed, of the project that `-C` names; without a project
    nothing, and no word of it."""
    context: Any = Context()
    assert completion.feature_sets(context, "v") == ["visits"]
    assert completion.sources(context, "") == ["Visit", "Note"]
    assert completion.stateful(context, "Vis") == ["Visits", "Visit"]
    with (project / "featurestore.toml").open("a") as file:
        file.write('[environments.test]\nredis = "redis://elsewhere"\n')
    assert completion.environments(context, "t") == ["test"]
    monkeypatch.chdir(project.parent)
    elsewhere: Any = Context("shop")
    assert completion.sources(elsewhere, "N") == ["Note"]
    assert completion.sources(context, "") == [] and completion.environments(context, "") == []
    monkeypatch.setenv("_FEATURESTORE_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", "featurestore -C shop ingest N")
    monkeypatch.setenv("COMP_CWORD", "4")
    ran = cli()
    assert (ran.code, ran.out.split(), ran.err) == (0, ["Note"], "")
    monkeypatch.setenv("COMP_WORDS", "featurestore lookup ")
    monkeypatch.setenv("COMP_CWORD", "2")
    ran = cli()
    assert (ran.code, ran.out.strip(), ran.err) == (0, "", "")
