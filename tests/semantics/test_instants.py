"""Instants and durations: integers of microseconds, floored, and never naive (R1)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from featurestore.errors import InvalidDefinition, InvalidValue, NaiveTime
from featurestore.offline.connection import connect
from featurestore.semantics.instants import (
    FIRST_US,
    LAST_US,
    OutOfYears,
    datetime_of,
    duration_text,
    duration_us,
    instant_text,
    instant_us,
)

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "microseconds"),
    [
        ("1us", 1),
        ("2ms", 2_000),
        ("90s", 90_000_000),
        ("6h", 21_600_000_000),
        ("1d12h", 129_600_000_000),
        ("1w", 7 * 86_400_000_000),
    ],
)
def test_r1_a_duration_is_a_number_of_microseconds(text: str, microseconds: int) -> None:
    """Units add up, and a day is 86,400 seconds."""
    assert duration_us(text) == microseconds


@pytest.mark.parametrize(
    "text", ["", "7", "d", "7 d", "7D", "-1d", "1.5h", "0s", "1d 2h", "1mo", "99999999999d", "7d\n"]
)
def test_what_is_no_duration_is_refused(text: str) -> None:
    """A text that is no duration, or none that is longer than nothing, is refused and told what to write."""
    with pytest.raises(InvalidDefinition) as caught:
        duration_us(text)
    assert caught.value.fix


@given(st.integers(1, 2**62 - 1))
def test_a_duration_reads_back(length_us: int) -> None:
    """A length written as text is the same length."""
    assert duration_us(duration_text(length_us)) == length_us


@given(
    st.datetimes(
        timezones=st.sampled_from(
            [UTC, timezone(timedelta(hours=5, minutes=45)), timezone(timedelta(hours=-9, seconds=7))]
        )
    )
)
def test_r1_a_zoned_time_is_its_instant(moment: datetime) -> None:
    """Whatever zone a time is given in, its microseconds are those of UTC."""
    assert instant_us(moment) == (moment - EPOCH) // timedelta(microseconds=1)


@given(st.datetimes(timezones=st.just(UTC)))
def test_an_instant_reads_back(moment: datetime) -> None:
    """Text and datetime of an instant are that instant."""
    at_us = instant_us(moment)
    assert datetime_of(at_us) == moment
    assert instant_us(instant_text(at_us)) == at_us


@pytest.mark.parametrize(
    ("text", "at_us"),
    [
        ("1970-01-01T00:00:00.000000999Z", 0),
        ("1969-12-31T23:59:59.999999999Z", -1),
        ("1970-01-01T02:00:00.5+02:00", 500_000),
        ("1969-12-31T19:00:00-05:00", 0),
    ],
)
def test_r1_nanoseconds_are_floored(text: str, at_us: int) -> None:
    """Digits beyond the microsecond are cut, which floors before 1970 too."""
    assert instant_us(text) == at_us


@pytest.mark.parametrize("value", [datetime(2024, 1, 1), "2024-01-01T00:00:00", "2024-01-01"])
def test_r1_naive_input_is_refused(value: datetime | str) -> None:
    """A time without a zone is an error that says how to give it one."""
    with pytest.raises(NaiveTime, match="has no zone") as caught:
        instant_us(value)
    assert caught.value.fix


def test_what_is_no_instant_is_refused() -> None:
    """A text that is no time is an invalid value."""
    with pytest.raises(InvalidValue, match="is not an instant"):
        instant_us("yesterday")


@pytest.mark.parametrize(("at_us", "year"), [(2**63 - 1, "9999"), (-(2**63), "0001")])
def test_r1_a_bound_beyond_the_calendar_is_shown_as_its_end_and_no_value_is(at_us: int, year: str) -> None:
    """A message writes the nearest instant; a value would be another one, so there is no datetime for it."""
    assert instant_text(at_us)[:4] == year
    with pytest.raises(OverflowError):
        datetime_of(at_us)


@pytest.mark.parametrize("text", ["9999-12-31T23:59:59.999999-00:01", "0001-01-01T00:00:00+00:01"])
def test_r1_an_offset_that_leads_out_of_the_years_is_refused(text: str) -> None:
    """An instant lies within the years 1 to 9999 in UTC."""
    with pytest.raises(OutOfYears, match="outside the years 1 to 9999"):
        instant_us(text)


@pytest.mark.parametrize("at_us", [FIRST_US - 1, FIRST_US, -1, 0, LAST_US, LAST_US + 1, 2**62, -(2**62)])
def test_r1_the_macro_of_the_range_is_the_range(at_us: int) -> None:
    """`fs_instant` names its argument once, and gives what two comparisons would."""
    with connect([]) as connection:
        [[found]] = connection.execute("SELECT fs_instant($1::BIGINT)", [at_us]).fetchall()
    assert found == (at_us if FIRST_US <= at_us <= LAST_US else None)


@pytest.mark.parametrize("text", [6, timedelta(hours=6), None])
def test_a_duration_that_is_no_text_is_refused(text: object) -> None:
    """What Python has for a duration is not taken for one; the error shows how it is written."""
    with pytest.raises(InvalidDefinition, match="is not a duration") as caught:
        duration_us(text)  # type: ignore[arg-type]
    assert caught.value.fix == 'write it as a text: `"6h"`'
