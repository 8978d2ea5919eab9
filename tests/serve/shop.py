"""A served project: small definitions in a folder of their own, the real service in a process of its own."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pyarrow as pa
import pyarrow.parquet as pq

from featurestore.store import FeatureStore

JSON = {"Content-Type": "application/json"}
ROOT = Path(__file__).resolve().parent.parent.parent
DEFINITIONS = '''"""Clicks of users, as a shop would write it."""

from datetime import date, datetime

from featurestore import (
    Column, Entity, EventTime, FeatureSet, FeatureView, Parquet, Request, RowId, Source, feature, rows,
)


class User(Entity):
    user: Column[int]


class Click(Source, data=Parquet("clicks.parquet")):
    """One row per click."""

    id: RowId[int]
    user: Column[int]
    page: Column[str]
    seconds: Column[float]
    big: Column[int]
    seen_at: Column[datetime]
    born: Column[date]
    at: EventTime


class Note(Source, zone="Europe/Berlin"):
    """Only pushed, without identity; its times are local."""

    user: Column[int]
    text: Column[str]
    at: EventTime


class Ask(Request):
    price: Column[float]
    asked_at: Column[datetime]


class Clicks(FeatureView, entity=User, source=Click):
    n = rows()
    recent = rows(over="1d")
    total = feature(Click.seconds.sum(), doc="seconds on all pages")
    mean = Click.seconds.mean()
    page = Click.page.last()
    pages = Click.page.last_n(3)
    big = Click.big.max()
    seen_at = Click.seen_at.last()
    seens = Click.seen_at.last_n(2)
    born = Click.born.last()


class Lately(FeatureView, entity=User, source=Click):
    """Windows only, so that older rows are trimmed."""

    hour = rows(over="1h")


class Notes(FeatureView, entity=User, source=Note):
    notes = rows()


class Now(FeatureView, request=Ask):
    per_click = Ask.price / Clicks.n
    hour = Ask.asked_at.hour()


clicks = FeatureSet("clicks", Clicks, Now, doc="What a user has clicked.")
everything = FeatureSet("everything", Clicks, Lately, Notes, Now)
lately = FeatureSet("lately", Lately)
'''
HISTORY = [
    {
        "id": place,
        "user": place % 50,
        "page": f"/ünï/{place}",
        "seconds": 0.1 * place,
        "big": 2**63 - 1 - place,
        "seen_at": f"2024-01-0{1 + place % 9}T00:00:00.00000{place % 10}Z",
        "born": "1999-12-31",
        "at": f"2024-01-0{1 + place // 50}T00:{place % 60:02}:00Z",
    }
    for place in range(200)
]


def click(place: int, **other: Any) -> dict[str, Any]:
    """A row of Click, as JSON."""
    return HISTORY[0] | {"id": place, "user": 7} | other


def question(user: Any = 7, **other: Any) -> dict[str, Any]:
    """A question of the feature set `clicks`, as JSON."""
    return {"user": user, "price": 3.0, "asked_at": "2024-02-01T12:00:00Z"} | other


def write_project(folder: Path) -> Path:
    """A project folder with its definitions and its history."""
    (folder / "definitions").mkdir(parents=True)
    (folder / "definitions" / "shop.py").write_text(DEFINITIONS, encoding="utf-8")
    (folder / "featurestore.toml").write_text('project = "shop"\n', encoding="utf-8")
    table = pa.Table.from_pylist(HISTORY)
    for name, kind in (
        ("seen_at", pa.timestamp("us", "UTC")),
        ("at", pa.timestamp("us", "UTC")),
        ("born", pa.date32()),
    ):
        place = table.schema.get_field_index(name)
        table = table.set_column(place, name, table[name].cast(kind))
    pq.write_table(table, folder / "clicks.parquet")
    return folder


@dataclass(frozen=True)
class Served:
    """A running service: its process, its address, a client for it, and its project's folder."""

    process: subprocess.Popen[str]
    client: httpx.Client
    root: Path

    def lookup(self, inputs: Any, feature_set: str = "clicks", **other: Any) -> httpx.Response:
        """Ask for vectors."""
        return self.client.post(f"/v1/lookup/{feature_set}", json={"inputs": inputs, **other})

    def events(self, rows: Any, source: str = "Click") -> httpx.Response:
        """Push rows."""
        # ASCII: a lone surrogate can be written as an escape only
        return self.client.post(f"/v1/events/{source}", content=json.dumps({"rows": rows}), headers=JSON)

    def metric(self, sample: str) -> float:
        """The value of one sample of /metrics, 0 when it is not there."""
        lines = self.client.get("/metrics").text.splitlines()
        return next((float(line.rpartition(" ")[2]) for line in lines if line.startswith(f"{sample} ")), 0.0)

    def server_pid(self) -> int:
        """The process of the embedded server."""
        return int(json.loads((self.root / ".featurestore" / "redis" / "server.json").read_text())["pid"])


def program(root: Path, **options: Any) -> list[str]:
    """The command that serves a project."""
    return [sys.executable, "-c", f"from featurestore.serve.run import run; run({str(root)!r}, port=0, **{options!r})"]


def environment() -> dict[str, str]:
    """The environment of a service, without settings of whoever runs the tests."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("FEATURESTORE_")}
    return kept | {"PYTHONPATH": str(ROOT)}


@contextmanager
def serving(root: Path, **options: Any) -> Iterator[Served]:
    """The service of a project, stopped with SIGTERM in the end."""
    process = subprocess.Popen(
        program(root, **options), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment()
    )
    assert process.stdout is not None and process.stderr is not None
    try:
        readable, _, _ = select.select([process.stdout], [], [], 60)  # as long as it waits for its own workers
        line = process.stdout.readline() if readable else ""
        assert " at http://" in line, line + (process.stderr.read() if process.poll() is not None else "")
        address = line.split(" at ")[1].split(",")[0]
        with httpx.Client(base_url=address, timeout=30) as client:
            yield Served(process, client, root)
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        try:
            process.communicate(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()


def materialised(root: Path) -> Path:
    """The same project with its online state built."""
    with FeatureStore(root) as store:
        store.materialize()
    return root
