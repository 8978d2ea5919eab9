"""Measures of distribution skew agree with scipy and numpy, on values with ties, extremes and nulls."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.spatial import distance

from featurestore.errors import InputError, MissingColumn
from featurestore.plan.nodes import Plan
from featurestore.skew.distribution import compare_distributions
from featurestore.skew.distribution_report import HEADS, DistributionReport, FeatureDistribution
from featurestore.tables import storage_type
from tests.check.samples import ALL, sample

SMALL = st.integers(-5, 5)
ENDS = st.sampled_from([1e308, -1e308, 5e-324, 1e16, 0.1])


def only(plan: Plan, *names: str) -> Plan:
    """The plan with these features alone in its vector."""
    return replace(plan, outputs=tuple(each for each in plan.outputs if each.feature in names))


def compared(name: str, training: Sequence[Any], served: Sequence[Any]) -> FeatureDistribution:
    """One feature over these values, all with status ok or null."""
    plan = only(ALL, name)
    return compare_distributions(plan, sample(plan, {name: training}), sample(plan, {name: served})).features[0]


def value(found: FeatureDistribution, measure: str) -> float:
    """What a measure is."""
    known = found.measure(measure)
    assert known is not None, f"{measure} of {found.name} is not measured"
    return known.value


@settings(max_examples=60)
@given(
    st.lists(st.one_of(SMALL.map(float), st.floats(-100, 100)), min_size=1, max_size=60),
    st.lists(st.one_of(SMALL.map(float), st.floats(-100, 100)), min_size=1, max_size=60),
)
def test_ks_and_wasserstein_are_those_of_scipy(training: list[float], served: list[float]) -> None:
    """Both are exact, ties included; Wasserstein-1 is told in the feature's unit and in standard deviations."""
    found = compared("amount", training, served)
    assert value(found, "ks") == pytest.approx(stats.ks_2samp(training, served).statistic, abs=1e-12)
    wanted = stats.wasserstein_distance(training, served)
    assert found.wasserstein == pytest.approx(wanted, rel=1e-9, abs=1e-12)
    deviation = float(np.std([*training, *served]))
    if deviation > 1e-6:
        assert value(found, "wasserstein") == pytest.approx(wanted / deviation, rel=1e-6, abs=1e-9)


@settings(max_examples=30)
@given(st.lists(st.one_of(ENDS, SMALL.map(float)), min_size=1), st.lists(st.one_of(ENDS, SMALL.map(float)), min_size=1))
def test_extreme_values_overflow_nothing(training: list[float], served: list[float]) -> None:
    """Values at the ends of their type give finite numbers, or none, and a report that is JSON."""
    plan = only(ALL, "amount")
    report = compare_distributions(plan, sample(plan, {"amount": training}), sample(plan, {"amount": served}))
    json.dumps(report.to_json(), allow_nan=False)
    assert value(report.features[0], "ks") == pytest.approx(stats.ks_2samp(training, served).statistic, abs=1e-12)


def test_numbers_beyond_the_doubles_are_told_apart() -> None:
    """Neighbouring int64 values that one double stands for are different values for KS."""
    found = compared("number", [2**62], [2**62 + 1])
    assert value(found, "ks") == 1.0


def test_psi_and_js_over_tenths_of_the_training_set() -> None:
    """Over ten bins of equal training rows, with half a row added to each, both are what numpy and scipy say."""
    random = np.random.default_rng(3)
    training, served = random.normal(size=2_000), random.normal(0.4, 1.3, size=700)
    found = compared("amount", training.tolist(), served.tolist())
    bins = [np.searchsorted(np.sort(training), each) * 10 // 2_000 for each in (training, served)]
    p, q = ((np.bincount(np.minimum(each, 9), minlength=10) + 0.5) / (len(each) + 5) for each in bins)
    assert value(found, "psi") == pytest.approx(float(((p - q) * np.log(p / q)).sum()))
    assert value(found, "js") == pytest.approx(float(distance.jensenshannon(p, q, base=2)) ** 2)
    known = found.measure("psi")
    assert known is not None
    assert known.expected == pytest.approx(9 * (1 / 2_000 + 1 / 700))
    assert known.deviation == pytest.approx(math.sqrt(18) * (1 / 2_000 + 1 / 700))


def test_a_value_that_many_rows_have_is_one_bin() -> None:
    """Where most rows are 0, they are a bin of their own, and what lies beyond all training rows is not lost."""
    found = compared("amount", [0.0] * 1_000, [0.0] * 900 + [7.0] * 100)
    p, q = (1_000.5 / 1_001, 0.5 / 1_001), (900.5 / 1_001, 100.5 / 1_001)
    assert value(found, "psi") == pytest.approx(sum((b - a) * math.log(b / a) for a, b in zip(p, q, strict=True)))


def test_categories_new_and_gone() -> None:
    """Texts are categories: those of one sample alone are counted, with their share, the most frequent first."""
    found = compared("country", ["a"] * 60 + ["b"] * 40, ["a"] * 50 + ["c"] * 30 + ["d"] * 20)
    assert found.new is not None and found.gone is not None
    assert (found.new.number, found.new.share, found.new.examples) == (2, 0.5, ("c", "d"))
    assert (found.gone.number, found.gone.share, found.gone.examples) == (1, 0.4, ("b",))
    p, q = np.array([60, 40, 0, 0]) + 0.5, np.array([50, 0, 30, 20]) + 0.5
    wanted = float(distance.jensenshannon(p / 102, q / 102, base=2)) ** 2
    assert value(found, "js") == pytest.approx(wanted)
    assert found.measure("ks") is None and found.wasserstein is None


def test_whole_numbers_are_codes_while_they_are_few() -> None:
    """Up to fifty different integers can have a new one among them; more are measured as numbers only."""
    few = compared("number", [1, 2, 2], [2, 3, 3])
    assert few.new is not None and few.new.examples == ("3",)
    assert value(few, "ks") == pytest.approx(2 / 3)
    many = compared("number", range(60), range(60))
    assert many.new is None and many.measure("new_categories") is None


def test_truths_are_categories() -> None:
    """A flag that was never set in training is new."""
    found = compared("paid", [False] * 30, [False] * 20 + [True] * 10)
    assert found.new is not None and found.new.examples == ("True",)


def test_instants_days_and_decimals_are_numbers_in_a_stated_unit() -> None:
    """Wasserstein-1 is in seconds for instants, in days for dates, and in the decimal's own unit."""
    noon, day = datetime(2024, 5, 1, 12, tzinfo=UTC), date(2024, 5, 1)
    noon_us, day_number = int(noon.timestamp()) * 1_000_000, day.toordinal() - date(1970, 1, 1).toordinal()
    assert compared("newest", [noon_us], [noon_us + 1_500_000]).wasserstein == pytest.approx(1.5)
    assert compared("day", [day_number, day_number], [day_number + 3] * 2).wasserstein == pytest.approx(3)
    cents = [int(Decimal(text) * 100) for text in ("1.50", "4.00")]
    assert compared("price", cents[:1], cents[1:]).wasserstein == pytest.approx(2.5)


def test_lists_and_maps_are_compared_by_length_and_by_mean() -> None:
    """Of lists and maps the lengths are compared as numbers, and the mean of each row's items as one number."""
    random = np.random.default_rng(5)
    lists = [[random.normal(shift, size=1 + i % 3).tolist() for i in range(400)] for shift in (0, 2)]
    found = compared("last_3", *lists)
    assert found.of == "lengths"
    assert value(found, "ks") == 0.0
    rows = [[float(np.mean(row)) for row in each] for each in lists]
    shift = abs(np.mean(rows[1]) - np.mean(rows[0])) / np.std([*rows[0], *rows[1]])
    assert value(found, "mean_shift") == pytest.approx(float(shift))
    longer = compared("by_country", [[("a", 1)]] * 50, [[("a", 1), ("b", 1)]] * 50)
    assert value(longer, "ks") == 1.0
    texts = compared("last_texts", [["a"]] * 50, [["a", "b"]] * 50)
    assert value(texts, "ks") == 1.0 and texts.measure("mean_shift") is None


def test_vectors_are_compared_place_by_place() -> None:
    """Of a vector the place whose mean moved most is told, in standard deviations."""
    random = np.random.default_rng(6)
    training, served = random.normal(size=(500, 3)), random.normal((0, 1.5, 0.1), size=(300, 3))
    found = compared("taste", training.tolist(), served.tolist())
    shift = abs(served[:, 1].mean() - training[:, 1].mean()) / np.std([*training[:, 1], *served[:, 1]])
    assert value(found, "mean_shift") == pytest.approx(float(shift))
    assert found.measure("ks") is None


def test_statuses_are_shares_and_their_values_are_not_compared() -> None:
    """A default stands for a null and is counted as one; an overflow too; a key never seen has its own share."""
    plan = only(ALL, "amount")
    training = sample(plan, {"amount": [1.0, 2.0, 3.0, 4.0]})
    served = sample(plan, {"amount": [1.0, 0.0, None, 0.0]}, statuses=[0, 1, 3, 2])
    found = compare_distributions(plan, training, served).features[0]
    assert (found.training, found.served) == (4, 1)
    assert value(found, "null_share") == 0.5
    assert value(found, "not_found_share") == 0.25
    null = found.measure("null_share")
    assert null is not None and null.chance == pytest.approx(2 * stats.hypergeom(8, 2, 4).sf(1))


@pytest.mark.parametrize("feature", [output.feature for output in ALL.outputs])
def test_a_feature_without_values_has_its_shares_alone(feature: str) -> None:
    """Where one sample has no value at all, nothing else can be measured, and the report says how many there were."""
    found = compared(feature, [None] * 40, [None])
    assert [each.measure for each in found.measures] == ["null_share", "not_found_share"]
    assert (found.training, found.served) == (0, 0)


def test_nan_and_infinity_are_nulls() -> None:
    """What R7 makes a null is counted as one if somebody else's table still has it."""
    found = compared("amount", [1.0, 2.0], [1.0, math.nan, math.inf])
    assert found.served == 1
    assert value(found, "null_share") == pytest.approx(2 / 3)


def report_of_a_shift() -> DistributionReport:
    """A report with an alarm."""
    plan = only(ALL, "country", "number")
    random = np.random.default_rng(8)
    number = random.integers(0, 9, 1_000).tolist()
    training = sample(plan, {"country": ["a", "b"] * 500, "number": number})
    served = sample(plan, {"country": ["a", "b", "a", "x"] * 100, "number": number[:400]})
    return replace(compare_distributions(plan, training, served), version="v", seconds=0.0)


def test_the_report_is_a_table() -> None:
    """One line a feature, and below it each alarm with what chance alone gives."""
    lines = str(report_of_a_shift()).splitlines()
    assert lines[0].split() == ["feature", "training", "served", *HEADS]
    assert [line.split()[0] for line in lines if not line.startswith("  ")][1:] == [
        "everything__number",
        "everything__country",
        "1,000",
    ]
    told = [line.strip() for line in lines if line.startswith("    ")]
    assert [line.split()[0] for line in told] == ["psi", "new_categories"]
    assert told[1].startswith("new_categories 0.2500 reaches 0.01; by chance 0.0000 ± 0.0000, p = ")
    assert told[1].endswith("; x")
    assert lines[-1] == "1,000 training rows, 400 served, 2 features, 8 tests, 2 alarms"


def test_the_report_is_json() -> None:
    """Every number of the report survives JSON, which has neither NaN nor infinity."""
    report = report_of_a_shift()
    read = json.loads(json.dumps(report.to_json(), allow_nan=False))
    assert read["alarms"] == 2 and read["feature_set"] == "everything"
    measures = {each["measure"]: each for each in read["features"][1]["measures"]}
    assert measures["new_categories"]["alarm"] is True
    assert measures["js"]["threshold"] is None and measures["js"]["adjusted"] is None
    assert read["features"][1]["new"] == {"number": 1, "share": 0.25, "examples": ["x"]}


def test_the_same_tables_give_the_same_report() -> None:
    """Nothing is drawn at random."""
    one, other = report_of_a_shift(), report_of_a_shift()
    assert str(one) == str(other)


def test_what_cannot_be_compared_is_refused() -> None:
    """A missing column, a value that is not canonical, and a table without rows, each with how to mend it."""
    plan = only(ALL, "newest")
    good = sample(plan, {"newest": [1, 2]})
    with pytest.raises(MissingColumn, match="the served table has no column `everything__newest__status`"):
        compare_distributions(plan, good, good.drop_columns(["everything__newest__status"]))
    seen = good.set_column(0, "everything__newest", good.column(0).cast(pa.timestamp("us", "UTC")))
    with pytest.raises(InputError, match=r"`everything__newest` is timestamp\[us, tz=UTC\], and is compared as int64"):
        compare_distributions(plan, seen, good)
    with pytest.raises(InputError, match="the served table has no rows to compare"):
        compare_distributions(plan, good, good.slice(0, 0))
    assert storage_type(plan.outputs[0].dtype) == pa.int64()
