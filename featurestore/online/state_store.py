"""States in the server: writing rows into trees, building generations beside the one that serves, publishing and
dropping them."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import chain, islice
from typing import Any, Self

import pyarrow as pa
import pyarrow.compute as pc
import redis

from featurestore.log.event_log import Entry, EventLog
from featurestore.online.bulk import Large, Small, nodes_of
from featurestore.online.evaluate import derive
from featurestore.online.events import decode, has_bad_value, times_and_identity
from featurestore.online.folding import Folding
from featurestore.online.keys import generation_prefix, key_name, key_names, nodes_name, pointer_name, root_name
from featurestore.online.leaves import EVENT, Node, Row, decode_node, opened
from featurestore.online.pointers import Pointer, decode_pointer, reaching, read_pointers
from featurestore.online.radix import ROOT, path_names
from featurestore.online.tree import Tree
from featurestore.online.trim import is_due, progress_us, trim
from featurestore.online.trips import Command, Exchange, exchange_of, time_us
from featurestore.plan.nodes import State
from featurestore.plan.outcomes import Counts, reason_of
from featurestore.semantics.dtypes import Value
from featurestore.semantics.instants import INT64_MIN

KEYS_PER_TRIP = 500
BYTES_PER_TRIP = 2_000_000
ENTRIES_PER_STEP = 5_000
Key = tuple[Value, ...]


@dataclass(slots=True)
class _Work:
    """One key with the rows that came for it."""

    name: bytes
    tree: Tree
    rows: list[Row]


class StateStore:
    """The states of one project in one server."""

    def __init__(self, client: redis.Redis, project: str) -> None:
        self._client, self._project = client, project
        self._exchange = exchange_of(client)

    def pointers(self, states: Sequence[State]) -> dict[str, Pointer | None]:
        """Where each state stands; None for one that was never published."""
        return read_pointers(self._client, self._project, states)

    def look(self, states: Sequence[State]) -> tuple[int, dict[str, Pointer]]:
        """The server's clock, and where each published state stands, in one trip."""
        names = [pointer_name(self._project, state.id) for state in states]
        commands: list[Command] = [(b"TIME",), (b"MGET", *names)] if names else [(b"TIME",)]
        with reaching(self._client):
            clock, *found = self._exchange(commands)
        held = zip(states, found[0] if found else (), strict=True)
        return time_us(clock), {state.id: decode_pointer(data, state) for state, data in held if data}

    def apply(
        self,
        state: State,
        pointer: Pointer,
        rows: Iterable[tuple[Key, Row]],
        clock_us: int = INT64_MIN,
    ) -> tuple[Pointer, Counts]:
        """Merge rows into the generation of a pointer, which may say more of it then. Applying a row again changes
        nothing (R6). The caller has the source's turn.

        What no view can need any more is dropped (R12), judged by the greatest `visible_at` that came for the key and
        that the store's clock has reached.
        """
        counts = Counts()
        by_key: dict[Key, list[Row]] = {}
        for key, row in rows:
            if None in key:
                counts.unkeyed += 1
            else:
                by_key.setdefault(key, []).append(row)
        keys = iter(by_key.items())
        levels = set(pointer.levels)
        prefix = generation_prefix(self._project, state.id, pointer.generation)
        folding = Folding(state)
        while chunk := list(islice(keys, KEYS_PER_TRIP)):
            work = [_Work(key_name(prefix, key), Tree(folding), rows) for key, rows in chunk]
            with reaching(self._client):
                self._apply_chunk(work, pointer, clock_us, counts)
            levels.update(*(each.tree.levels for each in work))
        return replace(pointer, levels=tuple(sorted(levels))), counts

    def _apply_chunk(self, work: list[_Work], pointer: Pointer, clock_us: int, counts: Counts) -> None:
        guess = pointer.levels
        self._complete(
            work,
            {
                each.name: {ROOT, *(name for row in each.rows for name in path_names(row[EVENT], guess))}
                for each in work
            },
            lambda each: {name for row in each.rows if (name := each.tree.wanted(row)) is not None},
        )
        for each in work:
            for row in each.rows:
                if each.tree.insert(row):
                    counts.applied += 1
                else:
                    counts.duplicate += 1
        if (retention := pointer.retention) is not None:
            newest = {each.name: progress_us(each.rows, clock_us) for each in work}
            due = [each for each in work if is_due(each.tree, retention, newest[each.name])]

            def trimmed(each: _Work) -> set[bytes]:
                missing: set[bytes] = set()
                trim(each.tree, retention, newest[each.name], missing)
                return missing

            self._complete(due, {}, trimmed)
        self._write(work)
        # Only when no node names them any more, and in a trip of its own: a server whose memory is full refuses to
        # write, and removes all the same.
        removed: list[Command] = [
            (b"HDEL", nodes_name(each.name), *each.tree.removed) for each in work if each.tree.removed
        ]
        if removed:
            self._exchange(removed)

    def _write(self, work: list[_Work]) -> None:
        """Write what changed. The nodes of one key change together, so that no reader sees a part of them."""
        commands: list[Command] = []
        alone: list[bytes | str] = []
        for each in work:
            tree = each.tree
            below: list[bytes | str] = []
            for name in tree.changed - {ROOT}:
                below += (name, tree.stored(name))
            root: list[bytes | str] = [each.name, tree.stored(ROOT)] if ROOT in tree.changed else []
            if below:
                write: list[Command] = [(b"MSET", *root)] if root else []
                commands += [(b"MULTI",), (b"HSET", nodes_name(each.name), *below), *write, (b"EXEC",)]
            else:
                alone += root
        if alone:
            commands.append((b"MSET", *alone))
        if commands:
            for reply in self._exchange(commands):
                if isinstance(reply, list):  # of a transaction, whose commands may fail one by one
                    for failed in (each for each in reply if isinstance(each, Exception)):
                        raise failed

    def _complete(
        self, work: list[_Work], wanted: dict[bytes, set[bytes]], missing: Callable[[_Work], set[bytes]]
    ) -> None:
        """Fetch what is wanted, and what turns out to be missing then, until nothing is."""
        trees = {each.name: each.tree for each in work}
        while wanted or (wanted := {each.name: found for each in work if (found := missing(each))}):
            asked = {name: trees[name].to_fetch(fields) for name, fields in wanted.items()}
            roots = [name for name, fields in asked.items() if ROOT in fields]
            below = {
                name: rest for name, fields in asked.items() if (rest := [each for each in fields if each != ROOT])
            }
            commands: list[Command] = [(b"MGET", *roots)] if roots else []
            commands += [(b"HMGET", nodes_name(name), *fields) for name, fields in below.items()]
            replies = self._exchange(commands)
            if roots:
                for name, data in zip(roots, replies.pop(0), strict=True):
                    trees[name].nodes[ROOT] = _opened(data)
            for (name, fields), reply in zip(below.items(), replies, strict=True):
                trees[name].nodes.update(zip(fields, map(_opened, reply), strict=True))
            wanted = {}

    def follow(self, state: State, pointer: Pointer, log: EventLog, clock_us: int) -> tuple[Pointer, Counts]:
        """Apply what the log has beyond a pointer. The caller has the source's turn and publishes the pointer it
        gets."""
        kept, key_of = derive(state), _key_of(state)
        counts = Counts()
        entries = log.entries(state.scan.source, pointer.applied)
        while step := list(islice(entries, ENTRIES_PER_STEP)):
            rows = [each for entry in step if (each := _derived(state, entry, kept, key_of)) is not None]
            # no row that is applied later was committed before the instant by which rows are dropped
            pointer, more = self.apply(state, pointer, rows, min(clock_us, step[-1].known_at_us))
            counts.add(more)
            counts.quarantined += len(step) - len(rows)
            pointer = replace(
                pointer,
                applied=step[-1].position,
                stamp_us=max(pointer.stamp_us, *(entry.known_at_us for entry in step)),
            )
        return pointer, counts

    def build(self, state: State, batches: Iterable[pa.RecordBatch], pointer: Pointer) -> Pointer:
        """Write a new generation from rows ordered by key, which nobody reads until its pointer is published.

        Shape: columns k0.., event_at_us, known_at_us, order_by, row_id, fingerprint, bits, v0.., seen_us,
        horizon_us, since_us, after_us.
        """
        generation = secrets.token_hex(6)
        prefix = generation_prefix(self._project, state.id, generation)
        keys = total = 0
        levels: set[int] = set()
        with reaching(self._client), _Writes(self._exchange) as writes:
            for found in nodes_of(state, batches):
                match found:
                    case Small():
                        writes.put_roots(key_names(prefix, found.keys), found.roots)
                        keys += len(found.keys)
                    case Large():
                        writes.put_nodes(root_name(prefix, found.key), found.nodes)
                        levels |= found.levels
                        keys += 1
                total += found.rows
        levels_found = tuple(sorted(levels))
        return replace(pointer, generation=generation, keys=keys, rows=total, levels=levels_found, size=writes.written)

    def publish(self, pointers: dict[str, Pointer]) -> int:
        """Make states serve, all at once. Gives the server's clock after that, 0 when there is none to publish."""
        if not pointers:
            return 0
        pairs = [(pointer_name(self._project, state_id), pointer.encode()) for state_id, pointer in pointers.items()]
        with reaching(self._client):
            _, clock = self._exchange([(b"MSET", *chain.from_iterable(pairs)), (b"TIME",)])
        return time_us(clock)

    def drop_others(self, state: State, generation: str | None) -> None:
        """Remove every generation of a state but one. A reader that was reading it notices by the pointer and reads
        again."""
        self._drop(
            f"{self._project}:rows:{_pattern(state.id)}:*",
            generation_prefix(self._project, state.id, generation or "-"),
        )

    def drop(self, state: State, generation: str) -> None:
        """Remove one generation of a state, as `drop_others` does."""
        self._drop(f"{_pattern(generation_prefix(self._project, state.id, generation))}*", None)

    def drop_project(self) -> None:
        """Remove all that this project has in the server."""
        self._drop(f"{_pattern(self._project)}:*", None)

    def _drop(self, pattern: str, keep: str | None) -> None:
        with reaching(self._client):
            names: list[bytes] = []
            for name in self._client.scan_iter(match=pattern, count=5_000):
                if keep is None or not name.startswith(keep.encode()):
                    names.append(name)
                if len(names) >= 5_000:
                    self._client.unlink(*names)
                    names.clear()
            if names:
                self._client.unlink(*names)


class _Writes:
    """Nodes written in trips of a few megabytes, however large one key is: nobody reads them before they are published.

    While a trip is under way the next one is made ready.
    """

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._thread = ThreadPoolExecutor(1, "writes")
        self._under_way: Future[object] | None = None
        self._commands: list[Command] = []
        self._size = 0
        self.written = 0
        """Bytes of names and nodes so far."""

    def put_roots(self, names: pa.Array[Any], roots: pa.Array[Any]) -> None:
        """Write the roots of many keys."""
        size = _bytes_of(names) + _bytes_of(roots)
        self.written += size
        step = 1 + len(roots) * BYTES_PER_TRIP // size
        for start in range(0, len(roots), step):
            some = [each.slice(start, step).to_pylist() for each in (names, roots)]
            self._put((b"MSET", *chain.from_iterable(zip(*some, strict=True))), size * len(some[0]) // len(roots))

    def put_nodes(self, name: bytes, nodes: Mapping[bytes, str]) -> None:
        """Write all nodes of one key."""
        below: list[bytes | str] = []
        size = 0
        for node, value in nodes.items():
            length = len(value.encode())
            if node == ROOT:
                self.written += len(name) + length
                self._put((b"MSET", name, value), len(name) + length)
                continue
            self.written += len(node) + length
            below += (node, value)
            size += len(node) + length
            if size >= BYTES_PER_TRIP:
                self._put((b"HSET", nodes_name(name), *below), size)
                below, size = [], 0
        if below:
            self._put((b"HSET", nodes_name(name), *below), size)

    def _put(self, command: Command, size: int) -> None:
        self._commands.append(command)
        self._size += size
        if self._size >= BYTES_PER_TRIP:
            self._send()

    def _send(self) -> None:
        self._arrived()
        if self._commands:
            self._under_way = self._thread.submit(self._exchange, self._commands)
        self._commands, self._size = [], 0

    def _arrived(self) -> None:
        """Wait for the trip that is under way. Raises: what it met."""
        under_way, self._under_way = self._under_way, None
        if under_way is not None:
            under_way.result()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        with self._thread:
            if kind is None:
                self._send()
                self._arrived()


def _bytes_of(texts: Any) -> int:
    """The bytes of a column of texts."""
    return int(pc.sum(pc.binary_length(texts)).as_py() or 0)


def _opened(data: bytes | None) -> Node | None:
    return opened(decode_node(data)) if data else None


def _key_of(state: State) -> Callable[[dict[str, Value]], Key]:
    names = state.key
    return lambda row: tuple(row[name] for name in names)


def _derived(
    state: State, entry: Entry, kept: Callable[..., Row], key_of: Callable[[dict[str, Value]], Key]
) -> tuple[Key, Row] | None:
    """A row of the log as the state keeps it; None for one that today's declaration quarantines."""
    row = decode(entry.body, state.scan)
    if reason_of(state.scan, row, {}, entry.known_at_us) is not None:
        return None
    key = key_of(row)
    if None in key and has_bad_value(entry.body, row, state.key):
        return None
    return key, kept(row, *times_and_identity(state.scan, row, entry.known_at_us, entry.position))


def _pattern(text: str) -> str:
    """A text as a pattern that fits only itself."""
    return "".join(f"\\{letter}" if letter in "*?[]\\^-" else letter for letter in text)
