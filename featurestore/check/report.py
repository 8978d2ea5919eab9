"""The parity report: what was compared, and the first example of each difference."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Difference:
    """One cell on which the roads disagree, as printed values with their statuses."""

    leg: str
    inputs: dict[str, str]
    as_of: str
    online: str
    offline: str


@dataclass(frozen=True, slots=True)
class FeatureParity:
    """One feature: `informative` cells are neither null nor zero, `distinct` counts different values."""

    name: str
    dtype: str
    cells: int
    informative: int
    distinct: int
    differing: int
    example: Difference | None


@dataclass(frozen=True, slots=True)
class SpineReading:
    """What a training set read of its spine, next to what a lookup would be given: `rows` of `total` were compared, in
    `columns` columns; `differing` cells by column, with an example of each."""

    rows: int
    total: int
    columns: int
    differing: dict[str, int] = field(default_factory=dict)
    examples: dict[str, str] = field(default_factory=dict)

    @property
    def cells(self) -> int:
        """Values compared."""
        return self.rows * self.columns

    def __str__(self) -> str:
        counts = ", ".join(f"{count:,} of {name}" for name, count in self.differing.items()) or "0"
        return f"spine: {self.rows:,} of {self.total:,} rows compared, {self.cells:,} cells, {counts} differing"


@dataclass(frozen=True, slots=True)
class ParityReport:
    """Both roads over the same rows (R18, R19): equal means same type, same bits, same status.

    `rows` were replayed, by source; `unusable` are those of its history that are quarantined and so were not (R16).
    `spine` is the comparison of a spine's rows, where one was given.
    """

    feature_set: str
    version: str
    legs: tuple[str, ...]
    rows: dict[str, int]
    features: tuple[FeatureParity, ...]
    seconds: float
    unusable: dict[str, int] = field(default_factory=dict)
    spine: SpineReading | None = None

    @property
    def cells(self) -> int:
        """Values compared, over all legs."""
        return sum(feature.cells for feature in self.features)

    @property
    def nonnull(self) -> int:
        """Cells that are neither null nor zero."""
        return sum(feature.informative for feature in self.features)

    @property
    def unexercised(self) -> tuple[str, ...]:
        """The features that were null or zero in every cell: of these little is proven."""
        return tuple(feature.name for feature in self.features if not feature.informative)

    @property
    def differing(self) -> int:
        """Cells on which the roads disagree, those of a spine among them."""
        read = sum(self.spine.differing.values()) if self.spine else 0
        return read + sum(feature.differing for feature in self.features)

    def to_json(self) -> dict[str, Any]:
        """The report as JSON values."""
        head = {"feature_set": self.feature_set, "version": self.version, "cells": self.cells}
        tail = {
            "legs": list(self.legs),
            "rows": self.rows,
            "unusable": self.unusable,
            "seconds": round(self.seconds, 3),
        }
        return {
            **head,
            "nonnull": self.nonnull,
            "differing": self.differing,
            "unexercised": list(self.unexercised),
            **tail,
            **({"spine": asdict(self.spine) | {"cells": self.spine.cells}} if self.spine else {}),
            "features": [asdict(feature) for feature in self.features],
        }

    def __str__(self) -> str:
        lines = [f"{'feature':<48}{'cells':>10}{'informative':>13}{'distinct':>10}{'differing':>11}"]
        for feature in self.features:
            counts = f"{feature.cells:>10,}{feature.informative:>13,}{feature.distinct:>10,}{feature.differing:>11,}"
            lines.append(f"{feature.name:<48}{counts}")
            if feature.example:
                lines.append(f"    {describe(feature.example)}")
        if self.spine:
            lines += [str(self.spine), *(f"    {each}" for each in self.spine.examples.values())]
        share = self.nonnull / self.cells if self.cells else 0.0
        lines.append(
            f"{self.cells:,} cells, {share:.0%} neither null nor zero, {self.differing:,} differing bits"
            if self.differing
            else f"{self.cells:,} cells, {share:.0%} neither null nor zero, 0 differing"
        )
        if self.unexercised:
            lines.append(f"null or zero in every cell, so not exercised: {', '.join(self.unexercised)}")
        return "\n".join(lines)


def describe(example: Difference) -> str:
    """A difference on one line."""
    inputs = ", ".join(f"{name}={value}" for name, value in example.inputs.items())
    return f"{example.leg}: as of {example.as_of}, {inputs}: online {example.online}, offline {example.offline}"
