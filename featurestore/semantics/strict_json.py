"""JSON that has one meaning: no NaN or infinity, no name twice in an object, no nesting without end."""

from __future__ import annotations

import json
from typing import Any

DEEPEST = 8


def read_json(text: str) -> Any:
    """The value of a JSON text. Integers of any size stay whole; a float is the nearest one.

    >>> read_json('{"a": [1, 0.1, null]}')
    {'a': [1, 0.1, None]}

    Raises: ValueError  saying what is wrong: no JSON, a number that is none, a name twice, or nested too deeply.
    """
    if text.startswith("\ufeff"):
        raise ValueError("it begins with a byte order mark (BOM)")
    try:
        found = _decode(text)
        # a few brackets cannot be nested deeper than that, and most texts have few
        deep = text.count("[") + text.count("{") > DEEPEST and _deeper(found, DEEPEST)
    except RecursionError:
        deep = True
    if deep:
        raise ValueError(f"it is nested deeper than {DEEPEST} levels")
    return found


def _refuse_constant(name: str) -> object:
    raise ValueError(f"{name} is no JSON number; write null")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object, none of whose names stands in it twice: which value was meant could not be told."""
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the name {twice!r:.80} stands twice in one object")
    return found


def _deeper(value: object, left: int) -> bool:
    """Whether a value is nested deeper than so many levels."""
    if isinstance(value, dict):
        inner: Any = value.values()
    elif isinstance(value, list):
        inner = value
    else:
        return False
    return left == 0 or any(_deeper(each, left - 1) for each in inner if isinstance(each, (dict, list)))


_decode = json.JSONDecoder(parse_constant=_refuse_constant, object_pairs_hook=_once).decode
