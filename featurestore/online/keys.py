"""Names in Redis: all begin with the project; keys of one entity share a hash tag, so a cluster serves them from one
slot."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from featurestore.online.codec import encode
from featurestore.online.columns import joined
from featurestore.semantics.dtypes import Value


def pointer_name(project: str, state_id: str) -> bytes:
    """Where a state says which generation serves, and what it holds."""
    return f"{project}:state:{state_id}".encode()


def generation_prefix(project: str, state_id: str, generation: str) -> str:
    """What the names of a generation's keys begin with."""
    return f"{project}:rows:{state_id}:{generation}:"


def key_name(prefix: str, key: Sequence[Value]) -> bytes:
    """The hash of one entity key. JSON keeps `1`, `"1"` and `true` apart, and ("a","bc") from ("ab","c") (R11)."""
    return tagged(prefix, encode(key))


def tagged(prefix: str, text: str) -> bytes:
    """The hash of the key that this text stands for."""
    return f"{prefix}{{{text}}}".encode()


def key_names(prefix: str, texts: pa.Array[Any]) -> pa.Array[Any]:
    """The hashes of many."""
    return joined(f"{prefix}{{", texts, "}")
