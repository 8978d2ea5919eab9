"""Values and texts as a person reads them, and as JSON can write them."""

from __future__ import annotations

import json
import math
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any


def printable(text: str) -> str:
    r"""A text without what could steer a terminal; line breaks stay.

    >>> printable("a\x1b[2Jb")
    'a\\x1b[2Jb'
    """
    return "".join(
        letter if letter.isprintable() or letter == "\n" else letter.encode("unicode_escape").decode()
        for letter in text
    )


def shown(value: object) -> str:
    """A value in a table: on one line, strings bare unless they would be taken for something else.

    >>> shown(None), shown(True), shown("null"), shown([1.5, None])
    ('null', 'true', '"null"', '[1.5, null]')
    """
    plain = plain_value(value)
    if isinstance(value, str):
        bare = value not in ("", "null") and value == value.strip() and not value.startswith('"')
        return printable(value).replace("\n", "\\n") if bare else json.dumps(value)
    return plain if isinstance(plain, str) else json.dumps(plain, ensure_ascii=False)


def plain_value(value: Any) -> Any:
    """A Python value as JSON can write it: instants in ISO 8601 with microseconds, NaN and infinity as null.

    >>> plain_value(datetime(2013, 1, 1, tzinfo=UTC))
    '2013-01-01T00:00:00.000000Z'
    """
    match value:
        case datetime() if value.tzinfo is not None:
            return value.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
        case datetime() | date() | time():
            return value.isoformat()
        case float():
            return value if math.isfinite(value) else None
        case None | bool() | int() | str():
            return value
        case Decimal():
            return format(value, "f")
        case list() | tuple():
            return [plain_value(item) for item in value]
        case dict():
            return {str(name): plain_value(item) for name, item in value.items()}
        case _:
            return str(value)


def counted(count: int, noun: str) -> str:
    """A count with its noun.

    >>> counted(1, "row"), counted(2000, "row")
    ('1 row', '2,000 rows')
    """
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def ago(at_us: int, now_us: int) -> str:
    """How long ago an instant was, in the unit in which it is read at a glance.

    >>> ago(0, 90_000_000), ago(0, 3 * 86_400_000_000), ago(5, 0)
    ('1 min ago', '3 d ago', 'just now')
    """
    seconds = (now_us - at_us) // 1_000_000
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1)):
        if seconds >= length:
            return f"{seconds // length:,} {unit} ago"
    return "just now"
