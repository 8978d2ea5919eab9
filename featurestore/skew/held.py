"""What a state held when it answered (R19), as conditions on rows: its files by content, its log by position."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa

from featurestore.define.data import Csv, Parquet
from featurestore.log.quarantine import Quarantine
from featurestore.offline.connection import literal, quoted
from featurestore.offline.manifest import FileSeen, kept, seen_files
from featurestore.offline.replay import Replay, visible
from featurestore.offline.scan import FILE, POSITION, STAMPED, History
from featurestore.plan.nodes import State
from featurestore.semantics.instants import instant_us
from featurestore.skew.causes import LAG, LATE_ROW, QUARANTINED, STALE

CLASSES = (LATE_ROW, LAG, STALE, QUARANTINED)
"""The kinds of rows that a state may not have held."""


@dataclass(slots=True)
class Held:
    """For one state of a plan: which rows each generation held, and which rows that it did not hold are of which kind.

    Shape: questions have `g.<state>`, `a.<state>`, `u.<state>` as they were logged, and `served_us`.
    `gone` says for a generation why what it was built from is not there any more.
    """

    state: State
    now: tuple[FileSeen, ...]
    by_file: bool
    files: dict[str, frozenset[str]] = field(default_factory=dict)
    gone: dict[str, str] = field(default_factory=dict)

    def condition(self, upto: str = "a") -> str:
        """Whether a state held a row `r` when it answered `q`; rows of the log count to the position in `<upto>.`."""
        place = f"q.{quoted(f'{upto}.{self.state.id}')}"
        position = f"r.{quoted(POSITION)}"
        return f"CASE WHEN {position} IS NOT NULL THEN {position} <= {place} ELSE {self._in_files()} END"

    def kind(self) -> str:
        """What kind of row it is that a state did not hold."""
        written = " ".join(f"WHEN {literal(each.path)} THEN {each.written_us}" for each in self.now)
        known = f"CASE r.{quoted(FILE)} {written} END" if self.by_file and written else self._newest()
        came = f"coalesce(r.{quoted(STAMPED)}, {known})"
        return (
            f"CASE WHEN {self._set_aside()} THEN '{QUARANTINED}' WHEN {came} >= q.served_us THEN '{LATE_ROW}' "
            f"WHEN r.{quoted(POSITION)} IS NOT NULL THEN '{LAG}' ELSE '{STALE}' END"
        )

    def without(self, kinds: Sequence[str]) -> str:
        """Whether a question sees a row when it sees all that the state held, and of the others all but some kinds."""
        listed = ", ".join(literal(kind) for kind in kinds)
        return f"({self.condition()}) OR ({self.kind()}) NOT IN ({listed})"

    def _in_files(self) -> str:
        generation = f"q.{quoted(f'g.{self.state.id}')}"
        cases = []
        for name, paths in self.files.items():
            if paths >= {each.path for each in self.now}:
                continue
            listed = ", ".join(literal(path) for path in sorted(paths))
            had = f"r.{quoted(FILE)} IN ({listed})" if listed else "FALSE"
            cases.append(f"WHEN {literal(name)} THEN {had}")
        return f"CASE {generation} {' '.join(cases)} ELSE TRUE END" if cases else "TRUE"

    def _newest(self) -> str:
        return str(max((each.written_us for each in self.now), default=0))

    def _set_aside(self) -> str:
        if self.state.scan.row_id is None:
            return "FALSE"
        table = set_aside(self.state.scan.source)
        return f"CAST(r.row_id AS VARCHAR) IN (SELECT row_id FROM {quoted(table)} s WHERE s.at_us < q.served_us)"


def set_aside(source: str) -> str:
    """The table of the rows of a source that were set aside when they were pushed."""
    return f"{source}.set_aside"


def what_was_held(
    then: Replay, now: Replay, history: History, generations: Mapping[str, Sequence[str]], folder: Path
) -> dict[str, Held]:
    """For each state of the plan of `then`, what its generations held, as conditions for both replays. Manifests are in
    `folder`."""
    found = {}
    seen: dict[str, tuple[FileSeen, ...]] = {}
    for state in then.plan.states:
        source = state.scan.source
        if source not in seen:
            seen[source] = seen_files(state.scan, history)
            for replay in {id(then): then, id(now): now}.values():
                replay.add(set_aside(source), _set_aside(state, history.quarantine))
        by_file = isinstance(state.scan.data, (Parquet, Csv))
        held = found[state.id] = Held(state, seen[source], by_file)
        for generation in generations.get(state.id, ()):
            _know(held, generation, folder)
    return found


def unheld_sql(replay: Replay, held: Mapping[str, Held]) -> str:
    """A SELECT of the rows that a question can see now and its state did not hold: `spine_row`, `kind`, `state`, `row`
    and `position`."""
    parts = []
    for view in replay.plan.views:
        if view.state is not None:
            one = held[view.state.id]
            met = replay.met(view.state, view, f"{visible(view)} AND NOT coalesce({one.condition()}, FALSE)")
            parts.append(
                f"SELECT q.spine_row, {one.kind()} AS kind, {literal(view.state.id)} AS state, "
                f"r.{quoted('q.row')} AS row, r.{quoted(POSITION)} AS position {met}"
            )
    return (
        "\nUNION ".join(parts) or "SELECT 0 AS spine_row, '' AS kind, '' AS state, 0 AS row, 0 AS position WHERE FALSE"
    )


def _know(held: Held, generation: str, folder: Path) -> None:
    """Learn which of today's files a generation held, by their content."""
    manifest = kept(folder, generation)
    if manifest is None:
        held.gone[generation] = "nothing is known of what it was built from"
        return
    had = {(each.size, each.sha256) for each in manifest.files}
    there = frozenset(each.path for each in held.now if (each.size, each.sha256) in had)
    now = {(each.size, each.sha256) for each in held.now}
    missing = [each.path for each in manifest.files if (each.size, each.sha256) not in now]
    if missing:
        held.gone[generation] = f"{missing[0]} is no longer what it was"
    elif not held.by_file and len(there) < len(held.now):
        held.gone[generation] = "a file was added, and its rows cannot be told from those of others"
    held.files[generation] = there


def _set_aside(state: State, quarantine: Quarantine | None) -> pa.Table:
    rows = []
    row_id = state.scan.row_id
    if quarantine is not None and row_id is not None:
        for each in quarantine.rows(state.scan.source):
            if each.row.get(row_id) is not None:
                rows.append({"row_id": str(each.row[row_id]), "at_us": instant_us(each.at)})
    columns: dict[str, pa.DataType] = {"row_id": pa.string(), "at_us": pa.int64()}
    return pa.Table.from_pylist(rows, schema=pa.schema(columns))
