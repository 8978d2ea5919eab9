"""Alarms: where nothing changed they are as rare as is stated, whatever the sizes; a real shift raises one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from scipy import stats

from featurestore import Drift
from featurestore.plan.nodes import Plan
from featurestore.skew.distribution import FALSE_ALARMS, compare_distributions
from tests.check.samples import ALL, sample

Random = np.random.Generator
ANYTHING = Drift(psi=0, js=0, ks=0, wasserstein=0, null_share=0, not_found_share=0, new_categories=0, mean_shift=0)
"""Every measure is over its threshold, so that nothing but chance keeps an alarm away."""


def with_drift(plan: Plan, thresholds: Mapping[str, Drift], *names: str) -> Plan:
    """The plan with these features alone in its vector, and these thresholds."""
    views = tuple(
        replace(view, features=tuple(replace(each, drift=thresholds.get(each.name)) for each in view.features))
        for view in plan.views
    )
    outputs = tuple(each for each in plan.outputs if not names or each.feature in names)
    return replace(plan, views=views, outputs=outputs)


def drawn(random: Random, size: int, plan: Plan = ALL) -> pa.Table:
    """Vectors of one population: heavy tails, many zeros, rare and frequent categories, nulls and keys never seen."""
    values: dict[str, Any] = {
        "number": random.poisson(1.2, size).tolist(),
        "amount": np.where(random.random(size) < 0.4, 0.0, random.lognormal(sigma=2, size=size)).tolist(),
        "country": [f"c{each}" for each in random.zipf(1.8, size)],
        "paid": (random.random(size) < 0.03).tolist(),
        "day": random.integers(0, 300, size).tolist(),
        "price": random.integers(0, 10**6, size).tolist(),
        "taste": random.lognormal(sigma=1, size=(size, 3)).tolist(),
        "newest": random.integers(0, 10**15, size).tolist(),
        "last_3": [random.normal(size=1 + i % 3).tolist() for i in range(size)],
        "last_texts": [["a"] * (i % 4) for i in range(size)],
        "by_country": [[("a", int(each))] for each in random.integers(1, 5, size)],
    }
    statuses = random.choice(3, p=(0.95, 0.03, 0.02), size=size).tolist()
    return sample(plan, values, statuses)


@pytest.mark.parametrize(
    ("n", "m", "reports"), [(30, 30, 40), (5_000, 30, 30), (30, 2_000, 30), (300, 300, 30), (2_000, 500, 20)]
)
def test_small_samples_do_not_alarm(n: int, m: int, reports: int) -> None:
    """With every threshold at 0, over all features and measures, no more reports alarm than one in a hundred may."""
    plan = with_drift(ALL, {output.feature: ANYTHING for output in ALL.outputs}, "number", "amount", "country", "taste")
    random = np.random.default_rng(n * 10_000 + m)
    alarming = 0
    for _ in range(reports):
        report = compare_distributions(plan, drawn(random, n, plan), drawn(random, m, plan))
        alarming += report.alarms > 0
    assert alarming <= stats.binom.ppf(0.999, reports, FALSE_ALARMS)


def test_all_measures_are_judged_together() -> None:
    """Each measure with a threshold is adjusted for all of them over all features, and alarms by that rate."""
    random = np.random.default_rng(10)
    plan = with_drift(ALL, {output.feature: ANYTHING for output in ALL.outputs})
    served = changed(drawn(random, 200), "price", lambda x: x + 150_000)
    report = compare_distributions(plan, drawn(random, 200), served)
    tested = [each for feature in report.features for each in feature.measures]
    assert all(each.threshold == 0 for each in tested) and len(tested) > 60
    rates = stats.false_discovery_control([each.chance for each in tested])
    assert [each.adjusted for each in tested] == pytest.approx(list(rates))
    assert [each.alarm for each in tested] == [bool(rate <= FALSE_ALARMS) for rate in rates]
    assert sum(each.chance <= FALSE_ALARMS for each in tested) > report.alarms > 0


def test_no_measure_is_tested_too_gladly() -> None:
    """Each measure's chance is under 5 % in at most about 5 % of draws without a change, for each kind of feature."""
    random = np.random.default_rng(11)
    found: dict[tuple[str, str], list[float]] = {}
    reports = 40
    for _ in range(reports):
        report = compare_distributions(ALL, drawn(random, 400), drawn(random, 120))
        for feature in report.features:
            for each in feature.measures:
                found.setdefault((feature.name, each.measure), []).append(each.chance)
    assert len(found) > 50
    for name, chances in found.items():
        assert sum(each <= 0.05 for each in chances) <= stats.binom.ppf(0.99999, reports, 0.05), name


def test_what_is_expected_by_chance_is_what_chance_gives() -> None:
    """Over draws without a change the mean of PSI, KS and Wasserstein is the expected one."""
    random = np.random.default_rng(12)
    plan = with_drift(ALL, {}, "amount", "price")
    ratios: dict[str, list[float]] = {}
    for _ in range(40):
        report = compare_distributions(plan, drawn(random, 1_500, plan), drawn(random, 700, plan))
        for feature in report.features:
            for name in ("psi", "js", "ks", "wasserstein"):
                each = feature.measure(name)
                assert each is not None
                ratios.setdefault(name, []).append(each.value / each.expected)
    assert {name: float(np.mean(each)) for name, each in ratios.items()} == {
        name: pytest.approx(1.0, abs=0.2) for name in ("psi", "js", "ks", "wasserstein")
    }


def changed(table: pa.Table, feature: str, change: Callable[[Any], Any]) -> pa.Table:
    """The table with one feature's values replaced, where there is one."""
    name = f"everything__{feature}"
    column = table.column(name)
    found = [None if each is None else change(each) for each in column.to_pylist()]
    return table.set_column(table.schema.get_field_index(name), name, pa.array(found, column.type))


def status(table: pa.Table, feature: str, code: int, every: int) -> pa.Table:
    """The table with every so many-th row of a feature at this status."""
    name = f"everything__{feature}__status"
    found = [code if i % every == 0 else each for i, each in enumerate(table.column(name).to_pylist())]
    return table.set_column(table.schema.get_field_index(name), name, pa.array(found, pa.int8()))


SHIFTS: dict[str, tuple[str, str, Callable[[pa.Table], pa.Table]]] = {
    "amounts in cents": ("amount", "psi", lambda table: changed(table, "amount", lambda x: x * 100)),
    "a clock at half its speed": ("newest", "psi", lambda table: changed(table, "newest", lambda x: x // 2)),
    "a feature that is constant": ("price", "psi", lambda table: changed(table, "price", lambda _: 7)),
    "more nulls": ("amount", "null_share", lambda table: status(table, "amount", 1, 5)),
    "unknown keys": ("number", "not_found_share", lambda table: status(table, "number", 2, 5)),
    "a new code": ("number", "new_categories", lambda table: changed(table, "number", lambda x: 99 if x == 2 else x)),
    "a new text": ("country", "new_categories", lambda table: changed(table, "country", str.upper)),
    "a flag turned": ("paid", "psi", lambda table: changed(table, "paid", lambda x: not x)),
    "a vector scaled": (
        "taste",
        "mean_shift",
        lambda table: changed(table, "taste", lambda x: [3 * each for each in x]),
    ),
    "items in another unit": (
        "last_3",
        "mean_shift",
        lambda table: changed(table, "last_3", lambda x: [e + 2 for e in x]),
    ),
    "longer lists": ("last_texts", "psi", lambda table: changed(table, "last_texts", lambda x: [*x, "b", "b"])),
}


@pytest.mark.parametrize("shift", SHIFTS)
def test_a_real_shift_is_found(shift: str) -> None:
    """Each planted change raises an alarm by the measure that is about it, and no other feature alarms."""
    feature, measure, plant = SHIFTS[shift]
    random = np.random.default_rng(13)
    report = compare_distributions(ALL, drawn(random, 2_000), plant(drawn(random, 600)))
    alarms = {each.name: [alarm.measure for alarm in each.alarms] for each in report.features if each.alarms}
    assert measure in alarms.pop(f"everything__{feature}", [])
    assert alarms == {}


def test_ks_and_wasserstein_find_a_shift_where_they_have_a_threshold() -> None:
    """Measured without a threshold they never alarm; with one they do."""
    random = np.random.default_rng(14)
    training, served = drawn(random, 3_000), changed(drawn(random, 2_000), "price", lambda x: x + 200_000)
    for measure in ("js", "ks", "wasserstein"):
        strict = with_drift(ALL, {"price": Drift(psi=None, **{measure: 0.02})}, "price")
        plain = with_drift(ALL, {"price": Drift(psi=None)}, "price")
        assert [each.measure for each in compare_distributions(strict, training, served).features[0].alarms] == [
            measure
        ]
        assert compare_distributions(plain, training, served).alarms == 0


def test_a_great_sample_alarms_for_no_trifle() -> None:
    """A change that is certain and small stays under its threshold."""
    random = np.random.default_rng(15)
    plan = with_drift(ALL, {}, "price")
    training = drawn(random, 40_000, ALL)
    report = compare_distributions(plan, training, changed(drawn(random, 40_000, ALL), "price", lambda x: x + 30_000))
    psi = report.features[0].measure("psi")
    assert psi is not None and psi.chance < 1e-10 and psi.value < 0.2
    assert report.alarms == 0
