"""The audit of a served project, in a process of its own, and what it counts over HTTP."""

from __future__ import annotations

import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pyarrow as pa
import pyarrow.parquet as pq

from featurestore.store import FeatureStore
from tests.serve.shop import environment, serving

DEFINITIONS = '''"""What users spend, with rows that may be known late."""

from featurestore import Column, Entity, EventTime, FeatureSet, FeatureView, KnownTime, Parquet, RowId, Source, rows


class User(Entity):
    user: Column[int]


class Buy(Source, data=Parquet("data/*.parquet")):
    id: RowId[int]
    user: Column[int]
    amount: Column[float]
    at: EventTime
    known_at: KnownTime


class Spend(FeatureView, entity=User, source=Buy):
    total = Buy.amount.sum(over=("1d", "7d"))
    n = rows(over="7d")
    last = Buy.amount.last(over="30d")


spending = FeatureSet("spending", Spend)
'''
USERS, FEATURES = 50, 4
TIMES = pa.timestamp("us", "UTC")
COLUMNS = {"id": pa.int64(), "user": pa.int64(), "amount": pa.float64(), "at": TIMES, "known_at": TIMES}


def buys(first: int, users: Iterable[int]) -> list[dict[str, Any]]:
    """A purchase of each of these users, an hour ago."""
    at = datetime.now(UTC) - timedelta(hours=1)
    return [
        {"id": first + place, "user": user, "amount": 0.1 * place, "at": at, "known_at": at}
        for place, user in enumerate(users)
    ]


def write_project(folder: Path) -> Path:
    """A materialised project, with two purchases of each user."""
    (folder / "definitions").mkdir(parents=True)
    (folder / "data").mkdir()
    (folder / "definitions" / "shop.py").write_text(DEFINITIONS, encoding="utf-8")
    (folder / "featurestore.toml").write_text('project = "shop"\n', encoding="utf-8")
    rows = pa.Table.from_pylist(buys(0, [*range(USERS), *range(USERS)]), pa.schema(list(COLUMNS.items())))
    pq.write_table(rows, folder / "data" / "a.parquet")
    with FeatureStore(folder) as store:
        store.materialize()
    return folder


def lose_state(root: Path) -> None:
    """Remove every key's rows from the server behind the product's back."""
    with FeatureStore(root) as store:
        for name in store.online.writer.scan_iter("*:rows:*"):
            store.online.writer.delete(name)


def push_late(root: Path, user: int) -> None:
    """A row that was known long before it comes, as it says."""
    with FeatureStore(root) as store:
        store.ingest("Buy", buys(50_000 + user, [user]))


@dataclass(frozen=True)
class Auditing:
    """A running audit: its process, and a client for its counts."""

    process: subprocess.Popen[str]
    client: httpx.Client

    def metric(self, sample: str) -> float | None:
        """The value of one sample, None when it is not there."""
        lines = self.client.get("/metrics").text.splitlines()
        return next((float(line.rpartition(" ")[2]) for line in lines if line.startswith(f"{sample} ")), None)

    def total(self, name: str) -> float:
        """All samples of a metric together."""
        lines = self.client.get("/metrics").text.splitlines()
        return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(f"{name}{{"))

    def until(self, reached: Callable[[], bool], wait_s: float = 30.0) -> None:
        """Wait for something to be so."""
        deadline = time.monotonic() + wait_s
        while not reached():
            assert time.monotonic() < deadline, self.client.get("/metrics").text
            assert self.process.poll() is None, self.process.communicate()
            time.sleep(0.1)

    def stop(self) -> tuple[int, str]:
        """Stop it with SIGTERM; its exit code and what it wrote on stderr."""
        self.process.send_signal(signal.SIGTERM)
        _, err = self.process.communicate(timeout=20)
        return self.process.returncode, err


def command(root: Path, *options: str) -> list[str]:
    """The command that audits a project."""
    return [sys.executable, "-m", "featurestore.cli", "-C", str(root), "audit", *options]


@contextmanager
def auditing(root: Path, *options: str) -> Iterator[Auditing]:
    """The audit of a project, every fifth of a second."""
    process = subprocess.Popen(
        command(root, "--port", "0", "--every", "200ms", *options),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
    )
    assert process.stdout is not None
    try:
        readable, _, _ = select.select([process.stdout], [], [], 30)
        line = process.stdout.readline() if readable else ""
        assert " counts at http://" in line, line + (process.communicate()[1] if process.poll() is not None else "")
        with httpx.Client(base_url=line.split(" at ")[1].strip().removesuffix("/metrics"), timeout=30) as client:
            yield Auditing(process, client)
    finally:
        if process.poll() is None:
            process.kill()
            process.communicate()


def once(root: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """One look."""
    return subprocess.run(
        command(root, "--once", *options), capture_output=True, text=True, timeout=60, env=environment(), check=False
    )


def serve_lookups(root: Path, count: int, start: int = 0, feature_set: str = "spending") -> None:
    """Lookups of two questions each over HTTP, under the names `request-<n>`, and their records on disk."""
    with serving(root) as served:
        for place in range(start, start + count):
            reply = served.client.post(
                f"/v1/lookup/{feature_set}",
                json={"inputs": [{"user": place % USERS}, {"user": (place + 1) % USERS}]},
                headers={"X-Request-ID": f"request-{place}"},
            )
            assert reply.status_code == 200, reply.text
        served.process.send_signal(signal.SIGTERM)
        served.process.communicate(timeout=20)
