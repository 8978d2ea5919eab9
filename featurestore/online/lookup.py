"""Lookup: questions to vectors. One round trip for every key of every view, one instant for all of them (R13)."""

from __future__ import annotations

import gc
import time
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import redis

from featurestore.errors import (
    AsOfTooEarly,
    AsOfTooLate,
    InputError,
    RowFunctionFailed,
    StoreEmpty,
    StoreUnavailable,
)
from featurestore.online.evaluate import INSTANT
from featurestore.online.keys import generation_prefix
from featurestore.online.pointers import (
    Pointer,
    Position,
    decode_pointer,
    position,
    reaching,
    read_pointers,
)
from featurestore.online.questions import NO_KEY, Key, Keys, Road
from featurestore.online.tree import trimmed
from featurestore.online.trips import Command, exchange_of, time_us
from featurestore.online.vectors import Vectors
from featurestore.online.windows import Answered, Moment
from featurestore.plan.nodes import Plan, State, View
from featurestore.semantics.dtypes import Value, python_value
from featurestore.semantics.instants import EARLIEST_US, LATEST_US, duration_text, instant_text

ATTEMPTS = 20
"""How often a read begins anew because a writer was in its way."""
FIRST_FEW = 10
"""Questions that an error names one by one."""
WAIT_S = 0.005
"""How long a read of a given instant waits for rows with earlier stamps that are being applied."""
KNOWN_PLANS = 64  # a notebook plans again and again
CLOCK_US = 100_000
"""How old what is known of the server's clock may be."""
Answers = tuple[tuple[tuple[Value, ...], ...], tuple[tuple[int, ...], ...]]
"""Values and statuses, by question and output."""


class LookupRoad:
    """Answers questions for feature sets of one project from one server."""

    def __init__(self, client: redis.Redis, project: str) -> None:
        self._client, self._project = client, project
        self._exchange = exchange_of(client, reads=True)
        self._pointers: dict[str, Pointer] = {}
        self._roads: dict[int, Road] = {}
        # the server's clock minus a clock of ours that nobody sets, unlike the time of day; never above the truth: an
        # answer's arrival is later than its making
        self._clock_offset_us: int | None = None
        self._clock_asked_us = 0

    def clock_us(self) -> int:
        """The server's clock."""
        with reaching(self._client):
            return self._learn_clock(self._client.time())

    def known_pointer(self, state: State) -> Pointer | None:
        """The pointer of a state as this process last saw it; None when it was never published."""
        if state.id not in self._pointers:
            pointer = read_pointers(self._client, self._project, [state])[state.id]
            if pointer is None:
                return None
            self._pointers[state.id] = pointer
        return self._pointers[state.id]

    def answer_canonical(
        self, plan: Plan, questions: Sequence[dict[str, Value]], as_of_us: int | None = None, *, request_id: str = ""
    ) -> Vectors:
        """The vectors for questions whose inputs are canonical, in their order.

        Raises: InputError and its kinds  for a question that does not fit; StoreError and its kinds  when the store
        cannot answer.
        """
        asked_us = as_of_us
        if asked_us is not None and not EARLIEST_US < asked_us < LATEST_US:
            raise InputError(
                f"as_of {asked_us} is no usable instant",
                where=f"feature set `{plan.name}`",
                fix="give an instant between the years 1 and 9999",
            )
        road = self._roads.get(id(plan)) or self._learn(plan)
        for _ in range(ATTEMPTS):
            pointers = self._known_pointers(road)
            at_us = asked_us if asked_us is not None else self._now_us(pointers.values())
            seen: dict[str, Position] = {}
            # Python's garbage collector rests meanwhile: it would take the state of many keys, soon let go, for objects
            # that stay, and look through all there are, tens of milliseconds, once in a while
            collects = gc.isenabled()
            gc.disable()
            try:
                answer = self._answer(road, questions, at_us, pointers, seen, given=asked_us is not None)
            finally:
                if collects:  # of two threads, the one that stopped it starts it again
                    gc.enable()
            if answer is not None:
                values, statuses = answer
                return Vectors(
                    plan.name,
                    road.version(pointers),
                    at_us,
                    road.names,
                    road.dtypes,
                    values,
                    statuses,
                    tuple([seen[state.id] for state in plan.states]),
                    request_id,
                )
            if asked_us is not None:
                time.sleep(WAIT_S)
        raise StoreUnavailable(
            "the online state changed again and again while it was read",
            where=f"feature set `{plan.name}`",
            fix="try again",
        )

    def _learn(self, plan: Plan) -> Road:
        if len(self._roads) >= KNOWN_PLANS:
            self._roads = {}
        road = self._roads[id(plan)] = Road(plan, self._project)
        return road

    def _answer(
        self,
        road: Road,
        questions: Sequence[dict[str, Value]],
        at_us: int,
        pointers: dict[str, Pointer],
        seen: dict[str, Position],
        *,
        given: bool,
    ) -> Answers | None:
        """Values and statuses for each question, or None when a pointer moved and everything has to be read again.

        `seen` is told how far the states were.
        """
        moments = {view.name: reader.moment(at_us) for view, _, reader in road.readers}
        keys = self._keys(road, moments, pointers, given=given)
        # where each question's key stands, by view: two roles of one state have the same aggregates, for other keys
        places = {view.name: keys[state.id].places(_keys_of(view, questions)) for view, state, _ in road.readers}
        found: dict[str, Answered] = {}
        more = True
        while more:
            if not self._fetch(road, keys, pointers, at_us, seen, given=given):
                return None
            if not found:
                _check_reach(road, keys, places, len(questions), at_us)
            missing: dict[str, dict[int, set[bytes]]] = {state_id: {} for state_id in keys}
            for view, state, reader in road.readers:
                if view.name not in found:
                    held, some = keys[state.id], dict.fromkeys(places[view.name])
                    some.pop(NO_KEY, None)
                    answered = reader.read(some, held.roots, held.tree, moments[view.name], missing[state.id])
                    if answered is not None:
                        found[view.name] = answered
            more = bool([held for state_id, held in keys.items() if held.lack(missing[state_id])])
        rows = {view: [each.rows.get(place, -1) for place in places[view]] for view, each in found.items()}
        if road.answered is not None:
            columns = [(found[view].columns[answer], rows[view]) for view, answer in road.answered]
            values = tuple(zip(*[[held[row] for row in at] for (held, _), at in columns], strict=True))
            return values, tuple(zip(*[[codes[row] for row in at] for (_, codes), at in columns], strict=True))
        return self._computed(road, questions, found, rows, at_us)

    def _computed(
        self,
        road: Road,
        questions: Sequence[dict[str, Value]],
        found: Mapping[str, Answered],
        rows: Mapping[str, Sequence[int]],
        at_us: int,
    ) -> Answers:
        """Values and statuses where features are more than aggregates."""
        values, statuses = [], []
        for place, asked in enumerate(questions):
            known: dict[Any, Any] = dict(asked)
            for view, features in road.features:
                if (answered := found.get(view.name)) is not None:
                    row = rows[view.name][place]
                    known.update(
                        (answer, (held[row], codes[row])) for answer, (held, codes) in answered.columns.items()
                    )
                known[INSTANT] = view.instant_us(at_us)
                try:
                    features.add(known)
                except RowFunctionFailed as error:
                    error.where = f"question {place}, view `{view.name}`"
                    raise
            cells = [known[output] for output in road.outputs]
            values.append(tuple([value for value, _ in cells]))
            statuses.append(tuple([status for _, status in cells]))
        return tuple(values), tuple(statuses)

    def _keys(
        self, road: Road, moments: Mapping[str, Moment], pointers: Mapping[str, Pointer], *, given: bool
    ) -> dict[str, Keys]:
        """What is asked of each state, without its keys yet."""
        guesses: dict[str, dict[bytes, None]] = {state_id: {} for state_id in road.foldings}
        for view, state, reader in road.readers:
            past, levels = given or view.refresh_us > 1, pointers[state.id].levels
            guesses[state.id].update(dict.fromkeys(reader.first_guess(moments[view.name], levels, past=past)))
        return {
            state_id: Keys(
                folding,
                generation_prefix(self._project, state_id, pointers[state_id].generation),
                tuple(guesses[state_id]),
            )
            for state_id, folding in road.foldings.items()
        }

    def _fetch(
        self,
        road: Road,
        keys: Mapping[str, Keys],
        pointers: dict[str, Pointer],
        at_us: int,
        seen: dict[str, Position],
        *,
        given: bool,
    ) -> bool:
        """One round trip: the pointers and all that is open, as they are at one moment. False when a pointer or a key
        moved, and everything has to be read again."""
        states = road.plan.states
        names: list[bytes] = [*road.pointers]
        below: list[Command] = []
        ends = [len(names)]
        for held in keys.values():
            roots, nodes = held.ask()
            names += roots
            below += nodes
            ends.append(len(names))
        commands: list[Command] = [(b"MGET", *names)] if names else []
        if below:
            commands = [(b"MULTI",), *commands, *below, (b"EXEC",)]
        clock = given or self._clock_is_old()
        if clock:
            commands.append((b"TIME",))
        with reaching(self._client):
            replies = self._exchange(commands) if commands else []
        if clock:
            clock_us = self._learn_clock(replies.pop())
            if given and at_us > clock_us:
                raise AsOfTooLate(
                    f"as_of {instant_text(at_us)} lies after the store's clock",
                    has=instant_text(clock_us),
                    fix="leave `as_of` out to ask for now",
                )
        if not states:
            return True
        first, *rest = replies[-1] if below else replies
        # the instant may lie before a stamp of one source while rows of another are pending: it is exact all the same
        latest = not given and all(pointer.pending_us is None for pointer in pointers.values())
        moved = False
        for state, data in zip(states, first[: len(states)], strict=True):
            now = self._pointers[state.id] = decode_pointer(data, state)
            moved |= _has_moved(pointers[state.id], now, at_us, latest=latest)
            seen[state.id] = position(now).or_later(seen.get(state.id))
        nodes_of = iter(rest)
        whole = zip(keys.values(), pairwise(ends), strict=True)
        return not moved and all(held.take(first[start:end], nodes_of) for held, (start, end) in whole)

    def _known_pointers(self, road: Road) -> dict[str, Pointer]:
        plan = road.plan
        unknown = [state for state in plan.states if state.id not in self._pointers]
        if unknown:
            found = read_pointers(self._client, self._project, unknown).values()
            for state, pointer in zip(unknown, found, strict=True):
                self._pointers[state.id] = pointer or decode_pointer(None, state)
        for view, state, reader in road.readers:
            if reader.too_long(self._pointers[state.id].longest_us):
                del self._pointers[state.id]  # it may have been built anew since it was read
                pointer = self.known_pointer(state) or decode_pointer(None, state)
                if span := reader.too_long(pointer.longest_us):
                    kept = duration_text(pointer.longest_us or 0)
                    raise StoreEmpty(
                        f"the state of `{view.name}` was built for windows of {kept} at most",
                        has=f"a window of {span.label}",
                        fix="run `featurestore materialize`; start again what began before the definitions changed",
                    )
        return {state.id: self._pointers[state.id] for state in plan.states}

    def _now_us(self, pointers: Any) -> int:
        """An instant after all that is merged and not after the server's clock, but before what is being merged."""
        stamps = [pointer.stamp_us + 1 for pointer in pointers]
        pending = [pointer.pending_us for pointer in pointers if pointer.pending_us is not None]
        return int(min([max([self.lately_us(), *stamps]), *pending]))

    def lately_us(self) -> int:
        """The server's clock by what the last answer said of it: only the first call makes a trip."""
        if self._clock_offset_us is None:
            return self.clock_us()
        return time.monotonic_ns() // 1000 + self._clock_offset_us

    def _learn_clock(self, reply: Sequence[Any]) -> int:
        clock_us = time_us(reply)
        self._clock_asked_us = time.monotonic_ns() // 1000
        self._clock_offset_us = clock_us - self._clock_asked_us
        return clock_us

    def _clock_is_old(self) -> bool:
        return time.monotonic_ns() // 1000 - self._clock_asked_us > CLOCK_US


def _has_moved(used: Pointer, now: Pointer, at_us: int, *, latest: bool) -> bool:
    """Whether what was read of a state may not be what the instant sees, judged by the pointer that was read with
    it."""
    if now.generation != used.generation:
        return True
    if used.pending_us is not None and now.pending_us != used.pending_us:
        return True  # what held the instant back is over: a later one can be asked
    if now.pending_us is not None:
        return at_us > now.pending_us
    return latest and now.stamp_us >= at_us


def _keys_of(view: View, questions: Sequence[dict[str, Value]]) -> list[Key]:
    """The key of each question, as a view reads it."""
    return list(zip(*[[asked[name] for asked in questions] for name in view.inputs], strict=True))


def _check_reach(
    road: Road, keys: Mapping[str, Keys], places: Mapping[str, Sequence[int]], total: int, at_us: int
) -> None:
    """Raises: AsOfTooEarly  naming every question, by place and key, whose windows cover rows that were trimmed: all
    or none are answered (R13), and whoever asks has to know which to leave out."""
    dtypes = {given.name: given.dtype for given in road.plan.inputs}
    early: dict[int, str] = {}
    from_us = at_us
    for view, state, reader in road.readers:
        held = keys[state.id]
        since = {key: reader.too_early_until_us(horizon_us, at_us) for key, horizon_us in trimmed(held.roots)}
        for place, key in enumerate(places[view.name]) if since else ():
            if (first_us := since.get(key)) is not None:
                names = zip(view.inputs, held.keys[key], strict=True)
                told = ", ".join(f"{name} {python_value(value, dtypes[name])!r}" for name, value in names)
                early.setdefault(place, f"question {place}, `{view.name}` of {told}")
                from_us = max(from_us, first_us)
    if early:
        named = [text for _, text in sorted(early.items())]
        more = f"; and {len(named) - FIRST_FEW} more" if len(named) > FIRST_FEW else ""
        raise AsOfTooEarly(
            f"the state can no longer answer {len(named)} of {total} questions as of {instant_text(at_us)}",
            where="; ".join(named[:FIRST_FEW]) + more,
            has=f"all that they need, as of {instant_text(from_us)} and later",
            fix="ask for such an instant, leave these questions out, or build a training set, which has all history",
        )
