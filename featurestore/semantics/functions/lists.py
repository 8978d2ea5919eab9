"""Lists and vectors: their items, and the products of vectors.

A product of vectors is added up from the first item to the last, in float64, which both roads do alike (R10).
"""

from __future__ import annotations

import math
from typing import Final

from featurestore.semantics.dtypes import BOOL, FLOAT64, INT64, DType, Value, finite
from featurestore.semantics.functions.row import Scalar

_FINITE: Final = "list_transform([{}], lambda s: fs_finite(s))[1]"


def _item(given: tuple[DType, ...]) -> DType | None:
    if len(given) != 2 or given[1] != INT64:
        return None
    return FLOAT64 if given[0].kind == "vector" else given[0].item if given[0].kind == "list" else None


def _length(given: tuple[DType, ...]) -> DType | None:
    return INT64 if len(given) == 1 and given[0].kind == "list" else None


def _contains(given: tuple[DType, ...]) -> DType | None:
    if len(given) != 2 or given[0].kind != "list" or given[0].item is None:
        return None
    item, sought = given[0].item, given[1]
    alike = item == sought or (item.kind == sought.kind == "decimal" and item.scale == sought.scale)
    return BOOL if alike else None


def _two_vectors(given: tuple[DType, ...]) -> DType | None:
    return FLOAT64 if len(given) == 2 and given[0].kind == "vector" and given[0] == given[1] else None


def _one_vector(given: tuple[DType, ...]) -> DType | None:
    return FLOAT64 if len(given) == 1 and given[0].kind == "vector" else None


def _get(items: tuple[Value, ...], place: int) -> Value:
    return items[place] if -len(items) <= place < len(items) else None


def _total(products: list[float]) -> float:
    """Added up from the left; `sum` would compensate from Python 3.12 on."""
    total = products[0]
    for product in products[1:]:
        total += product
    return total


def _dot(left: tuple[float, ...], right: tuple[float, ...]) -> Value:
    return finite(_total([one * other for one, other in zip(left, right, strict=True)]))


def _norm(items: tuple[float, ...]) -> Value:
    return finite(math.sqrt(_total([item * item for item in items])))


ROWS: Final[tuple[Scalar, ...]] = (
    # places count from 0, in DuckDB from 1; -1 is the last item in both
    Scalar(
        "get",
        _item,
        "list_extract({0}, list_transform([{1}], lambda i: "
        "CASE WHEN i < 0 THEN i ELSE least(i, 9223372036854775806) + 1 END)[1])",
        _get,
    ),
    Scalar("length", _length, "len({0})", len),
    # DuckDB says of an empty list that it does not contain null, which is null (R10)
    Scalar(
        "contains",
        _contains,
        "CASE WHEN {1} IS NOT NULL THEN list_contains({0}, {1}) END",
        lambda items, sought: sought in items,
    ),
    Scalar(
        "dot",
        _two_vectors,
        # of two nulls `list_zip` makes an empty list, whose sum is what it begins with
        _FINITE.format(
            "list_reduce(list_transform(list_zip({0}, {1}), lambda p: p[1] * p[2]), lambda s, x: s + x, "
            "CASE WHEN {0} IS NOT NULL THEN 0.0::DOUBLE END)"
        ),
        _dot,
    ),
    Scalar(
        "norm",
        _one_vector,
        _FINITE.format("sqrt(list_reduce(list_transform({0}, lambda x: x * x), lambda s, x: s + x))"),
        _norm,
    ),
)
