"""Distribution skew: how far served values are from those of the training set, and whether chance explains it.

This watches the world, not the product: a value can be computed rightly on both roads and come from another
population than the model was trained on. So it stands beside `verify` and is never mixed with it (R19).

An alarm needs both a measure over its threshold and a chance that is small among all that were tested: where nothing
changed, at most one report in `1 / FALSE_ALARMS` has any alarm.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import duckdb
import pyarrow as pa

from featurestore.define.drift import Drift
from featurestore.errors import InputError, MissingColumn
from featurestore.offline.connection import connect
from featurestore.plan.nodes import Plan
from featurestore.skew.chance import (
    adjusted,
    bernstein_tail,
    chi2_tail,
    hypergeometric_tail,
    kolmogorov_tail,
    unseen_expected,
    unseen_tail,
)
from featurestore.skew.distribution_report import Categories, DistributionReport, FeatureDistribution, Measure
from featurestore.skew.distribution_sql import (
    FEW,
    SAMPLES,
    Merge,
    Reading,
    categories,
    means,
    merge,
    reading_of,
    tally,
)
from featurestore.tables import storage_type

FALSE_ALARMS = 0.01
LEAST_EXPECTED = 5
"""Rows that a bin must lead one to expect in the smaller sample; neighbours are joined until it does."""
LEAST_ROWS = LEAST_KEYS = 30
"""Fewer served rows, or rows of fewer keys, support no alarm. Of few keys in training, half of them are enough."""
REPEATED = 5
"""Rows of each key, on average, from which on a note says that they are not independent."""
SMOOTHING = 0.5
"""Added to every bin's count (Jeffreys), so that an empty one has a share and its logarithm is finite."""
KOLMOGOROV_MEAN = math.sqrt(math.pi / 2) * math.log(2)
KOLMOGOROV_DEVIATION = math.sqrt(math.pi**2 / 12 - KOLMOGOROV_MEAN**2)
_NOWHERE = Path("/nonexistent")
Bins = Sequence[tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Keys:
    """How many different keys of a view the served rows have, and those of the training set; None if unknown."""

    served: int
    training: int | None = None


def compare_distributions(
    plan: Plan, training: pa.Table, served: pa.Table, keys: Mapping[str, Keys] | None = None
) -> DistributionReport:
    """Compare two samples of a feature set's vectors, feature by feature.

    Where rows are too few for a statement, or of too few `keys`, by view, nothing alarms.
    Shape:  both tables have canonical values (`storage_type`) under the vector's names and statuses under
            `<name>__status`; other columns are not read. Nothing is drawn: the same tables give the same report.
    Raises: MissingColumn  when a table lacks a value or status.
            InputError     when a table is empty, or a column is not of the feature's type.
    """
    started = time.perf_counter()
    for name, table in zip(SAMPLES, (training, served), strict=True):
        _check(plan, name, table)
    thresholds = {(view.name, each.name): each.drift or Drift() for view in plan.views for each in view.features}
    connection, features = connect([_NOWHERE]), []
    try:
        for each in plan.outputs:
            for name, table in zip(SAMPLES, (training, served), strict=True):
                # only its two columns: binding a wide table costs more than reading a narrow one
                connection.register(name, table.select([each.name, f"{each.name}__status"]))
            features.append(_compared(connection, reading_of(each), thresholds[each.view, each.feature]))
    finally:
        connection.close()
    few, notes = _support(plan, training.num_rows, served.num_rows, keys or {})
    views = {each.name: each.view for each in plan.outputs}
    features = [replace(each, tested=views[each.name] not in few) for each in features]
    judged, seconds = _judged(features), time.perf_counter() - started
    return DistributionReport(
        plan.name, plan.version, training.num_rows, served.num_rows, judged, seconds, tuple(notes)
    )


def _support(plan: Plan, training: int, served: int, keys: Mapping[str, Keys]) -> tuple[set[str], list[str]]:
    """The views whose features cannot be tested, and what is to be said of the rows and their keys."""
    views = dict.fromkeys(each.view for each in plan.outputs)
    if min(training, served) < LEAST_ROWS:
        which, rows = ("served", served) if served < LEAST_ROWS else ("training", training)
        return set(views), [f"{rows:,} {which} rows are too few for an alarm: it takes {LEAST_ROWS}"]
    few, notes = set(), []
    for view in views:
        if view not in keys:
            continue
        trained = keys[view].training
        least = LEAST_KEYS if trained is None else min(LEAST_KEYS, math.ceil(trained / 2))
        if keys[view].served < least:
            few.add(view)
            notes.append(
                f"{view}: the {served:,} served rows have {keys[view].served:,} different keys, too few for an alarm: "
                f"it takes {least:,}"
            )
        elif served >= REPEATED * keys[view].served:
            notes.append(
                f"{view}: the {served:,} served rows have {keys[view].served:,} different keys; rows of one key are "
                "not independent, so chance explains more than is stated"
            )
    return few, notes


def _check(plan: Plan, name: str, table: pa.Table) -> None:
    where = f"the {name} table"
    if not table.num_rows:
        raise InputError(f"{where} has no rows to compare", where=f"`{plan.name}`", fix="choose a longer period")
    wanted = {output.name: storage_type(output.dtype) for output in plan.outputs}
    wanted |= {f"{output.name}__status": pa.int8() for output in plan.outputs}
    for column, kind in wanted.items():
        if column not in table.column_names:
            raise MissingColumn(
                f"{where} has no column `{column}`",
                has=table.column_names,
                fix="give canonical values and a `<name>__status` for every feature of the set",
            )
        found = table.schema.field(column).type
        if found != kind:
            raise InputError(
                f"`{column}` is {found}, and is compared as {kind}",
                where=where,
                fix="give canonical values: instants and decimals as integers",
            )


def _compared(connection: duckdb.DuckDBPyConnection, each: Reading, drift: Drift) -> FeatureDistribution:
    before, after = (tally(connection, name, each) for name in SAMPLES)
    measures = [
        _share("null_share", before.null, after.null, before.rows, after.rows, drift.null_share),
        _share("not_found_share", before.not_found, after.not_found, before.rows, after.rows, drift.not_found_share),
    ]
    made = FeatureDistribution(
        each.output.name, str(each.output.dtype), each.of, before.present, after.present, tuple(measures)
    )
    n, m = before.present, after.present
    if not n or not m:
        return made
    if each.ordered:
        found = merge(connection, each, before, after)
        measures += [*_divergences(found.bins, n, m, drift), *_distances(found, n, m, drift)]
        span = 2 * (max(before.high, after.high) / 2 - min(before.low, after.low) / 2)
        area = found.area * span * each.unit
        made = replace(made, wasserstein=area if math.isfinite(area) else None)
    coded = each.coded and found.distinct <= FEW if each.ordered else each.value is not None
    if coded:
        counted = categories(connection, each, before, after)
        if not each.ordered:
            measures += _divergences(counted.bins, n, m, drift)
        mean, deviation = unseen_expected(counted.counts, n, m)
        number, rows, examples = counted.new
        chance = unseen_tail(rows, counted.counts, n, m)
        measures.append(Measure("new_categories", rows / m, mean / m, deviation / m, chance, drift.new_categories))
        made = replace(made, new=Categories(number, rows / m, examples))
        number, rows, examples = counted.gone
        made = replace(made, gone=Categories(number, rows / n, examples))
    if each.mean is not None:
        measures += _mean_shift(means(connection, each), drift)
    return replace(made, measures=tuple(measures))


def joined(bins: Bins, n: int, m: int) -> list[tuple[int, int]]:
    """Neighbouring bins joined until each leads one to expect `LEAST_EXPECTED` rows in the smaller sample. Only
    the sums over both samples decide, so that under no change this favours neither.

    >>> joined([(10, 2), (0, 1), (10, 17)], 20, 20)
    [(10, 2), (10, 18)]
    """
    found: list[tuple[int, int]] = []
    enough = True
    for a, b in bins:
        if enough:
            found.append((a, b))
        else:
            found[-1] = (found[-1][0] + a, found[-1][1] + b)
        enough = sum(found[-1]) * min(n, m) >= LEAST_EXPECTED * (n + m)
    if not enough and len(found) > 1:
        a, b = found.pop()
        found[-1] = (found[-1][0] + a, found[-1][1] + b)
    return found


def _divergences(bins: Bins, n: int, m: int, drift: Drift) -> list[Measure]:
    """PSI and Jensen-Shannon over bins.

    Under no change 8 ln 2 / spread times JS is chi-squared with a degree of freedom less than there are bins, as is PSI
    / spread; but of bins with few rows PSI has a far longer tail, so JS tells the chance of both.
    """
    kept, spread = joined(bins, n, m), 1 / n + 1 / m
    pairs = [
        ((a + SMOOTHING) / (n + SMOOTHING * len(kept)), (b + SMOOTHING) / (m + SMOOTHING * len(kept))) for a, b in kept
    ]
    psi = math.fsum((q - p) * math.log(q / p) for p, q in pairs)
    js = math.fsum(p * math.log2(2 * p / (p + q)) + q * math.log2(2 * q / (p + q)) for p, q in pairs) / 2
    per_bit, degrees = 8 * math.log(2), len(kept) - 1
    chance = chi2_tail(js * per_bit / spread, degrees)
    mean, deviation = degrees * spread, math.sqrt(2 * degrees) * spread
    return [
        Measure("psi", psi, mean, deviation, chance, drift.psi),
        Measure("js", max(0.0, js), mean / per_bit, deviation / per_bit, chance, drift.js),
    ]


def _distances(found: Merge, n: int, m: int, drift: Drift) -> list[Measure]:
    """KS and Wasserstein-1 between the two distribution functions.

    Under no change their difference is a Brownian bridge B(F) times sqrt(spread), whose absolute value has the mean
    sqrt(2/pi F(1-F)) at each point; the integral of that is what Wasserstein-1 is expected to be. The standard
    deviation of the integral is at most the integral of the standard deviations, sqrt((1 - 2/pi) F(1-F)).
    """
    spread = 1 / n + 1 / m
    root, unit = math.sqrt(spread), math.sqrt(found.variance) or 1.0
    expected = math.sqrt(2 / math.pi) * root * found.width
    deviation = math.sqrt(1 - 2 / math.pi) * root * found.width
    by_chance = bernstein_tail(found.area - expected, found.variance, 1.0, spread)
    return [
        Measure(
            "ks",
            found.farthest,
            KOLMOGOROV_MEAN * root,
            KOLMOGOROV_DEVIATION * root,
            kolmogorov_tail(found.farthest, spread),
            drift.ks,
        ),
        Measure("wasserstein", found.area / unit, expected / unit, deviation / unit, by_chance, drift.wasserstein),
    ]


def _mean_shift(places: Sequence[tuple[int, int, float, float]], drift: Drift) -> list[Measure]:
    """The greatest shift of a mean over all places, in standard deviations; `expected` is an upper bound."""
    found = []
    for n, m, shift, variance in places:
        if variance <= 0:
            continue
        spread = 1 / n + 1 / m
        chance = min(1.0, 2 * len(places) * bernstein_tail(abs(shift), variance, 1.0, spread))
        expected = math.sqrt(2 * spread * math.log(2 * len(places)))
        value = abs(shift) / math.sqrt(variance)
        found.append(Measure("mean_shift", value, expected, math.sqrt(spread), chance, drift.mean_shift))
    return [min(found, key=lambda each: (each.chance, -each.value))] if found else []


def _share(name: str, before: int, after: int, n: int, m: int, threshold: float | None) -> Measure:
    """Served less training share of a status, by Fisher's exact test."""
    share = (before + after) / (n + m)
    deviation = math.sqrt(share * (1 - share) * (1 / n + 1 / m))
    chance = hypergeometric_tail(after, before + after, n, m)
    return Measure(name, after / m - before / n, 0.0, deviation, chance, threshold)


def _judged(features: Sequence[FeatureDistribution]) -> tuple[FeatureDistribution, ...]:
    """Each measure with a threshold judged among all of them."""
    tested = [each for feature in features if feature.tested for each in feature.measures if each.threshold is not None]
    rates = iter(adjusted([each.chance for each in tested]))

    def judged(each: Measure, feature: FeatureDistribution) -> Measure:
        if each.threshold is None or not feature.tested:
            return each
        rate = next(rates)
        return replace(each, adjusted=rate, alarm=abs(each.value) >= each.threshold and rate <= FALSE_ALARMS)

    return tuple(
        replace(feature, measures=tuple(judged(each, feature) for each in feature.measures)) for feature in features
    )
