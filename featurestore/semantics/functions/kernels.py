"""Logarithms, exponentials, powers, angles and distances: each row is a kernel, of floats."""

from __future__ import annotations

from typing import Final

from featurestore.semantics.dtypes import FLOAT64
from featurestore.semantics.functions.row import Scalar, same
from featurestore.semantics.kernels.table import KERNELS

_NAMES: Final = ("log", "log1p", "log2", "log10", "exp", "exp2", "power", "sin", "cos", "haversine")


def _row(name: str) -> Scalar:
    kernel = KERNELS[name]
    symbol = "**" if name == "power" else ""
    rule = same(FLOAT64, arguments=len(kernel.parameters))
    written = "haversine({all})" if name == "haversine" else ""
    return Scalar(name, rule, kernel.sql, kernel.python, symbol, written=written)


ROWS: Final[tuple[Scalar, ...]] = tuple(_row(name) for name in _NAMES)
