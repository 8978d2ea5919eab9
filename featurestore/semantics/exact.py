"""Exact numbers (R9): integers that carry sums, and the one way they become floats. DuckDB text stands beside Python.

A float is taken to the nearest multiple of 2^-64 and counted in units of it, so sums are integer sums: order, threads
and batches cannot change them. Squares are kept exactly too, in DuckDB as limbs of 32 bits, since its own 128-bit sum
throws when it overflows.
"""

from __future__ import annotations

import math
from typing import Final

UNIT: Final = 2.0**-64
LIMB: Final = 2**32
FLOAT_LIMIT: Final = 2.0**63
FLOAT_DIGITS: Final = 10
INT_DIGITS: Final = 6


def units(value: float) -> int | None:
    """A float in units of 2^-64, ties away from zero; None from 2^63 on, which sums do not take.

    >>> units(1.0) == 2**64, units(2.0**-65), units(-(2.0**-66)), units(2.0**63)
    (True, 1, 0, None)
    """
    if not -FLOAT_LIMIT < value < FLOAT_LIMIT:
        return None
    scaled = value * 18446744073709551616.0
    whole = int(scaled)
    if not -9007199254740992.0 < scaled < 9007199254740992.0:  # such floats have no fraction
        return whole
    rest = scaled - whole
    return whole + (rest >= 0.5) - (rest <= -0.5)


def nearest_float(total: int) -> float:
    """Units of 2^-64 as the nearest float, ties to even: one rounding."""
    return total / 2**64


def digits_to_float(number: int, digits: int) -> float:
    """A non-negative integer as a float, by adding its 32-bit digits from the lowest up.

    Not the nearest float, but the same one on both roads, within 1e-15: only `+` and `*` of exact factors are used.
    """
    value, scale = 0.0, 1.0
    for _ in range(digits - 1):
        value += float(number & (LIMB - 1)) * scale
        number >>= 32
        scale *= 4294967296.0
    return value + float(number) * scale


def signed_float(number: int, digits: int) -> float:
    """An integer as a float: that of its size, with its sign."""
    return -digits_to_float(-number, digits) if number < 0 else digits_to_float(number, digits)


def squared_deviation(n: int, total: int, squares: int, digits: int) -> float:
    """n * sum((x - mean)^2) in squared units: exact until it becomes a float."""
    return digits_to_float(n * squares - total * total, digits)


def spread(n: int, deviation: float, unit: float, *, sample: bool, root: bool) -> float | None:
    """Variance or standard deviation from n * sum((x - mean)^2) in squared units; null where it is not defined."""
    divisor = float(n) * float(n - 1 if sample else n)
    if divisor == 0.0:
        return None
    variance = deviation * (unit * unit) / divisor
    return math.sqrt(variance) if root else variance


def _polynomial(limbs: str) -> list[str]:
    """Coefficients of (sum of limbs)^2 in base 2^32, lowest first, as SQL over the limb names, highest limb first."""
    names = list(limbs)
    top = 2 * (len(names) - 1)
    terms: list[list[str]] = [[] for _ in range(top + 1)]
    for i, left in enumerate(names):
        for j, right in enumerate(names[i:], start=i):
            terms[top - i - j].append(f"{'2 * ' if j > i else ''}{{{left}}} * {{{right}}}")
    return [" + ".join(each) for each in terms]


FLOAT_SQUARE: Final = tuple(_polynomial("abcd"))
INT_SQUARE: Final = tuple(_polynomial("ab"))

MACROS: Final[dict[str, str]] = {
    # R1: division of instants floors; DuckDB's own truncates
    "fs_floor_div(a, b)": "(a // b) - CAST(a % b < 0 AS BIGINT)",
    # R7: a float that enters or leaves an expression
    "fs_finite(x)": "CASE WHEN isfinite(x) THEN x + 0.0::DOUBLE END",
    # R9: units() above
    "fs_units(x)": "CASE WHEN abs(x) < 9223372036854775808.0::DOUBLE THEN CAST(round(x * "
    "18446744073709551616.0::DOUBLE) AS HUGEINT) END",
    # high and low halves of a sum of units; the low half is a sum of unsigned 64-bit values
    "fs_high(hi, lo)": "hi + (lo >> 64)",
    "fs_in_range(hi, lo)": "fs_high(hi, lo) BETWEEN -9223372036854775808::HUGEINT AND 9223372036854775807::HUGEINT",
    # nearest_float() above. Below 2^42 the high half with 11 bits of the low one is a float, and so is the rest: one
    # addition rounds once. Beyond, DuckDB's parser of numbers rounds correctly, its own cast from HUGEINT does not; and
    # it refuses to multiply the least high half with 2^64
    "fs_nearest(hi, lo)": "CASE WHEN fs_high(hi, lo) BETWEEN -4398046511104::HUGEINT AND 4398046511103::HUGEINT THEN "
    "CAST(CAST(fs_high(hi, lo) AS BIGINT) AS DOUBLE) "
    "+ CAST(CAST((lo >> 53) & 2047::HUGEINT AS BIGINT) AS DOUBLE) * 0.00048828125::DOUBLE "
    "+ CAST(CAST(lo & 9007199254740991::HUGEINT AS BIGINT) AS DOUBLE) * 5.421010862427522e-20::DOUBLE "
    "ELSE CAST(CAST(CASE WHEN fs_high(hi, lo) < 0 THEN (fs_high(hi, lo) + 1) * 18446744073709551616::HUGEINT "
    "+ ((lo & 18446744073709551615::HUGEINT) - 18446744073709551616::HUGEINT) "
    "ELSE fs_high(hi, lo) * 18446744073709551616::HUGEINT + (lo & 18446744073709551615::HUGEINT) END AS VARCHAR) "
    "AS DOUBLE) * 5.421010862427522e-20::DOUBLE END",
    # digits_to_float() above: carries run from the lowest coefficient up
    "fs_digits(coefficients)": "list_reduce(list_transform(coefficients, lambda k: {'c': k, 'v': "
    "0.0::DOUBLE, 's': 1.0::DOUBLE}), lambda a, k: {"
    "'c': k.c + (a.c >> 32), 'v': a.v + CAST(a.c & 4294967295::HUGEINT AS DOUBLE) * a.s, 's': a.s * "
    "4294967296.0::DOUBLE})",
    "fs_deviation(coefficients)": "fs_digits(coefficients).v + CAST(fs_digits(coefficients).c AS "
    "DOUBLE) * fs_digits(coefficients).s",
    # signed_float() above: what is left after the last carry has the sign of the whole
    "fs_signed(coefficients)": "list_transform([coefficients], lambda given: CASE WHEN fs_digits(given).c < 0 THEN "
    "-fs_deviation(list_transform(given, lambda k: -k)) ELSE fs_deviation(given) END)[1]",
}
