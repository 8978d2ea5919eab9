"""What a state held when it answered (R19), as conditions on rows: its files by content, its log by position."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa

from featurestore.define.data import Csv, Parquet
from featurestore.log.quarantine import Quarantine
from featurestore.offline.connection import literal, quoted
from featurestore.offline.layers import Sees
from featurestore.offline.manifest import FileSeen, Manifest, kept, seen_files
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

    def condition(self, upto: str = "") -> str:
        """Whether a state held a row `r` when it answered `q`; rows of the log count to the position in the column
        `upto`, if not to the one that was logged."""
        place = f"q.{quoted(upto or f'a.{self.state.id}')}"
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

    def sees(self, upto: str = "") -> Sees:
        """What a question sees when it sees what the state held; `upto` as `condition` has it."""
        return self._sees(self.condition(upto), upto)

    def without(self, kinds: Sequence[str]) -> Sees:
        """What a question sees when it sees all that the state held, and of the others all but some kinds."""
        listed = ", ".join(literal(kind) for kind in kinds)
        return self._sees(f"({self.condition()}) OR ({self.kind()}) NOT IN ({listed})")

    def _sees(self, sql: str, upto: str = "") -> Sees:
        position, stamped = f"r.{quoted(POSITION)}", f"r.{quoted(STAMPED)}"
        applied = upto or f"a.{self.state.id}"
        columns = {FILE: f"r.{quoted(FILE)}", POSITION: position, STAMPED: stamped, "row_id": "NULL"}
        if self.state.scan.row_id is not None:
            known = f"(SELECT row_id FROM {quoted(set_aside(self.state.scan.source))})"
            columns["row_id"] = f"CASE WHEN CAST(r.row_id AS VARCHAR) IN {known} THEN r.row_id END"
        waiting = f"{position} > (SELECT coalesce(min(coalesce({quoted(applied)}, -1)), -1) FROM questions)"
        doubtful = f"CASE WHEN {position} IS NOT NULL THEN {waiting} ELSE {self._in_some_files()} END"
        return Sees(sql, columns, {POSITION: [applied]}, {STAMPED: ["served_us"]}, doubtful)

    def _in_some_files(self) -> str:
        """Whether a row may be in a file that some generation did not hold."""
        lacking = [paths for paths in self.files.values() if not paths >= {each.path for each in self.now}]
        if not lacking:
            return "FALSE"
        everywhere = ", ".join(literal(path) for path in sorted(frozenset.intersection(*lacking)))
        return f"coalesce(r.{quoted(FILE)} NOT IN ({everywhere}), TRUE)" if everywhere else "TRUE"

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


class Holdings:
    """What one run learns of states: today's files and the rows that were set aside, each read once."""

    def __init__(self, history: History, folder: Path) -> None:
        self._history, self._folder = history, folder
        self._files: dict[str, tuple[FileSeen, ...]] = {}
        self._set_aside: dict[str, pa.Table] = {}

    def of(self, then: Replay, now: Replay, generations: Mapping[str, Sequence[str]]) -> dict[str, Held]:
        """For each state of the plan of `then`, what these generations of it held, as conditions for both replays."""
        found = {}
        log = None if self._history.log is None else self._history.log.identity
        for state in then.plan.states:
            source = state.scan.source
            if source not in self._files:
                self._files[source] = seen_files(state.scan, self._history)
                self._set_aside[source] = _set_aside(state, self._history.quarantine)
            for replay in {id(then): then, id(now): now}.values():
                replay.add(set_aside(source), self._set_aside[source])
            by_file = isinstance(state.scan.data, (Parquet, Csv))
            held = found[state.id] = Held(state, self._files[source], by_file)
            for generation in generations.get(state.id, ()):
                _know(held, kept(self._folder, generation), generation, log)
        return found


def unheld(replay: Replay, held: Mapping[str, Held]) -> tuple[dict[int, set[str]], dict[int, dict[str, list[int]]]]:
    """For each question that can see rows now which its state did not hold: their kinds, and by view the positions of
    those that were being applied just then."""
    kinds: dict[int, set[str]] = {}
    steps: dict[int, dict[str, list[int]]] = {}
    states = {view.name: (view, view.state) for view in replay.plan.views if view.state is not None}
    sees = {name: held[state.id].sees() for name, (_, state) in states.items()}
    listed = {name: f"list(DISTINCT {held[state.id].kind()})" for name, (_, state) in states.items()}
    for spine_row, found in replay.unseen(sees, listed):
        kinds.setdefault(spine_row, set()).update(found)
    for name, (view, state) in states.items():
        position, applied, upto = (f"r.{quoted(POSITION)}", *(f"q.{quoted(f'{each}.{state.id}')}" for each in "au"))
        applying = f"{position} <= {upto} AND {upto} > coalesce({applied}, -1)"
        unheld = f"{applying} AND {visible(view)} AND NOT coalesce({held[state.id].condition()}, FALSE)"
        met = replay.met(state, view, unheld)
        query = f"SELECT q.spine_row, list_sort(list(DISTINCT {position})) {met} GROUP BY q.spine_row"
        for spine_row, positions in replay.run(query).fetchall():
            steps.setdefault(spine_row, {})[name] = positions
    return kinds, steps


def _know(held: Held, manifest: Manifest | None, generation: str, log: str | None) -> None:
    """Learn which of today's files a generation held, by their content: as many of equal ones as it had. One that was
    changed in place counts as held, though nothing is proven by it."""
    if manifest is None:
        held.gone[generation] = "nothing is known of what it was built from"
        return
    paths = {each.path for each in manifest.files}
    had = Counter((each.size, each.sha256) for each in manifest.files)
    there = set()
    for each in sorted(held.now, key=lambda each: each.path not in paths):
        if had[each.size, each.sha256]:
            had[each.size, each.sha256] -= 1
            there.add(each.path)
    missing = [each for each in manifest.files if had[each.size, each.sha256]]
    if manifest.log != log:
        held.gone[generation] = "the log that it followed is gone"
    elif missing and held.state.scan.data is None:
        held.gone[generation] = f"the source `{manifest.source}` is no longer defined as it was"
    elif missing:
        now = {each.path for each in held.now}
        change = "is no longer what it was" if missing[0].path in now else "is no longer there"
        held.gone[generation] = f"{missing[0].path or 'the table in memory'} {change}"
    elif not held.by_file and len(there) < len(held.now):
        held.gone[generation] = "a file was added, and its rows cannot be told from those of others"
    if held.by_file:
        held.files[generation] = frozenset(there | paths)


def _set_aside(state: State, quarantine: Quarantine | None) -> pa.Table:
    rows = []
    row_id = state.scan.row_id
    if quarantine is not None and row_id is not None:
        for each in quarantine.rows(state.scan.source):
            if each.row.get(row_id) is not None:
                rows.append({"row_id": str(each.row[row_id]), "at_us": instant_us(each.at)})
    columns: dict[str, pa.DataType] = {"row_id": pa.string(), "at_us": pa.int64()}
    return pa.Table.from_pylist(rows, schema=pa.schema(columns))
