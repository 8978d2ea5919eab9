"""Which versions of the engines the product was tested with, and what is said of others."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from featurestore.plan import engines
from featurestore.plan.engines import TESTED, UntestedEngine, engine_versions, warn_untested

ROOT = Path(__file__).resolve().parents[2]


def test_the_locked_versions_are_tested_ones() -> None:
    """What `make demo` and `make test` install is the newest version that the tests ran on."""
    for name in ("base", "demo", "dev"):
        locked = dict(re.findall(r"^([\w-]+)==(\S+)", (ROOT / f"requirements/{name}.txt").read_text(), re.MULTILINE))
        assert {engine: locked[engine] for engine in TESTED} == {engine: each[-1] for engine, each in TESTED.items()}


def test_an_untested_engine_is_warned_of(monkeypatch: pytest.MonkeyPatch) -> None:
    """The line names the library, its version, those that were tested, and what to do."""
    warn_untested.cache_clear()
    warn_untested()  # the installed ones are tested: warnings are errors here
    monkeypatch.setitem(engines.TESTED, "duckdb", ("1.9.0", "1.9.1"))
    warn_untested.cache_clear()
    said = f"not tested with duckdb {engine_versions()['duckdb']} (tested: 1.9.0, 1.9.1); a value may differ"
    with pytest.warns(UntestedEngine, match=re.escape(said)):
        warn_untested()


UNTESTED = """
from featurestore.plan import engines
engines.TESTED["tzdata"] = ("1999.1",)
from featurestore.cli import main
main(["plan"])
"""


def test_the_command_line_says_so_in_one_line(tmp_path: Path) -> None:
    """A warning on stderr comes before what the command says, without a place in our code."""
    (tmp_path / "featurestore.toml").write_text("")
    run = subprocess.run([sys.executable, "-c", UNTESTED], cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert run.stderr.startswith("warning: featurestore was not tested with tzdata 2026.6 (tested: 1999.1); a value")
