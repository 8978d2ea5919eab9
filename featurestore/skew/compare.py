"""`skew`: what was served in production, beside what training says of the same questions, with the cause of each
difference."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from featurestore.errors import InputError
from featurestore.offline.connection import quoted
from featurestore.offline.replay import Replay
from featurestore.offline.scan import History
from featurestore.plan.nodes import Output, Plan
from featurestore.semantics.dtypes import python_value
from featurestore.semantics.instants import instant_text
from featurestore.skew.causes import CAUSES
from featurestore.skew.examine import Examined, examine, fitted
from featurestore.skew.held import Held, Holdings
from featurestore.skew.report import Bucket, Example, FeatureSkew, Size, SkewReport
from featurestore.skew.spine_inputs import SpineInputs
from featurestore.skew.timeline import example_of
from featurestore.skew.trials import BIT, causes_of

QUESTIONS_AT_ONCE = 100_000
BUCKETS = 48
WORST = 5
KEYS_AT_ONCE = 1_000
"""Of each feature and portion of questions, the keys that are kept when the worst of all are sought."""
EXAMPLES = 3
"""Differing cells that are told in full, of each feature and cause."""
Progress = Callable[[str, int, int], None]
EDGES = np.array([0.0, *(float(f"{digit}e{power}") for power in range(-323, 308) for digit in (1, 2, 5))])
"""Where the bins of a difference's size begin."""


@dataclass(frozen=True, slots=True)
class Served:
    """Vectors that one version of a feature set gave, by our log or by another system.

    Shape: each of `tables` has `request_id`, `as_of_us`, `served_us`, `i_<input>` and `v.<feature>`, in canonical
    values. Our log's have `s.<feature>` too, and for each state of the plan `g.<state>`, `a.<state>` and `u.<state>`.
    """

    version: str
    plan: Plan
    tables: Iterable[pa.Table]


@dataclass(slots=True)
class _Tally:
    """What was seen of one feature."""

    dtype: str
    cells: int = 0
    differing: int = 0
    compute_differing: int = 0
    causes: Counter[str] = field(default_factory=Counter)
    keys: Counter[tuple[tuple[str, str], ...]] = field(default_factory=Counter)
    first_us: int | None = None
    last_us: int | None = None
    sizes: list[np.ndarray[Any, Any]] = field(default_factory=list)


class Skew:
    """The comparison of one feature set, fed with what was served, part by part."""

    def __init__(self, plan: Plan, history: History, manifests: Path | None, spine: SpineInputs | None) -> None:
        heads = {state.scan.source: history.log.head(state.scan.source) for state in plan.states} if history.log else {}
        self.plan, self.history, self.spine = plan, replace(history, upto=heads | history.upto), spine
        self.holdings = None if manifests is None else Holdings(self.history, manifests)
        self.now: Replay | None = None
        self.version = plan.version
        self.tallies: dict[str, _Tally] = {}
        self.examples: dict[tuple[str, int], list[Example]] = {}
        self.evidence: dict[str, list[str]] = {}
        self.moments: list[np.ndarray[Any, Any]] = []
        self.labels: list[np.ndarray[Any, Any]] = []
        self.compared: list[np.ndarray[Any, Any]] = []
        self.questions = self.computed = self.unproven = 0
        self.versions: list[str] = []

    def add(self, served: Served) -> None:
        """Compare one part, portion by portion."""
        portions = _portions(served.tables)
        first = next(portions, None)
        if first is None:
            return
        if served.version not in self.versions:
            self.versions.append(served.version)
        now = self.now = self.now or Replay(self.plan, self.history, first)
        then = now if served.plan == self.plan else Replay(served.plan, self.history, first)
        try:
            self.version = now.version()
            for portion in chain([first], portions):
                for replay in {id(now): now, id(then): then}.values():
                    replay.add("questions", portion)
                held = None if self.holdings is None else self._held(self.holdings, then, now, portion)
                training = None if self.spine is None else self.spine.inputs_of(fitted(portion, self.plan))
                self._take(examine(now, then, held, training), then, held, portion)
        finally:
            if then is not now:
                then.close()

    def close(self) -> None:
        """Let go of today's rows."""
        if self.now is not None:
            self.now.close()

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
            tuple(_feature(name, tally) for name, tally in self.tallies.items()),
            tuple(self._buckets(begin_us, end_us)),
            tuple(example for found in self.examples.values() for example in found),
            self.evidence,
            tuple(notes),
            seconds,
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
        tally = self.tallies.setdefault(output.name, _Tally(str(output.dtype)))
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
        tally.keys.update(_worst_keys(then, output, rows))
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


def _worst_keys(then: Replay, output: Output, rows: np.ndarray[Any, Any]) -> dict[tuple[tuple[str, str], ...], int]:
    """The keys that some questions ask for, with how many of them do: those that most do, and so many at most."""
    view = next(view for view in then.plan.views if view.name == output.view)
    names = view.inputs or tuple(each.name for each in then.plan.inputs)
    dtypes = {each.name: each.dtype for each in then.plan.inputs}
    columns = ", ".join(quoted(f"i_{name}") for name in names)
    then.add("chosen", pa.table({"spine_row": pa.array(rows, pa.int64())}))
    found = then.connection.execute(
        f"SELECT {columns or 'NULL'}, count(*) AS n FROM questions WHERE spine_row IN (FROM chosen)\n"
        f"GROUP BY ALL ORDER BY n DESC, min(spine_row) LIMIT {KEYS_AT_ONCE}"
    ).fetchall()
    return {
        tuple((name, str(python_value(value, dtypes[name]))) for name, value in zip(names, values, strict=False)): count
        for *values, count in found
    }


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
    progress: Progress | None = None,
) -> SkewReport:
    """Compare what was served with training, by the plan of today. Without a period it is that of the vectors.

    `manifests` is where those of our states are kept; without it the vectors are another system's. `notes` is read when
    all is: whoever reads `served` may add to it.
    Raises: InputError  when nothing was served in the period.
    """
    started = time.perf_counter()
    notes = [] if notes is None else notes
    with closing(Skew(plan, history, manifests, spine)) as compared:
        for done, part in enumerate(served):
            if progress:
                progress(f"version {part.version}", done, done + 1)
            compared.add(part)
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


def _feature(name: str, tally: _Tally) -> FeatureSkew:
    sizes = np.concatenate(tally.sizes) if tally.sizes else np.array([])
    size = None
    if len(sizes):
        p95 = float(np.quantile(sizes, 0.95))
        size = Size(len(sizes), float(np.median(sizes)), p95, float(sizes.max()), tuple(_bins(sizes)))
    causes = dict(sorted(tally.causes.items(), key=lambda each: (-each[1], list(CAUSES).index(each[0]))))
    return FeatureSkew(
        name,
        tally.dtype,
        tally.cells,
        tally.differing,
        tally.compute_differing,
        causes,
        tuple((dict(key), count) for key, count in tally.keys.most_common(WORST)),
        None if tally.first_us is None else instant_text(tally.first_us),
        None if tally.last_us is None else instant_text(tally.last_us),
        size,
    )


def _bins(sizes: np.ndarray[Any, Any]) -> Iterator[tuple[float, int]]:
    """The bins that hold some sizes: where each begins, and how many it holds."""
    places, counts = np.unique(np.searchsorted(EDGES, sizes, side="right") - 1, return_counts=True)
    for place, count in zip(places, counts, strict=True):
        yield float(EDGES[place]), int(count)
