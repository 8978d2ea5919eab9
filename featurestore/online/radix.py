"""Where rows stand in a tree: levels, prefixes, and the names of nodes, which can be computed from an instant alone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from zlib import crc32

from featurestore.online.codec import encode
from featurestore.online.leaves import EVENT, ROW_ID, Row

BITS = 4
"""A node of level n covers 2^(4n) us; below level 0 it covers a part of one microsecond's rows."""
TOP = 12
"""Level of the root's children: 2^48 us, nine years."""
BOTTOM = -8
"""Below it the hash has no bits left: rows that share all of it stay in one leaf."""
ROOT = b"root"


def prefix_of(row: Row, level: int) -> int:
    """The child of a node of the level above that a row belongs to."""
    event_at: int = row[EVENT]
    if level >= 0:
        return event_at >> (BITS * level)
    identity = row if row[ROW_ID] is None else row[ROW_ID]
    return ((event_at << 32) | crc32(encode(identity).encode())) >> (32 + BITS * level)


def covered(level: int, prefix: int) -> tuple[int, int]:
    """The first instant that a node's rows can have, and the first after them."""
    if level >= 0:
        return prefix << (BITS * level), (prefix + 1) << (BITS * level)
    start = prefix >> (-BITS * level)
    return start, start + 1


def node_name(level: int, prefix: int) -> bytes:
    """The field that holds the node of a level that covers the instants with this prefix."""
    return b"%d:%d" % (level, prefix)


def path_names(at_us: int, levels: Iterable[int]) -> Iterator[bytes]:
    """The fields of some levels on the way to an instant."""
    return (node_name(level, at_us >> (BITS * level)) for level in levels if level >= 0)
