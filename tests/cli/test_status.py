"""`status`: one screen of where a project stands, each line by itself."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.cli.shop import Cli, visit

LINES = ["project", "defined", "built", "fresh", "served", "certified", "waiting"]


def lines_of(out: str) -> dict[str, list[str]]:
    """The lines of the screen by their part."""
    found: dict[str, list[str]] = {}
    for line in out.splitlines():
        name, text = line[:10].strip(), line[11:]
        found.setdefault(name or list(found)[-1], []).append(text)
    return found


def test_a_new_project_has_nothing_built(project: Path, cli: Cli) -> None:
    """Before anything was done every line is there, and looking makes no state folder."""
    ran = cli("status")
    assert ran.code == 0, ran.err
    found = lines_of(ran.out)
    assert list(found) == LINES
    assert found["defined"][0].startswith("3 feature sets, 3 views, 2 sources: visits (5 features)")
    assert found["built"][0] == "0 of 2 states" and found["built"][-1] == "run `featurestore materialize --missing`"
    assert found["fresh"] == ["Visit: no state is built", "Note: no state is built"]
    assert found["served"] == ["no service runs here, and no lookup was recorded"]
    assert "has no certificate: it was never verified" in found["certified"][0]
    assert found["waiting"] == ["nothing"]
    assert not (project / ".featurestore").exists()


def test_a_used_project_says_what_is_fresh_and_what_waits(ready: Path, cli: Cli) -> None:
    """After a build, pushes, a lookup and a changed file: ages, log positions, versions and quarantined rows."""
    cli("ingest", "Visit", "id=500", "user=1", "page=/a", "seconds=1", "at=2024-01-01T02:00:00Z")
    cli("ingest", "Visit", "id=501", "user=1", "page=/a", "seconds=1", "at=null")
    version = cli("lookup", "visits", "user=1", "--json").json["version"]
    assert visit(1)["id"] == 1
    found = cli("status", "--json").json
    assert list(found) == LINES
    assert (found["built"]["states"], found["built"]["missing"]) == (2, [])
    fresh = found["fresh"]["Visit"]
    assert (fresh["files_unchanged"], fresh["log_position"], fresh["behind"]) == (True, 1, 0)
    assert found["fresh"]["Note"]["files_unchanged"] is None
    assert list(found["served"]["lately"]["visits"]) == [version]
    assert found["certified"]["visits"] == {"certified": False, "version": version, "reason": "it was never verified"}
    assert found["waiting"]["quarantined"] == {"Visit": 1}
    os.utime(ready / "visits.parquet", (0, 0))
    screen = lines_of(cli("status").out)
    assert screen["fresh"][0].startswith("Visit: files CHANGED since ")
    assert "log at 1, all applied; newest pushed row " in screen["fresh"][0]
    assert screen["waiting"] == ["1 row of Visit quarantined when pushed; `featurestore quarantine Visit`"]


def test_each_line_degrades_by_itself(ready: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Broken definitions, a store that is away, no project: the lines that need it say why, the others stand, and the
    exit code is 1."""
    (ready / "definitions" / "typo.py").write_text("x = unknown\n")
    ran = cli("status")
    found = lines_of(ran.out)
    assert ran.code == 1
    assert found["defined"][0].startswith("unknown: InvalidDefinition: the name `unknown` is not defined; ")
    assert found["project"][0].startswith("shop-") and found["waiting"] == ["nothing"]
    (ready / "definitions" / "typo.py").unlink()
    monkeypatch.setenv("FEATURESTORE_REDIS_URL", "redis://127.0.0.1:1")
    found = lines_of(cli("status").out)
    assert found["built"][0].startswith("unknown: StoreUnavailable: the online store does not answer")
    assert found["defined"][0].startswith("3 feature sets")
    ran = cli("-C", str(tmp_path), "status", "--json")
    assert ran.code == 1 and list(ran.json) == LINES
    assert ran.json["project"]["unknown"].startswith("ConfigError: there is no featurestore.toml here")
