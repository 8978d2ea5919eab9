"""Zones: offsets of the one pinned table against `zoneinfo`, and what a local time means (R1)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from featurestore.errors import InvalidDefinition
from featurestore.semantics.zones import (
    instant_of_local_us,
    local_offsets,
    offset_us,
    offsets,
    tzdata_version,
    zone_names,
)
from tests.reference_functions import local, zone_info

ZONES = (
    *("UTC", "America/New_York", "Europe/London", "Europe/Dublin", "Asia/Kathmandu", "Australia/Lord_Howe"),
    *("Africa/Casablanca", "America/Sao_Paulo", "Pacific/Apia", "Antarctica/Troll", "Africa/Monrovia"),
)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
FIRST_US = (datetime(1900, 1, 1, tzinfo=UTC) - EPOCH) // timedelta(microseconds=1)
LAST_US = (datetime(2190, 1, 1, tzinfo=UTC) - EPOCH) // timedelta(microseconds=1)
INSTANTS = st.integers(FIRST_US, LAST_US)

# a share of the examples for each zone
FEWER = settings(max_examples=max(1, settings().max_examples // 5))


def told(zone: ZoneInfo, at_us: int) -> int:
    """What `zoneinfo` adds to an instant."""
    offset = (EPOCH + timedelta(microseconds=at_us)).astimezone(zone).utcoffset()
    assert offset is not None
    return offset // timedelta(microseconds=1)


@pytest.mark.parametrize("zone", ZONES)
@FEWER
@given(INSTANTS)
def test_r1_an_offset_is_what_zoneinfo_says(zone: str, at_us: int) -> None:
    """At any instant from 1900 to 2190 the table and `zoneinfo` agree."""
    assert offset_us(zone, at_us) == told(zone_info(zone), at_us)


@pytest.mark.parametrize("zone", ZONES)
def test_r1_an_offset_changes_at_the_very_microsecond(zone: str) -> None:
    """One microsecond before, at, and one after each change of the table `zoneinfo` says the same."""
    instants, known = offsets(zone)
    assert len(known) == len(instants) + 1
    assert list(instants) == sorted(set(instants))
    for at_us in instants:
        for edge_us in (-1, 0, 1):
            assert offset_us(zone, at_us + edge_us) == local(at_us + edge_us, zone) - (at_us + edge_us)


@pytest.mark.parametrize("zone", ZONES)
@FEWER
@given(INSTANTS)
def test_r1_an_instant_comes_back_from_its_local_time_or_as_the_earlier_one(zone: str, at_us: int) -> None:
    """Local time and back gives the instant, or the earlier of two that read the same."""
    shown_us = at_us + offset_us(zone, at_us)
    back_us = instant_of_local_us(zone, shown_us)
    assert back_us is not None and back_us <= at_us
    assert back_us + offset_us(zone, back_us) == shown_us


@pytest.mark.parametrize("zone", ZONES)
@FEWER
@given(data=st.data())
def test_r1_a_local_time_is_the_earlier_instant_or_none_in_a_gap(zone: str, data: st.DataObject) -> None:
    """Around every change a local time is the least instant that reads so; where the clocks jumped there is none."""
    instants, known = offsets(zone)
    place = data.draw(st.integers(0, max(len(instants) - 1, 0)))
    change_us = instants[place] if instants else 0
    near_us = st.integers(-7_200_000_000, 7_200_000_000) | st.sampled_from((-1, 0, 1))
    local_us = change_us + data.draw(st.sampled_from(known)) + data.draw(near_us)
    candidates = [local_us - offset for offset in set(known) if offset_us(zone, local_us - offset) == offset]
    assert instant_of_local_us(zone, local_us) == min(candidates, default=None)


def test_r1_new_york_by_hand() -> None:
    """Half past one comes twice in November and means the first; half past two never comes in March."""
    hour = 3_600_000_000
    autumn, spring = (int(datetime(2024, *day, tzinfo=UTC).timestamp()) * 1_000_000 for day in ((11, 3), (3, 10)))
    assert instant_of_local_us("America/New_York", autumn + hour * 3 // 2) == autumn + hour * 11 // 2
    assert instant_of_local_us("America/New_York", spring + hour * 5 // 2) is None
    assert instant_of_local_us("America/New_York", spring + 3 * hour) == spring + 7 * hour
    assert instant_of_local_us("America/New_York", spring + 2 * hour - 1) == spring + 7 * hour - 1


def test_r1_local_offsets_stand_between_their_breaks() -> None:
    """There is one offset more than breaks, breaks rise, and UTC has none."""
    for zone in ZONES:
        breaks, known = local_offsets(zone)
        assert len(known) == len(breaks) + 1
        assert list(breaks) == sorted(breaks)
    assert local_offsets("UTC") == ((), (0,))


def test_an_unknown_zone_is_refused_with_a_near_name() -> None:
    """A typo names what it could have been."""
    with pytest.raises(InvalidDefinition, match="America/New_Yrok") as caught:
        offsets("America/New_Yrok")
    assert caught.value.fix == "write `America/New_York`"


def test_the_table_is_that_of_the_package() -> None:
    """Names and version come from the pinned package."""
    assert "America/New_York" in zone_names()
    assert tzdata_version()[:2] == "20"
