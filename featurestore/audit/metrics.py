"""What the audit counts, for Prometheus."""

from __future__ import annotations

import time

from prometheus_client import CollectorRegistry, Counter, Gauge

from featurestore.audit.looked import AGAIN
from featurestore.plan.nodes import Plan
from featurestore.skew.causes import CAUSES, UNEXPLAINED
from featurestore.skew.report import SkewReport


class AuditMetrics:
    """The counts of one audit, in a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        feature = ("feature_set", "feature")
        self._cells = self._counter("parity_cells", "Served values that were compared with training.", *feature)
        self._differing = self._counter(
            "parity_differing",
            "Served values that differ from training, by cause; one of two causes counts under both.",
            *feature,
            "cause",
        )
        self._again_cells = self._counter(
            "parity_again_cells", "Served values that were compared a second time, when late rows had come.", *feature
        )
        self._again_differing = self._counter(
            "parity_again_differing", "Served values that differ then, by cause.", *feature, "cause"
        )
        self._compute = self._counter(
            "parity_compute_differing",
            "Served values that their own rows do not give: a fault of the product.",
            *feature,
        )
        self._unexplained = self._counter("parity_unexplained", "Served values that differ without a cause.", *feature)
        self._unproven = self._counter(
            "parity_unproven", "Served values whose rows cannot be had again: files were changed.", "feature_set"
        )
        self._questions = self._counter("audit_questions", "Questions that were compared.", "feature_set")
        self._left_out = self._counter(
            "audit_left_out_files", "Files of the serving log that cannot be compared.", "feature_set", "reason"
        )
        self._rounds = self._counter("audit_rounds", "Looks at the serving log, by how they ended.", "outcome")
        self._last = self._gauge("audit_last_round_timestamp_seconds", "When the last round that was done ended.")
        self._seconds = self._gauge("audit_round_seconds", "How long that round took.")
        self._oldest_us: dict[tuple[str, str], int] = {}
        lag = self._gauge("audit_lag_seconds", "How long the oldest record that is due has been waiting.")
        lag.set_function(self._lag_s)
        for outcome in ("done", "failed"):
            self._rounds.labels(outcome)

    def expect(self, plan: Plan, *, again: bool) -> None:
        """Count from 0 what has not happened yet, so that the first time is seen as a rise; `again` says whether there
        is a second look."""
        self._unproven.labels(plan.name)
        self._questions.labels(plan.name)
        for output in plan.outputs:
            for each in (self._cells, self._compute, self._unexplained, *([self._again_cells] if again else [])):
                each.labels(plan.name, output.name)
            for differing in (self._differing, *([self._again_differing] if again else [])):
                for cause in CAUSES:
                    differing.labels(plan.name, output.name, cause)

    def compared(self, report: SkewReport, look: str) -> None:
        """What was found of some records."""
        name = report.feature_set
        cells, differing = self._cells, self._differing
        if look == AGAIN:
            cells, differing = self._again_cells, self._again_differing
        for each in report.features:
            cells.labels(name, each.name).inc(each.cells)
            self._compute.labels(name, each.name).inc(each.compute_differing)
            for cause, count in each.causes.items():
                differing.labels(name, each.name, cause).inc(count)
                if cause == UNEXPLAINED:
                    self._unexplained.labels(name, each.name).inc(count)
        self._unproven.labels(name).inc(report.unproven)
        self._questions.labels(name).inc(report.questions)

    def left_out(self, feature_set: str, reason: str, files: int = 1) -> None:
        """Files that cannot be compared."""
        self._left_out.labels(feature_set, reason).inc(files)

    def waiting(self, look: str, feature_set: str, oldest_us: int | None) -> None:
        """When the oldest file that is due was written; None when none is waiting any more."""
        if oldest_us is None:
            self._oldest_us.pop((look, feature_set), None)
        else:
            self._oldest_us[look, feature_set] = oldest_us

    def done(self, seconds: float) -> None:
        """A round that was done."""
        self._rounds.labels("done").inc()
        self._seconds.set(seconds)
        self._last.set_to_current_time()

    def failed(self) -> None:
        """A round that failed."""
        self._rounds.labels("failed").inc()

    def _lag_s(self) -> float:
        oldest_us = min(list(self._oldest_us.values()), default=None)
        return 0.0 if oldest_us is None else max(0.0, time.time() - oldest_us / 1e6)

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"featurestore_{name}", text, labels, registry=self.registry)

    def _gauge(self, name: str, text: str) -> Gauge:
        return Gauge(f"featurestore_{name}", text, registry=self.registry)
