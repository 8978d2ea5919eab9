"""`dataset --memory-limit` in processes of its own: killed or interrupted, the same command goes on."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import duckdb
import pytest

START_US = int(datetime(2025, 1, 1, tzinfo=UTC).timestamp()) * 1_000_000
DEFINITIONS = '''
"""Payments of users."""
from featurestore import Column, Entity, EventTime, FeatureSet, FeatureView, Parquet, Source

class User(Entity):
    user: Column[int]

class Payment(Source, data=Parquet("payments.parquet")):
    user: Column[int]
    amount: Column[float]
    at: EventTime

class Spending(FeatureView, entity=User, source=Payment):
    amount = Payment.amount.sum(over=("1d", "30d"))
    last = Payment.amount.last(over="30d")

spending = FeatureSet("spending", Spending)
'''
COMMAND = (sys.executable, "-m", "featurestore.cli", "dataset", "spending", "spine.parquet", "--as-of", "at")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Half a million payments, and questions about them."""
    root = tmp_path_factory.mktemp("payments")
    (root / "definitions").mkdir()
    (root / "definitions" / "payments.py").write_text(DEFINITIONS)
    (root / "featurestore.toml").write_text(f'project = "bounded-{secrets.token_hex(6)}"\nmemory_limit = "100MB"\n')
    columns = f"range * 7919 % 20000 AS user, make_timestamptz({START_US} + range * 5000000) AS at"
    with duckdb.connect() as connection:
        connection.execute(
            f"COPY (SELECT {columns}, range % 997 / 4 AS amount FROM range(500000)) TO '{root}/payments.parquet'"
        )
        connection.execute(f"COPY (SELECT {columns} FROM range(0, 500000, 19)) TO '{root}/spine.parquet'")
    return root


def start(project: Path, name: str) -> subprocess.Popen[str]:
    """The command, begun."""
    return subprocess.Popen(
        [*COMMAND, "--out", name, "--threads", "1"],
        cwd=project,
        env=os.environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def stop_at(process: subprocess.Popen[str], project: Path, bucket: int, number: int) -> None:
    """Send a signal when a bucket is finished."""
    while not list((project / ".featurestore" / "training").glob(f"*/answers/0/{bucket}.parquet")):
        assert process.poll() is None, process.communicate()
        time.sleep(0.002)
    process.send_signal(number)


def finished(project: Path, name: str) -> tuple[str, str]:
    """What the command writes, as a hash, and what it says on stderr."""
    done = subprocess.run([*COMMAND, "--out", name], cwd=project, capture_output=True, text=True, check=True)
    assert not [path for path in (project / ".featurestore" / "training").iterdir() if path.is_dir()]
    return sha256((project / name).read_bytes()).hexdigest(), done.stderr


def test_a_killed_build_goes_on_and_gives_the_same_bytes(project: Path) -> None:
    """Killed behind a bucket, it leaves no file; the same command begins behind that bucket and writes what a build
    writes that nobody disturbed, as one without any limit does."""
    expected, _ = finished(project, "undisturbed.parquet")
    process = start(project, "killed.parquet")
    stop_at(process, project, 0, signal.SIGKILL)
    process.communicate()
    assert not (project / "killed.parquet").exists()
    [first] = (project / ".featurestore" / "training").glob("*/answers/0/0.parquet")
    written_ns = first.stat().st_mtime_ns
    process = start(project, "killed.parquet")
    stop_at(process, project, 1, signal.SIGKILL)
    process.communicate()
    assert first.stat().st_mtime_ns == written_ns
    assert finished(project, "killed.parquet")[0] == expected
    (project / "featurestore.toml").write_text((project / "featurestore.toml").read_text().replace("100MB", "4GB"))
    assert finished(project, "whole.parquet")[0] == expected
    (project / "featurestore.toml").write_text((project / "featurestore.toml").read_text().replace("4GB", "100MB"))


def test_ctrl_c_keeps_what_is_finished_and_nothing_half_written(project: Path) -> None:
    """Ctrl-C ends with 130 and says how many buckets are kept and where; nothing else is left, and the same command
    goes on."""
    process = start(project, "interrupted.parquet")
    stop_at(process, project, 0, signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    [said] = [line for line in err.splitlines() if line.startswith("interrupted: ")]
    [folder] = (path for path in (project / ".featurestore" / "training").iterdir() if path.is_dir())
    assert "Traceback" not in err and str(folder) in said and "goes on from there" in said
    assert not list(project.glob("interrupted*")) and not (folder / "spill").exists()
    kept = len(list(folder.glob("answers/0/?.parquet")))
    assert kept >= 1 and f"{kept} of " in said
    digest, _ = finished(project, "interrupted.parquet")
    assert digest == finished(project, "undisturbed.parquet")[0]


def test_a_limit_that_is_none_is_refused(project: Path) -> None:
    """A mistyped limit is told in four parts."""
    done = subprocess.run([*COMMAND, "--memory-limit", "4"], cwd=project, capture_output=True, text=True)
    assert done.returncode == 1
    said = "InputError: '4' is no limit of memory\n  in   `memory_limit`\n  has  16GiB, 4GB, 500MB\n"
    assert said in done.stderr  # a line of progress may precede it
