"""The reference by hand, values: types, exact sums, expressions, statuses and defaults, worked out on paper."""

from __future__ import annotations

import math

from featurestore import FeatureView, coalesce, rows, when
from tests.pings import (
    NOT_FOUND,
    NULL,
    OK,
    OVERFLOW,
    Ask,
    Derived,
    Further,
    Ping,
    Pings,
    User,
    bits,
    ping,
    statuses,
    values,
)
from tests.reference import reference


def test_r8_nothing_wraps() -> None:
    """An integer that leaves int64 and a float that leaves its range are null."""

    class Beyond(FeatureView, entity=User, source=Ping):
        added = Ping.whole.last() + 1
        negative = -Ping.whole.min()
        product = Ping.number.last() * 1e300
        cut = (Ping.number.last() * 1e10).to_int()

    rows = [ping(1, 1e300, id=1, whole=-(2**63)), ping(2, 1e300, id=2, whole=2**63 - 1)]
    assert values(Beyond, rows) == dict.fromkeys(["added", "negative", "product", "cut"])


def test_r9_a_sum_of_floats_is_exact_and_rounded_once() -> None:
    """0.1 + 0.2 is what IEEE says, and a big number that comes and goes leaves nothing behind."""
    tenths = values(Pings, [ping(1, 0.1, id=1), ping(2, 0.2, id=2)])
    assert bits(tenths["total"]) == bits(0.30000000000000004)
    gone = [ping(1, 1e18, id=1), ping(2, 0.1, id=2), ping(3, -1e18, id=3)]
    assert values(Pings, gone)["total"] == 0.1
    assert values(Pings, gone)["mean"] == 0.1 / 3.0


def test_r9_floats_are_taken_to_the_nearest_unit_ties_away_from_zero() -> None:
    """Half a unit of 2^-64 counts as one, less than half as none."""
    assert values(Pings, [ping(1, 2.0**-65)])["total"] == 2.0**-64
    assert values(Pings, [ping(1, -(2.0**-65))])["total"] == -(2.0**-64)
    assert values(Pings, [ping(1, 2.0**-66)])["total"] == 0.0


def test_r9_too_big_sums_overflow_and_never_wrap() -> None:
    """A float of 2^63, or a total that leaves +-2^63, is null with status overflow; what needs no sum is untouched."""
    big = [ping(1, 2.0**63, id=1), ping(2, 1.0, id=2)]
    assert reference(Pings.__spec__, big, (1,), 100, {})["total"] == (None, OVERFLOW)
    assert statuses(Pings, big)["mean"] == OVERFLOW
    assert values(Pings, big)["greatest"] == 2.0**63
    assert statuses(Pings, [ping(1, 2.0**62, id=1), ping(2, 2.0**62, id=2)])["total"] == OVERFLOW
    whole = [ping(1, whole=2**63 - 1, id=1), ping(2, whole=1, id=2)]
    assert (statuses(Pings, whole)["whole"], statuses(Pings, whole)["whole_mean"]) == (OVERFLOW, OVERFLOW)
    assert values(Pings, [*whole, ping(3, whole=-1, id=3)])["whole"] == 2**63 - 1


def test_r9_variances_are_finished_from_exact_moments() -> None:
    """2, 4, 4, 4, 5, 5, 7, 9 have population variance 4 and sample variance 32/7, even far from zero."""

    class Spread(FeatureView, entity=User, source=Ping):
        var_pop = Ping.number.var(population=True)
        std_pop = Ping.number.std(population=True)
        var = Ping.number.var()
        std = Ping.number.std()
        whole = Ping.whole.var()

    far = 2**40
    given = [ping(1, float(far + each), id=n, whole=far + each) for n, each in enumerate((2, 4, 4, 4, 5, 5, 7, 9))]
    seventh = 32 / 7
    assert values(Spread, given) == {
        "var_pop": 4.0,
        "std_pop": 2.0,
        "var": seventh,
        "std": math.sqrt(seventh),
        "whole": seventh,
    }
    assert values(Spread, given[:1]) == {"var_pop": 0.0, "std_pop": 0.0, "var": None, "std": None, "whole": None}


def test_r10_null_logic_is_that_of_sql() -> None:
    """False decides `and`, true decides `or`, a null condition is not true, and dividing by zero is null."""

    class Logic(FeatureView, request=Ask):
        unknown = (Ask.number > 1) & Ask.moment.is_null()
        decided = (Ask.number > 1) | Ask.moment.is_null()
        chosen = when(Ask.number > 1).then(1).otherwise(2)
        filled = coalesce(Ask.number, 7.0)
        divided = coalesce(Ask.number, 7.0) / 0

    found = values(Logic, [], key=(), number=None, moment=None)
    assert found == {"unknown": None, "decided": True, "chosen": 2, "filled": 7.0, "divided": None}
    assert values(Logic, [], key=(), number=None, moment=0)["unknown"] is False


def test_r14_statuses_tell_why_there_is_no_value() -> None:
    """A key without visible rows is not found, even where a count is 0; an empty window of a known key is not."""

    class Windows(FeatureView, entity=User, source=Ping):
        n = rows(over="1us")
        last = Ping.number.last(over="1us")

    row = ping(0)
    assert reference(Windows.__spec__, [row], (2,), 100, {}) == {"n": (0, NOT_FOUND), "last": (None, NOT_FOUND)}
    assert reference(Windows.__spec__, [row], (1,), 0, {}) == {"n": (0, NOT_FOUND), "last": (None, NOT_FOUND)}
    assert reference(Windows.__spec__, [row], (1,), 100, {}) == {"n": (0, OK), "last": (None, NULL)}
    assert reference(Windows.__spec__, [row], (1,), 1, {}) == {"n": (1, OK), "last": (1.0, OK)}


def test_r14_a_derived_null_has_the_worst_status_of_its_inputs() -> None:
    """Overflow is worse than not found, that is worse than null; a value that is there is ok."""
    big = [ping(1, 2.0**63)]
    found = reference(Derived.__spec__, big, (1,), 100, {"number": 1.0, "moment": None})
    assert (found["both"], found["asked"], found["seen"]) == ((None, OVERFLOW), (None, OVERFLOW), (True, OK))
    unknown = reference(Derived.__spec__, big, (2,), 100, {"number": None, "moment": None})
    assert (unknown["both"], unknown["asked"], unknown["seen"]) == ((None, NOT_FOUND), (None, NOT_FOUND), (False, OK))
    assert found["below"] == (
        None,
        OVERFLOW,
    )  # the null comes from the root, the overflow lies under a call that is there
    asked = reference(Derived.__spec__, [ping(1)], (1,), 100, {"number": None, "moment": None})
    assert asked["asked"] == (None, NULL)


def test_r14_a_default_replaces_null_and_not_found_never_overflow_and_keeps_the_status() -> None:
    """What other expressions see is the default."""
    asked = {"number": 1.0, "moment": None}
    found = reference(Derived.__spec__, [ping(1, 2.0**63)], (1,), 100, asked)
    assert (found["total"], found["last"], found["after_default"]) == ((None, OVERFLOW), (-2.0, NULL), (-4.0, OK))
    unknown = reference(Derived.__spec__, [], (1,), 100, asked)
    assert (unknown["total"], unknown["last"]) == ((-1.0, NOT_FOUND), (-2.0, NOT_FOUND))


def test_r14_a_feature_of_another_view_comes_with_its_default_and_its_status() -> None:
    """A reference is asked with the inputs of the same question, over the rows of its own source."""
    asked = {"number": 1.0, "moment": None, "user": 1}
    found = reference(Further.__spec__, {"Ping": [ping(1, 2.0**63)]}, (), 100, asked)
    assert found == {"last": (-1.0, OK), "total": (None, OVERFLOW)}
    assert reference(Further.__spec__, {"Ping": []}, (), 100, asked)["total"] == (-1.0, NOT_FOUND)
