"""Lookup: questions to vectors. One round trip for every key of every view, one instant for all of them (R13)."""

from __future__ import annotations

import gc
import time
from collections.abc import Generator, Mapping, Sequence
from typing import Any, TypeVar

import redis

from featurestore.errors import AsOfTooLate, InputError, StoreEmpty, StoreUnavailable
from featurestore.expr.printing import text_of
from featurestore.online.answers import Answers, answers_of, check_reach
from featurestore.online.keys import generation_prefix, pointer_name
from featurestore.online.pointers import (
    Pointer,
    Position,
    decode_pointer,
    decode_pointers,
    position,
    reaching,
    read_pointers,
)
from featurestore.online.questions import NO_KEY, Key, Keys, Road
from featurestore.online.trips import AsyncExchange, Command, exchange_of, time_us
from featurestore.online.vectors import Vectors
from featurestore.online.windows import Answered, Moment
from featurestore.plan.nodes import Plan, State, View
from featurestore.plan.retention import Retention
from featurestore.semantics.dtypes import Value
from featurestore.semantics.instants import FIRST_US, LAST_US, duration_text, instant_text

ATTEMPTS = 20
"""How often a read begins anew because a writer was in its way."""
WAIT_S = 0.005
"""How long a read of a given instant waits for rows with earlier stamps that are being applied."""
KNOWN_PLANS = 64  # a notebook plans again and again
CLOCK_US = 100_000
"""How old what is known of the server's clock may be."""
_Given = TypeVar("_Given")
Steps = Generator[Sequence[Command], list[Any], _Given]
"""What yields the commands of a trip, is sent their replies, and gives something in the end."""


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
        steps, replies = self._answering(plan, questions, as_of_us, request_id), None
        while not isinstance(found := _next(steps, replies), Vectors):
            with reaching(self._client):
                replies = self._exchange(found)
        return found

    async def answer_soon(self, plan: Plan, questions: Sequence[dict[str, Value]], exchange: AsyncExchange) -> Vectors:
        """The same as of now on an event loop, which goes on while the store is at work. Raises: as above."""
        steps, replies = self._answering(plan, questions, None, ""), None
        while not isinstance(found := _next(steps, replies), Vectors):
            with reaching(self._client):
                replies = await exchange(found)
        return found

    def _answering(
        self, plan: Plan, questions: Sequence[dict[str, Value]], asked_us: int | None, request_id: str
    ) -> Steps[Vectors]:
        """A lookup in steps: it yields the commands of a trip and is sent their replies."""
        if asked_us is not None and not FIRST_US <= asked_us <= LAST_US:
            raise InputError(
                f"as_of {asked_us} is no usable instant",
                where=f"feature set `{plan.name}`",
                fix="give an instant between the years 1 and 9999",
            )
        road = self._roads.get(id(plan)) or self._learn(plan)
        for _ in range(ATTEMPTS):
            pointers = yield from self._known_pointers(road)
            if asked_us is None and self._clock_offset_us is None:
                [clock] = yield [(b"TIME",)]
                self._learn_clock(clock)
            at_us = asked_us if asked_us is not None else self._now_us(pointers.values())
            seen: dict[str, Position] = {}
            answers = yield from self._answer(road, questions, at_us, pointers, seen, given=asked_us is not None)
            if answers is not None:
                return Vectors(
                    plan.name,
                    road.version(pointers),
                    at_us,
                    road.names,
                    road.dtypes,
                    *answers,
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
    ) -> Steps[Answers | None]:
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
            whole = yield from self._fetch(road, keys, pointers, at_us, seen, given=given)
            if not whole:
                return None
            if not found:
                check_reach(road, keys, places, len(questions), at_us)
            missing: dict[str, dict[int, set[bytes]]] = {state_id: {} for state_id in keys}
            for view, state, reader in road.readers:
                if view.name not in found:
                    held, some = keys[state.id], dict.fromkeys(places[view.name])
                    some.pop(NO_KEY, None)
                    answered = reader.read(some, held.roots, held.tree, moments[view.name], missing[state.id])
                    if answered is not None:
                        found[view.name] = answered
            more = bool([held for state_id, held in keys.items() if held.lack(missing[state_id])])
        return answers_of(road, questions, found, places, at_us)

    def _keys(
        self, road: Road, moments: Mapping[str, Moment], pointers: Mapping[str, Pointer], *, given: bool
    ) -> dict[str, Keys]:
        """What is asked of each state, without its keys yet."""
        held = {}
        for state_id, folding in road.foldings.items():
            pointer, guess = pointers[state_id], dict[bytes, None]()
            for view, state, reader in road.readers if pointer.levels else ():
                if state.id == state_id:
                    past = given or view.refresh_us > 1
                    guess |= dict.fromkeys(reader.first_guess(moments[view.name], pointer.levels, past=past))
            prefix = generation_prefix(self._project, state_id, pointer.generation)
            held[state_id] = Keys(folding, prefix, tuple(guess))
        return held

    def _fetch(
        self,
        road: Road,
        keys: Mapping[str, Keys],
        pointers: dict[str, Pointer],
        at_us: int,
        seen: dict[str, Position],
        *,
        given: bool,
    ) -> Steps[bool]:
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
        replies = (yield commands) if commands else []
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
        if moved:
            return False
        for held, start, end in zip(keys.values(), ends, ends[1:], strict=False):
            if not held.take(first[start:end], nodes_of):
                return False
        return True

    def _known_pointers(self, road: Road) -> Steps[dict[str, Pointer]]:
        plan = road.plan
        unknown = [state for state in plan.states if state.id not in self._pointers]
        if unknown:
            yield from self._read_pointers(unknown)
        for view, state, reader in road.readers:
            if reader.lacks(self._pointers[state.id].retention):
                yield from self._read_pointers([state])  # it may have been built anew since it was read
                if lacking := reader.lacks(self._pointers[state.id].retention):
                    raise StoreEmpty(
                        f"the state of `{view.name}` was built without the rows that `{text_of(lacking)}` needs",
                        where=f"state `{state.id}`",
                        has=_kept(self._pointers[state.id].retention),
                        fix="run `featurestore materialize`; start again what began before the definitions changed",
                    )
        return {state.id: self._pointers[state.id] for state in plan.states}

    def _read_pointers(self, states: Sequence[State]) -> Steps[None]:
        [found] = yield [(b"MGET", *[pointer_name(self._project, state.id) for state in states])]
        self._pointers |= decode_pointers(found, states)

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


def _next(steps: Steps[Vectors], replies: list[Any] | None) -> Sequence[Command] | Vectors:
    """What a lookup asks next, or what it gives, while Python's garbage collector rests: it would take the state of
    many keys, soon let go, for objects that stay, and look through all there are, tens of milliseconds, once in a
    while."""
    collects = gc.isenabled()
    gc.disable()
    try:
        return steps.send(replies)  # type: ignore[arg-type]  # None begins it
    except StopIteration as done:
        vectors: Vectors = done.value
        return vectors
    finally:
        if collects:  # of two threads, the one that stopped it starts it again
            gc.enable()


def _kept(retention: Retention | None) -> str:
    return "all rows" if retention is None else f"windows of {duration_text(retention.longest_us)} at most"


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
