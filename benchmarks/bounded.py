"""A training set that does not fit in memory: how much memory it takes, how long, and whether a killed build goes on.

Each build is a process of its own, so that its peak is its own. With `--kill`, a second build of the same training set
is killed when some of its buckets are done, started again, and must write the same bytes.
Usage: python benchmarks/bounded.py FOLDER [--events N] [--spine N] [--memory-limit SIZE] [--threads N] [--kill BUCKETS]
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import os
import subprocess
import sys
import time
from pathlib import Path

import duckdb

DEFINITIONS = '''
"""Payments of users: eight aggregates over four windows."""
from featurestore import Column, Entity, EventTime, FeatureSet, FeatureView, Parquet, Source, rows

OVER = ("1h", "1d", "7d", "30d")

class User(Entity):
    user_id: Column[int]

class Payment(Source, data=Parquet("events/*.parquet")):
    user_id: Column[int]
    amount: Column[float]
    happened_at: EventTime

class Spending(FeatureView, entity=User, source=Payment):
    total = Payment.amount.sum(over=OVER)
    number = Payment.amount.count(over=OVER)
    mean = Payment.amount.mean(over=OVER)
    least = Payment.amount.min(over=OVER)
    most = Payment.amount.max(over=OVER)
    spread = Payment.amount.std(over=OVER)
    last = Payment.amount.last(over=OVER)
    large = rows(over=OVER, where=Payment.amount > 100)

spending = FeatureSet("spending", Spending)
'''
PORTION = 10_000_000
"""Rows that are made at once, and are in one file."""
DAYS = 90
WORK = Path(".featurestore") / "training"


def write_project(folder: Path, events: int, spine: int) -> None:
    """Payments of users, a hundred each, and questions at instants that look random and are the same in each run."""
    users, span_us = max(1, events // 100), DAYS * 86_400_000_000
    instant = f"make_timestamptz(1735689600000000 + CAST(hash(range, {{}}) % {span_us} AS BIGINT))"
    user = f"CAST(hash(range, {{}}) % {users} AS BIGINT)"
    amount = "round(CAST(hash(range, 5) % 20000000 AS DOUBLE) / 99991, 2)"
    columns = f"{user.format(1)} AS user_id, {amount} AS amount, {instant.format(2)} AS happened_at"
    asked = f"range AS row_number, {user.format(3)} AS user_id, {instant.format(4)} AS asked_at"
    (folder / "events").mkdir(parents=True)
    with duckdb.connect(config={"memory_limit": "2GB"}) as connection:
        for place, first in enumerate(range(0, events, PORTION)):
            rows = f"range({first}, {min(events, first + PORTION)})"
            _copy(connection, columns, rows, folder / "events" / f"{place:03}.parquet")
        _copy(connection, asked, f"range({spine})", folder / "spine.parquet")
    (folder / "definitions").mkdir()
    (folder / "definitions" / "payments.py").write_text(DEFINITIONS)
    (folder / "featurestore.toml").write_text('project = "bounded"\n')


def _copy(connection: duckdb.DuckDBPyConnection, columns: str, rows: str, path: Path) -> None:
    connection.execute(f"COPY (SELECT {columns} FROM {rows}) TO '{path}' (FORMAT parquet, COMPRESSION zstd)")


def built(folder: Path, arguments: argparse.Namespace, name: str, kill_after: int | None = None) -> str | None:
    """Build in a process of its own and print its peak; the hash of the file, or None when it was killed behind so many
    buckets."""
    out = folder / f"{name}.parquet"
    options = ["--memory-limit", arguments.memory_limit, "--threads", str(arguments.threads), "--out", str(out)]
    words = ("-m", "featurestore.cli", "dataset", "spending", "spine.parquet", "--as-of", "asked_at", *options)
    started, peak_kb, spilled = time.perf_counter(), 0, 0
    with subprocess.Popen([sys.executable, *words], cwd=folder, env=os.environ) as process:
        while process.poll() is None:
            with contextlib.suppress(OSError, IndexError):
                status = Path(f"/proc/{process.pid}/status").read_text()
                peak_kb = max(peak_kb, int(status.split("VmHWM:")[1].split()[0]))
                files = [path.stat() for path in (folder / WORK).rglob("*") if path.is_file()]
                spilled = max(spilled, sum(file.st_size for file in files))
            if kill_after is not None and list((folder / WORK).glob(f"*/answers/0/{kill_after - 1}.parquet")):
                process.kill()
            time.sleep(0.2)
    seconds = time.perf_counter() - started
    peak = f"peak {peak_kb / 1e6:.2f} GB of memory, {spilled / 1e9:.1f} GB of work on disk"
    print(f"{name}: {seconds:.0f} s, {peak}, load {os.getloadavg()[0]:.1f}", flush=True)
    if process.returncode:
        return None
    with out.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def main() -> None:
    """Make the data unless it is there, build, and print what it took."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--events", type=int, default=10_000_000)
    parser.add_argument("--spine", type=int, default=1_000_000)
    parser.add_argument("--memory-limit", default="500MB")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--kill", type=int, metavar="BUCKETS", help="kill a second build behind so many buckets")
    arguments = parser.parse_args()
    folder = arguments.folder.resolve()
    if not (folder / "featurestore.toml").exists():
        write_project(folder, arguments.events, arguments.spine)
    expected = built(folder, arguments, "undisturbed")
    print(f"sha256 {expected}")
    if arguments.kill is not None:
        assert built(folder, arguments, "killed", arguments.kill) is None, "it had finished before it could be killed"
        assert built(folder, arguments, "killed") == expected, "the resumed build gave other bytes"
        print("the killed build went on and gave the same bytes")


if __name__ == "__main__":
    main()
