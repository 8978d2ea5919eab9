"""The DuckDB macros that the texts of the tables are written with, each after those it uses."""

from __future__ import annotations

import re
from typing import Final

from featurestore.semantics import exact
from featurestore.semantics.folding import decays, sketches, tallies
from featurestore.semantics.instants import FIRST_US, LAST_US
from featurestore.semantics.kernels.table import macros_used

_ABOVE: Final = 2**64 - 1 - (LAST_US - FIRST_US)
_INSTANTS: Final = {
    # null outside the years 1 to 9999 (R1): moved to the ends of UBIGINT, whose casts give null beyond them. A CASE
    # would name the argument twice, and what is nested would double with each level
    "fs_instant(x)": f"CAST(CAST(TRY_CAST(CAST(TRY_CAST(CAST(x AS HUGEINT) - ({FIRST_US}) AS UBIGINT) AS HUGEINT) "
    f"+ {_ABOVE} AS UBIGINT) AS HUGEINT) - {_ABOVE} + ({FIRST_US}) AS BIGINT)",
}
MACROS: Final[dict[str, str]] = {**exact.MACROS, **tallies.MACROS, **sketches.MACROS, **decays.MACROS, **_INSTANTS}
EVERYWHERE: Final = ("fs_floor_div(a, b)", "fs_finite(x)", "fs_instant(x)")
"""Those that reading rows and meeting windows take, whatever the features are."""
_CALLED: Final = re.compile(r"\b(fs_\w+)\(")


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
