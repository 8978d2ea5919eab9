"""The parts behind the routes: definitions, plans, log and online store of one project."""

from __future__ import annotations

import json
import logging
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from featurestore.config import read_config
from featurestore.define.changed import LoadedFiles
from featurestore.define.load import load_definitions
from featurestore.errors import FeatureStoreError, StoreBehind, StoreUnavailable
from featurestore.log.event_log import EventLog
from featurestore.online.loop_trips import LoopTrips
from featurestore.online.online_store import OnlineStore
from featurestore.online.pointers import Pointer, content_version
from featurestore.online.project import open_online
from featurestore.online.server import Server, check_safe, open_server
from featurestore.online.vectors import Vectors
from featurestore.plan.build import plan_feature_set, plan_view
from featurestore.plan.nodes import Plan, Scan, State
from featurestore.plan.scan import plan_scan
from featurestore.semantics.instants import instant_us
from featurestore.serve.certified import Certified
from featurestore.serve.metrics import Metrics
from featurestore.serve.wire import (
    EventsBody,
    LookupBody,
    lookup_json,
    parse_body,
    questions_of,
    report_json,
    rows_of,
)

_logger = logging.getLogger(__name__)
_READY_TRIES = 10
_READY_PAUSE_S = 0.03


class Service:
    """One project, planned when it is made; `open` reaches its log and its server. Threads may share it.

    Raises: ConfigError, DefinitionError  when the project is not in order.
    """

    log: EventLog
    online: OnlineStore
    trips: LoopTrips
    """Lookups on the event loop read through it."""

    def __init__(
        self,
        root: str | Path,
        *,
        environment: str | None = None,
        home: str | Path | None = None,
        require_certificate: bool = False,
    ) -> None:
        self.config = read_config(root, environment=environment, home=home)
        self.loaded = LoadedFiles(self.config.root, self.config.definitions)
        self.definitions = load_definitions(self.config.root, self.config.definitions)
        self.plans: dict[str, Plan] = {
            name: plan_feature_set(feature_set) for name, feature_set in self.definitions.feature_sets.items()
        }
        self.scans: dict[str, Scan] = {name: plan_scan(source) for name, source in self.definitions.sources.items()}
        views = [plan_view(view.__spec__) for view in self.definitions.views.values()]
        self.states: list[State] = list({view.state.id: view.state for view in views if view.state}.values())
        self.served: list[State] = list(
            {state.id: state for plan in self.plans.values() for state in plan.states}.values()
        )
        required = require_certificate or self.config.require_certificate
        self.certified = Certified(self.config.home, self.plans, required)
        self._server: Server | None = None
        self._trouble = ""

    def open(self) -> None:
        """Open the log and the server, which is started when the project has one of its own."""
        self.log = EventLog(self.config.home / "log")
        self._server, self.online = open_online(self.config, self.log)
        self.trips = LoopTrips(self.online.client, self._server.url)
        self.look()

    def close(self) -> None:
        """Let go of the server, the log and their files."""
        if self._server is None:
            return
        self.online.close()
        self._server.close()
        self.log.close()
        self._server = None

    def plan(self, name: str) -> Plan:
        """The plan of a feature set. Raises: UnknownFeature."""
        return self.plans[self.definitions.feature_set(name).name]

    def scan(self, name: str) -> Scan:
        """The scan of a source. Raises: UnknownFeature."""
        return self.scans[self.definitions.source(name).__name__]

    def look(self) -> None:
        """See which feature sets have a certificate for what is served now."""
        pointers: dict[str, Pointer | None] = {}
        if any(plan.static_sources for plan in self.plans.values()):
            with suppress(FeatureStoreError):  # a state that cannot be read answers nothing either
                pointers = self.online.states.pointers(self.served)
        self.certified.look(pointers)

    def lookup(self, plan: Plan, data: bytes, metrics: Metrics, request_id: str) -> bytes:
        """Body to reply of a lookup. Raises: NotCertified  when what answers must have a certificate and has none."""
        questions, as_of_us = self.read_lookup(plan, data)
        return self.reply(plan, self.online.lookup(plan, questions, as_of_us, request_id), metrics)

    def read_lookup(self, plan: Plan, data: bytes) -> tuple[list[dict[str, Any]], int | None]:
        """The questions in the body of a lookup, and the instant that they are asked as of, if one is given.

        Raises: NotCertified  when the feature set must have a certificate and has none.
        """
        self.certified.check(plan.name)
        body = parse_body(LookupBody, data)
        return questions_of(body.inputs), None if body.as_of is None else instant_us(body.as_of)

    def reply(self, plan: Plan, vectors: Vectors, metrics: Metrics) -> bytes:
        """Vectors as the reply to a lookup. Raises: NotCertified  when the version that answered has no certificate."""
        self.certified.check(plan.name, vectors.version)
        metrics.lookup(vectors)
        return lookup_json(vectors)

    def ingest(self, scan: Scan, data: bytes, metrics: Metrics) -> bytes:
        """Body to reply of pushed rows."""
        rows = rows_of(parse_body(EventsBody, data).rows)
        states = [state for state in self.states if state.scan.source == scan.source]
        report = self.online.ingest(scan, states, rows)
        metrics.ingest(report)
        return report_json(report)

    def ready(self) -> bytes:
        """What is served, as JSON.

        Raises: StoreError    when a lookup could not be answered rightly (R15).
                NotCertified  when a certificate is required and no feature set has one.
        """
        check_safe(self.online.writer)  # somebody may have changed the server's policy since it was opened
        pointers = self._checked()
        self.certified.look(pointers)
        self.certified.check_any()
        reply = {
            "status": "ready",
            "feature_sets": {name: content_version(plan, pointers) for name, plan in self.plans.items()},
            "certificates": self.certified.told(),
            "states": {state_id: {"applied": pointer.applied} for state_id, pointer in pointers.items()},
            "definitions": self._definitions(),
        }
        return json.dumps(reply).encode()

    def _definitions(self) -> dict[str, object]:
        """Whether definition files have changed since this process loaded them: it answers by the old ones."""
        changed = self.loaded.changed()
        return {"newer": True, "changed": changed, "fix": "restart the service"} if changed else {"newer": False}

    def recover(self, metrics: Metrics) -> None:
        """Apply what a dead writer left; start a server of our own that died; see what is certified. Failures are
        counted, and logged once."""
        metrics.definitions(newer=bool(self.loaded.changed()))
        try:
            try:
                metrics.recovered(self.online.recover(self.states))
            except StoreUnavailable:
                self._revive()
                metrics.recovered(self.online.recover(self.states))
            self.look()
            self._trouble = ""
        except Exception as error:
            metrics.recovery_failed()
            known = isinstance(error, FeatureStoreError)
            if self._trouble != type(error).__name__:
                self._trouble = type(error).__name__
                _logger.warning("recovery failed: %s: %s", self._trouble, error, exc_info=None if known else error)

    def bring_in(self, metrics: Metrics) -> None:
        """Bring into the counters what is counted beside them: lookups, and what became of their records."""
        metrics.bring_in()
        if self._server is not None and self.online.served is not None:
            metrics.served(self.online.served.counts())

    def _checked(self) -> dict[str, Pointer]:
        for _ in range(_READY_TRIES):
            # Rows that are being pushed right now are in the log a moment before they are in the state.
            with suppress(StoreBehind):
                return self.online.check_ready(self.served)
            time.sleep(_READY_PAUSE_S)
        return self.online.check_ready(self.served)

    def _revive(self) -> None:
        """Start the embedded server again if it died: whoever uses it may, and its address stays the same."""
        if self._server is None or self._server.kind != "embedded":
            return
        fresh = open_server(self.config.home)
        self._server, old = fresh, self._server
        with suppress(StoreUnavailable):
            old.close()
