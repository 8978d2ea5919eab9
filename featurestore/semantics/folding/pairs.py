"""Covariance, correlation and slope of two columns, from exact sums over the rows that have both (R9).

State: the number of pairs, the sums of x and y, of x*x, x*y and y*y, and of floats how many pairs were too big to sum.
The column itself is x and the second one y; floats are in units of 2^-64. DuckDB keeps limbs of 32 bits and the
coefficients of their products, since its 128-bit sums throw when they overflow.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Final

from featurestore.semantics import exact
from featurestore.semantics.dtypes import FLOAT64, INT64, Value
from featurestore.semantics.folding.row import ADDED, COUNTED, Aggregate, Finished, Fold, Rank, State

Pair = tuple[Value, Value]
_MASK: Final = "4294967295"
_BOTH: Final = "{v} IS NOT NULL AND {u} IS NOT NULL"
_LARGE: Final = "abs({}) >= 9223372036854775808.0::DOUBLE"


def _sums(pairs: Sequence[tuple[int, int]]) -> list[int]:
    return [
        len(pairs),
        sum(x for x, _ in pairs),
        sum(y for _, y in pairs),
        sum(x * x for x, _ in pairs),
        sum(x * y for x, y in pairs),
        sum(y * y for _, y in pairs),
    ]


def _whole(pairs: Sequence[Pair], _: Sequence[Rank], __: int) -> State:
    return _sums([pair for pair in pairs if None not in pair])


def _fraction(pairs: Sequence[Pair], _: Sequence[Rank], __: int) -> State:
    units = [(exact.units(x), exact.units(y)) for x, y in pairs if x is not None and y is not None]
    taken = [(x, y) for x, y in units if x is not None and y is not None]
    return [*_sums(taken), len(units) - len(taken)]


def _merge(states: Sequence[State], _: int) -> State:
    return [sum(parts) for parts in zip(*states, strict=True)]


Finish = Callable[[int, float, float, float, float], float | None]
"""From n, n*Sxy - Sx*Sy, n*Sxx - Sx*Sx and n*Syy - Sy*Sy as floats in squared units, and the unit."""


def _finished(finish: Finish, unit: float, digits: int) -> Callable[[State], Finished]:
    def finished(state: State) -> Finished:
        n, x, y, xx, xy, yy, *big = state
        if any(big):
            return None, True
        both = exact.signed_float(n * xy - x * y, digits)
        first, second = (exact.digits_to_float(each, digits) for each in (n * xx - x * x, n * yy - y * y))
        return finish(n, both, first, second, unit), False

    return finished


def _covariance(sample: bool) -> Finish:
    def finish(n: int, both: float, _: float, __: float, unit: float) -> float | None:
        return both * (unit * unit) / (float(n) * float(n - sample)) if n > sample else None

    return finish


def _correlation(_: int, both: float, first: float, second: float, __: float) -> float | None:
    square = first * second
    return max(-1.0, min(1.0, both / math.sqrt(square))) if square else None


def _slope(_: int, both: float, __: float, second: float, ___: float) -> float | None:
    return both / second if second else None


def _product(left: str, right: str, limbs: str) -> list[str]:
    """The coefficients of a product of two numbers in base 2^32, lowest first, over their limbs, highest first."""
    top = 2 * (len(limbs) - 1)
    terms: list[list[str]] = [[] for _ in range(top + 1)]
    for i, a in enumerate(limbs):
        for j, b in enumerate(limbs):
            terms[top - i - j].append(f"{left.format(a)} * {right.format(b)}")
    return [" + ".join(each) for each in terms]


_PRODUCTS: Final = (("x", "x"), ("x", "y"), ("y", "y"))


def _fold(name: str, limbs: Sequence[tuple[str, str]], lift: Callable[..., State], floats: bool) -> Fold:
    """A fold whose numbers DuckDB cuts into these limbs: the name of each, highest first, and its text of `{}`."""
    letters = "".join(letter for letter, _ in limbs)
    large = f"CASE WHEN {_BOTH} THEN {_LARGE.format('{v}')} OR {_LARGE.format('{u}')} END"
    derive = [("big", large)] if floats else []
    for number, own, other in (("x", "{v}", "{u}"), ("y", "{u}", "{v}")):
        derive += [
            (f"{number}{letter}", f"CASE WHEN {other} IS NOT NULL THEN {text.format(own)} END")
            for letter, text in limbs
        ]
    sums = [f"{number}{letter}" for number in "xy" for letter in letters]
    for left, right in _PRODUCTS:
        first, second = (f"CAST({{{{d}}}}_{number}{{}} AS HUGEINT)" for number in (left, right))
        for place, text in enumerate(_product(first, second, letters)):
            derive.append((f"q{left}{right}{place}", text))
            sums.append(f"q{left}{right}{place}")
    counts = [("n", f"count(CASE WHEN {_BOTH} THEN 1 END)"), *([("big", "count_if({d}_big)")] if floats else [])]
    return Fold(
        name,
        [0] * (7 if floats else 6),
        lift,
        _merge,
        (*counts, *((suffix, f"sum({{d}}_{suffix})") for suffix in sums)),
        tuple(derive),
        sql_merge=(*(COUNTED for _ in counts), *(ADDED for _ in sums)),
        pairs=True,
    )


def _sql_difference(left: str, right: str, limbs: str, digits: int) -> str:
    """n * sum(left * right) - sum(left) * sum(right) as coefficients in base 2^32."""
    products = _product(f"{{{{f}}}}_{left}{{}}", f"{{{{f}}}}_{right}{{}}", limbs)
    terms = [f"{{f}}_n * {{f}}_q{left}{right}{place} - ({text})" for place, text in enumerate(products)]
    return f"[{', '.join([*terms, *['0::HUGEINT'] * (digits - len(terms))])}]"


def _aggregates(fold: str, limbs: str, floats: bool) -> tuple[Aggregate, ...]:
    dtype, digits = (FLOAT64, exact.FLOAT_DIGITS) if floats else (INT64, exact.INT_DIGITS)
    unit = exact.UNIT if floats else 1.0
    both, first, second = (_sql_difference(*each, limbs, digits) for each in _PAIRED)
    scale = f" * {exact.UNIT * exact.UNIT!r}::DOUBLE" if floats else ""
    held = "coalesce({f}_big, 0) = 0 AND " if floats else ""
    overflow = "coalesce({f}_big > 0, FALSE)" if floats else "FALSE"

    def row(name: str, finish: Finish, sql: str, doc: str) -> Aggregate:
        return Aggregate(
            name,
            (dtype,),
            lambda _: FLOAT64,
            fold,
            _finished(finish, unit, digits),
            sql,
            overflow,
            doc,
            second=(dtype,),
        )

    rows = []
    for name, sample, word in (("covariance", True, "Sample covariance"), ("covariance_pop", False, "Covariance")):
        divisor = f"(CAST({{f}}_n AS DOUBLE) * CAST({{f}}_n - {int(sample)} AS DOUBLE))"
        value = f"CASE WHEN {held}{{f}}_n > {int(sample)} THEN fs_signed({both}){scale} / {divisor} END"
        rows.append(row(name, _covariance(sample), value, f"{word} of two columns, over rows that have both."))
    squares = f"fs_deviation({first}) * fs_deviation({second})"
    correlation = f"CASE WHEN {held}{{f}}_n > 0 THEN fs_correlation(fs_signed({both}), {squares}) END"
    rows.append(row("correlation", _correlation, correlation, "Pearson's correlation of two columns, from -1 to 1."))
    slope = f"CASE WHEN {held}{{f}}_n > 0 THEN fs_slope(fs_signed({both}), fs_deviation({second})) END"
    rows.append(row("slope", _slope, slope, "Slope of the least-squares line of the column over the second one."))
    return tuple(rows)


_PAIRED: Final = (("x", "y"), ("x", "x"), ("y", "y"))
_WHOLE_LIMBS: Final = (("a", "{} >> 32"), ("b", f"{{}} & {_MASK}"))
_FRACTION_LIMBS: Final = (
    ("a", "CAST(fs_units({}) >> 96 AS BIGINT)"),
    *(
        (letter, f"CAST((fs_units({{}}) >> {shift}) & {_MASK}::HUGEINT AS BIGINT)")
        for letter, shift in (("b", 64), ("c", 32), ("d", 0))
    ),
)

MACROS: Final[dict[str, str]] = {
    # _correlation() and _slope() above, of what is not negative; each is bound once by a list of one
    "fs_correlation(c, squares)": "list_transform([{'b': c, 's': squares}], lambda e: CASE WHEN "
    "e.s > 0.0::DOUBLE THEN greatest(-1.0::DOUBLE, least(1.0::DOUBLE, e.b / sqrt(e.s))) END)[1]",
    "fs_slope(c, square)": "list_transform([{'b': c, 's': square}], lambda e: CASE WHEN e.s > 0.0::DOUBLE THEN "
    "e.b / e.s END)[1]",
}
FOLDS: Final = (
    _fold("whole_pairs", _WHOLE_LIMBS, _whole, False),
    _fold("fraction_pairs", _FRACTION_LIMBS, _fraction, True),
)
AGGREGATES: Final = (*_aggregates("whole_pairs", "ab", False), *_aggregates("fraction_pairs", "abcd", True))
