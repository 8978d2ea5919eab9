"""The machine that records a kernel: operands are terms, and equal terms are one term, which `printing` prints once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from featurestore.semantics.kernels.machine import Operand

Kernel = Callable[..., Operand]
SQRT_HALF_BITS: Final = 0x3FE6A09E667F3BCD


class Term:
    """Text with holes, and the terms that fill them."""

    __slots__ = ("form", "parts", "recorder")

    def __init__(self, recorder: Recorder, form: str, parts: tuple[Term, ...]) -> None:
        self.recorder, self.form, self.parts = recorder, form, parts

    # `==` records a comparison, so terms hash by identity
    __hash__ = object.__hash__

    def __add__(self, other: Operand) -> Term:
        return self.recorder.term("({} + {})", self, other)

    def __radd__(self, other: Operand) -> Term:
        return self.recorder.term("({} + {})", other, self)

    def __sub__(self, other: Operand) -> Term:
        return self.recorder.term("({} - {})", self, other)

    def __rsub__(self, other: Operand) -> Term:
        return self.recorder.term("({} - {})", other, self)

    def __mul__(self, other: Operand) -> Term:
        return self.recorder.term("({} * {})", self, other)

    def __rmul__(self, other: Operand) -> Term:
        return self.recorder.term("({} * {})", other, self)

    def __truediv__(self, other: Operand) -> Term:
        return self.recorder.term("({} / {})", self, other)

    def __rtruediv__(self, other: Operand) -> Term:
        return self.recorder.term("({} / {})", other, self)

    def __neg__(self) -> Term:
        return self.recorder.term("(-{})", self)

    def __abs__(self) -> Term:
        return self.recorder.term("abs({})", self)

    def __eq__(self, other: Operand) -> Term:  # type: ignore[override]  # a condition, not an answer
        return self.recorder.term("({} = {})", self, other)

    def __ne__(self, other: Operand) -> Term:  # type: ignore[override]  # a condition, not an answer
        return self.recorder.term("({} <> {})", self, other)

    def __lt__(self, other: Operand) -> Term:
        return self.recorder.term("({} < {})", self, other)

    def __le__(self, other: Operand) -> Term:
        return self.recorder.term("({} <= {})", self, other)

    def __gt__(self, other: Operand) -> Term:
        return self.recorder.term("({} > {})", self, other)

    def __ge__(self, other: Operand) -> Term:
        return self.recorder.term("({} >= {})", self, other)

    def __and__(self, other: Operand) -> Term:
        return self.recorder.term("({} AND {})", self, other)

    def __or__(self, other: Operand) -> Term:
        return self.recorder.term("({} OR {})", self, other)

    def __bool__(self) -> bool:
        raise TypeError("a kernel has no `if`: write `machine.choose(test, then, other)`")


class Recorder:
    """Makes terms, each once."""

    def __init__(self) -> None:
        self._terms: dict[tuple[object, ...], Term] = {}

    def term(self, form: str, *parts: Operand) -> Term:
        """The term of this form and these parts, numbers and None among them."""
        filled = tuple(part if isinstance(part, Term) else self.term(_number(part)) for part in parts)
        key = (form, *map(id, filled))
        if key not in self._terms:
            self._terms[key] = Term(self, form, filled)
        return self._terms[key]

    def choose(self, test: Operand, then: Operand, other: Operand) -> Operand:
        """One of two values."""
        return self.term("CASE WHEN {} THEN {} ELSE {} END", test, then, other)

    def split(self, x: Operand) -> tuple[Operand, Operand]:
        """Significand and exponent, from the bits: those of 2^k * sqrt(1/2) are a fixed number and k times 2^52."""
        small = x < 2.2250738585072014e-308
        bits = self.term("CAST(CAST({} AS BIT) AS BIGINT)", self.choose(small, x * 18014398509481984.0, x))
        exponent = self.term(f"(({{}} - {SQRT_HALF_BITS}) >> 52)", bits)
        significand = self.term(f"CAST(CAST({{}} - {{}} * {2**52} AS BIT) AS DOUBLE)", bits, exponent)
        return significand, self.term("CAST({} AS DOUBLE)", exponent) - self.choose(small, 54.0, 0.0)

    def scaled(self, y: Operand, k: Operand) -> Operand:
        """y * 2^k in two steps, each a power of 2 from its bits."""
        power = f"CAST(CAST(({{}} + 1023) * {2**52} AS BIT) AS DOUBLE)"
        whole_k = self.term("CAST({} AS BIGINT)", k)
        first = self.term("({} >> 1)", whole_k)
        return y * self.term(power, first) * self.term(power, whole_k - first)

    def sqrt(self, x: Operand) -> Operand:
        """The square root."""
        return self.term("sqrt({})", x)


def _number(value: Any) -> str:
    """A number as DuckDB text; with an exponent it is read as a double, and rounded correctly."""
    if value is None:
        return "NULL::DOUBLE"
    text = repr(float(value))
    return text if "e" in text else f"{text}e0"
