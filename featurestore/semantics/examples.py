"""A value of each type, as JSON writes it, for the examples of errors and of the API's description."""

from __future__ import annotations

from typing import Final

from featurestore.semantics.decimals import text_of
from featurestore.semantics.dtypes import DType

_SCALARS: Final[dict[str, object]] = {
    "bool": True,
    "int64": 7,
    "float64": 1.5,
    "string": "text",
    "timestamp": "2013-01-01T12:00:00Z",
    "date": "2013-01-01",
}


def example_of(dtype: DType) -> object:
    """A value of a type.

    >>> from featurestore.semantics.dtypes import INT64, list_of, vector_of
    >>> example_of(list_of(INT64)), example_of(vector_of(2))
    ([7], [0.5, 0.5])
    """
    if dtype.kind == "decimal":
        return text_of(0, dtype.scale)
    if dtype.kind == "vector":
        return [0.5] * dtype.length
    return [example_of(dtype.item)] if dtype.item is not None else _SCALARS[dtype.kind]
