"""Maps: the value of a key."""

from __future__ import annotations

from typing import Final

from featurestore.semantics.dtypes import DType, Value
from featurestore.semantics.functions.row import Scalar


def _get(given: tuple[DType, ...]) -> DType | None:
    return given[0].item if len(given) == 2 and given[0].key is not None and given[0].key == given[1] else None


def _found(pairs: tuple[tuple[Value, Value], ...], key: Value) -> Value:
    return next((value for each, value in pairs if each == key), None)


ROWS: Final[tuple[Scalar, ...]] = (Scalar("get", _get, "map_extract_value({0}, {1})", _found),)
