"""What the third voice computes with: R6's texts, R9's sums as fractions, every function of R10 in plain Python.

Zones come from `zoneinfo` on the pinned `tzdata` package (R1), whatever the system has.
"""

from __future__ import annotations

import math
import operator
import struct
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from functools import cache
from hashlib import md5
from importlib import resources
from typing import Any
from zoneinfo import ZoneInfo

from featurestore.expr.nodes import Call, PythonCall
from featurestore.semantics.dtypes import DType
from tests.reference_kernels import KERNELS
from tests.reference_texts import BY_TYPE, TEXTS, float_of_text, instant_of, int_of_text, python_called
from tests.reference_types import OF_TYPES, number, summed_decimals

DAY_US = 24 * 60 * 60 * 10**6
# the years whose daylight saving rules hold; before and after them a zone keeps its offset
FIRST_S, LAST_S = -(2**35), int(datetime(2201, 1, 1, tzinfo=UTC).timestamp())

# from the first microsecond of the year 1 to 1970, and from there to the last of 9999
FIRST_US, LAST_US = 719_162 * DAY_US, 2_932_897 * DAY_US - 1


def entered(value: Any) -> Any:
    """A value as it enters, or as an expression gives it (R7, R8): no float but a number, no int beyond int64."""
    if isinstance(value, tuple):
        return tuple(map(entered, value))
    if isinstance(value, float):
        return value + 0.0 if math.isfinite(value) else None
    return None if isinstance(value, int) and not -(2**63) <= value < 2**63 else value


def called(node: Call | PythonCall, values: list[Any]) -> Any:
    """A function's value; null where it is not defined, for a null argument unless the function is about nulls, and
    for an instant outside the years 1 to 9999 (R1)."""
    found = _called(node, values)
    return None if node.dtype.kind == "timestamp" and found is not None and not -FIRST_US <= found <= LAST_US else found


def _called(node: Call | PythonCall, values: list[Any]) -> Any:
    if isinstance(node, PythonCall):
        return python_called(node, values)
    if node.function not in ABOUT_NULLS and None in values:
        return None
    if node.function == "sub" and node.arguments[0].dtype.kind == "timestamp":
        difference = entered(values[0] - values[1])
        return None if difference is None else difference / 1e6
    kind = node.arguments[0].dtype.kind
    if node.function in COMPARED and any(each.dtype.kind == "decimal" for each in node.arguments):
        values = [number(value, each.dtype) for value, each in zip(values, node.arguments, strict=True)]
    if kind in ("list", "map") and node.function in OF_ITEMS:
        return entered(OF_ITEMS[node.function](values[0], node.arguments[0].dtype))
    if (kind, node.function) in OF_TYPES:
        return entered(OF_TYPES[kind, node.function](*values, node.arguments[0].dtype))
    function = TEXT_NUMBERS[node.function] if kind == "string" and node.function in TEXT_NUMBERS else None
    further = [node.parameter] if node.parameter else [kind] if node.function in BY_TYPE else []
    if node.function == "floor" and kind == "timestamp":
        function = floored
    try:
        return entered((function or FUNCTIONS[node.function])(*values, *further))
    except (ValueError, ZeroDivisionError, OverflowError):
        return None


def fingerprint_of(values: Sequence[Any]) -> str:
    """Which of several versions of a fact counts (R6): values in the order of their columns' names."""
    return md5(",".join(text_of(value) for value in values).encode()).hexdigest()[:16]


def text_of(value: Any) -> str:
    """A value as the fingerprint of a row reads it (R6)."""
    match value:
        case None:
            return "n"
        case bool():
            return f"b{int(value)}"
        case int():
            return f"i{value}"
        case float():
            return f"f{struct.unpack('>Q', struct.pack('>d', value))[0]:064b}"
        case tuple():
            return f"l{len(value)}[{','.join(map(text_of, value))}]"
    return f"s{len(value)}:{value}"


def summed(present: Sequence[Any], mean: bool) -> tuple[Any, bool]:
    """The exact sum, or the nearest float of it divided by the count; nothing outside +-2^63 is held."""
    numbers = [units(value) for value in present]
    total = sum(numbers, Fraction(0))
    if any(abs(value) >= 2**63 for value in present if isinstance(value, float)) or not -(2**63) <= total < 2**63:
        return None, True
    if not present:
        return None, False
    return (float(total) / float(len(present)) if mean else type(present[0])(total)), False


def varied(present: Sequence[Any], sample: bool) -> tuple[float | None, bool]:
    """Variance by the stated formula: n * sum(x^2) - sum(x)^2 in squared units, 32-bit digits added from the lowest."""
    if any(abs(value) >= 2**63 for value in present if isinstance(value, float)):
        return None, True
    if len(present) <= sample:
        return None, False
    unit = 2**64 if isinstance(present[0], float) else 1
    numbers, n = [int(units(value) * unit) for value in present], len(present)
    deviation, scale, left = 0.0, 1.0, n * sum(number * number for number in numbers) - sum(numbers) ** 2
    while left:  # sum() would compensate from Python 3.12 on
        deviation, scale, left = deviation + float(left % 2**32) * scale, scale * 2.0**32, left // 2**32
    return deviation * (1.0 / unit**2) / (float(n) * float(n - sample)), False


def units(value: float) -> Fraction:
    """An int as it is, a float as the nearest multiple of 2^-64, ties away from zero."""
    nearest = math.floor(abs(Fraction(value)) * 2**64 + Fraction(1, 2))
    return Fraction(nearest if value > 0 else -nearest, 2**64)


def local(at_us: int, zone: str) -> int:
    """What the clocks of a zone show, as microseconds that read as UTC."""
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=min(max(at_us // 10**6, FIRST_S), LAST_S))
    offset = moment.astimezone(zone_info(zone)).utcoffset()
    assert offset is not None
    return at_us + offset // timedelta(microseconds=1)


@cache
def zone_info(zone: str) -> ZoneInfo:
    """A zone of the pinned table."""
    with resources.files("tzdata").joinpath("zoneinfo", *zone.split("/")).open("rb") as stream:
        return ZoneInfo.from_file(stream, key=zone)


def either(left: bool | None, right: bool | None) -> bool | None:
    """SQL's `or`: true wins, then null."""
    return True if left or right else None if left is None or right is None else False


def negated(value: bool | None) -> bool | None:
    """SQL's `not`."""
    return None if value is None else not value


def first_present(*values: Any) -> Any:
    """The first value that is not null."""
    return next((value for value in values if value is not None), None)


def among(value: Any, *others: Any) -> bool | None:
    """SQL's `in`: equal to one of them, by SQL's `or`."""
    found: bool | None = False
    for other in others:
        found = either(found, None if value is None or other is None else value == other)
    return found


def totalled(items: Sequence[Any], dtype: DType, mean: bool) -> Any:
    """R9's sum of the items that are there, or their mean; truths count as 0 and 1."""
    assert dtype.item is not None
    present = [item for item in items if item is not None]
    if dtype.item.kind == "decimal":
        return summed_decimals(present, dtype.item, mean)[0]
    return summed([+item for item in present], mean)[0]


def extreme(items: Sequence[Any], greatest: bool) -> Any:
    """The greatest or least item that is there."""
    present = sorted(item for item in items if item is not None)
    return present[-greatest] if present else None


def key_of_extreme(pairs: Sequence[tuple[Any, Any]], greatest: bool) -> Any:
    """The least key that has the greatest or least value."""
    best = extreme([value for _, value in pairs], greatest)
    return min(key for key, value in pairs if value == best) if best is not None else None


def floored(at_us: int, step_us: int) -> int | None:
    """The last multiple of a step."""
    return at_us // step_us * step_us if step_us > 0 else None


COMPARED = ("eq", "ne", "lt", "le", "gt", "ge")
ABOUT_NULLS = ("and", "or", "is_null", "isin", "coalesce", "when")
OF_ITEMS: dict[str, Callable[..., Any]] = {
    "sum": lambda items, dtype: totalled(items, dtype, mean=False),
    "mean": lambda items, dtype: totalled(items, dtype, mean=True),
    "min": lambda items, _: extreme(items, greatest=False),
    "max": lambda items, _: extreme(items, greatest=True),
    "keys": lambda pairs, _: tuple(dict(pairs)),
    "values": lambda pairs, _: tuple(dict(pairs).values()),
    "length": lambda items, _: sum(1 for _ in items),
    "argmax": lambda pairs, _: key_of_extreme(pairs, greatest=True),
    "argmin": lambda pairs, _: key_of_extreme(pairs, greatest=False),
}
"""Functions of the items of a list, or of what a map holds."""
TEXT_NUMBERS: dict[str, Callable[..., Any]] = {"to_int": int_of_text, "to_float": float_of_text}
FUNCTIONS: dict[str, Callable[..., Any]] = {
    "add": operator.add,
    "sub": operator.sub,
    "mul": operator.mul,
    "div": operator.truediv,
    "floordiv": lambda left, right: (left - left % right) // right,
    "mod": lambda left, right: left - right * math.floor(Fraction(left, right)),
    "neg": operator.neg,
    "abs": abs,
    "floor": lambda value: float(math.floor(value)),
    "ceil": lambda value: float(math.ceil(value)),
    "sqrt": math.sqrt,
    "least": min,
    "greatest": max,
    "eq": operator.eq,
    "ne": operator.ne,
    "lt": operator.lt,
    "le": operator.le,
    "gt": operator.gt,
    "ge": operator.ge,
    "and": lambda left, right: negated(either(negated(left), negated(right))),
    "or": either,
    "not": operator.not_,
    "is_null": lambda value: value is None,
    "coalesce": first_present,
    "isin": among,
    "when": lambda test, then, other: then if test is True else other,
    "get": lambda pairs, key: dict(pairs).get(key),
    **{name: function for (_, name), function in OF_TYPES.items() if name in ("length", "contains", "dot", "norm")},
    "to_float": float,
    "to_int": int,
    "local": local,
    "day_number": lambda local_us: local_us // DAY_US,
    "time_of_day": lambda local_us: local_us % DAY_US,
    "hour_of": lambda time_us: time_us // (60 * 60 * 10**6),
    "minute_of": lambda time_us: time_us // (60 * 10**6) % 60,
    "weekday_of": lambda days: (days + 3) % 7 + 1,  # day 0 was a Thursday
    **KERNELS,
    "instant_of": lambda local_us, zone: instant_of(local_us, zone_info(zone), FIRST_S, LAST_S),
    **TEXTS,
}
