"""`verify`: replay real history through the online road and ask DuckDB the same questions, bit for bit.

Three legs build the state in three ways, so that DuckDB never only checks itself: by ingest alone (rows in shuffled
batches, some long before they become visible, some delivered twice), by materialise alone, and by materialise up to a
random cut with ingest after it.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import redis

from featurestore.check.questions import (
    QUESTIONS_PER_INSTANT,
    Asked,
    Questions,
    asked_table,
    same_bits,
    usable_rows,
    usable_span,
)
from featurestore.check.report import Difference, FeatureParity, ParityReport
from featurestore.errors import InputError
from featurestore.offline.choices import choose
from featurestore.offline.columns import held
from featurestore.offline.dataset import answer_canonical
from featurestore.offline.materialize import canonical_rows, state_rows
from featurestore.offline.scan import History
from featurestore.online.evaluate import derive
from featurestore.online.events import decode, encode
from featurestore.online.lookup import LookupRoad
from featurestore.online.pointers import Pointer
from featurestore.online.state_store import StateStore
from featurestore.plan.certificates import Certificate, grant, now, product_version, take_away
from featurestore.plan.engines import engines_text
from featurestore.plan.nodes import Output, Plan, State
from featurestore.plan.retention import Retention, retention_of
from featurestore.semantics.dtypes import Value, python_value
from featurestore.semantics.instants import instant_text
from featurestore.semantics.statuses import STATUS_NAMES

LEGS = ("ingest", "materialize", "materialize, then ingest")
ROUNDS = 40
INSTANTS_PER_ROW = 50
"""Instants at which a small history is asked, for each of its rows: more of them repeat the same questions."""
DAY_US = 86_400_000_000
_NOWHERE = Path()
Arrivals = dict[str, list[tuple[int, dict[str, Any]]]]
Progress = Callable[[str, int, int], None]


@dataclass(slots=True)
class _Tally:
    """What was seen of one feature."""

    cells: int = 0
    informative: int = 0
    differing: int = 0
    values: set[Any] = field(default_factory=set)
    example: Difference | None = None


def verify(
    plan: Plan,
    history: History,
    client: redis.Redis,
    *,
    cells: int = 1_000_000,
    seed: int = 0,
    most_rows: int = 20_000,
    progress: Progress | None = None,
) -> ParityReport:
    """Compare both roads on at least so many cells, fewer where the sources hold few rows. Everything is drawn from
    `seed`, so a difference can be met again.

    The replay has a name of its own in the server, which is removed at the end; what serves is not touched.
    Raises: InputError  when the sources hold no rows to ask about.
    """
    started = time.perf_counter()
    random = Random(seed)
    rows, contents, unusable = _slices(plan, history, most_rows, random)
    timed = [rows[state.scan.source] for state in plan.states if state.scan.event_at is not None]
    low_us, high_us = usable_span(timed)
    now_us = time.time_ns() // 1000
    low_us, high_us = (low_us, min(high_us, now_us)) if timed and low_us < now_us else (0, now_us)
    wanted = -(-cells // (len(plan.outputs) * QUESTIONS_PER_INSTANT))
    # the third leg can only ask after its cut, so the three together ask about 2.5 times
    instants = max(1, -(-wanted * 2 // 5))
    if plan.states:
        instants = min(instants, INSTANTS_PER_ROW * sum(table.num_rows for table in rows.values()))
    questions = Questions(plan, rows, random).draw(instants + ROUNDS, low_us, high_us)
    if progress:
        progress("offline", 0, len(LEGS) + 1)
    sliced = History(history.root, rows=rows)
    truth = answer_canonical(plan, asked_table(plan, questions), sliced, choosing=choose)
    offline = [
        (truth.column(each.name).to_pylist(), truth.column(f"{each.name}__status").to_pylist()) for each in plan.outputs
    ]
    tallies = {output.name: _Tally() for output in plan.outputs}
    for done, leg in enumerate(LEGS, start=1):
        if progress:
            progress(leg, done, len(LEGS) + 1)
        for place, asked, vectors in _replay(leg, plan, rows, questions, client, Random(f"{seed} {leg}")):
            for column, output in enumerate(plan.outputs):
                for i, row in enumerate(asked.inputs):
                    online = (vectors.values[i][column], vectors.statuses[i][column])
                    flat = place * QUESTIONS_PER_INSTANT + i
                    there: tuple[Value, Any] = (offline[column][0][flat], offline[column][1][flat])
                    _compare(tallies[output.name], output, leg, asked.as_of_us, row, plan, online, there)
    if progress:
        progress("done", len(LEGS) + 1, len(LEGS) + 1)
    counts = {source: table.num_rows for source, table in rows.items()}
    features = tuple(_parity(output, tallies[output.name]) for output in plan.outputs)
    version = plan.version_with(contents.items())
    return ParityReport(plan.name, version, LEGS, counts, features, time.perf_counter() - started, unusable)


def certify(home: Path, plan: Plan, report: ParityReport, seed: int) -> None:
    """Give the version that was verified its certificate, or take it away."""
    if report.differing:
        found = f"`verify` found {report.differing:,} of {report.cells:,} cells differing"
        take_away(home, plan.name, report.version, found)
    else:
        counts = (report.cells, report.nonnull, report.legs, seed, now(), product_version(), engines_text())
        grant(home, Certificate(plan.name, report.version, plan.version, *counts, report.unexercised))


def _slices(
    plan: Plan, history: History, most: int, random: Random
) -> tuple[dict[str, pa.Table], dict[str, str], dict[str, int]]:
    """The rows to replay, for each source: all of a static one, else as many as fit, from one stretch of time for all
    sources that have rows in it; the contents of static ones; and how many rows of each cannot be used."""
    whole, contents, unusable = {}, {}, {}
    for state in plan.states:
        if state.scan.source not in whole:
            table, contents[state.scan.source] = canonical_rows(state, history)
            whole[state.scan.source] = usable_rows(table)
            if table.num_rows > whole[state.scan.source].num_rows:
                unusable[state.scan.source] = table.num_rows - whole[state.scan.source].num_rows
    timed = {state.scan.source: whole[state.scan.source] for state in plan.states if state.scan.event_at is not None}
    if plan.states and not any(table.num_rows for table in whole.values()):
        raise InputError(
            f"the sources of `{plan.name}` hold no usable rows",
            has=[state.scan.source for state in plan.states],
            fix="give them data, or ingest some",
        )
    if not any(table.num_rows for table in timed.values()):
        return whole, contents, unusable
    densest = max(timed.values(), key=lambda table: table.num_rows)
    last = random.randrange(min(most, densest.num_rows) - 1, densest.num_rows)
    end_us = densest.column("visible_at_us")[last].as_py()
    for source, table in timed.items():
        until = table.filter(pc.less_equal(table.column("visible_at_us"), pa.scalar(end_us)))
        # rows that were pushed are visible later than all history of the others: those that came first
        whole[source] = until.slice(max(0, until.num_rows - most)) if until.num_rows else table.slice(0, most)
    return whole, contents, unusable


def _replay(
    leg: str, plan: Plan, rows: dict[str, pa.Table], questions: list[Asked], client: redis.Redis, random: Random
) -> Iterator[tuple[int, Asked, Any]]:
    """Build the state in one way, and look up what can be asked on the way."""
    project = f"verify-{secrets.token_hex(6)}"
    store, road = StateStore(client, project), LookupRoad(client, project)
    arrivals = _arrivals(plan, rows, random)
    cut_us = {"ingest": None, "materialize": 2**62, LEGS[2]: questions[len(questions) * 2 // 5].as_of_us}[leg]
    try:
        built = {}
        for state in plan.states:
            taken = [] if cut_us is None else [row for arrived, row in arrivals[state.scan.source] if arrived < cut_us]
            # a cut leaves out what no later question can see, as `materialize` does; without a cut all instants are
            # asked
            retention = retention_of(state, plan.views) if leg == LEGS[2] else None
            built[state.id] = _materialized(state, taken, rows[state.scan.source].schema, store, cut_us or 0, retention)
        store.publish(built)
        pending = {
            source: [each for each in found if cut_us is None or each[0] >= cut_us]
            for source, found in arrivals.items()
        }
        askable = [
            (place, asked) for place, asked in enumerate(questions) if leg != LEGS[2] or asked.as_of_us > (cut_us or 0)
        ]
        step = max(1, len(askable) // ROUNDS)
        until_us = cut_us or 0
        for start in range(0, len(askable), step):
            chunk = askable[start : start + step]
            if leg != "materialize":
                # rows are dropped by the instant until which all that came is in the state: of one fact that comes
                # several times, the delivery that counts is never after it
                clock_us, until_us = until_us, chunk[-1][1].as_of_us
                _ingest_until(until_us, clock_us, plan, pending, store, built, random)
            for place, asked in chunk:
                yield place, asked, road.answer_canonical(plan, asked.inputs, asked.as_of_us)
    finally:
        store.drop_project()


def _arrivals(plan: Plan, rows: dict[str, pa.Table], random: Random) -> Arrivals:
    """Every row with the instant at which it comes in: never after it becomes visible, often long before; some come
    twice."""
    found: Arrivals = {}
    for state in plan.states:
        source = state.scan.source
        if source in found:
            continue
        arrivals = []
        for row in rows[source].to_pylist():
            visible_us = row["visible_at_us"]
            arrivals.append((visible_us - int(random.choice((0, 0, random.expovariate(1 / DAY_US)))), row))
            if state.scan.row_id is not None and random.random() < 0.03:
                arrivals.append((visible_us + int(random.expovariate(1 / DAY_US)), row))
        found[source] = sorted(arrivals, key=lambda arrival: arrival[0])
    return found


def _materialized(
    state: State,
    rows: list[dict[str, Any]],
    schema: pa.Schema,
    store: StateStore,
    clock_us: int,
    retention: Retention | None,
) -> Pointer:
    history = History(root=_NOWHERE, rows={state.scan.source: pa.Table.from_pylist(rows, schema=schema)})
    with state_rows(state, history, clock_us, retention) as batches:
        return store.build(state, batches.batches, Pointer("", 0, 0, "verify", retention, 0, 0))


def _ingest_until(
    at_us: int,
    clock_us: int,
    plan: Plan,
    pending: Arrivals,
    store: StateStore,
    built: dict[str, Pointer],
    random: Random,
) -> None:
    """Apply what has come in by an instant, shuffled, in batches of random size, through the log's own encoding.

    What no view can need at `clock_us` is dropped on the way, where the state is one that is trimmed.
    """
    due: dict[str, list[dict[str, Any]]] = {}
    for source, arrivals in pending.items():
        ready = [row for arrived, row in arrivals if arrived < at_us]
        pending[source] = arrivals[len(ready) :]
        random.shuffle(ready)
        due[source] = ready
    for state in plan.states:
        kept, names = derive(state), [column.name for column in state.scan.columns]
        prepared = []
        for row in due[state.scan.source]:
            [body] = encode([{name: row[held(name)] for name in names}], state.scan)
            values = decode(body, state.scan)
            key = tuple(values[name] for name in state.key)
            prepared.append(
                (key, kept(values, row["event_at_us"], row["known_at_us"], row["row_id"], row["fingerprint"]))
            )
        while prepared:
            size = random.choice((1, 7, 100, len(prepared)))
            built[state.id], _ = store.apply(state, built[state.id], prepared[:size], clock_us)
            prepared = prepared[size:]
    store.publish(built)


def _compare(
    tally: _Tally,
    output: Output,
    leg: str,
    at_us: int,
    inputs: dict[str, Value],
    plan: Plan,
    online: tuple[Value, int],
    offline: tuple[Value, Any],
) -> None:
    value = tuple(online[0]) if isinstance(online[0], list) else online[0]
    tally.cells += 1
    tally.informative += bool(value)
    tally.values.add(value)
    if same_bits(online[0], offline[0]) and online[1] == offline[1]:
        return
    tally.differing += 1
    if tally.example is None:
        dtypes = {given.name: given.dtype for given in plan.inputs}
        shown = {name: str(python_value(value, dtypes[name])) for name, value in inputs.items()}
        tally.example = Difference(leg, shown, instant_text(at_us), _shown(output, online), _shown(output, offline))


def _shown(output: Output, cell: tuple[Value, int]) -> str:
    value, status = cell
    return f"{python_value(value, output.dtype)!r} ({STATUS_NAMES[status]})"


def _parity(output: Output, tally: _Tally) -> FeatureParity:
    return FeatureParity(
        output.name,
        str(output.dtype),
        tally.cells,
        tally.informative,
        len(tally.values - {None}),
        tally.differing,
        tally.example,
    )
