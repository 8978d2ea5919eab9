"""`featurestore demo`: the flights of 2013 from raw tables to served vectors, each step with its seconds."""

from __future__ import annotations

import json
import select
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from rich.console import Console
from rich.table import Table
from rich.text import Text

from featurestore.check.verify import certify, verify
from featurestore.demo.flights import write
from featurestore.demo.leaks import naive_join_leaks
from featurestore.errors import ConfigError, ParityError, StoreUnavailable
from featurestore.plan.certificates import standing
from featurestore.plan.nodes import Plan
from featurestore.semantics.dtypes import DType, canonical
from featurestore.serve.wire import json_value
from featurestore.store import FeatureStore

FEATURE_SET = "arrival_delay"
TABLES = ("arrivals", "departures", "trips", "weather", "planes", "airports")
CELLS, ROWS = 150_000, 8_000
"""Cells to compare and rows of a source to replay: enough to meet every feature, few enough for a first look."""
DEMO_SEED = 0
LOOKUPS = 3
LAST_WEATHER = datetime(2013, 12, 30, 23, tzinfo=UTC)
STEPS = 6
_ANSWER_S = 60.0
_STOP_S = 20.0


def run(root: Path, *, environment: str | None = None) -> None:
    """Run all steps in the repository's folder, and stop whatever they started.

    Raises: ConfigError  when the flights example is not in this folder.
            ParityError  when a served vector differs from its training row, or `verify` finds a difference.
    """
    if not (root / "definitions" / "flights.py").is_file():
        raise ConfigError(
            "the flights example is not in this folder", where=str(root.resolve()), fix="run this in the repository"
        )
    started_s = time.monotonic()
    screen = _Screen()
    data = root / "data"
    with screen.step("the flights of 2013, from the package's tables to Parquet with true instants"):
        if all((data / f"{name}.parquet").is_file() for name in TABLES):
            screen.say(f"{data} is there already")
        else:
            screen.say(str(write(data)))
    with screen.step("what a join on event time would leak into training"):
        leaking, cells = naive_join_leaks(data)
        screen.say(
            f"{leaking:,} of {cells:,} training cells would be filled from aircraft still in the air; here they are not"
        )
    with FeatureStore(root, environment=environment) as store:
        folder = store.config.home / "demo"
        folder.mkdir(parents=True, exist_ok=True)
        plan = store.plan(FEATURE_SET)
        with screen.step("the training set of the year, every feature as of the scheduled departure"):
            trips = data.resolve() / "trips.parquet"
            screen.doing(f"{pq.read_metadata(trips).num_rows:,} rows")
            built = store.dataset(FEATURE_SET, trips, as_of="scheduled_at", progress=screen.progress)
            screen.progress("writing the file", 3, 3)
            train = built.write(folder / "train.parquet")
            screen.say(f"{len(built):,} rows, {len(plan.outputs)} features, version {built.version}, in {train}")
        with screen.step("the same history as online state"):
            report = store.materialize(progress=screen.progress)
            rows, keys = sum(report.rows.values()), sum(report.keys.values())
            screen.say(f"{len(report.states)} states, {keys:,} keys, {rows:,} rows kept")
        with (
            screen.step("the API, and flights of the last days over HTTP beside their training rows"),
            _serving(root, environment, folder / "serve.log") as address,
        ):
            _compare(address, plan, built.version, _last_flights(built.table), screen)
        with screen.step("both roads on one history, bit by bit"):
            parity = verify(
                plan,
                store.history,
                store.online.writer,
                cells=CELLS,
                seed=DEMO_SEED,
                most_rows=ROWS,
                progress=screen.progress,
            )
            share = parity.nonnull / parity.cells
            replayed = ", ".join(f"{count:,} of {source}" for source, count in parity.rows.items())
            screen.say(f"rows replayed: {replayed}")
            screen.say(f"{parity.cells:,} cells, {share:.0%} neither null nor zero, {parity.differing:,} differing")
            if parity.differing:
                raise ParityError(
                    f"{parity.differing:,} of {parity.cells:,} cells differ",
                    where=f"feature set `{FEATURE_SET}`",
                    has=[feature.name for feature in parity.features if feature.differing],
                    fix=f"run `featurestore verify {FEATURE_SET}`, which shows an example of each",
                )
            certify(store.config.home, plan, parity, DEMO_SEED)
            screen.say(f"{standing(store.config.home, plan.name, parity.version)}")
    program = "featurestore" if shutil.which("featurestore") else sys.argv[0]
    print(
        f"\ndone in {time.monotonic() - started_s:.0f} s\n"
        f"  data          {data}\n  definitions   {root / 'definitions' / 'flights.py'}\n  training set  {train}\n"
        f"next\n  {program} plan {FEATURE_SET}\n  {program} status\n  {program} show {train}\n  {program} serve"
    )


class _Screen:
    """Numbered steps with their seconds; on a terminal, what is being done right now."""

    def __init__(self) -> None:
        width = None if sys.stdout.isatty() else 200
        self.console = Console(width=width, highlight=False, markup=False, emoji=False)
        self._status = self.console.status("")
        self._doing = _Doing(time.monotonic())
        self._steps = 0

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        self._steps += 1
        self.console.print(f"[{self._steps}/{STEPS}] {title}", style="bold", soft_wrap=True)
        started_s = time.monotonic()
        self._doing = _Doing(started_s)
        self._status.update(self._doing)
        with self._status:
            yield
        self.console.print(f"      {time.monotonic() - started_s:.1f} s", style="dim")

    def say(self, text: str) -> None:
        self.console.print("\n".join(f"      {line}" for line in text.split("\n")), soft_wrap=True)

    def doing(self, rows: str) -> None:
        """How much this step works on."""
        self._doing.rows = rows

    def progress(self, what: str, done: int, total: int) -> None:
        self._doing.what = f"{done}/{total} {what}"


class _Doing:
    """What is being done, on how much, and for how long; a terminal asks for it several times a second."""

    def __init__(self, started_s: float) -> None:
        self.what, self.rows, self._started_s = "", "", started_s

    def __rich__(self) -> Text:
        seconds = f"{time.monotonic() - self._started_s:.0f} s"
        return Text("  ".join(part for part in (self.what, self.rows, seconds) if part))


@contextmanager
def _serving(root: Path, environment: str | None, log: Path) -> Iterator[str]:
    """A service of its own process on a free port: its address, once it is ready."""
    chosen = [] if environment is None else ["--env", environment]
    command = [sys.executable, "-m", "featurestore.cli", "-C", str(root.resolve()), *chosen, "serve", "--port", "0"]
    with log.open("wb") as errors:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors)
    assert process.stdout is not None
    try:
        heard, _, _ = select.select([process.stdout], [], [], _ANSWER_S)
        line = process.stdout.readline().decode() if heard else ""
        address = next((word.rstrip(",") for word in line.split() if word.startswith("http")), None)
        if address is None:
            tail = log.read_text(errors="replace").strip().splitlines()[-4:]
            raise StoreUnavailable(
                "the service did not start",
                where=str(log),
                has=" | ".join(tail) or "nothing",
                fix="mend what it says, and start the demo again",
            )
        _ask(f"{address}/readyz")
        yield address
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()


def _ask(url: str, body: dict[str, Any] | None = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=_ANSWER_S) as reply:
            return json.loads(reply.read())
    except urllib.error.HTTPError as error:
        problem = error.read().decode(errors="replace")
        raise StoreUnavailable(
            f"the service answers {error.code}", where=url, has=problem[:500], fix="mend what it says"
        ) from None


def _last_flights(train: pa.Table) -> list[dict[str, Any]]:
    """The training rows of the last flights of known aircraft before the weather reports end."""
    reported = pc.less(train.column("scheduled_at"), pa.scalar(LAST_WEATHER, pa.timestamp("us", "UTC")))
    known = train.filter(pc.and_(pc.is_valid(train.column("tailnum")), reported))
    last = known.sort_by([("scheduled_at", "descending"), ("flight_id", "descending")]).slice(0, LOOKUPS)
    rows: list[dict[str, Any]] = last.to_pylist()
    return rows


def _compare(address: str, plan: Plan, version: str, rows: list[dict[str, Any]], screen: _Screen) -> None:
    """Look each row's question up as of the row's instant, and hold the vector against the row."""
    for place, row in enumerate(rows):
        inputs = {given.name: _in_json(row[given.name], given.dtype) for given in plan.inputs}
        reply = _ask(
            f"{address}/v1/lookup/{FEATURE_SET}", {"inputs": [inputs], "as_of": row["scheduled_at"].isoformat()}
        )
        served: list[Any] = reply["rows"][0]["values"]
        trained = [_in_json(row[output.name], output.dtype) for output in plan.outputs]
        flight = f"{row['tailnum']} from {row['origin']} to {row['dest']}, as of {reply['as_of']}"
        if place == 0:
            _print_side_by_side(flight, plan, served, trained, screen)
        differing = [
            f"{output.name}: served {json.dumps(there)}, trained {json.dumps(here)}"
            for output, there, here in zip(plan.outputs, served, trained, strict=True)
            if json.dumps(there) != json.dumps(here)
        ]
        if differing or reply["version"] != version:
            raise ParityError(
                "a served vector differs from its training row",
                where=flight,
                has=differing or f"version {reply['version']}, not {version}",
                fix=f"run `featurestore verify {FEATURE_SET}`",
            )
        screen.say(f"{flight}: {len(served)} values, equal to the training row bit by bit")


def _print_side_by_side(flight: str, plan: Plan, served: list[Any], trained: list[Any], screen: _Screen) -> None:
    table = Table(title=flight, title_justify="left", box=None, padding=(0, 2, 0, 0))
    table.add_column("feature", no_wrap=True, min_width=max(len(output.name) for output in plan.outputs))
    for head in ("served over HTTP", "training row"):
        table.add_column(head, overflow="fold")
    for output, there, here in zip(plan.outputs, served, trained, strict=True):
        table.add_row(output.name, json.dumps(there), json.dumps(here))
    screen.console.print(table)


def _in_json(value: object, dtype: DType) -> Any:
    """A training set's value as HTTP replies write it: floats keep their bits."""
    return json_value(canonical(value, dtype), dtype)
