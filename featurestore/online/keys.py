"""Names in Redis: all begin with the project; keys of one entity share a hash tag, so a cluster serves them from one
slot."""

from __future__ import annotations

from collections.abc import Sequence
from json.encoder import encode_basestring
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
    """The root of an entity key's tree. JSON keeps `1`, `"1"` and `true` apart, and ("a","bc") from ("ab","c")
    (R11)."""
    if len(key) == 1 and type(key[0]) is int:  # most keys are such
        return f"{prefix}{{[{key[0]}]}}".encode()
    return root_name(prefix, f"[{','.join(map(_text, key))}]")


def root_name(prefix: str, text: str) -> bytes:
    """The same for a key that is given as JSON."""
    return f"{prefix}{{{text}}}".encode()


def key_names(prefix: str, texts: pa.Array[Any]) -> pa.Array[Any]:
    """`root_name` of many keys."""
    return joined(f"{prefix}{{", texts, "}")


def nodes_name(name: bytes) -> bytes:
    """The hash of the nodes below a root; most keys have none."""
    return name + b":nodes"


def _text(value: Value) -> str:
    """A value as JSON; the commonest do not take the long way."""
    kind = type(value)
    return str(value) if kind is int else encode_basestring(value) if kind is str else encode(value)
