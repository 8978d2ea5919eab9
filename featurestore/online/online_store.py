"""The online road: events in, vectors out, on one server and one log."""

from __future__ import annotations

import secrets
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Any

import redis

from featurestore.errors import FeatureStoreError, StoreBehind, StoreError, StoreUnavailable
from featurestore.log.event_log import EventLog
from featurestore.log.quarantine import Quarantine
from featurestore.log.served import ServedLog
from featurestore.online.events import Checked, check_events, encode
from featurestore.online.inputs import canonical_inputs
from featurestore.online.lookup import LookupRoad
from featurestore.online.pointers import Pointer, no_state
from featurestore.online.request_id import checked_request_id, new_request_id
from featurestore.online.state_store import StateStore
from featurestore.online.trips import AsyncExchange
from featurestore.online.vectors import Vectors
from featurestore.plan.nodes import Plan, Scan, State
from featurestore.plan.outcomes import Counts
from featurestore.semantics.dtypes import Value

CHECK_EVERY_S = 0.1
"""How often a lookup looks whether a dead writer left rows behind."""
FIRST_FEW = 10
"""Rows that were set aside which a report names one by one."""


@dataclass(frozen=True, slots=True)
class IngestReport:
    """What became of one call's rows (R16): for every state, in = applied + duplicate + unkeyed + quarantined.

    `first` and `last` are log positions, 0 when nothing was committed. A state that was never materialised is not in
    `states`: its rows are in the log and will be in it. `reasons` counts the quarantined rows, `bad_columns` the bad
    values; `set_aside` are the first few quarantined rows, each as its place in the call and its reason. `call` is
    the name under which the quarantine keeps them. `future` rows happen after the store's clock: they count, and are
    seen from then on.
    """

    source: str
    rows: int
    first: int
    last: int
    quarantined: int
    bad_values: int
    states: dict[str, Counts] = field(default_factory=dict)
    call: str = ""
    reasons: dict[str, int] = field(default_factory=dict)
    bad_columns: dict[str, int] = field(default_factory=dict)
    set_aside: tuple[tuple[int, str], ...] = ()
    future: int = 0

    @property
    def useless(self) -> bool:
        """Whether there were rows and none of them counts anywhere, now or before: none is usable, or none has a
        key."""
        counted = any(each.applied or each.duplicate for each in self.states.values())
        return self.rows > 0 and (self.quarantined == self.rows or (bool(self.states) and not counted))


class OnlineStore:
    """One project's online road. Every process of the project may have one; threads may share it."""

    def __init__(
        self,
        client: redis.Redis,
        writer: redis.Redis,
        project: str,
        log: EventLog,
        quarantine: Quarantine,
        served: ServedLog | None = None,
    ) -> None:
        """Lookups go through `client`, whose patience is short; what is written goes through `writer`. What is answered
        leaves a record in `served`, if there is one."""
        self.client, self.writer, self.log = client, writer, log
        self.states = StateStore(writer, project)
        self._road = LookupRoad(client, project)
        self.quarantine, self.served = quarantine, served
        self._check_again: dict[str, float] = {}

    def close(self) -> None:
        """Let go of the connections, and write what was served; the log belongs to the caller."""
        if self.served is not None:
            self.served.close()
        self.client.close()
        self.writer.close()

    def lookup(
        self,
        plan: Plan,
        inputs: Sequence[Mapping[str, Any]],
        as_of_us: int | None = None,
        request_id: str | None = None,
    ) -> Vectors:
        """The vectors for some questions, all as of one instant: now, or `as_of_us`.

        What a writer committed and did not live to apply is applied first (R15); a writer at work is not waited for.
        Without a `request_id` one is made.
        """
        request_id = new_request_id() if request_id is None else checked_request_id(request_id)
        if behind := self.behind(plan):
            self.catch_up(behind)
        questions = canonical_inputs(plan, inputs)
        vectors = self._road.answer_canonical(plan, questions, as_of_us, request_id=request_id)
        self._served(plan, questions, vectors, asked=as_of_us is not None)
        return vectors

    async def lookup_together(
        self, plan: Plan, requests: Sequence[tuple[Sequence[Mapping[str, Any]], str]], exchange: AsyncExchange
    ) -> list[Vectors | FeatureStoreError]:
        """What `lookup` gives for several requests as of now, each its questions and its id: one trip for all of them,
        while the event loop goes on.

        A request that fails has its error; the others have what they would have alone. The caller has caught up.
        """
        found: list[Vectors | FeatureStoreError | None] = []
        asked: list[list[dict[str, Value]]] = []
        for inputs, _ in requests:
            try:
                asked.append(canonical_inputs(plan, inputs))
                found.append(None)
            except FeatureStoreError as error:
                asked.append([])
                found.append(error)
        try:
            whole = await self._road.answer_soon(plan, list(chain.from_iterable(asked)), exchange)
        except FeatureStoreError as error:
            if len(requests) == 1 or isinstance(error, StoreUnavailable):
                return [each or error for each in found]
            alone = [await self.lookup_together(plan, [request], exchange) for request in requests]
            return [each for [each] in alone]
        at = 0
        for place, ((_, request_id), questions) in enumerate(zip(requests, asked, strict=True)):
            if found[place] is None:
                vectors = found[place] = whole.part(at, at + len(questions), request_id)
                at += len(questions)
                self._served(plan, questions, vectors, asked=False)
        return [each for each in found if each is not None]

    def behind(self, plan: Plan) -> list[State]:
        """The states for which rows wait that nobody is about to apply; a writer at work is not waited for.

        Raises: StoreBehind  for the state of another log.
        """
        return [state for state in plan.states if self._left_behind(state)]

    def catch_up(self, behind: Sequence[State]) -> None:
        """Apply what a writer committed and did not live to apply (R15)."""
        try:
            self.recover(behind)
        except BaseException:
            for state in behind:  # the next lookup must not take it for done
                self._check_again.pop(state.id, None)
            raise

    def _served(self, plan: Plan, questions: Sequence[dict[str, Value]], vectors: Vectors, *, asked: bool) -> None:
        if self.served is not None:
            # no instant lies after the store's clock, whatever is estimated of it
            served_us = max(self._road.lately_us(), vectors.as_of_us)
            self.served.offer(plan, questions, vectors, served_us, asked)

    def clock_us(self) -> int:
        """The server's clock (R13)."""
        return self._road.clock_us()

    def ingest(self, scan: Scan, states: Sequence[State], events: object) -> IngestReport:
        """Commit rows to the source's log and apply them to its states.

        Rows become visible at one stamp after all that is merged. When this returns they are in the log and in every
        materialised state; when it raises after the commit (the server is away), they are in the log and are applied
        by the next call or `recover`.
        """
        checked, call = check_events(scan, events, [state.key for state in states]), secrets.token_hex(6)
        with self.log.turn(scan.source):
            self._follow(scan.source, states)  # what another writer left, so that the counts are of this call's rows
            held_us = self._hold(states) if scan.known_at is None else 0
            clock_us = held_us or self.clock_us()
            try:
                positions = self._commit(scan, checked, call, clock_us)
            except BaseException:
                self._follow(scan.source, states)
                raise
            try:
                counts = self._follow(scan.source, states)
            except StoreError as error:
                if positions:
                    error.where = (
                        f"`{scan.source}`, whose rows are in the log as positions {positions[0]} to {positions[-1]}"
                    )
                    error.fix = "do not send them again: they are applied as soon as the store answers"
                raise
        for each in counts.values():
            each.quarantined += len(checked.quarantined)
        return IngestReport(
            scan.source,
            len(checked.rows) + len(checked.quarantined),
            positions[0] if positions else 0,
            positions[-1] if positions else 0,
            len(checked.quarantined),
            checked.bad_values.total(),
            counts,
            call,
            dict(Counter(reason for _, _, reason in checked.quarantined)),
            dict(checked.bad_values),
            tuple((place, reason) for place, _, reason in checked.quarantined[:FIRST_FEW]),
            sum(row[scan.event_at or ""] > clock_us for row in checked.rows),
        )

    def recover(self, states: Sequence[State]) -> dict[str, Counts]:
        """Apply what a writer committed and did not live to apply. Returns what was applied, by state."""
        done: dict[str, Counts] = {}
        for source in dict.fromkeys(state.scan.source for state in states):
            mine = [state for state in states if state.scan.source == source]
            head, found = self.log.head(source), self.states.pointers(mine).values()
            if any(each and (each.applied < head or each.pending_us is not None) for each in found):
                with self.log.turn(source):
                    done |= self._follow(source, mine)
        return done

    def check_ready(self, states: Sequence[State]) -> dict[str, Pointer]:
        """The states' pointers. Raises: StoreEmpty, StoreBehind  when a lookup could not be answered rightly (R15)."""
        held = self.states.pointers(states)
        found = {state_id: pointer for state_id, pointer in held.items() if pointer is not None}
        if lacking := [state for state in states if state.id not in found]:
            raise no_state(lacking)
        for state_id, pointer in found.items():
            self._check_log(state_id, state_id.split(".")[0], pointer)
        return found

    def _left_behind(self, state: State) -> bool:
        """Whether the log has rows that nobody is about to apply. Raises: StoreBehind  for the state of another log."""
        if time.monotonic() < self._check_again.get(state.id, 0.0):
            return False
        pointer = self._road.known_pointer(state)
        if pointer is None:
            return False
        try:
            self._check_own_log(state, pointer)
        except StoreBehind:  # what is known may be old
            pointer = self.states.pointers([state])[state.id]
            if pointer is None:
                return False
            self._check_own_log(state, pointer)
        self._check_again[state.id] = time.monotonic() + CHECK_EVERY_S  # not before: a refusal is not for once only
        source = state.scan.source
        held = pointer.pending_us is not None
        return (held or pointer.applied < self.log.head(source)) and self.log.idle(source)

    def _check_log(self, state_id: str, source: str, pointer: Pointer) -> None:
        head = self.log.head(source)
        if pointer.log != self.log.identity or pointer.applied > head:
            raise StoreBehind(
                f"the state `{state_id}` was built from another log",
                has=f"position {pointer.applied} of log {pointer.log}",
                fix="run `featurestore materialize`",
            )
        if pointer.applied < head:
            raise StoreBehind(
                f"the state `{state_id}` is behind its log",
                has=f"position {pointer.applied} of {head}",
                fix="wait for the writer, or run `featurestore ingest` or `materialize`",
            )

    def _commit(self, scan: Scan, checked: Checked, call: str, clock_us: int) -> range:
        if checked.quarantined:
            self.quarantine.append(scan.source, call, clock_us, checked.quarantined)
        if not checked.rows:
            return range(0)
        stamp_us = max(clock_us, (self.log.last_known_at_us(scan.source) or 0) + 1)
        return self.log.append(scan.source, encode(checked.rows, scan), stamp_us)

    def _hold(self, states: Sequence[State]) -> int:
        """Keep lookups before the stamp that is about to be taken, until its rows are in every key (R13). Gives the
        clock once they are held, which the stamp may be; 0 when there is no state to hold."""
        now_us, found = self.states.look(states)
        return self.states.publish({each: replace(pointer, pending_us=now_us) for each, pointer in found.items()})

    def _follow(self, source: str, states: Sequence[State]) -> dict[str, Counts]:
        """Apply what the log has beyond the pointers of a source's states, and let lookups see all of it at once."""
        counts: dict[str, Counts] = {}
        moved: dict[str, Pointer] = {}
        mine = {state.id: state for state in states if state.scan.source == source}
        head = self.log.head(source)
        now_us, found = self.states.look(list(mine.values())) if mine else (0, {})
        for state_id, pointer in found.items():
            self._check_own_log(mine[state_id], pointer)
        # Before any key has a row that lookups may see at once, they can know of it.
        self.states.publish(
            {
                state_id: replace(pointer, applying=head)
                for state_id, pointer in found.items()
                if pointer.applied < head and pointer.pending_us is None
            }
        )
        for state_id, pointer in found.items():
            after, counts[state_id] = self.states.follow(mine[state_id], pointer, self.log, now_us)
            if after != pointer or pointer.pending_us is not None or pointer.applying is not None:
                moved[state_id] = replace(after, pending_us=None, applying=None)
        self.states.publish(moved)
        return counts

    def _check_own_log(self, state: State, pointer: Pointer) -> None:
        if pointer.log != self.log.identity or pointer.applied > self.log.head(state.scan.source):
            self._check_log(state.id, state.scan.source, pointer)
