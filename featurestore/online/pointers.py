"""Which generation of a state serves, how far it has followed the log, and whose log it is."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any

import redis

from featurestore.errors import StoreEmpty, StoreUnavailable
from featurestore.online.keys import pointer_name
from featurestore.plan.nodes import Plan, State
from featurestore.plan.retention import Retention

FORMAT = 5


@dataclass(frozen=True, slots=True)
class Pointer:
    """What a state says of itself.

    `applied` is the last log position whose row every key has; `stamp_us` the greatest stamp among them; `log` the
    identity of the log. `retention` is what it was trimmed for, None when it keeps all rows.
    `content` is that of a static source's rows (R20), empty for one with times.
    `pending_us` is set while rows with later stamps are being applied: until they all are, a lookup may ask for no
    later instant. `keys`, `rows` and `size` (bytes of names and nodes) are counts when it was built. `levels` are
    those at which any key's tree has nodes: what a read asks for at once. `applying` is set while rows that a lookup
    may see at once are being applied: the last position that some keys may have already.
    """

    generation: str
    applied: int
    stamp_us: int
    log: str
    retention: Retention | None
    keys: int
    rows: int
    pending_us: int | None = None
    content: str = ""
    levels: tuple[int, ...] = ()
    applying: int | None = None
    size: int = 0

    @property
    def reached(self) -> int:
        """The last log position whose row any key may have."""
        return self.applied if self.applying is None else self.applying

    def encode(self) -> bytes:
        """As stored: versioned JSON."""
        return json.dumps({"format": FORMAT, **asdict(self)}).encode()


@dataclass(frozen=True, slots=True)
class Position:
    """How far a state had followed its source's log when a lookup read it.

    `applied` is the last log position whose row every key had; `applying` the last one whose row some keys may have had
    already and the lookup may have seen: the same when no writer was at work.
    """

    generation: str
    applied: int
    applying: int

    def or_later(self, later: Position | None) -> Position:
        """What is true of two reads of one generation."""
        if later is None:
            return self
        return Position(self.generation, min(self.applied, later.applied), max(self.applying, later.applying))


def decode_pointer(data: bytes | None, state: State) -> Pointer:
    """A stored pointer. Raises: StoreEmpty  when the state was never published, or another version of the product
    wrote it."""
    return decode_pointers([data], [state])[state.id]


def decode_pointers(found: Sequence[bytes | None], states: Sequence[State]) -> dict[str, Pointer]:
    """The stored pointers of states, by id. Raises: StoreEmpty  as `decode_pointer` does, naming every state that
    lacks."""
    decoded = [_decoded(data or b"{}") for data in found]
    lacking = [(state, written) for state, (pointer, written) in zip(states, decoded, strict=True) if pointer is None]
    if lacking:
        raise no_state([state for state, _ in lacking], lacking[0][1])
    return {state.id: pointer for state, (pointer, _) in zip(states, decoded, strict=True) if pointer is not None}


def no_state(lacking: Sequence[State], written: int | None = None) -> StoreEmpty:
    """The error that names the states which the store lacks; `written` is the format of one that cannot be read."""
    first, others = lacking[0], len(lacking) - 1
    more = f" and {others} more state{'s' if others > 1 else ''}" if others else ""
    return StoreEmpty(
        f"the online store holds no state for `{first.scan.source}` by {', '.join(first.key)}{more} in this version",
        where=", ".join(f"state `{state.id}`" for state in lacking),
        has="nothing" if written is None else f"format {written}, which another version of the product wrote",
        fix="run `featurestore materialize --missing`",
    )


@lru_cache(maxsize=1_024)
def _decoded(data: bytes) -> tuple[Pointer | None, int | None]:
    """A pointer, or the format that we do not read: the same bytes come with every lookup."""
    fields: dict[str, Any] = json.loads(data)
    written = fields.pop("format", None)
    if written != FORMAT:
        return None, written
    kept = Retention.of_json(fields["retention"])
    return Pointer(**{**fields, "levels": tuple(fields["levels"]), "retention": kept}), written


@lru_cache(maxsize=1_024)
def position(pointer: Pointer) -> Position:
    """How far a state was whose keys were read together with its pointer."""
    return Position(pointer.generation, pointer.applied, pointer.reached)


def read_pointers(client: redis.Redis, project: str, states: Sequence[State]) -> dict[str, Pointer | None]:
    """The pointers of states by id; None for one that was never published."""
    if not states:
        return {}
    with reaching(client):
        found: list[Any] = client.mget([pointer_name(project, state.id) for state in states])
    return {state.id: decode_pointer(data, state) if data else None for state, data in zip(states, found, strict=True)}


def content_version(plan: Plan, pointers: Mapping[str, Pointer]) -> str:
    """The version of what these states answer: the plan's, with the content of the static tables in them (R20)."""
    return plan.version_with((state.scan.source, pointers[state.id].content) for state in plan.states)


class reaching:  # reads as a statement: `with reaching(client):`
    """A block that talks to the server: its failures become StoreUnavailable."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if isinstance(error, redis.exceptions.BusyLoadingError):
            raise StoreUnavailable(
                "the online store is still loading its data", where=self._place(), fix="try again in a moment"
            ) from None
        if isinstance(error, redis.exceptions.OutOfMemoryError):
            raise StoreUnavailable(
                "the online store's memory is full: it refuses to write",
                where=self._place(),
                fix="give the server more memory",
            ) from None
        if isinstance(error, redis.exceptions.RedisError):
            raise StoreUnavailable(
                "the online store does not answer",
                where=self._place(),
                has=f"{type(error).__name__}: {error}",
                fix="start it, or mend FEATURESTORE_REDIS_URL",
            ) from None

    def _place(self) -> str:
        options = self._client.connection_pool.connection_kwargs
        return str(options.get("path") or f"{options.get('host', 'localhost')}:{options.get('port', 6379)}")
