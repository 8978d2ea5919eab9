"""The scalar functions of the language: one row each, with its type rule, its DuckDB text and its Python.

Unless a row is `nullable`, any null argument gives null. Arguments reach a row already brought to one type: an int64
beside a float64 is cast to float64 first (R10). Results that are floats are normalised (R7); integers that leave
int64 are null.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Final

from featurestore.semantics.dtypes import DType
from featurestore.semantics.functions import decimals, items, kernels, lists, logic, maps, numbers, texts, times
from featurestore.semantics.functions.row import Scalar

SCALAR_ROWS: Final[tuple[Scalar, ...]] = (
    *numbers.ROWS,
    *logic.ROWS,
    *times.ROWS,
    *texts.ROWS,
    *maps.ROWS,
    *decimals.ROWS,
    *lists.ROWS,
    *items.ROWS,
    *kernels.ROWS,
)
PATTERNED: Final = frozenset(row.name for row in SCALAR_ROWS if row.pattern is not None)
"""The functions whose parameter is a pattern; that of all others is a zone."""
SCALAR_NAMES: Final = tuple(dict.fromkeys(row.name for row in SCALAR_ROWS))


@cache
def scalar_row(name: str, given: tuple[DType, ...]) -> tuple[Scalar, DType] | None:
    """The row of a function for these argument types and the type it gives, or None when it does not take them."""
    for row in SCALAR_ROWS:
        if row.name == name and (result := row.rule(given)) is not None:
            if row.typed is None:
                return row, result
            sql, python = row.typed(given)
            return replace(row, sql=sql, python=python), result
    return None
