"""Values as they are written on the command line, by the declared type."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from featurestore.cli.given import rows_of_file, value_of
from featurestore.errors import InputError, InvalidValue
from featurestore.semantics.dtypes import INT64, STRING, DType, canonical, decimal_of, list_of, vector_of


@pytest.mark.parametrize(
    ("text", "dtype", "expected"),
    [
        ("12.50", decimal_of(12, 2), 1250),
        ("-3", decimal_of(12, 2), -300),
        ("null", decimal_of(12, 2), None),
        ('["a", null, "null"]', list_of(STRING), ("a", None, "null")),
        ("[]", list_of(INT64), ()),
        ('["1.5"]', list_of(decimal_of(3, 1)), (15,)),
        ("[1, 0.5, -2]", vector_of(3), (1.0, 0.5, -2.0)),
        ("", vector_of(3), None),
    ],
)
def test_r8_a_text_stands_for_a_value_of_its_type(text: str, dtype: DType, expected: Any) -> None:
    """Decimals are written as numbers, lists and vectors in JSON."""
    assert canonical(value_of(text, dtype), dtype) == expected


@pytest.mark.parametrize(
    ("text", "dtype", "fix"),
    [
        ("12.505", decimal_of(12, 2), "no more decimal places"),
        ("1e2", decimal_of(12, 2), "no more decimal places"),
        ("a, b", list_of(STRING), "a list in JSON"),
        ("[1, 2", list_of(INT64), "a list in JSON"),
        ("[1, 2]", vector_of(3), "as many numbers"),
        ("[1, 2, NaN]", vector_of(3), "as many numbers"),
    ],
)
def test_r8_a_text_that_is_no_value_says_how_to_write_one(text: str, dtype: DType, fix: str) -> None:
    """The error says how values of that type are written."""
    with pytest.raises(InvalidValue) as caught:
        value_of(text, dtype)
    assert fix in str(caught.value.fix)


@pytest.mark.parametrize(
    ("name", "data", "has"),
    [
        ("a.csv", b"k;v\n1;2\n", "its separator is `;`"),
        ("a.csv", "k,v\n1,2\n".encode("utf-16"), "a.csv is UTF-16"),
        ("a.csv", b"k,v,v\n1,2,3\n", "`v`"),
        ("a.csv", b"k,v,V\n1,2,3\n", "`V`"),
        ("a.parquet", b"PAR1 no", ""),
    ],
)
def test_a_file_of_rows_that_is_written_otherwise_is_refused(name: str, data: bytes, has: str, tmp_path: Path) -> None:
    """As a source's file is: another separator or encoding, and a column twice, of which one would be lost."""
    (tmp_path / name).write_bytes(data)
    with pytest.raises(InputError) as caught:
        rows_of_file(tmp_path / name, {})
    assert has in str(caught.value.has) and caught.value.where and caught.value.fix
