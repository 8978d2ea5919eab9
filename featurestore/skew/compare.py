"""`skew`: what was served in production, beside what training says of the same questions, with the cause of each
difference."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from featurestore.errors import InputError
from featurestore.offline.replay import Limits, Replay
from featurestore.offline.scan import History
from featurestore.plan.certificates import note_skew, take_away
from featurestore.plan.nodes import Output, Plan
from featurestore.semantics.instants import instant_text
from featurestore.skew.causes import UNEXPLAINED
from featurestore.skew.examine import STEPS as EXAMINED
from featurestore.skew.examine import Examined, examine, fitted
from featurestore.skew.held import Held, Holdings
from featurestore.skew.report import Bucket, Example, SkewReport
from featurestore.skew.spine_inputs import SpineInputs
from featurestore.skew.tally import Tally, told, worst_keys
from featurestore.skew.timeline import example_of
from featurestore.skew.trials import BIT, causes_of

QUESTIONS_AT_ONCE = 100_000
BUCKETS = 48
STEPS = 3 + EXAMINED
"""Steps of a portion, at most."""
EXAMPLES = 3
"""Differing cells that are told in full, of each feature and cause."""
Progress = Callable[[str, int, int], None]
"""Progress callback: (step, done, total)."""


@dataclass(frozen=True, slots=True)
class Served:
    """Vectors that one version of a feature set gave, by our log or by another system.

    Shape: each of `tables` has `request_id`, `as_of_us`, `served_us`, `i_<input>` and `v.<feature>`, in canonical
    values. Our log's have `s.<feature>` too, and for each state of the plan `g.<state>`, `a.<state>` and `u.<state>`.
    """

    version: str
    plan: Plan
    tables: Iterable[pa.Table]


class Skew:
    """The comparison of one feature set, fed with what was served, part by part."""

    def __init__(
        self, plan: Plan, history: History, manifests: Path | None, spine: SpineInputs | None, limits: Limits | None
    ) -> None:
        heads = {state.scan.source: history.log.head(state.scan.source) for state in plan.states} if history.log else {}
        self.plan, self.history, self.spine = plan, replace(history, upto=heads | history.upto), spine
        self.holdings = None if manifests is None else Holdings(self.history, manifests)
        self.limits = limits or Limits()
        self.now: Replay | None = None
        self.version = plan.version
        self.tallies: dict[str, Tally] = {}
        self.examples: dict[tuple[str, int], list[Example]] = {}
        self.evidence: dict[str, list[str]] = {}
        self.moments: list[np.ndarray[Any, Any]] = []
        self.labels: list[np.ndarray[Any, Any]] = []
        self.compared: list[np.ndarray[Any, Any]] = []
        self.questions = self.computed = self.unproven = self.left = self.left_cells = 0
        self.versions: list[str] = []
        self.faulty: list[str] = []

    def add(self, served: Served, begin: Callable[[str], object] = str) -> None:
        """Compare one part, portion by portion. `begin` is called with each step, STEPS times for a portion."""
        begin("the serving log")
        portions = _portions(served.tables)
        first = next(portions, None)
        if first is None:
            return
        if served.version not in self.versions:
            self.versions.append(served.version)
        before = self._faults()
        second = next(portions, None)
        alone = second is None and self.spine is None  # else other keys are asked for, too
        begin("the history")
        with self._both(served.plan, first, alone) as (now, then):
            self.version = now.version()
            for portion in chain([first], [] if second is None else [second], portions):
                for replay in {id(now): now, id(then): then}.values():
                    replay.add("questions", portion)
                held = None if self.holdings is None else self._held(self.holdings, then, now, portion)
                training = None if self.spine is None else self.spine.inputs_of(fitted(portion, self.plan))
                found = examine(now, then, held, training, begin=begin, most_rows=self.limits.rows)
                begin("counts and examples")
                self._take(found, then, held, portion)
        if self._faults() > before and served.version not in self.faulty:
            self.faulty.append(served.version)

    @contextmanager
    def _both(self, plan: Plan, first: pa.Table, alone: bool) -> Iterator[tuple[Replay, Replay]]:
        """The replays of today's plan, which is kept if it has all keys, and of the one that served; one and the same
        where they are equal."""
        with ExitStack() as stack:
            now = self.now
            if now is None:
                asked = fitted(first, self.plan)
                now = Replay(self.plan, self.history, asked, only_asked=alone, limits=self.limits)
                if alone:
                    stack.callback(now.close)
                else:
                    self.now = now
            then = now
            if plan != self.plan:
                then = Replay(plan, self.history, first, only_asked=alone, limits=self.limits)
                stack.callback(then.close)
            yield now, then

    def close(self) -> None:
        """Let go of today's rows."""
        if self.now is not None:
            self.now.close()

    def _faults(self) -> int:
        """Cells that differ in computation or without a cause."""
        return sum(each.compute_differing + each.causes[UNEXPLAINED] for each in self.tallies.values())

    def report(
        self, begin_us: int, end_us: int, against: str | None, notes: Sequence[str], seconds: float
    ) -> SkewReport:
        """What was found in all parts."""
        return SkewReport(
            self.plan.name,
            self.version,
            tuple(self.versions),
            instant_text(begin_us),
            instant_text(end_us),
            against,
            self.questions,
            self.computed,
            self.unproven,
            tuple(told(name, tally) for name, tally in self.tallies.items()),
            tuple(self._buckets(begin_us, end_us)),
            tuple(example for found in self.examples.values() for example in found),
            self.evidence,
            tuple(notes),
            seconds,
            tuple(self.faulty),
            self.left,
            self.left_cells,
            self.limits.rows,
        )

    def _held(self, holdings: Holdings, then: Replay, now: Replay, portion: pa.Table) -> dict[str, Held]:
        generations = {
            state.id: [each for each in portion.column(f"g.{state.id}").unique().to_pylist() if each]
            for state in then.plan.states
        }
        return holdings.of(then, now, generations)

    def _take(self, found: Examined, then: Replay, held: dict[str, Held] | None, portion: pa.Table) -> None:
        moments = portion.column("served_us").to_numpy()
        self.questions += portion.num_rows
        self.computed += int(found.proven.sum()) if held is not None else 0
        self.unproven += int((~found.proven).sum())
        self.left += int(found.left.sum())
        self.left_cells += int((~found.proven[found.left]).sum())
        self.moments.append(moments)
        for cause, texts in found.evidence.items():
            known = self.evidence.setdefault(cause, [])
            known += [text for text in texts if text not in known]
        combined = np.zeros((portion.num_rows, len(BIT) + 1), dtype=np.int32)
        for place, output in enumerate(found.outputs):
            self._count(found, place, output, moments, then, portion)
            combined[:, 0] += found.compared[:, place]
            for at, bit in enumerate(BIT.values(), start=1):
                combined[:, at] += (found.labels[:, place] & bit) > 0
            self._exemplify(found, place, output, then, held, portion)
        self.labels.append(combined)
        self.compared.append((found.compared & ~found.same).sum(axis=1))

    def _count(
        self,
        found: Examined,
        place: int,
        output: Output,
        moments: np.ndarray[Any, Any],
        then: Replay,
        portion: pa.Table,
    ) -> None:
        tally = self.tallies.setdefault(output.name, Tally(str(output.dtype)))
        differs = found.compared[:, place] & ~found.same[:, place]
        tally.cells += int(found.compared[:, place].sum())
        tally.differing += int(differs.sum())
        if self.holdings is not None:
            tally.compute_differing += int((~found.computed_alike[:, place]).sum())
        labels, counts = np.unique(found.labels[:, place], return_counts=True)
        for label, count in zip(labels, counts, strict=True):
            for cause in causes_of(int(label)):
                tally.causes[cause] += int(count)
        rows = np.flatnonzero(differs)
        if not len(rows):
            return
        first, last = int(moments[rows].min()), int(moments[rows].max())
        tally.first_us = first if tally.first_us is None else min(first, tally.first_us)
        tally.last_us = last if tally.last_us is None else max(last, tally.last_us)
        tally.keys.update(worst_keys(then, output, rows))
        if output.dtype.kind in ("int64", "float64", "decimal", "timestamp", "date"):
            served, trained = (
                table.column(name).take(rows).cast(pa.float64(), safe=False).to_numpy()
                for table, name in ((portion, f"v.{output.name}"), (found.training, output.name))
            )
            sizes = np.abs(served - trained) / 10**output.dtype.scale
            tally.sizes.append(sizes[~np.isnan(sizes)])

    def _exemplify(
        self,
        found: Examined,
        place: int,
        output: Output,
        then: Replay,
        held: dict[str, Held] | None,
        portion: pa.Table,
    ) -> None:
        for label in np.unique(found.labels[:, place]):
            kept = self.examples.setdefault((output.name, int(label)), [])
            if label:
                for row in np.flatnonzero(found.labels[:, place] == label)[: EXAMPLES - len(kept)]:
                    kept.append(example_of(found, int(row), output, int(label), then, held, portion))

    def _buckets(self, begin_us: int, end_us: int) -> Iterator[Bucket]:
        if not self.moments or end_us <= begin_us:
            return
        moments, labels = np.concatenate(self.moments), np.concatenate(self.labels)
        differing = np.concatenate(self.compared)
        edges = np.linspace(begin_us, end_us, min(BUCKETS, max(1, end_us - begin_us)) + 1).astype(np.int64)
        places = np.clip(np.searchsorted(edges, moments, side="right") - 1, 0, len(edges) - 2)
        for place in range(len(edges) - 1):
            some = labels[places == place]
            counts = {cause: int(some[:, at].sum()) for at, cause in enumerate(BIT, start=1) if some[:, at].any()}
            yield Bucket(
                instant_text(int(edges[place])), int(some[:, 0].sum()), int(differing[places == place].sum()), counts
            )


def skew(
    plan: Plan,
    history: History,
    served: Iterable[Served],
    *,
    begin_us: int | None = None,
    end_us: int | None = None,
    manifests: Path | None = None,
    spine: SpineInputs | None = None,
    against: str | None = None,
    notes: list[str] | None = None,
    limits: Limits | None = None,
    progress: Progress | None = None,
) -> SkewReport:
    """Compare what was served with training, by the plan of today. Without a period it is that of the vectors.

    `manifests` is where those of our states are kept; without it the vectors are another system's. `notes` is read when
    all is: whoever reads `served` may add to it.
    Raises: InputError  when nothing was served in the period.
    """
    started = time.perf_counter()
    notes = [] if notes is None else notes
    with closing(Skew(plan, history, manifests, spine, limits)) as compared:
        for place, part in enumerate(served):
            compared.add(part, _Steps(progress, part.version, place * STEPS))
    if spine is not None:
        notes += spine.notes()
    if not compared.questions:
        period = f"between {instant_text(begin_us)} and {instant_text(end_us)}" if begin_us and end_us else ""
        fix = "widen the period with --since and --until"
        raise InputError(
            f"nothing of `{plan.name}` {'can be asked again' if notes else 'was served'} {period}".rstrip(),
            where=against,
            has="; ".join(notes) or None,
            fix=fix if notes or against else f"{fix}, or look whether the serving log is on: `[served] share`",
        )
    moments = np.concatenate(compared.moments)
    begin_us = int(moments.min()) if begin_us is None else begin_us
    end_us = int(moments.max()) + 1 if end_us is None else end_us
    return compared.report(begin_us, end_us, against, notes, time.perf_counter() - started)


class _Steps:
    """The steps of one part, each with its number among those of all parts so far."""

    def __init__(self, progress: Progress | None, version: str, done: int) -> None:
        self._progress, self._version, self._done, self._total = progress, version, done, done + STEPS

    def __call__(self, step: str) -> None:
        if self._done == self._total:  # a portion more
            self._total += STEPS
        if self._progress:
            self._progress(f"{step} (version {self._version})", self._done, self._total)
        self._done += 1


def doubt(home: Path, report: SkewReport) -> None:
    """Keep what a report found with the versions that served, and take away the certificates of those at fault."""
    counts = {name: getattr(report, name) for name in ("cells", "differing", "compute_differing", "unexplained")}
    for version in report.versions:
        note_skew(home, report.feature_set, version, {"begin": report.begin, "end": report.end, **counts})
    found = f"{report.compute_differing:,} compute differences and {report.unexplained:,} unexplained cells"
    for version in report.faulty:
        take_away(home, report.feature_set, version, f"`skew` found {found}")


def _portions(tables: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """The rows of all tables, so many at once, numbered from 0."""
    waiting: list[pa.Table] = []
    for table in tables:
        waiting.append(table)
        while sum(each.num_rows for each in waiting) >= QUESTIONS_AT_ONCE:
            rows = pa.concat_tables(waiting, promote_options="default")
            yield _numbered(rows.slice(0, QUESTIONS_AT_ONCE))
            waiting = [rows.slice(QUESTIONS_AT_ONCE)]
    if any(each.num_rows for each in waiting):
        yield _numbered(pa.concat_tables(waiting, promote_options="default"))


def _numbered(rows: pa.Table) -> pa.Table:
    """Questions with their places."""
    return rows.append_column("spine_row", pa.array(range(rows.num_rows), pa.int64()))
