"""The DuckDB macros that the texts of the tables are written with, each after those it uses."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from typing import Final

from featurestore.semantics import exact
from featurestore.semantics.folding import decays, gaps, moments, pairs, sketches, tallies
from featurestore.semantics.instants import FIRST_US, LAST_US
from featurestore.semantics.kernels.table import macros_used

_ABOVE: Final = 2**64 - 1 - (LAST_US - FIRST_US)
_INSTANTS: Final = {
    # null outside the years 1 to 9999 (R1): moved to the ends of UBIGINT, whose casts give null beyond them. A CASE
    # would name the argument twice, and what is nested would double with each level
    "fs_instant(x)": f"CAST(CAST(TRY_CAST(CAST(TRY_CAST(CAST(x AS HUGEINT) - ({FIRST_US}) AS UBIGINT) AS HUGEINT) "
    f"+ {_ABOVE} AS UBIGINT) AS HUGEINT) - {_ABOVE} + ({FIRST_US}) AS BIGINT)",
}
MACROS: Final[dict[str, str]] = {
    **exact.MACROS,
    **tallies.MACROS,
    **sketches.MACROS,
    **decays.MACROS,
    **pairs.MACROS,
    **gaps.MACROS,
    **moments.MACROS,
    **_INSTANTS,
}
EVERYWHERE: Final = ("fs_floor_div(a, b)", "fs_finite(x)", "fs_instant(x)")
"""Those that reading rows and meeting windows take, whatever the features are."""
_CALLED: Final = re.compile(r"\b(fs_\w+)\(")
_HEAD: Final = {head.partition("(")[0]: head for head in MACROS}
_SEVERAL: Final = 2
"""How often a macro that is not in the table, such as that of a zone, names its argument: more than once."""


def macros_of(sql: str) -> dict[str, str]:
    """The macros and kernels that a text calls, and those that they call: head and body, each after those it uses.

    >>> list(macros_of("SELECT fs_nearest(hi, lo)"))
    ['fs_high(hi, lo)', 'fs_nearest(hi, lo)']
    """
    called, found = set(_CALLED.findall(sql)), []
    for head, body in reversed((MACROS | macros_used(sql)).items()):
        if head.partition("(")[0] in called:
            called.update(_CALLED.findall(body))
            found.append((head, body))
    return dict(reversed(found))


def mentions(text: str, words: Sequence[str]) -> tuple[int, ...]:
    """How often DuckDB plans each of some words of a text, where macros write their arguments out again.

    >>> mentions("fs_finite(a + fs_finite(b))", ("a", "b"))
    (2, 4)
    """
    call = _CALLED.search(text)
    if call is None:
        return tuple(len(re.findall(rf"\b{word}\b", text)) for word in words)
    arguments, end = _arguments(text, call.end())
    parts = [mentions(text[: call.start()] + text[end:], words)]
    for argument, times in zip(arguments, _times(call[1], len(arguments)), strict=True):
        parts.append(tuple(times * found for found in mentions(argument, words)))
    return tuple(map(sum, zip(*parts, strict=True)))


@cache
def _times(name: str, arguments: int) -> tuple[int, ...]:
    """How often a macro names each of its parameters."""
    head = _HEAD.get(name)
    if head is None:
        return (_SEVERAL,) * arguments
    return mentions(MACROS[head], head.partition("(")[2].removesuffix(")").split(", "))


def _arguments(text: str, start: int) -> tuple[list[str], int]:
    """The arguments of a call whose first one starts there, and where the call ends."""
    found, depth, quoted, begin = [], 0, False, start
    for place in range(start, len(text)):
        letter = text[place]
        if letter == "'":
            quoted = not quoted
        elif quoted:
            continue
        elif letter in "([{":
            depth += 1
        elif depth and letter in ")]}":
            depth -= 1
        elif not depth and letter in ",)":
            found.append(text[begin:place])
            begin = place + 1
            if letter == ")":
                return found, begin
    raise AssertionError(f"a call does not end in {text}")
