"""States in the server: writing rows into trees, building generations beside the one that serves, publishing and
dropping them."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby, islice
from typing import Any, Self

import pyarrow as pa
import redis

from featurestore.log.event_log import Entry, EventLog
from featurestore.online import codec
from featurestore.online.evaluate import derive
from featurestore.online.events import decode, times_and_identity
from featurestore.online.keys import generation_prefix, key_name, pointer_name
from featurestore.online.pointers import Pointer, reaching, read_pointers
from featurestore.online.tree import EVENT, ROOT, Row, Tree, grown, path_names
from featurestore.plan.nodes import State
from featurestore.semantics.dtypes import Value

KEYS_PER_TRIP = 500
BYTES_PER_TRIP = 2_000_000
ENTRIES_PER_STEP = 5_000
Key = tuple[Value, ...]


@dataclass(slots=True)
class Counts:
    """What became of rows for one state (R16): in = applied + duplicate + unkeyed + quarantined."""

    applied: int = 0
    duplicate: int = 0
    unkeyed: int = 0
    quarantined: int = 0

    def add(self, other: Counts) -> None:
        """Add the counts of more rows."""
        self.applied += other.applied
        self.duplicate += other.duplicate
        self.unkeyed += other.unkeyed
        self.quarantined += other.quarantined

    @property
    def total(self) -> int:
        """All rows that came in."""
        return self.applied + self.duplicate + self.unkeyed + self.quarantined


class StateStore:
    """The states of one project in one server."""

    def __init__(self, client: redis.Redis, project: str) -> None:
        self._client, self._project = client, project

    def pointers(self, states: Sequence[State]) -> dict[str, Pointer | None]:
        """Where each state stands; None for one that was never published."""
        return read_pointers(self._client, self._project, states)

    def apply(self, state: State, generation: str, rows: Iterable[tuple[Key, Row]]) -> Counts:
        """Merge rows into a generation. Applying a row again changes nothing (R6). The caller has the source's turn."""
        counts = Counts()
        by_key: dict[Key, list[Row]] = {}
        for key, row in rows:
            if None in key:
                counts.unkeyed += 1
            else:
                by_key.setdefault(key, []).append(row)
        keys = iter(by_key.items())
        while chunk := list(islice(keys, KEYS_PER_TRIP)):
            with reaching(self._client):
                self._apply_chunk(state, generation, chunk, counts)
        return counts

    def _apply_chunk(self, state: State, generation: str, chunk: list[tuple[Key, list[Row]]], counts: Counts) -> None:
        prefix = generation_prefix(self._project, state.id, generation)
        work = [(key_name(prefix, key), Tree(state), rows) for key, rows in chunk]
        wanted = {name: {ROOT, *(field for row in rows for field in path_names(row[EVENT]))} for name, _, rows in work}
        while wanted:
            asked = {name: sorted(fields) for name, fields in wanted.items()}
            pipe = self._client.pipeline(transaction=False)
            for name, fields in asked.items():
                pipe.hmget(name, fields)
            trees = {name: tree for name, tree, _ in work}
            for (name, fields), reply in zip(asked.items(), pipe.execute(), strict=True):
                trees[name].nodes.update(
                    {field: codec.decode(data) if data else None for field, data in zip(fields, reply, strict=True)}
                )
            wanted = {}
            for name, tree, rows in work:
                fields_missing = {field for row in rows if (field := tree.wanted(row)) is not None}
                if fields_missing:
                    wanted[name] = fields_missing
        pipe = self._client.pipeline(transaction=False)
        for name, tree, rows in work:
            for row in rows:
                if tree.insert(row):
                    counts.applied += 1
                else:
                    counts.duplicate += 1
            if tree.changed:
                pipe.hset(name, mapping={field: codec.encode(tree.nodes[field]) for field in tree.changed})
        pipe.execute()

    def follow(self, state: State, pointer: Pointer, log: EventLog) -> tuple[Pointer, Counts]:
        """Apply what the log has beyond a pointer. The caller has the source's turn and publishes the pointer it
        gets."""
        kept, key_of = derive(state), _key_of(state)
        counts = Counts()
        entries = log.entries(state.scan.source, pointer.applied)
        while step := list(islice(entries, ENTRIES_PER_STEP)):
            rows = [_derived(state, entry, kept, key_of) for entry in step]
            counts.add(self.apply(state, pointer.generation, rows))
            pointer = replace(
                pointer,
                applied=step[-1].position,
                stamp_us=max(pointer.stamp_us, *(entry.known_at_us for entry in step)),
            )
        return pointer, counts

    def build(self, state: State, batches: Iterable[pa.RecordBatch]) -> tuple[str, int, int]:
        """Write a new generation from rows ordered by key, which nobody reads until it is published: its name, keys
        and rows.

        Shape: columns k0.., event_at_us, known_at_us, order_by, row_id, fingerprint, bits, v0.., seen_us, horizon_us.
        """
        generation = secrets.token_hex(6)
        prefix = generation_prefix(self._project, state.id, generation)
        keys = total = 0
        width = len(state.key)
        groups = groupby(_rows_of(batches), key=lambda values: values[:width])
        with reaching(self._client), _Writes(self._client) as writes:
            for key, members in ((key, list(members)) for key, members in groups):
                *_, seen_us, horizon_us = members[0]
                tree = grown(state, [list(member[width:-2]) for member in members], seen_us, horizon_us)
                for node in tree.changed:
                    writes.hset(key_name(prefix, key), node, codec.encode(tree.nodes[node]))
                total += len(members)
                keys += 1
        return generation, keys, total

    def publish(self, pointers: dict[str, Pointer]) -> None:
        """Make states serve, all at once."""
        if pointers:
            with reaching(self._client):
                self._client.mset(
                    {pointer_name(self._project, state_id): pointer.encode() for state_id, pointer in pointers.items()}
                )

    def drop_others(self, state: State, generation: str | None) -> None:
        """Remove every generation of a state but one. A reader that was reading it notices by the pointer and reads
        again."""
        self._drop(
            f"{self._project}:rows:{_pattern(state.id)}:*",
            generation_prefix(self._project, state.id, generation or "-"),
        )

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
    """Fields written in trips of a few megabytes, however large one key is: nobody reads them before they are
    published."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client
        self._waiting: dict[bytes, dict[Any, Any]] = {}
        self._size = 0

    def hset(self, name: bytes, field: bytes, value: str) -> None:
        """Write a field, now or with the next trip."""
        self._waiting.setdefault(name, {})[field] = value
        self._size += len(value)
        if self._size >= BYTES_PER_TRIP:
            self._send()

    def _send(self) -> None:
        pipe = self._client.pipeline(transaction=False)
        for name, fields in self._waiting.items():
            pipe.hset(name, mapping=fields)
        pipe.execute()
        self._waiting, self._size = {}, 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None and self._waiting:
            self._send()


def _rows_of(batches: Iterable[pa.RecordBatch]) -> Iterator[tuple[Any, ...]]:
    for batch in batches:
        yield from zip(*(column.to_pylist() for column in batch.columns), strict=True)


def _key_of(state: State) -> Callable[[dict[str, Value]], Key]:
    names = state.key
    return lambda row: tuple(row[name] for name in names)


def _derived(
    state: State, entry: Entry, kept: Callable[..., Row], key_of: Callable[[dict[str, Value]], Key]
) -> tuple[Key, Row]:
    row = decode(entry.body, state.scan)
    return key_of(row), kept(row, *times_and_identity(state.scan, row, entry.known_at_us, entry.position))


def _pattern(text: str) -> str:
    """A text as a pattern that fits only itself."""
    return "".join(f"\\{letter}" if letter in "*?[]\\^-" else letter for letter in text)
