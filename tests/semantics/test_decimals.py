"""Decimals: unscaled integers, exactly, in Python and in DuckDB alike."""

from __future__ import annotations

from decimal import Decimal, localcontext
from fractions import Fraction

import duckdb
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from featurestore.semantics import decimals

SCALES = st.integers(0, 18)
NUMBERS = st.sampled_from((0, 1, -1, 10**18 - 1, 1 - 10**18, 2**53 + 1)) | st.integers(1 - 10**18, 10**18 - 1)
NO_DECIMALS = ("", ".", "+", "1e2", " 1", "1 ", "--1", "0x1")
TEXTS = st.from_regex(decimals.PATTERN, fullmatch=True) | st.sampled_from(NO_DECIMALS)
FEWER = settings(max_examples=max(1, settings().max_examples // 2))


def said(text: str, values: list[object], kind: pa.DataType) -> list[object]:
    """What DuckDB makes of a column `v`."""
    with duckdb.connect() as connection:
        connection.register("given", pa.table({"v": pa.array(values, kind)}))
        return [value for (value,) in connection.execute(f"SELECT {text} FROM given").fetchall()]


@given(number=NUMBERS, scale=SCALES)
def test_r8_a_decimal_is_its_unscaled_integer(number: int, scale: int) -> None:
    """Decimal, text and integer are one number, whatever precision the caller's context has."""
    with localcontext() as context:
        context.prec = 3
        value = decimals.scaled(number, scale)
        assert decimals.unscaled(value, 18, scale) == number
        assert decimals.unscaled(decimals.text_of(number, scale), 18, scale) == number
    assert Fraction(decimals.text_of(number, scale)) == Fraction(number, 10**scale)
    assert decimals.to_float(number, scale) == float(Fraction(number, 10**scale))


@FEWER
@given(numbers=st.lists(NUMBERS, min_size=1, max_size=20), scale=SCALES)
def test_r8_duckdb_scales_and_divides_as_python_does(numbers: list[int], scale: int) -> None:
    """To a DECIMAL and back, and to the nearest float, both roads give the same."""
    scaled = said(decimals.sql_scaled("v", 18, scale), list(numbers), pa.int64())
    assert scaled == [decimals.scaled(number, scale) for number in numbers]
    assert said(decimals.sql_to_float("v", scale), list(numbers), pa.int64()) == [
        decimals.to_float(number, scale) for number in numbers
    ]


@FEWER
@given(
    numbers=st.lists(NUMBERS, min_size=1, max_size=20),
    held=SCALES,
    precision=st.integers(1, 18),
    scale=SCALES,
    wide=st.booleans(),
)
def test_r8_duckdb_reads_a_decimal_of_another_scale_as_python_does(
    numbers: list[int], held: int, precision: int, scale: int, wide: bool
) -> None:
    """Whatever digits a file has, what fits exactly is read, and the rest is null."""
    values = [decimals.scaled(number, held) for number in numbers]
    digits = (38 if wide else 18, held)
    scale = min(scale, precision)
    found = said(decimals.sql_unscaled("v", precision, scale, digits), list(values), pa.decimal128(*digits))
    assert found == [decimals.unscaled(value, precision, scale) for value in values]


@FEWER
@given(texts=st.lists(TEXTS, min_size=1, max_size=20), precision=st.integers(1, 18), scale=SCALES)
def test_r8_duckdb_reads_a_text_as_python_does(texts: list[str], precision: int, scale: int) -> None:
    """One way of writing decimals, for files and for JSON."""
    scale = min(scale, precision)
    found = said(decimals.sql_parsed("v", precision, scale), list(texts), pa.string())
    assert found == [decimals.unscaled(text, precision, scale) for text in texts]


@pytest.mark.parametrize("text", ["0" * 199 + "1", "0" * 200 + "1", "1." + "0" * 198, "1." + "0" * 199, "1" * 39])
def test_r8_a_long_text_is_read_alike(text: str) -> None:
    """Where one road gives up, so does the other."""
    assert said(decimals.sql_parsed("v", 18, 2), [text], pa.string()) == [decimals.unscaled(text, 18, 2)]


def test_a_decimal_is_written_without_an_exponent() -> None:
    """What is written is what can be read."""
    assert [decimals.text_of(5, 18), decimals.text_of(-5, 0), str(decimals.scaled(5, 1))] == [f"0.{5:018}", "-5", "0.5"]
    assert decimals.digits_of(Decimal("1E+30")) is None
