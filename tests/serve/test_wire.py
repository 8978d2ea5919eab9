"""Bodies and values as JSON."""

from __future__ import annotations

import json
from typing import Any

import pytest

from featurestore.errors import InputError, InvalidValue, MissingColumn
from featurestore.semantics.dtypes import BOOL, DATE, FLOAT64, INT64, STRING, TIMESTAMP, DType, list_of, map_of
from featurestore.serve.problems import RequestRefused
from featurestore.serve.wire import EventsBody, LookupBody, json_value, parse_body, questions_of, rows_of


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "not JSON with one meaning"),
        (b"{", "not JSON"),
        (b'{"inputs": [1,]}', "not JSON"),
        (b"\xff", "not UTF-8"),
        (b'\xef\xbb\xbf{"inputs": []}', "BOM"),
        (b'{"inputs": [{"user": NaN}]}', "NaN is no JSON number"),
        (b'{"inputs": [{"user": -Infinity}]}', "-Infinity is no JSON number"),
        (b'{"inputs": [{"user": 1, "user": 2}]}', "'user' stands twice"),
        (b'{"inputs": [{"user": ' + b"1" * 5_000 + b"}]}", "not JSON"),
        (b"[" * 20 + b"]" * 20, "nested deeper"),
        (b"[" * 100_000, "nested deeper"),
        (b'{"a":' * 100_000, "nested deeper"),
    ],
)
def test_a_body_without_one_meaning_is_refused(data: bytes, says: str) -> None:
    """What is no JSON, or could be read in two ways, is refused with status 400 and the reason."""
    with pytest.raises(RequestRefused, match=says) as caught:
        parse_body(LookupBody, data)
    assert (caught.value.status, caught.value.name) == (400, "MalformedBody")


@pytest.mark.parametrize(
    ("data", "kind", "what", "fix"),
    [
        ({"input": []}, MissingColumn, "the body lacks `inputs`", "write `inputs`"),
        ({}, MissingColumn, "the body lacks `inputs`", "send `inputs`"),
        ({"inputs": [], "as_off": "now"}, InvalidValue, "the body has no field `as_off`", "write `as_of`"),
        ({"inputs": [], "as_of": 5}, InvalidValue, "`as_of` is no text", "write it as 2013-01-01T00:00:00Z"),
        ([], InvalidValue, "the body is not an object", "send an object"),
    ],
)
def test_a_body_of_another_shape_is_told_what_to_write(data: Any, kind: type[InputError], what: str, fix: str) -> None:
    """A missing, unknown or wrong field is named, with what to write instead."""
    with pytest.raises(kind) as caught:
        parse_body(LookupBody, json.dumps(data).encode())
    assert (caught.value.what, caught.value.fix) == (what, fix)


def test_integers_keep_every_digit() -> None:
    """An int64 is read as written, never through a float."""
    body = parse_body(EventsBody, b'{"rows": [{"a": 9223372036854775807, "b": -9223372036854775808}]}')
    assert body.rows == [{"a": 2**63 - 1, "b": -(2**63)}]


def test_columns_become_rows() -> None:
    """A scalar is repeated for every question, lists are taken in step."""
    assert questions_of({"user": 7, "item": [1, 2], "none": None}) == [
        {"user": 7, "item": 1, "none": None},
        {"user": 7, "item": 2, "none": None},
    ]
    assert questions_of({"user": 7}) == [{"user": 7}]
    assert questions_of({"user": [], "item": 3}) == []
    assert questions_of([{"user": 7}]) == [{"user": 7}]


@pytest.mark.parametrize(
    ("inputs", "says"),
    [
        ("user", "neither a list"),
        (None, "neither a list"),
        ([{"user": 1}, 7], "question 1 is not an object"),
        ({"a": [1, 2], "b": [1]}, "differ in length"),
    ],
)
def test_inputs_of_another_shape_are_refused(inputs: object, says: str) -> None:
    """Inputs are a list of objects or columns of one length."""
    with pytest.raises(InvalidValue, match=says):
        questions_of(inputs)


@pytest.mark.parametrize("inputs", [[{}] * 4, {"user": [1, 2, 3, 4]}])
def test_a_lookup_has_at_most_so_many_questions(inputs: object) -> None:
    """One question more than allowed is refused, in rows and in columns."""
    assert len(questions_of(inputs, most=4)) == 4
    with pytest.raises(InputError, match="4 questions is too large"):
        questions_of(inputs, most=3)


def test_rows_are_a_list_of_objects() -> None:
    """One row alone is not a list of rows."""
    with pytest.raises(InvalidValue, match="`rows` is not a list"):
        rows_of({"user": 1})
    with pytest.raises(InvalidValue, match="row 0 is not an object"):
        rows_of([[1]])


@pytest.mark.parametrize(
    ("value", "dtype", "written"),
    [
        (None, TIMESTAMP, "null"),
        (0, TIMESTAMP, '"1970-01-01T00:00:00.000000Z"'),
        (-1, TIMESTAMP, '"1969-12-31T23:59:59.999999Z"'),
        (-1, DATE, '"1969-12-31"'),
        (2**63 - 1, INT64, "9223372036854775807"),
        (0.1 + 0.2, FLOAT64, "0.30000000000000004"),
        (5e-324, FLOAT64, "5e-324"),
        ("\u00fc\0", STRING, '"\u00fc\\u0000"'),
        ((1, None), list_of(TIMESTAMP), '["1970-01-01T00:00:00.000001Z", null]'),
        ((), list_of(INT64), "[]"),
        ((("a", 1.5), ("b", None)), map_of(STRING, FLOAT64), '{"a": 1.5, "b": null}'),
        (((False, 1), (True, 2)), map_of(BOOL, INT64), "[[false, 1], [true, 2]]"),
        (((-1, 0),), map_of(DATE, TIMESTAMP), '[["1969-12-31", "1970-01-01T00:00:00.000000Z"]]'),
        ((), map_of(STRING, INT64), "{}"),
    ],
)
def test_values_are_written_exactly(value: object, dtype: DType, written: str) -> None:
    """A value reads back as the same bits; times are ISO 8601 with microseconds."""
    assert json.dumps(json_value(value, dtype), ensure_ascii=False) == written
