"""What a kernel is written on: operators of operands, and the few steps besides that are exact on every machine.

A kernel is a function `(machine, operand, ...) -> operand` that uses `+ - * /`, comparisons, `&`, `|` and the methods
below, never `if`. Over `FLOATS` it computes; over `recording.Recorder` it leaves the text that computes the same. Each
operation is rounded once, to the nearest double, so both have the same bits wherever they run; nothing comes from libm,
whose bits depend on the processor.
"""

from __future__ import annotations

import math
from typing import Any, Final, Protocol

Operand = Any
"""A float, or what records the text of one. A comparison of operands is a condition: a bool, or its text."""
SQRT_HALF: Final = 0.7071067811865476
LARGEST: Final = 1.7976931348623157e308
ROUNDING: Final = 6755399441055744.0
"""1.5 * 2^52: added to a float below 2^51 in size it leaves no place for a fraction."""
_POWERS: Final = {k: math.ldexp(1.0, k) for k in range(-1001, 1002)}


class Machine(Protocol):
    """What an operand can be asked for beside arithmetic; each is exact but `sqrt`, which is rounded once."""

    def choose(self, test: Operand, then: Operand, other: Operand) -> Operand:
        """`then` where the test is true, else `other`; None is null. Both must be harmless to compute."""

    def split(self, x: Operand) -> tuple[Operand, Operand]:
        """A significand in [sqrt(1/2), sqrt(2)) and a whole exponent of 2, for a positive float."""

    def scaled(self, y: Operand, k: Operand) -> Operand:
        """y * 2^k, rounded once, for y from 1/2 to 2 and a whole k below 2000 in size; infinite where it is."""

    def sqrt(self, x: Operand) -> Operand:
        """The square root of what is not negative."""


class Floats:
    """The machine that computes."""

    __slots__ = ()

    @staticmethod
    def choose(test: Operand, then: Operand, other: Operand) -> Operand:
        """One of two values."""
        return then if test else other

    @staticmethod
    def split(x: Operand) -> tuple[Operand, Operand]:
        """Significand and exponent."""
        significand, exponent = math.frexp(x)
        return (
            (significand, float(exponent)) if significand >= SQRT_HALF else (significand + significand, exponent - 1.0)
        )

    @staticmethod
    def scaled(y: Operand, k: Operand) -> Operand:
        """y * 2^k in two steps, of which the first is exact."""
        whole_k = int(k)
        first = whole_k >> 1
        return y * _POWERS[first] * _POWERS[whole_k - first]

    @staticmethod
    def sqrt(x: Operand) -> Operand:
        """The square root."""
        return math.sqrt(x)


FLOATS: Final[Machine] = Floats()


def whole(x: Operand) -> Operand:
    """The nearest whole number, ties to even, of an operand below 2^51 in size."""
    return (x + ROUNDING) - ROUNDING


def ordered_sum(a: Operand, b: Operand) -> tuple[Operand, Operand]:
    """a + b as the nearest float and the exact rest, where a is zero or not the smaller (Dekker 1971)."""
    total = a + b
    return total, b - (total - a)


def exact_sum(a: Operand, b: Operand) -> tuple[Operand, Operand]:
    """a + b as the nearest float and the exact rest (Knuth, 1969; Møller, 1965)."""
    total = a + b
    taken = total - a
    return total, (a - (total - taken)) + (b - taken)


def halves(a: Operand) -> tuple[Operand, Operand]:
    """Two floats of 26 bits whose sum is a (Veltkamp 1968), for a below 2^996 in size."""
    moved = 134217729.0 * a
    high = moved - (moved - a)
    return high, a - high


def exact_product(a: Operand, b: Operand) -> tuple[Operand, Operand]:
    """a * b as the nearest float and the exact rest (Dekker 1971), while neither leaves the range of doubles."""
    product = a * b
    (a_high, a_low), (b_high, b_low) = halves(a), halves(b)
    return product, ((a_high * b_high - product) + a_high * b_low + a_low * b_high) + a_low * b_low
