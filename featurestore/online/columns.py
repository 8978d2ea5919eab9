"""Columns of texts, put together in Arrow."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from featurestore.online import codec

_ESCAPED = r'["\\\x00-\x1f]'


def joined(*parts: Any, by: str = "") -> pa.Array[Any]:
    """Columns of texts and single texts as one column; null where one of them is."""
    texts: pa.Array[Any] = pc.binary_join_element_wise(*parts, by)
    return texts


def json_texts(column: pa.Array[Any]) -> pa.Array[Any]:
    """Each value of a column as `codec.encode` writes it."""
    kind = column.type
    texts: Any
    if pa.types.is_null(kind):
        texts = pa.repeat("null", len(column))
    elif pa.types.is_integer(kind) or pa.types.is_boolean(kind):
        texts = column.cast(pa.string())
    elif pa.types.is_floating(kind):
        # one call for all: the text of a number has no comma
        texts = pa.array(codec.encode(column.to_pylist())[1:-1].split(","), pa.string())
    elif pa.types.is_string(kind):
        texts = joined('"', column, '"')
        matched: Any = pc.match_substring_regex(column, _ESCAPED)
        escaped: Any = pc.fill_null(matched, False)
        if pc.any(escaped).as_py():
            by_hand: Any = pa.array([codec.encode(text) for text in column.filter(escaped).to_pylist()], pa.string())
            texts = pc.replace_with_mask(texts, escaped, by_hand)
    else:
        texts = pa.array([codec.encode(value) for value in column.to_pylist()], pa.string())
    null: Any = "null"
    found: pa.Array[Any] = pc.fill_null(texts, null)
    return found
