"""A server in this process's memory: the commands that states and lookups send, for tests of single features.

It keeps nothing, serves nobody else, and has no clock: its time lies after every instant that can be asked for.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from featurestore.semantics.instants import LATEST_US

Text = bytes | str


class MemoryServer:
    """What `redis.Redis` is to the online road, for one thread; replies are bytes, as they come from a server."""

    def __init__(self) -> None:
        self._texts: dict[bytes, bytes] = {}
        self._hashes: dict[bytes, dict[bytes, bytes]] = {}

    def time(self) -> tuple[int, int]:
        """Seconds and microseconds after all that can be asked for."""
        return divmod(LATEST_US, 1_000_000)

    def mget(self, names: Sequence[Text]) -> list[bytes | None]:
        """The texts of these names."""
        return [self._texts.get(_bytes(name)) for name in names]

    def mset(self, mapping: Mapping[Text, Text]) -> bool:
        """Set texts."""
        self._texts.update({_bytes(name): _bytes(text) for name, text in mapping.items()})
        return True

    def hmget(self, name: Text, fields: Sequence[Text]) -> list[bytes | None]:
        """The fields of a hash."""
        found = self._hashes.get(_bytes(name), {})
        return [found.get(_bytes(field)) for field in fields]

    def hset(self, name: Text, mapping: Mapping[Text, Text]) -> int:
        """Set fields of a hash; how many are new."""
        found = self._hashes.setdefault(_bytes(name), {})
        before = len(found)
        found.update({_bytes(field): _bytes(text) for field, text in mapping.items()})
        return len(found) - before

    def hdel(self, name: Text, *fields: Text) -> int:
        """Remove fields of a hash; how many there were."""
        found = self._hashes.get(_bytes(name), {})
        return sum(found.pop(_bytes(field), None) is not None for field in fields)

    def unlink(self, *names: Text) -> int:
        """Remove names; how many there were."""
        tables: tuple[dict[bytes, Any], ...] = (self._texts, self._hashes)
        return sum(table.pop(_bytes(name), None) is not None for name in names for table in tables)

    def scan_iter(self, match: Text, count: int = 0) -> Iterator[bytes]:
        """The names that fit a pattern of `*` and escaped letters."""
        parts = re.findall(rb"\\(.)|(\*)|(.)", _bytes(match), re.DOTALL)
        pattern = re.compile(b"".join(b".*" if star else re.escape(kept or plain) for kept, star, plain in parts), re.S)
        yield from [name for name in (*self._texts, *self._hashes) if pattern.fullmatch(name)]

    def exchange(self, commands: Sequence[tuple[Any, ...]]) -> list[Any]:
        """The replies to commands that only read, as a server takes them."""
        read = {b"MGET": lambda *names: self.mget(names), b"HMGET": lambda name, *fields: self.hmget(name, fields)}
        return [self.time() if name == b"TIME" else read[name](*rest) for name, *rest in commands]

    def pipeline(self, *, transaction: bool) -> Pipeline:
        """Several commands in one trip."""
        assert not transaction, "no part of the online road needs one"
        return Pipeline(self)


class Pipeline:
    """Commands that wait for `execute`."""

    def __init__(self, server: MemoryServer) -> None:
        self._server = server
        self._waiting: list[Callable[[], Any]] = []

    def __getattr__(self, name: str) -> Callable[..., None]:
        return partial(self._later, getattr(self._server, name))

    def _later(self, command: Callable[..., Any], *arguments: Any, **options: Any) -> None:
        self._waiting.append(partial(command, *arguments, **options))

    def execute(self) -> list[Any]:
        """The replies to all of them, in order."""
        waiting, self._waiting = self._waiting, []
        return [command() for command in waiting]


def _bytes(text: Text) -> bytes:
    return text.encode() if isinstance(text, str) else text
