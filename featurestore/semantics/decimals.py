"""Decimals as their unscaled integers: 12.34 with two decimal places is 1234. Nothing is rounded, except where a
decimal becomes a float, which is the nearest one.

At most 18 digits, which an int64 holds: 128-bit integers leave DuckDB as decimals, and its sums of them throw.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Final

DIGITS: Final = 18
"""The most digits that a decimal can have."""
PATTERN: Final = r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)"
"""How a decimal is written, in files and in JSON alike."""
_TEXT: Final = re.compile(PATTERN)
_LONGEST: Final = 200


def unscaled(value: Decimal | int | str, precision: int, scale: int) -> int | None:
    """The unscaled integer of a number, or None when so many digits do not hold it exactly.

    >>> unscaled("12.340", 12, 2), unscaled(Decimal("12.345"), 12, 2), unscaled(-7, 12, 2), unscaled("1e2", 12, 2)
    (1234, None, -700, None)
    """
    if isinstance(value, str) and not (len(value) <= _LONGEST and _TEXT.fullmatch(value)):
        return None
    exact = Decimal(value)
    if not exact.is_finite():
        return None
    sign, digits, exponent = exact.as_tuple()
    assert isinstance(exponent, int), "a finite decimal has a number for its exponent"
    number, shift = int("".join(map(str, digits))), exponent + scale
    if number and not -len(digits) < shift < precision:
        return None
    if number and shift < 0:
        number, rest = divmod(number, 10**-shift)
        if rest:
            return None
    elif number:
        number *= 10**shift
    return (-number if sign else number) if number < 10**precision else None


def rescaled(number: int, held_scale: int, precision: int, scale: int) -> int | None:
    """An unscaled integer of one scale as that of another, or None when so many digits do not hold it exactly.

    >>> rescaled(1230, 2, 12, 1), rescaled(1234, 2, 12, 1), rescaled(5, 0, 3, 2)
    (123, None, 500)
    """
    whole, rest = divmod(number * 10**scale, 10**held_scale)
    return whole if rest == 0 and abs(whole) < 10**precision else None


def scaled(number: int, scale: int) -> Decimal:
    """The decimal of an unscaled integer, whatever the context of `decimal` says.

    >>> scaled(-5, 2)
    Decimal('-0.05')
    """
    return Decimal(f"{number}E-{scale}")


def text_of(number: int, scale: int) -> str:
    """An unscaled integer as it is written, without an exponent.

    >>> text_of(5, 18)
    '0.000000000000000005'
    """
    return format(scaled(number, scale), "f")


def digits_of(value: Decimal) -> tuple[int, int] | None:
    """Precision and scale of a decimal as it is written; None when no decimal type holds it.

    >>> digits_of(Decimal("12.340")), digits_of(Decimal("1E+2")), digits_of(Decimal("NaN"))
    ((5, 3), (3, 0), None)
    """
    if not value.is_finite():
        return None
    _, digits, exponent = value.as_tuple()
    assert isinstance(exponent, int), "a finite decimal has a number for its exponent"
    scale = max(-exponent, 0)
    precision = max(len(digits) + max(exponent, 0), scale, 1)
    return (precision, scale) if precision <= DIGITS else None


def to_float(number: int, scale: int) -> float:
    """The nearest float of a decimal.

    >>> to_float(1234, 2)
    12.34
    """
    return float(number / 10**scale)  # Python divides integers with one rounding


def sql_to_float(text: str, scale: int) -> str:
    """`to_float` in DuckDB: its division rounds the integer first, its parser of numbers rounds once."""
    return f"CAST(CAST({text} AS VARCHAR) || 'e-{scale}' AS DOUBLE)"


def sql_unscaled(text: str, precision: int, scale: int, held: tuple[int, int]) -> str:
    """A DuckDB DECIMAL of `held` digits as the unscaled integer of another scale; null where that does not hold it."""
    held_precision, held_scale = held
    if held_precision + held_scale + 1 <= 38:
        # of two decimals of at most 18 digits DuckDB gives the product 18 digits, or throws
        wide = f"CAST({text} AS DECIMAL(38,{held_scale}))"
        whole = f"CAST({wide} * CAST({10**held_scale} AS DECIMAL({held_scale + 1},0)) AS HUGEINT)"
    else:
        whole = f"CAST(replace(CAST({text} AS VARCHAR), '.', '') AS HUGEINT)"
    bind = f"list_transform([{whole}], lambda n: {{}})[1]"
    if scale >= held_scale:
        most = 10 ** max(precision - (scale - held_scale), 0) - 1
        return bind.format(
            f"CASE WHEN n BETWEEN -{most}::HUGEINT AND {most}::HUGEINT "
            f"THEN CAST(n * {10 ** (scale - held_scale)}::HUGEINT AS BIGINT) END"
        )
    step, most = f"CAST('{10 ** (held_scale - scale)}' AS HUGEINT)", 10**precision - 1
    return bind.format(
        f"CASE WHEN n % {step} = 0 AND n // {step} BETWEEN -{most}::HUGEINT AND {most}::HUGEINT "
        f"THEN CAST(n // {step} AS BIGINT) END"
    )


def sql_rescaled(number: str, held_scale: str, precision: int, scale: int) -> str:
    """`rescaled` in DuckDB, of a BIGINT and a scale that is a column."""
    powers = ", ".join(f"{10**places}::HUGEINT" for places in range(DIGITS + 1))
    wide, unit = f"({number}::HUGEINT * {10**scale}::HUGEINT)", f"[{powers}][{held_scale} + 1]"
    most = 10**precision - 1
    fits = f"{wide} % {unit} = 0 AND {wide} // {unit} BETWEEN -{most}::HUGEINT AND {most}::HUGEINT"
    return f"CASE WHEN {fits} THEN CAST({wide} // {unit} AS BIGINT) END"


def sql_parsed(text: str, precision: int, scale: int) -> str:
    """`unscaled` in DuckDB, of a text."""
    written = f"length({text}) <= {_LONGEST} AND regexp_full_match({text}, '{PATTERN}')"
    exact = f"NOT regexp_matches({text}, '\\.[0-9]{{{scale}}}[0-9]*[1-9]')"
    number = sql_unscaled(f"TRY_CAST({text} AS DECIMAL(38,{scale}))", precision, scale, (38, scale))
    return f"CASE WHEN {written} AND {exact} THEN {number} END"


def sql_scaled(text: str, precision: int, scale: int) -> str:
    """An unscaled integer as a DuckDB DECIMAL."""
    unit = f"{'0.' + '0' * (scale - 1) + '1' if scale else '1'}"
    return (
        f"CAST(CAST({text} AS DECIMAL(18,0)) * CAST('{unit}' AS DECIMAL({max(scale, 1)},{scale})) "
        f"AS DECIMAL({precision},{scale}))"
    )
