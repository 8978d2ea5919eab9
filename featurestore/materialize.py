"""Both roads together: the state of all keys from history, built beside what serves, published when it is whole."""

from __future__ import annotations

import fcntl
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from featurestore.errors import StoreEmpty
from featurestore.log.event_log import EventLog
from featurestore.offline.manifest import Manifest, keep, seen_files, unchanged
from featurestore.offline.materialize import state_rows
from featurestore.offline.scan import History
from featurestore.online.online_store import OnlineStore
from featurestore.online.pointers import Pointer
from featurestore.plan.built import Built
from featurestore.plan.nodes import State, View
from featurestore.plan.outcomes import Counts, SetAside
from featurestore.plan.retention import Retention, lacks, retention_of

GENERATIONS = "generations"
"""The folder below the state folder that says what each generation was built from."""
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class MaterializeReport:
    """What `materialize` built, by state: keys, rows and bytes kept, and what became of the history's rows (R16).

    `set_aside` says for each source what was read and why some of it does not count; rows that were pushed meanwhile
    are in `states` only. `built` has what `plan` compares with later.
    """

    states: dict[str, Counts] = field(default_factory=dict)
    keys: dict[str, int] = field(default_factory=dict)
    rows: dict[str, int] = field(default_factory=dict)
    bytes: dict[str, int] = field(default_factory=dict)
    set_aside: dict[str, SetAside] = field(default_factory=dict)
    built: dict[str, Built] = field(default_factory=dict)


def materialize(
    home: Path,
    history: History,
    log: EventLog,
    online: OnlineStore,
    states: Sequence[State],
    known: Sequence[View],
    progress: Progress | None = None,
) -> MaterializeReport:
    """Build states from history and publish them together.

    What the `known` views do not need is left out (R12). One call at a time for a project.
    """
    report, building = MaterializeReport(), _Building(home, history, log, online)
    with _alone(home):
        built: dict[str, Pointer] = {}
        for done, state in enumerate(states):
            if progress:
                progress(f"{state.scan.source} by {', '.join(state.key)}", done, len(states))
            built[state.id] = building.build(state, retention_of(state, known), report)
        building.publish(states, built, report)
    if progress:
        progress("published", len(states), len(states))
    return report


def lacking(log: EventLog, online: OnlineStore, states: Sequence[State], known: Sequence[View]) -> list[State]:
    """Those of the states that a lookup of the `known` views could not be answered from: never published, of another
    log, or without rows that these need."""
    found = []
    for state in states:
        pointer = _pointer(online, state)
        ours = pointer is not None and pointer.log == log.identity and pointer.applied <= log.head(state.scan.source)
        views = [view for view in known if view.state is not None and view.state.id == state.id]
        if pointer is None or not ours or any(lacks(pointer.retention, view) for view in views):
            found.append(state)
    return found


def _pointer(online: OnlineStore, state: State) -> Pointer | None:
    try:
        return online.states.pointers([state])[state.id]
    except StoreEmpty:  # written by another version of the product: it is replaced
        return None


class _Building:
    """The generations of one call."""

    def __init__(self, home: Path, history: History, log: EventLog, online: OnlineStore) -> None:
        self._home, self._history, self._log, self._online = home, history, log, online
        self._before: dict[str, str | None] = {}

    def build(self, state: State, retention: Retention | None, report: MaterializeReport) -> Pointer:
        """A new generation of a state, which nobody reads yet, and the manifest of what it was built from."""
        source = state.scan.source
        cut = self._log.head(source)
        stamp_us = self._log.last_known_at_us(source) or 0
        history = replace(self._history, upto={source: cut})
        seen = seen_files(state.scan, history)
        self._before[state.id] = self._serving(state)
        self._online.states.drop_others(state, self._before[state.id])
        with state_rows(state, history, self._online.clock_us(), retention) as rows:
            pointer = Pointer("", cut, stamp_us, self._log.identity, retention, 0, 0, content=rows.content)
            pointer = self._online.states.build(state, rows.batches, pointer)
            account = rows.account
        if unchanged(state.scan, history, seen):
            built_us, log = self._online.clock_us(), self._log.identity
            keep(self._home / GENERATIONS, Manifest(pointer.generation, state.id, source, seen, log, cut, built_us))
        known = report.set_aside.get(source, account)
        report.set_aside[source] = replace(account, states=known.states | account.states)
        report.states[state.id] = replace(account.states[state.id])
        report.keys[state.id], report.rows[state.id], report.bytes[state.id] = pointer.keys, pointer.rows, pointer.size
        return pointer

    def publish(self, states: Sequence[State], built: dict[str, Pointer], report: MaterializeReport) -> None:
        """Bring the new generations up to the log's head, and let them serve together."""
        with self._turns(sorted({state.scan.source for state in states})):
            for state in states:
                built[state.id], more = self._online.states.follow(
                    state, built[state.id], self._log, self._online.clock_us()
                )
                report.states[state.id].add(more)
            self._online.states.publish(built)
        report.built.update((name, Built(each.content, each.retention)) for name, each in built.items())
        for state in states:
            if before := self._before[state.id]:
                self._online.states.drop(state, before)

    def _serving(self, state: State) -> str | None:
        pointer = _pointer(self._online, state)
        return pointer.generation if pointer else None

    @contextmanager
    def _turns(self, sources: Sequence[str]) -> Iterator[None]:
        """The turns of several sources, taken in one order by everybody."""
        if not sources:
            yield
            return
        with self._log.turn(sources[0]), self._turns(sources[1:]):
            yield


@contextmanager
def _alone(home: Path) -> Iterator[None]:
    """One call at a time for a project."""
    home.mkdir(parents=True, exist_ok=True)
    with (home / "materialize.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
