"""`verify` and `demo`: both roads on the same rows."""

from __future__ import annotations

from pathlib import Path

from tests.cli.shop import Cli


def test_verify_compares_the_roads(project: Path, cli: Cli) -> None:
    """All cells that were asked for are compared on every feature, none differs, and the exit code is 0."""
    ran = cli("verify", "visits", "--cells", "2000", "--seed", "3")
    assert ran.code == 0, ran.err
    lines = {line.split()[0]: line.split()[1:] for line in ran.out.splitlines() if line.startswith("visits__")}
    assert list(lines) == ["visits__n", "visits__seconds", "visits__page", "visits__last_at", "visits__pages"]
    assert all(line[-1] == "0" for line in lines.values())
    assert ran.out.splitlines()[-1].endswith("seed 3")


def test_verify_in_json_is_the_parity_report(project: Path, cli: Cli) -> None:
    """`verify --json` prints the report: what was compared, how much of it says something, and what differs."""
    report = cli("verify", "visits", "--cells", "2000", "--json").json
    assert report["feature_set"] == "visits" and report["differing"] == 0
    assert report["cells"] >= 2000 and report["cells"] == sum(each["cells"] for each in report["features"])


def test_verify_of_nothing_is_an_error(project: Path, cli: Cli) -> None:
    """Without rows there is nothing to compare, which is no success."""
    ran = cli("verify", "notes", "--json")
    assert (ran.code, ran.json["error"]["name"]) == (1, "InputError")


def test_demo_needs_the_flights_example(project: Path, cli: Cli) -> None:
    """Outside the repository the demo says where it runs."""
    ran = cli("demo")
    assert (ran.code, ran.out) == (1, "")
    assert ran.err.splitlines()[0] == "ConfigError: the flights example is not in this folder"
