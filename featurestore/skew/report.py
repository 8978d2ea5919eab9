"""The skew report: what was compared, how much differs in each feature, and why, with examples that can be read."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from featurestore.skew.causes import CAUSES, UNEXPLAINED


@dataclass(frozen=True, slots=True)
class RowSeen:
    """A row of a key beside an answer: where it stands, its times, what it holds, and who saw it.

    `held` says whether the state had it when it answered, `visible` whether training sees it as of that instant, and
    `kind` what kind of row it is when the state had it not.
    """

    place: str
    event_at: str
    known_at: str
    committed_at: str | None
    held: bool
    visible: bool
    kind: str
    values: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Example:
    """One differing cell: what was asked, what each side says, and the rows that decide it.

    `replayed` is what DuckDB says of the rows that the state held. `windows` are those of the feature's aggregates, as
    pairs of instants around which the rows lie; the first is null for all history.
    """

    feature: str
    causes: tuple[str, ...]
    request_id: str
    inputs: dict[str, Any]
    as_of: str
    served_at: str
    served: str
    training: str
    replayed: str
    evidence: tuple[str, ...]
    windows: tuple[tuple[str | None, str], ...] = ()
    rows: tuple[RowSeen, ...] = ()


@dataclass(frozen=True, slots=True)
class Size:
    """How large the differences of a feature are, where both sides have a number.

    Shape: `bins` are pairs of the least size in a bin and the cells in it; the bins begin at 0 and at 1, 2 and 5 times
    each power of ten, and empty ones are left out.
    Units: those of the feature; microseconds for a timestamp, days for a date.
    """

    cells: int
    median: float
    p95: float
    largest: float
    bins: tuple[tuple[float, int], ...] = ()


@dataclass(frozen=True, slots=True)
class FeatureSkew:
    """One feature. `compute_differing` cells are faults of the product; `differing` ones have causes, each of which is
    counted in every cell that it has a part in."""

    name: str
    dtype: str
    cells: int
    differing: int
    compute_differing: int
    causes: dict[str, int]
    worst_keys: tuple[tuple[dict[str, Any], int], ...] = ()
    first_seen: str | None = None
    last_seen: str | None = None
    size: Size | None = None


@dataclass(frozen=True, slots=True)
class Bucket:
    """A stretch of the period: cells that were served in it, and those that differ by cause."""

    start: str
    cells: int
    differing: int
    causes: dict[str, int]


@dataclass(frozen=True, slots=True)
class SkewReport:
    """What was served in a period beside what training says of the same questions (R19).

    `computed` cells were computed again from the rows that the state held; `unproven` ones were not: those of
    `left` questions, since that takes more rows than the limit `most_rows`, and the others since files that the state
    was built from are no longer what they were. `versions` are those that served, the newest last; `against` is the
    file of another system's vectors, and then nothing is computed again. `faulty` are the versions that gave cells
    which differ in computation or without a cause.
    """

    feature_set: str
    version: str
    versions: tuple[str, ...]
    begin: str
    end: str
    against: str | None
    questions: int
    computed: int
    unproven: int
    features: tuple[FeatureSkew, ...]
    buckets: tuple[Bucket, ...]
    examples: tuple[Example, ...]
    evidence: dict[str, list[str]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    seconds: float = 0.0
    faulty: tuple[str, ...] = ()
    left: int = 0
    left_cells: int = 0
    most_rows: int = 0

    @property
    def cells(self) -> int:
        """Values that both sides have."""
        return sum(feature.cells for feature in self.features)

    @property
    def differing(self) -> int:
        """Cells where training says another thing than was served."""
        return sum(feature.differing for feature in self.features)

    @property
    def compute_differing(self) -> int:
        """Cells where DuckDB gives other bits for the rows that the state held: a fault of the product."""
        return sum(feature.compute_differing for feature in self.features)

    @property
    def causes(self) -> dict[str, int]:
        """Differing cells by cause, the most frequent first."""
        found: dict[str, int] = {}
        for feature in self.features:
            for cause, count in feature.causes.items():
                found[cause] = found.get(cause, 0) + count
        return dict(sorted(found.items(), key=lambda each: (-each[1], each[0])))

    @property
    def unexplained(self) -> int:
        """Cells that differ, and nothing shows why."""
        return self.causes.get(UNEXPLAINED, 0)

    def to_json(self) -> dict[str, Any]:
        """The report as JSON values."""
        counts = {
            "cells": self.cells,
            "differing": self.differing,
            "compute_differing": self.compute_differing,
            "unexplained": self.unexplained,
            "causes": self.causes,
        }
        held = asdict(self)
        head = {name: held[name] for name in ("feature_set", "version", "versions", "begin", "end", "against")}
        return {**head, "questions": self.questions, **counts, **{k: v for k, v in held.items() if k not in head}}

    def __str__(self) -> str:
        return "\n".join([*self._table(), "", *self.told()])

    def told(self) -> list[str]:
        """The causes with what shows them, notes, and the verdict, a line each; the verdict comes last."""
        return [*self._causes(), *self._verdict()]

    def not_computed(self) -> list[str]:
        """Which cells were not computed again and why, a line for each reason."""
        lines = []
        if self.unproven > self.left_cells:
            count = self.unproven - self.left_cells
            lines.append(f"{count:,} cells could not be computed again: their history is no longer what it was")
        if self.left:
            lines.append(
                f"{self.left_cells:,} cells of {self.left:,} questions were not computed again: that takes more "
                f"rows than the limit of {self.most_rows:,}; compare shorter periods, with --since and --until"
            )
        return lines

    def _table(self) -> list[str]:
        lines = [f"{'feature':<48}{'cells':>12}{'differing':>12}{'share':>9}  causes"]
        for each in self.features:
            share = f"{each.differing / each.cells:.2%}" if each.cells else "-"
            said = ", ".join(f"{cause} {count:,}" for cause, count in each.causes.items())
            lines.append(f"{each.name:<48}{each.cells:>12,}{each.differing:>12,}{share:>9}  {said}".rstrip())
        return lines

    def _causes(self) -> list[str]:
        lines = []
        for cause, count in self.causes.items():
            lines.append(f"{cause}: {count:,} cells: {CAUSES[cause].says}")
            lines += [f"  {text}" for text in self.evidence.get(cause, ())[:3]]
            example = next((each for each in self.examples if cause in each.causes), None)
            if example is not None:
                lines.append(f"  {describe(example)}")
            lines.append(f"  fix  {CAUSES[cause].fix}")
        return [*lines, ""] if lines else []

    def _verdict(self) -> list[str]:
        lines = [f"note: {note}" for note in self.notes]
        lines += self.not_computed()
        again = f"{self.computed:,} computed again, {self.compute_differing:,} differing bits; "
        computed = "" if self.against else again
        lines.append(
            f"{self.feature_set}: {self.questions:,} questions, {self.cells:,} cells; {computed}"
            f"{self.differing:,} differ from training, {self.unexplained:,} unexplained, {self.seconds:.1f} s"
        )
        return lines


def describe(example: Example) -> str:
    """A differing cell on one line."""
    inputs = ", ".join(f"{name}={value}" for name, value in example.inputs.items())
    return f"as of {example.as_of}, {inputs}: {example.feature} served {example.served}, training {example.training}"
