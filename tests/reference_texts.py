"""What the third voice says of texts, calendars and rounding (R10), with nothing of the product."""

from __future__ import annotations

import inspect
import re
import struct
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from hashlib import md5
from typing import Any, get_args, get_origin, get_type_hints
from zoneinfo import ZoneInfo

from featurestore.expr.nodes import PythonCall
from featurestore.semantics.dtypes import DType

EPOCH = date(1970, 1, 1)
WHITE = {chr(code) for code in (32, 9, 10, 11, 12, 13)}
DIGITS = set("0123456789")


def cased(text: str, start: str, shift: int) -> str:
    """A text with the 26 letters from `start` on moved by `shift` code points."""
    return "".join(chr(ord(letter) + shift) if 0 <= ord(letter) - ord(start) < 26 else letter for letter in text)


def stripped(text: str) -> str:
    """A text without white space at its ends."""
    letters = list(text)
    while letters and letters[0] in WHITE:
        letters.pop(0)
    while letters and letters[-1] in WHITE:
        letters.pop()
    return "".join(letters)


def replaced(text: str, old: str, new: str) -> str:
    """From the left, what was put in is not looked at again."""
    return new.join(parts_of(text, old)) if old else text


def parts_of(text: str, separator: str) -> list[str]:
    """What stands between the separators, found from the left."""
    found, start = [], 0
    while (place := text.find(separator, start)) >= 0:
        found.append(text[start:place])
        start = place + len(separator)
    return [*found, text[start:]]


def part(text: str, separator: str, index: int) -> str | None:
    """One of the parts; none for an empty separator."""
    found = dict(enumerate(parts_of(text, separator))) if separator else {}
    return found.get(index if index >= 0 else index + len(found))


def substring(text: str, start: int, length: int = 2**63) -> str | None:
    """Code points from a place on."""
    return None if start < 0 or length < 0 else "".join(list(text)[start:][:length])


def exact(text: str) -> Fraction | None:
    """The number that a text writes: digits, at most one point, at most one exponent; exponents beyond use are cut."""
    mantissa, *exponent = text.replace("E", "e").split("e")
    unsigned = mantissa[1:] if mantissa[:1] in ("+", "-") else mantissa
    whole, *fraction = unsigned.split(".")
    digits = whole + "".join(fraction)
    if len(exponent) > 1 or len(fraction) > 1 or not digits or set(digits) - DIGITS:
        return None
    power = 0
    for each in exponent:
        plain = each[1:] if each[:1] in ("+", "-") else each
        if not plain or set(plain) - DIGITS:
            return None
        power = min(int(plain), 5000) * (-1 if each[0] == "-" else 1)
    number = Fraction(int(digits)) * Fraction(10) ** (power - len("".join(fraction)))
    return -number if mantissa[:1] == "-" else number


def int_of_text(text: str) -> int | None:
    """A text of digits and at most a sign."""
    number = None if set(text) & set(".eE") else exact(text)
    return None if number is None else int(number)


def float_of_text(text: str) -> float | None:
    """The nearest float; Python divides exact numbers so. Raises: OverflowError  beyond all floats."""
    number = exact(text)
    return None if number is None else number.numerator / number.denominator


def rounded(value: float, digits: int) -> float | None:
    """`value * 10^digits` as a float, to the nearest whole number, ties away from zero, and back."""
    if abs(digits) > 15:
        return None
    scaled = value * 10**digits if digits >= 0 else value / 10**-digits
    if abs(scaled) >= 2**52:
        return value
    whole = float(Decimal(scaled).quantize(Decimal(1), rounding="ROUND_HALF_UP"))
    return whole / 10**digits if digits >= 0 else whole * 10**-digits


def shown(value: Any, kind: str) -> str | None:
    """A value as ISO 8601, digits, or a word."""
    match kind:
        case "bool":
            return ("false", "true")[value]
        case "date":
            return (EPOCH + timedelta(days=value)).isoformat()
        case "timestamp":
            moment = datetime(1970, 1, 1) + timedelta(microseconds=value)
            return moment.isoformat() + "Z"
    return str(value)


def bucket(value: Any, kind: str, buckets: int) -> int | None:
    """A share of the first 60 bits of the md5 of a letter for the type and a text for the value."""
    if buckets < 1:
        return None
    text = str(int(value)) if kind == "bool" else str(value)
    if kind == "float64":
        text = "".join(f"{byte:08b}" for byte in struct.pack(">d", value))
    letter = {"bool": "b", "int64": "i", "float64": "f", "string": "s", "timestamp": "t", "date": "d"}[kind]
    digest = md5((letter + text).encode()).digest()
    return (int.from_bytes(digest, "big") >> 68) % buckets


def stepped(value: int, steps: int, kind: str) -> int:
    """Later by microseconds, or a date by days. Raises: OverflowError  where there is no such date."""
    return day_number(civil(value + steps)) if kind == "date" else value + steps


def civil(days: int) -> date:
    """The calendar day of a day number. Raises: OverflowError  outside the years 1 to 9999."""
    return EPOCH + timedelta(days=days)


def day_number(day: date) -> int:
    """Days since 1970-01-01."""
    return (day - EPOCH).days


def instant_of(local_us: int, info: ZoneInfo, first_s: int, last_s: int) -> int:
    """What a clock's time is: the earlier of two instants; what was jumped over as if the clocks had not yet."""
    wall = datetime(1970, 1, 1) + timedelta(seconds=min(max(local_us // 10**6, first_s), last_s))
    offset = wall.replace(tzinfo=info, fold=0).utcoffset()
    assert offset is not None
    return local_us - offset // timedelta(microseconds=1)


def first_of_week(days: int) -> int:
    """The Monday of a day's week."""
    return days - civil(days).weekday()


def python_called(node: PythonCall, values: list[Any]) -> Any:
    """R17: the user's function, given what users see; not called for a null that it does not say it takes."""
    hints = get_type_hints(node.function.python)
    wanted = [hints[name] for name in inspect.signature(node.function.python).parameters]
    if not all(taken(value, hint) for value, hint in zip(values, wanted, strict=True)):
        return None
    given = [seen(value, each.dtype) for value, each in zip(values, node.arguments, strict=True)]
    return given_back(node.function.python(*given), hints["return"])


def taken(value: Any, hint: Any) -> bool:
    """Whether a function is called with a value: null, or null items, only where its annotation says so."""
    if value is None:
        return type(None) in get_args(hint)
    if not isinstance(value, tuple):
        return True
    [container] = [each for each in (hint, *get_args(hint)) if get_origin(each) in (list, dict)]
    items = [value for _, value in value] if get_origin(container) is dict else value
    return all(taken(item, get_args(container)[-1]) for item in items)


def given_back(result: Any, hint: Any) -> Any:
    """What a function gave, as values are held; an int is a float where one is annotated."""
    if isinstance(result, (list, dict)):
        [container] = [each for each in (hint, *get_args(hint)) if get_origin(each) in (list, dict)]
        *_, item = get_args(container)
        if isinstance(result, list):
            return tuple(given_back(each, item) for each in result)
        held = {given_back(key, get_args(container)[0]): given_back(each, item) for key, each in result.items()}
        return tuple((key, held[key]) for key in sorted(held))
    if type(result) is int and float in (hint, *get_args(hint)):
        result = float(result)
    if isinstance(result, float):
        return result + 0.0 if abs(result) < float("inf") else None
    if isinstance(result, datetime):
        return (result - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
    return day_number(result) if isinstance(result, date) else result


def seen(value: Any, dtype: DType) -> Any:
    """A value as users see it; instants beyond the calendar are its ends."""
    kind = dtype.kind
    if isinstance(value, tuple) and dtype.key is not None and dtype.item is not None:
        return {seen(key, dtype.key): seen(each, dtype.item) for key, each in value}
    if isinstance(value, tuple):
        return [seen(each, dtype.item or dtype) for each in value]
    if value is None or kind not in ("timestamp", "date"):
        return value
    try:
        return civil(value) if kind == "date" else datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=value)
    except OverflowError:
        ends = (datetime.min, datetime.max) if kind == "timestamp" else (date.min, date.max)
        end: Any = ends[value > 0]
        return end.replace(tzinfo=UTC) if kind == "timestamp" else end


def like(text: str, pattern: str) -> bool:
    """`%` any letters, `_` one, a backslash takes the letter after it as it is."""
    written = re.sub(
        r"\\(.)|(%)|(_)|(.)",
        lambda found: ".*" if found[2] else "." if found[3] else re.escape(found[1] or found[4]),
        pattern,
        flags=re.DOTALL,
    )
    return re.fullmatch(written, text, re.DOTALL) is not None


def matched(text: str, pattern: str) -> bool:
    """Python's own search; its `$` would also be before a last line break."""
    written = re.sub(r"(\\.)|\$", lambda found: found[1] or r"\Z", pattern, flags=re.DOTALL)
    return re.search(written, text, re.ASCII) is not None


BY_TYPE: dict[str, Callable[..., Any]] = {
    "to_string": lambda value, kind: shown(value, kind),
    "bucket": lambda value, buckets, kind: bucket(value, kind, buckets),
    "plus": stepped,
}
"""Functions that look at the type of what they are given."""
TEXTS: dict[str, Callable[..., Any]] = {
    "lower": lambda text: cased(text, "A", 32),
    "upper": lambda text: cased(text, "a", -32),
    "strip": stripped,
    "length": lambda text: sum(1 for _ in text),
    "contains": lambda text, other: text.find(other) >= 0,
    "starts_with": lambda text, other: text[: len(other)] == other,
    "ends_with": lambda text, other: text[max(0, len(text) - len(other)) :] == other,
    "like": like,
    "ilike": lambda text, pattern: like(cased(text, "A", 32), cased(pattern, "A", 32)),
    "matches": matched,
    "replace": replaced,
    "substring": substring,
    "split": part,
    "round": rounded,
    "sign": lambda value: (value > 0) - (value < 0),
    "epoch_us": lambda at_us: at_us,
    "epoch_days": lambda days: days,
    "second_of": lambda time_us: time_us // 10**6 % 60,
    "month_of": lambda days: civil(days).month,
    "day_of": lambda days: civil(days).day,
    "year_of": lambda days: civil(days).year,
    "day_of_year_of": lambda days: (civil(days) - civil(days).replace(month=1, day=1)).days + 1,
    "date_of": lambda days: day_number(civil(days)),
    "first_of_week": first_of_week,
    "first_of_month": lambda days: day_number(civil(days).replace(day=1)),
    "first_of_year": lambda days: day_number(civil(days).replace(month=1, day=1)),
    "local_midnight": lambda days: day_number(civil(days)) * 24 * 60 * 60 * 10**6,
    **BY_TYPE,
}
