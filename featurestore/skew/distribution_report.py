"""The distribution report: how far served values are from those of the training set, feature by feature."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

SHOWN = ("psi", "js", "ks", "wasserstein", "null_share", "not_found_share", "new_categories", "mean_shift")
HEADS = ("psi", "js", "ks", "wasserstein", "null", "not_found", "new", "mean")


@dataclass(frozen=True, slots=True)
class Measure:
    """One measure of one feature, beside what chance alone gives for samples of these sizes.

    `value` is what a threshold is compared with; `expected` and `deviation` are its mean and standard deviation under
    no change, or bounds on them; `chance` is the probability of such a value under no change, or a bound on it;
    `adjusted` the same with regard to how many were tested, None where there is no threshold and so no test.
    """

    measure: str
    value: float
    expected: float
    deviation: float
    chance: float
    threshold: float | None
    adjusted: float | None = None
    alarm: bool = False


@dataclass(frozen=True, slots=True)
class Categories:
    """Values of one sample that the other has not: how many, in which share of its rows, and the most frequent."""

    number: int
    share: float
    examples: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FeatureDistribution:
    """One feature: values compared, and its measures.

    `of` says what was compared: `values`, or `lengths` of lists and maps. One that is not `tested` has too few rows or
    keys for any alarm.
    Units: `wasserstein` in the feature's own: seconds for timestamps, days for dates; None where it is not measured.
    """

    name: str
    dtype: str
    of: str
    training: int
    served: int
    measures: tuple[Measure, ...]
    wasserstein: float | None = None
    new: Categories | None = None
    gone: Categories | None = None
    tested: bool = True

    @property
    def alarms(self) -> tuple[Measure, ...]:
        """The measures that are over their threshold by more than chance."""
        return tuple(each for each in self.measures if each.alarm)

    def measure(self, name: str) -> Measure | None:
        """One measure by its name, None where it does not apply."""
        return next((each for each in self.measures if each.measure == name), None)


@dataclass(frozen=True, slots=True)
class DistributionReport:
    """Training set against served values. It says nothing of parity: `verify` and `skew` do, and are kept apart.

    `notes` say where rows are too few, or not independent.
    """

    feature_set: str
    version: str
    training_rows: int
    served_rows: int
    features: tuple[FeatureDistribution, ...]
    seconds: float
    notes: tuple[str, ...] = ()

    @property
    def alarms(self) -> int:
        """Measures that alarm, over all features."""
        return sum(len(feature.alarms) for feature in self.features)

    def to_json(self) -> dict[str, Any]:
        """The report as JSON values."""
        return {
            "feature_set": self.feature_set,
            "version": self.version,
            "training_rows": self.training_rows,
            "served_rows": self.served_rows,
            "alarms": self.alarms,
            "seconds": round(self.seconds, 3),
            "notes": list(self.notes),
            "features": [asdict(feature) for feature in self.features],
        }

    def __str__(self) -> str:
        lines = [f"{'feature':<48}{'training':>11}{'served':>11}" + "".join(f"{head:>12}" for head in HEADS)]
        for feature in self.features:
            name = feature.name if feature.of == "values" else f"{feature.name} ({feature.of})"
            found = [feature.measure(each) for each in SHOWN]
            cells = "".join(f"{'':>12}" if each is None else f"{each.value:>12.4f}" for each in found)
            lines.append(f"{name:<48}{feature.training:>11,}{feature.served:>11,}{cells}".rstrip())
            lines += [f"    {told(each, feature)}" for each in feature.alarms]
        tested = sum(each.adjusted is not None for feature in self.features for each in feature.measures)
        lines += [f"note: {note}" for note in self.notes]
        lines.append(
            f"{self.training_rows:,} training rows, {self.served_rows:,} served, {len(self.features)} features, "
            f"{tested} tests, {self.alarms} {'alarm' if self.alarms == 1 else 'alarms'}"
        )
        return "\n".join(lines)


def told(each: Measure, feature: FeatureDistribution) -> str:
    """An alarm on one line."""
    by_chance = f"by chance {each.expected:.4f} ± {each.deviation:.4f}, p = {each.chance:.1e}"
    text = f"{each.measure} {each.value:.4f} reaches {each.threshold:g}; {by_chance}"
    if each.measure == "new_categories" and feature.new:
        text += f"; {', '.join(feature.new.examples)}"
    return text
