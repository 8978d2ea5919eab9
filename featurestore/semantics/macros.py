"""The DuckDB macros that the texts of the tables are written with, each after those it uses."""

from __future__ import annotations

import re
from typing import Final

from featurestore.semantics import exact
from featurestore.semantics.folding import decays, sketches, tallies
from featurestore.semantics.kernels.table import macros_used

MACROS: Final[dict[str, str]] = {**exact.MACROS, **tallies.MACROS, **sketches.MACROS, **decays.MACROS}
EVERYWHERE: Final = ("fs_floor_div(a, b)", "fs_finite(x)")
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
