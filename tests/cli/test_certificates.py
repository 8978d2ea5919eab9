"""Certificates on the command line: said on stderr, shown by `plan`, and refused where they are required."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.cli.shop import Cli

DATASET = ("dataset", "visits", "spine.parquet", "--as-of", "asked_at")


def test_a_training_set_says_that_it_has_none(ready: Path, cli: Cli) -> None:
    """Without a certificate one line on stderr names the command; stdout stays JSON; with one nothing is said."""
    ran = cli(*DATASET, "--json")
    assert ran.code == 0
    assert ran.err.splitlines() == [
        f"visits version {ran.json['version']} has no certificate: it was never verified; "
        "run `featurestore verify visits`"
    ]
    assert cli("verify", "visits", "--cells", "500").code == 0
    ran = cli(*DATASET, "--json")
    assert (ran.code, ran.json["feature_set"], ran.err) == (0, "visits", "")


def test_a_training_set_without_is_refused(ready: Path, cli: Cli) -> None:
    """`--require-certificate` is an error in four parts with code 1, and nothing is written."""
    ran = cli(*DATASET, "--require-certificate", "--out", "train.parquet")
    assert (ran.code, ran.out) == (1, "")
    assert ran.err.startswith("NotCertified: version ")
    assert ran.err.endswith("  has  it was never verified\n  fix  run `featurestore verify visits`\n")
    assert not (ready / "train.parquet").exists()


def test_serving_without_is_refused(ready: Path) -> None:
    """`serve --require-certificate` ends with code 1 when there is nothing that it may serve."""
    command = [sys.executable, "-m", "featurestore.cli", "serve", "--port", "0", "--require-certificate"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=os.environ, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("NotCertified: version ")


def test_plan_shows_certificates(ready: Path, cli: Cli) -> None:
    """`plan` says of each version whether it is certified and by how much, in both forms."""
    cli("verify", "visits", "--cells", "500")
    found = {each["name"]: each for each in cli("plan", "--json").json["feature_sets"]}
    assert [found[name]["certified"] for name in ("visits", "notes")] == [True, False]
    assert found["visits"]["certificates"][0]["cells"] >= 500
    out = cli("plan").out
    assert f"visits version {found['visits']['version']} is certified: " in out
    assert f"notes version {found['notes']['version']} has no certificate: it was never verified" in out
