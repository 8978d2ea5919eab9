"""A server in this process's memory: the commands that states and lookups send, for tests of single features.

It keeps nothing, serves nobody else, and has no clock: its time lies after every instant that can be asked for.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
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
        """The replies to commands that go to the server together, as the online road writes them."""
        replies: list[Any] = []
        together: list[Any] | None = None
        for name, *rest in commands:
            if name == b"MULTI":
                together = []
                replies.append(b"OK")
            elif name == b"EXEC":
                replies.append(together)
                together = None
            elif together is None:
                replies.append(self._reply(name, rest))
            else:
                together.append(self._reply(name, rest))
                replies.append(b"QUEUED")
        return replies

    def _reply(self, name: bytes, rest: list[Any]) -> Any:
        match name, rest:
            case b"TIME", []:
                return self.time()
            case b"MGET", names:
                return self.mget(names)
            case b"MSET", pairs:
                self.mset(dict(zip(pairs[::2], pairs[1::2], strict=True)))
                return b"OK"
            case b"HMGET", [key, *fields]:
                found = self._hashes.get(key, {})
                return [found.get(field) for field in fields]
            case b"HSET", [key, *pairs]:
                found = self._hashes.setdefault(key, {})
                before = len(found)
                found.update(zip(pairs[::2], map(_bytes, pairs[1::2]), strict=True))
                return len(found) - before
            case b"HDEL", [key, *fields]:
                found = self._hashes.get(key, {})
                return sum(found.pop(field, None) is not None for field in fields)
        raise AssertionError(f"the online road does not send {name!r}")


def _bytes(text: Text) -> bytes:
    return text.encode() if isinstance(text, str) else text
