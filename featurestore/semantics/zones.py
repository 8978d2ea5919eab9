"""Zone offsets from one pinned table (R1): the `tzdata` package, never the system's files nor an engine's own copy.

Source: RFC 8536 (TZif); the package is pinned to one version in pyproject.toml and is part of every version hash.
"""

from __future__ import annotations

import struct
from bisect import bisect_right
from datetime import UTC, datetime, timedelta
from functools import cache
from importlib import import_module, resources
from itertools import pairwise
from zoneinfo import ZoneInfo

from featurestore.errors import InvalidDefinition, did_you_mean

LAST_YEAR = 2200
"""Daylight saving rules are followed to the end of this year; after it a zone keeps its last offset."""


def tzdata_version() -> str:
    """The version of the pinned table."""
    version: str = import_module("tzdata").__version__
    return version


@cache
def zone_names() -> tuple[str, ...]:
    """Every zone of the pinned table."""
    return tuple(resources.files("tzdata").joinpath("zones").read_text().split())


@cache
def offsets(zone: str) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Instants at which a zone's offset changes, and the offsets between them.

    Shape: n instants, n + 1 offsets: `offsets[i]` holds before `instants[i]`, the last one after all.
    Units: microseconds.
    Raises: InvalidDefinition  when the table has no such zone.
    """
    if zone not in zone_names():
        raise InvalidDefinition(
            f"there is no time zone {zone!r}",
            fix=did_you_mean(zone, zone_names(), "write a name such as `America/New_York`"),
        )
    file = resources.files("tzdata.zoneinfo").joinpath(*zone.split("/"))
    with file.open("rb") as stream:
        info = ZoneInfo.from_file(stream, key=zone)
    candidates = [*_explicit_transitions_s(file.read_bytes()), *_rule_transitions_s(info)]
    instants: list[int] = []
    known = [_offset_us(info, -(2**36))]
    for at_s in sorted(set(candidates)):
        offset = _offset_us(info, at_s)
        if offset != known[-1]:
            instants.append(at_s * 1_000_000)
            known.append(offset)
    return tuple(instants), tuple(known)


def offset_us(zone: str, at_us: int) -> int:
    """What to add to an instant for the zone's local time.

    >>> offset_us("America/New_York", 1356998400000000) // 3_600_000_000
    -5
    """
    instants, known = offsets(zone)
    return known[bisect_right(instants, at_us)]


@cache
def local_offsets(zone: str) -> tuple[tuple[int, ...], tuple[int | None, ...]]:
    """`offsets` over local time: the earlier instant where a local time is ambiguous, None where the clocks jumped
    over it (R1)."""
    instants, known = offsets(zone)
    breaks: list[tuple[int, int | None]] = []
    for at_us, before, after in zip(instants, known[:-1], known[1:], strict=True):
        if after > before:
            breaks.append((at_us + before, None))
        breaks.append((at_us + max(before, after), after))
    return tuple(at_us for at_us, _ in breaks), (known[0], *(offset for _, offset in breaks))


def instant_of_local_us(zone: str, local_us: int) -> int | None:
    """The instant of a local time of a zone, or None where there is none.

    >>> instant_of_local_us("America/New_York", 1356998400000000 - 5 * 3_600_000_000)
    1356998400000000
    """
    breaks, known = local_offsets(zone)
    offset = known[bisect_right(breaks, local_us)]
    return None if offset is None else local_us - offset


@cache
def wall_offsets(zone: str) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """`offsets` over local time, where every local time is an instant: the earlier one where it is ambiguous, and what
    the clocks jumped over is read as if they had not yet."""
    instants, known = offsets(zone)
    breaks = [at_us + max(pair) for at_us, pair in zip(instants, pairwise(known), strict=True)]
    return tuple(breaks), known


def instant_of_wall_us(zone: str, local_us: int) -> int:
    """The instant of a local time of a zone; there always is one.

    >>> (instant_of_wall_us("America/New_York", 1710037800000000) - 1710037800000000) // 3_600_000_000
    5
    """
    breaks, known = wall_offsets(zone)
    return local_us - known[bisect_right(breaks, local_us)]


def _offset_us(info: ZoneInfo, at_s: int) -> int:
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=max(at_s, -(2**35)))
    offset = moment.astimezone(info).utcoffset()
    assert offset is not None
    return int(offset.total_seconds()) * 1_000_000


def _explicit_transitions_s(data: bytes) -> list[int]:
    """The 64-bit transition times that a TZif file lists."""
    header = ">4sc15x6l"
    size = struct.calcsize(header)
    _, _, isutc, isstd, leap, times, types, chars = struct.unpack_from(header, data)
    second = size + times * 5 + types * 6 + chars + leap * 8 + isstd + isutc
    times = struct.unpack_from(header, data, second)[5]
    return list(struct.unpack_from(f">{times}q", data, second + size))


def _rule_transitions_s(info: ZoneInfo) -> list[int]:
    """Transitions by the rule in a file's footer, found by halving the weeks in which the offset changes."""
    week = 7 * 86_400
    start, end = (int(datetime(year, 1, 1, tzinfo=UTC).timestamp()) for year in (2000, LAST_YEAR + 1))
    found = []
    for low in range(start, end, week):
        high = min(low + week, end)
        if _offset_us(info, low) == _offset_us(info, high):
            continue
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if _offset_us(info, middle) == _offset_us(info, low) else (low, middle)
        found.append(high)
    return found
