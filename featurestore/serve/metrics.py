"""What the service counts, for Prometheus.

With several workers, each keeps its counts in files of one folder, PROMETHEUS_MULTIPROC_DIR, and any of them answers
for all.
"""

from __future__ import annotations

import os
import threading
from collections import Counter as TallyOf
from collections.abc import Mapping
from itertools import chain
from pathlib import Path
from typing import Any

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from featurestore.online.online_store import IngestReport
from featurestore.online.vectors import Vectors
from featurestore.plan.outcomes import Counts
from featurestore.semantics.statuses import STATUS_NAMES
from featurestore.serve.wire import outcomes

MEDIA_TYPE = CONTENT_TYPE_LATEST
MULTIPROCESS = "PROMETHEUS_MULTIPROC_DIR"
# Lookups take tenths of a millisecond to tens of them; what takes seconds is a large one or in trouble.
_SECONDS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


class _Workers(MultiProcessCollector):
    """The counts in all files but those that a worker has made and not written yet, which cannot be read."""

    def collect(self) -> Any:
        files = [str(each) for each in Path(self._path).glob("*.db") if each.stat().st_size]
        return self.merge(files)  # type: ignore[no-untyped-call]


class Metrics:
    """The counts of one application, in a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._requests = Counter(
            "featurestore_requests", "HTTP requests.", ("route", "method", "status"), registry=self.registry
        )
        self._seconds = Histogram(
            "featurestore_request_seconds",
            "Seconds from a request's first byte to its answer's last.",
            ("route",),
            buckets=_SECONDS,
            registry=self.registry,
        )
        self._questions = Counter(
            "featurestore_lookup_rows", "Questions that were answered.", ("feature_set",), registry=self.registry
        )
        self._values = Counter(
            "featurestore_values",
            "Values that were served, by their status.",
            ("feature_set", "status"),
            registry=self.registry,
        )
        self._ingested = Counter(
            "featurestore_ingested_rows",
            "Pushed rows by what became of them in each state: in = applied + duplicate + unkeyed + quarantined.",
            ("source", "state", "outcome"),
            registry=self.registry,
        )
        self._bad_values = Counter(
            "featurestore_bad_values",
            "Pushed values that their type cannot hold, read as null.",
            ("source", "column"),
            registry=self.registry,
        )
        self._quarantined = Counter(
            "featurestore_quarantined_rows",
            "Pushed rows that were set aside.",
            ("source", "reason"),
            registry=self.registry,
        )
        self._errors = Counter("featurestore_errors", "Errors that were sent.", ("kind",), registry=self.registry)
        self._recoveries = Counter(
            "featurestore_recoveries",
            "Times that rows of a dead writer were applied, or could not be.",
            ("outcome",),
            registry=self.registry,
        )
        self._served_records = Counter(
            "featurestore_served_log_records",
            "Lookups by what became of their record in the serving log.",
            ("outcome",),
            registry=self.registry,
        )
        self._served_bytes = Counter(
            "featurestore_served_log_bytes", "Bytes of the serving log that were written.", registry=self.registry
        )
        self._newer = Gauge(
            "featurestore_definitions_newer",
            "1 when definition files have changed since the service loaded them, else 0.",
            multiprocess_mode="mostrecent",
            registry=self.registry,
        )
        # what every lookup counts is added up here and brought into the counters now and then: with several workers
        # each addition there is a write to a file
        self._pending: TallyOf[tuple[Counter, tuple[str, ...]]] = TallyOf()
        self._watches: dict[str, Histogram] = {}  # looking one up by its labels costs more than observing
        self._served_before: dict[str, int] = {}
        self._changes = threading.Lock()

    def request(self, route: str, method: str, status: int, seconds: float) -> None:
        """One request that was answered."""
        with self._changes:
            self._pending[self._requests, (route, method, str(status))] += 1
        watch = self._watches.get(route)
        if watch is None:
            watch = self._watches[route] = self._seconds.labels(route)
        watch.observe(seconds)

    def lookup(self, vectors: Vectors) -> None:
        """The vectors of one lookup."""
        name = vectors.feature_set
        codes = bytes(chain.from_iterable(vectors.statuses))
        with self._changes:
            pending = self._pending
            pending[self._questions, (name,)] += len(vectors)
            for code, status in enumerate(STATUS_NAMES):
                if count := codes.count(code):
                    pending[self._values, (name, status)] += count

    def bring_in(self) -> None:
        """Bring what lookups counted into the counters."""
        with self._changes:
            pending, self._pending = self._pending, TallyOf()
        for (counter, labels), count in pending.items():
            counter.labels(*labels).inc(count)

    def ingest(self, report: IngestReport) -> None:
        """The rows of one call."""
        for column, count in report.bad_columns.items():
            self._bad_values.labels(report.source, column).inc(count)
        for reason, count in report.reasons.items():
            self._quarantined.labels(report.source, reason).inc(count)
        self._rows(report.states)

    def error(self, kind: str) -> None:
        """One error that was sent."""
        self._errors.labels(kind).inc()

    def recovered(self, states: Mapping[str, Counts]) -> None:
        """Rows of a dead writer that were applied."""
        if any(counts.total for counts in states.values()):
            self._recoveries.labels("applied").inc()
            self._rows(states)

    def recovery_failed(self) -> None:
        """A look for such rows that failed."""
        self._recoveries.labels("failed").inc()

    def definitions(self, *, newer: bool) -> None:
        """Whether the files of definitions have changed since they were loaded."""
        self._newer.set(int(newer))

    def served(self, counts: Mapping[str, int]) -> None:
        """What became of the serving log's records so far, and the bytes written."""
        with self._changes:
            for name, count in counts.items():
                counter = self._served_bytes if name == "bytes" else self._served_records.labels(name)
                counter.inc(count - self._served_before.get(name, 0))
            self._served_before = dict(counts)

    def text(self) -> bytes:
        """All counts that were brought in, as Prometheus reads them; those of other workers may be a second old."""
        if MULTIPROCESS not in os.environ:
            return generate_latest(self.registry)
        every = CollectorRegistry()
        _Workers(every)  # type: ignore[no-untyped-call]  # prometheus-client leaves it untyped
        return generate_latest(every)

    def _rows(self, states: Mapping[str, Counts]) -> None:
        for state_id, counts in states.items():
            for outcome, count in outcomes(counts).items():
                self._ingested.labels(state_id.split(".")[0], state_id, outcome).inc(count)
