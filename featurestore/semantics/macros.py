"""The DuckDB macros that the texts of the tables are written with, each after those it uses."""

from __future__ import annotations

from typing import Final

from featurestore.semantics import exact
from featurestore.semantics.folding import decays, sketches, tallies

MACROS: Final[dict[str, str]] = {**exact.MACROS, **tallies.MACROS, **sketches.MACROS, **decays.MACROS}
