"""`init` and `plan`: first files that work, and what the definitions mean."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

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
