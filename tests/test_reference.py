"""The reference by hand, rows: instants, visibility, windows, order, identity, nulls and keys, worked out on paper."""

from __future__ import annotations

import math
import struct
from hashlib import md5
from typing import Any

import pytest

from featurestore import FeatureView, rows
from tests.pings import (
    DAY,
    HOUR,
    NOT_FOUND,
    Ask,
    Clock,
    Home,
    Ping,
    Pings,
    Seat,
    Slows,
    User,
    bits,
    micros,
    ping,
    slow,
    values,
)
from tests.reference import reference
from tests.reference_functions import text_of


def test_r1_local_times_come_from_the_zone_of_that_instant() -> None:
    """Half past midnight UTC on New Year's Day is still last year's evening in New York, and 6:15 in Kathmandu."""
    given = values(Clock, [], key=(), moment=micros(2024, 1, 1, 0, 30), number=None)
    assert given == {"hour": 19, "utc_hour": 0, "minute": 15, "weekday": 7, "day": 31, "month": 12, "year": 2023}


def test_r1_daylight_saving_begins_and_ends_to_the_microsecond() -> None:
    """Where New York's clocks jump, three o'clock follows one; where they go back, one o'clock comes twice."""
    spring, autumn = micros(2024, 3, 10, 7), micros(2024, 11, 3, 6)
    hours = [
        values(Clock, [], key=(), moment=moment, number=None)["hour"]
        for moment in (spring - 1, spring, autumn - 1, autumn)
    ]
    assert hours == [1, 3, 1, 1]


def test_r1_division_of_instants_is_floored() -> None:
    """One microsecond before 1970 is the last hour of a Wednesday in 1969."""
    given = values(Clock, [], key=(), moment=-1, number=None)
    assert (given["utc_hour"], given["year"], given["weekday"]) == (23, 1969, 3)


def test_r2_a_row_is_known_at_its_column_its_stamp_or_after_its_delay() -> None:
    """A delay of 10 us holds a row back; the stamp of a pushed row stands instead of the delay."""
    assert values(Slows, [slow(50)], as_of=60)["ever"] == 0
    assert values(Slows, [slow(50)], as_of=61)["ever"] == 1
    assert values(Slows, [slow(50, _known_at_us=55)], as_of=56)["ever"] == 1
    assert values(Pings, [ping(50, learnt_at=70, _known_at_us=10)], as_of=70)["n"] == 0


def test_r2_a_row_known_before_it_happens_is_seen_when_it_happens() -> None:
    """Visible is the later of happening and being known."""
    row = ping(50, learnt_at=20)
    assert [values(Pings, [row], as_of=as_of)["n"] for as_of in (49, 50, 51)] == [0, 0, 1]


def test_r3_a_read_does_not_see_its_own_instant() -> None:
    """A row that becomes visible at t is not seen as of t, but one microsecond later."""
    row = ping(50, learnt_at=80)
    assert [values(Pings, [row], as_of=as_of)["n"] for as_of in (79, 80, 81)] == [0, 0, 1]


def test_r3_a_static_row_is_always_visible() -> None:
    """A table without time answers at any instant, whatever stamp a row carries."""

    class Homes(FeatureView, entity=User, source=Home):
        place = Home.place.last()

    rows = [{"user": 1, "place": "a", "_known_at_us": DAY}]
    assert values(Homes, rows, as_of=-(2**61)) == {"place": "a"}


def test_r4_a_window_begins_with_its_first_microsecond_and_ends_before_its_last() -> None:
    """The window [t - W, t) has a row at t - W and none a microsecond before it."""
    late = 20
    at = [late - DAY - 1, late - DAY, late - DAY + 1, late - HOUR, -1]
    found = values(Slows, [slow(each) for each in at], as_of=late)
    assert found == {"day": 4, "hour": 2, "micro": 0, "ever": 5, "big": 0}
    assert values(Slows, [slow(late - 1, _known_at_us=0)], as_of=late)["micro"] == 1


def test_r4_a_window_is_by_event_time_even_when_a_row_is_known_late() -> None:
    """A row that was known only now is as old as its event."""
    found = values(Slows, [slow(0, _known_at_us=2 * DAY)], as_of=2 * DAY + 1)
    assert (found["day"], found["ever"]) == (0, 1)


def test_r4_only_rows_that_pass_the_condition_count() -> None:
    """A condition that is false or null leaves the row out."""
    assert values(Slows, [slow(1, whole=6), slow(2, whole=5), slow(3, whole=None)])["big"] == 1


def test_r5_rows_of_one_instant_follow_the_order_column_then_when_they_were_known_then_their_value() -> None:
    """Among ties the order column decides first, nulls first; then known_at; then the value itself, nulls first."""
    by_turn = [ping(5, 1.0, id=1, turn=2), ping(5, 2.0, id=2, turn=1, learnt_at=9), ping(5, 3.0, id=3)]
    assert values(Pings, by_turn)["last"] == 1.0
    assert values(Pings, by_turn)["first"] == 3.0
    by_known = [ping(5, 1.0, id=1, learnt_at=9), ping(5, 2.0, id=2, learnt_at=8)]
    assert values(Pings, by_known)["last_2"] == (2.0, 1.0)
    by_value = [ping(5, None, id=1), ping(5, 2.0, id=2), ping(5, -3.0, id=3)]
    assert values(Pings, by_value)["last"] == 2.0
    assert values(Pings, by_value)["first"] is None


@pytest.mark.parametrize("turned", [False, True])
def test_r5_arrival_changes_nothing(turned: bool) -> None:
    """The latest two of three rows are the same whichever came first, and stand oldest first."""
    arrived = [ping(5, 1.0, id=1), ping(7, 2.0, id=2), ping(6, 3.0, id=3)]
    assert values(Pings, arrived[::-1] if turned else arrived)["last_2"] == (3.0, 2.0)


def test_r6_a_fact_that_comes_again_counts_once_as_it_was_first_known() -> None:
    """Of equal RowId, event and key the version known first counts, whichever arrives first."""
    arrived = [ping(5, 1.0, learnt_at=20), ping(5, 2.0, learnt_at=10), ping(5, 1.0, learnt_at=20)]
    found = values(Pings, arrived)
    assert (found["n"], found["last"]) == (1, 2.0)
    assert values(Pings, arrived, as_of=11)["last"] == 2.0


def test_r6_another_event_time_or_key_is_another_fact() -> None:
    """An equal RowId is the same fact only at the same instant and for the same key."""
    assert values(Pings, [ping(5), ping(6), ping(5, user=2)])["n"] == 2


def test_r6_the_least_fingerprint_counts_among_versions_known_at_once() -> None:
    """Versions known at the same instant are told apart by the md5 of their columns in the order of their names."""

    def fingerprint(number: float) -> str:
        bits = f"{struct.unpack('>Q', struct.pack('>d', number))[0]:064b}"
        return md5(f"i5,i1,i5,f{bits},s1:a,n,i1,i1".encode()).hexdigest()[:16]

    versions = [ping(5, 1.0), ping(5, 2.0), ping(5, 3.0)]
    assert values(Pings, versions)["last"] == min((1.0, 2.0, 3.0), key=fingerprint)


def test_r6_texts_of_a_fingerprint_say_type_and_length() -> None:
    """Every value has one text, and no two values share one."""
    given = [None, True, 1, 1.0, "1", "ä\U0001f600"]
    assert [text_of(each) for each in given] == ["n", "b1", "i1", f"f00{'1' * 10}{'0' * 52}", "s1:1", "s2:ä\U0001f600"]


def test_r6_a_pushed_row_without_row_id_is_its_place_in_the_log() -> None:
    """Equal rows count twice, unless they are one place of the log delivered twice."""
    assert values(Slows, [slow(5), slow(5)])["ever"] == 2
    assert values(Slows, [slow(5, _position=7), slow(5, _position=7), slow(5, _position=8)])["ever"] == 2


def test_r7_aggregates_skip_nulls_but_first_and_last_see_them() -> None:
    """A cleared value is cleared: the last is null, and the last that is not null is asked for as such."""
    found = values(Pings, [ping(1, 4.0, id=1), ping(2, None, id=2)])
    assert (found["n"], found["count"], found["total"], found["mean"], found["least"]) == (2, 1, 4.0, 4.0, 4.0)
    assert (found["last"], found["last_present"], found["last_2"]) == (None, 4.0, (4.0, None))


def test_r7_an_empty_window_counts_zero_and_is_null_otherwise() -> None:
    """Nothing to count is 0; nothing to add, compare or show is null."""
    assert values(Pings, []) == {"n": 0, "count": 0, "different": 0} | dict.fromkeys(
        ["first", "last", "last_present", "last_2", "total", "mean", "least", "greatest", "whole", "whole_mean"]
    )


def test_r7_floats_that_are_no_numbers_are_null_and_zero_has_one_sign() -> None:
    """NaN and infinity are null and -0.0 is 0.0, in rows and in requests alike."""

    class Same(FeatureView, request=Ask):
        twice = Ask.number * 2

    found = values(Pings, [ping(1, math.nan, id=1), ping(2, math.inf, id=2), ping(3, -0.0, id=3), ping(4, 0.0, id=4)])
    assert (found["count"], found["different"], bits(found["least"])) == (2, 1, bits(0.0))
    assert values(Same, [], key=(), number=math.inf, moment=None) == {"twice": None}
    assert bits(values(Same, [], key=(), number=-0.0, moment=None)["twice"]) == bits(0.0)


def test_r11_a_null_key_part_was_never_seen_and_columns_do_not_run_together() -> None:
    """A question with a null in its key finds nothing, and neither does a row that has one."""

    class Seats(FeatureView, entity=Seat, source=Ping):
        n = rows()

    given = [ping(1, place=None), ping(2, place="a", id=2)]
    assert reference(Seats.__spec__, given, (1, None), 100, {}) == {"n": (0, NOT_FOUND)}
    assert values(Seats, given, key=(1, "a")) == {"n": 1}


@pytest.mark.parametrize(
    "unusable",
    [
        {"id": None},
        {"at": None},
        {"learnt_at": None},
        {"at": 253_402_300_800_000_000},
        {"at": -62_135_596_800_000_001},
        {"learnt_at": -62_135_596_800_000_001},
        {"user": None},
    ],
    ids=str,
)
def test_r16_a_row_without_usable_instant_id_or_key_counts_nowhere(unusable: dict[str, Any]) -> None:
    """Such a row leaves the others as they are."""
    given = [ping(1), ping(2, id=2) | unusable]
    assert values(Pings, given, as_of=2**62)["n"] == 1
