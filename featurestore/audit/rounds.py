"""One look at what is new in the serving log: a share of it is compared with training, counted, and remembered."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.parquet as pq

from featurestore.audit.looked import AGAIN, FIRST, LogFile, Looked
from featurestore.audit.metrics import AuditMetrics
from featurestore.errors import DefinitionError
from featurestore.log.served import ServedVersion, served_sets
from featurestore.materialize import GENERATIONS
from featurestore.offline.replay import Limits
from featurestore.plan.nodes import Plan
from featurestore.skew.compare import Served, doubt, skew
from featurestore.skew.report import SkewReport
from featurestore.skew.served import asked_tables, plan_of
from featurestore.store import FeatureStore

QUESTIONS_AT_ONCE = 50_000
"""What is compared at a time: the history is read once for it, and memory holds it."""
POLITE = Limits(threads=1, memory="2GB")
_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Settings:
    """What an audit looks at, and what DuckDB may take of the machine for it.

    `share` of the lookups, chosen by request id; each `after_us` after it was served, and again after `again_us` if
    that is given.
    """

    share: float
    after_us: int = 0
    again_us: int | None = None
    limits: Limits = POLITE


class Rounds:
    """The rounds of an audit. `home` is the project's state folder; definitions are read anew for each round."""

    def __init__(
        self, open_store: Callable[[], FeatureStore], looked: Looked, metrics: AuditMetrics, settings: Settings
    ) -> None:
        self._open_store, self._looked, self._metrics, self._settings = open_store, looked, metrics, settings
        self._unknown: set[str] = set()
        self.lookups: Counter[str] = Counter()
        """Lookups that were `new` in all rounds so far, and those of them that were `sampled`."""

    def round(self) -> Iterator[SkewReport]:
        """Compare all that is new and due, a part at a time; each part is remembered before it is told.

        Raises: the first that a comparison raised, when the other feature sets were looked at; that part is new again
        next time.
        """
        failure: Exception | None = None
        started = time.perf_counter()
        with self._open_store() as store:
            plans = list(plans_of(store))
            for plan in plans:
                self._metrics.expect(plan, again=self._settings.again_us is not None)
            for look, age_us in self._looks():
                until_us = time.time_ns() // 1000 - age_us
                for name in served_sets(self._looked.served):
                    try:
                        yield from self._look_at(store, plans, name, look, until_us)
                    except Exception as error:  # it keeps no other feature set waiting
                        failure = failure or error
        if failure is not None:
            raise failure
        self._looked.forget_removed()
        self._metrics.done(time.perf_counter() - started)

    def _looks(self) -> Iterator[tuple[str, int]]:
        yield FIRST, self._settings.after_us
        if self._settings.again_us is not None:
            yield AGAIN, self._settings.again_us

    def _look_at(
        self, store: FeatureStore, plans: list[Plan], name: str, look: str, until_us: int
    ) -> Iterator[SkewReport]:
        waiting = self._looked.waiting(look, name, until_us, self._settings.share)
        plan = next((each for each in plans if each.name == name), None)
        if plan is None and waiting:
            if name in store.definitions.feature_sets:
                store.plan(name)  # raises what is wrong with it
            self._wait_for(name, len(waiting))
            return
        while waiting and plan is not None:
            self._metrics.waiting(look, name, waiting[0].written_us)
            part, waiting = self._part(name, look, waiting)
            report = self._compare(store, plan, plans, look, part)
            self._looked.remember(look, part, self._settings.share)
            if report is not None:
                self._metrics.compared(report, look)
                yield report
        self._metrics.waiting(look, name, None)

    def _part(self, name: str, look: str, waiting: list[LogFile]) -> tuple[list[LogFile], list[LogFile]]:
        """The oldest files that are compared at a time, and the others; files that are broken are left out."""
        part: list[LogFile] = []
        questions = 0.0
        for place, file in enumerate(waiting):
            rows = self._rows_of(name, look, file)
            if rows is not None:
                part.append(file)
                questions += rows * (self._settings.share - file.done)
            if questions >= QUESTIONS_AT_ONCE:
                return part, waiting[place + 1 :]
        return part, []

    def _rows_of(self, name: str, look: str, file: LogFile) -> int | None:
        try:
            return int(pq.read_metadata(file.path).num_rows)
        except FileNotFoundError:  # the log removes what is old
            return 0
        except (pa.ArrowException, OSError) as error:
            if isinstance(error, OSError) and error.errno:  # the disk's trouble, not the file's
                raise
            self._leave_out(name, look, [file], "unreadable")
            return None

    def _compare(
        self, store: FeatureStore, plan: Plan, plans: list[Plan], look: str, part: list[LogFile]
    ) -> SkewReport | None:
        served = []
        for version, done in dict.fromkeys((each.version, each.done) for each in part):
            files = [each for each in part if (each.version, each.done) == (version, done)]
            folder = files[0].path.parent.parent
            found = ServedVersion(plan.name, version, folder, tuple(each.path for each in files), 0, 2**62)
            tables = list(asked_tables(found, self._settings.share, done=done, counts=self.lookups))
            if not tables:
                continue
            then = plan_of(found, plan, plans)
            if then is None:
                self._leave_out(plan.name, look, files, "plan_gone")
            else:
                served.append(Served(version, then, tables))
        if not served:
            return None
        report = skew(
            plan,
            store.history,
            served,
            manifests=store.config.home / GENERATIONS,
            limits=self._settings.limits,
        )
        doubt(store.config.home, report)
        return report

    def _wait_for(self, name: str, files: int) -> None:
        """The definitions may come later than the service that answers by them: nothing is left out for good."""
        if name not in self._unknown:
            self._unknown.add(name)
            _logger.warning("%d files of %s wait: it is not defined here", files, name)
            self._metrics.left_out(name, "not_defined", files)

    def _leave_out(self, name: str, look: str, files: list[LogFile], reason: str) -> None:
        _logger.warning("%d files of %s are left out: %s; the first is %s", len(files), name, reason, files[0].path)
        self._looked.remember(look, files)
        self._metrics.left_out(name, reason, len(files))


def plans_of(store: FeatureStore) -> Iterator[Plan]:
    """The plans of the feature sets that are in order."""
    for name in store.definitions.feature_sets:
        with suppress(DefinitionError):
            yield store.plan(name)
