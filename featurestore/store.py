"""FeatureStore: the verbs, each a few lines over the rooms below."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from functools import cached_property, partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Self

from featurestore.config import FILE, Config, read_config, scratch_config
from featurestore.define.feature_set import FeatureSet
from featurestore.define.load import Definitions, definition_files, load_definitions
from featurestore.define.made import latest_made
from featurestore.define.reload import forget_edited, is_replaced
from featurestore.define.source import Source
from featurestore.define.view import FeatureView
from featurestore.errors import DefinitionError, FeatureStoreError
from featurestore.log.event_log import EventLog
from featurestore.log.quarantine import Quarantine
from featurestore.materialize import GENERATIONS, MaterializeReport, lacking, materialize
from featurestore.notebook import explain_mistakes, showing
from featurestore.offline.bounded import Bounds
from featurestore.offline.dataset import Dataset, build_dataset
from featurestore.offline.quarantined import Quarantined, quarantined_rows
from featurestore.offline.scan import History
from featurestore.online.online_store import IngestReport, OnlineStore
from featurestore.online.project import open_online
from featurestore.online.server import Server
from featurestore.online.vectors import Vectors
from featurestore.plan.build import plan_feature_set, plan_view
from featurestore.plan.built import states_named
from featurestore.plan.certificates import certificate_of
from featurestore.plan.changes import remember
from featurestore.plan.current import check_current
from featurestore.plan.engines import warn_untested
from featurestore.plan.nodes import Plan, State, View
from featurestore.plan.scan import plan_scan
from featurestore.semantics.instants import instant_us
from featurestore.tables import rows_of

if TYPE_CHECKING:
    from featurestore.check.report import ParityReport
    from featurestore.skew.distribution_report import DistributionReport
    from featurestore.skew.report import SkewReport

SERVED = "served"
"""The folder below the state folder that says what was served."""
DAY_US = 86_400_000_000
Progress = Callable[[str, int, int], None]
"""Called with the step that begins, the number of steps done, and of all. In a notebook long work shows a line of its
own where none is given."""


class FeatureStore:
    """A project: its definitions, its history, and its online store, which is started when it is first needed.

    `FeatureStore()` is the project of the working folder; where there is no featurestore.toml, it is one of its own,
    for the definitions of a notebook, and `close` or exit removes its state. Also a context manager; `close` stops
    the embedded server when no other process of the project uses it.
    """

    def __init__(
        self, root: str | Path | None = None, *, environment: str | None = None, home: str | Path | None = None
    ) -> None:
        warn_untested()
        explain_mistakes()
        self._scratch: TemporaryDirectory[str] | None = None
        if root is None and home is None and environment is None and not (Path.cwd() / FILE).exists():
            self._scratch = TemporaryDirectory(prefix="featurestore-")
            self.config: Config = scratch_config(Path(self._scratch.name))
        else:
            self.config = read_config(root or ".", environment=environment, home=home)
        forget_edited(self.config.root, self.config.definitions)
        self._server: Server | None = None
        self._plans: dict[str, tuple[FeatureSet, int, Plan]] = {}
        self._beside: dict[str, View] = {}

    @cached_property
    def definitions(self) -> Definitions:
        """What the project's folder of definitions defines."""
        return load_definitions(self.config.root, self.config.definitions)

    @property
    def feature_sets(self) -> dict[str, FeatureSet]:
        """The feature sets of the project's folder of definitions, by name; none where there is no such folder."""
        there = definition_files(self.config.root, self.config.definitions)
        return dict(self.definitions.feature_sets) if there else {}

    @cached_property
    def log(self) -> EventLog:
        """The rows that were pushed."""
        return EventLog(self.config.home / "log")

    @cached_property
    def online(self) -> OnlineStore:
        """The online road; its server is found or started here."""
        self._server, online = open_online(self.config, self.log)
        return online

    @property
    def history(self) -> History:
        """The offline road's rows: every source's data and log."""
        return History(self.config.root, self.log, quarantine=Quarantine(self.config.home / "quarantine"))

    def plan(self, feature_set: FeatureSet | str) -> Plan:
        """The plan of a feature set, given itself or by name.

        Raises: UnknownFeature, InvalidDefinition  when it is of a file that was edited, and there is no such set any
                more, or it was made of a view that means something else now.
        """
        if isinstance(feature_set, str) or is_replaced(feature_set):
            chosen = self.definitions.feature_set(feature_set if isinstance(feature_set, str) else feature_set.name)
        else:
            chosen = feature_set
            check_current(chosen, lambda name: self.definitions.view(name))
        made = latest_made()  # a cell that ran again may have replaced what the feature set refers to
        known = self._plans.get(chosen.name)
        if known is None or known[0] is not chosen or known[1] != made:
            known = self._plans[chosen.name] = (chosen, made, plan_feature_set(chosen))
        return known[2]

    def views(self) -> list[View]:
        """The plans of all views of the definitions that keep state."""
        return self._views

    @cached_property
    def _views(self) -> list[View]:
        planned = (plan_view(each.__spec__) for each in self.definitions.views.values())
        return [view for view in planned if view.state]

    def dataset(
        self,
        feature_set: FeatureSet | str,
        spine: object,
        *,
        as_of: str,
        statuses: bool = False,
        threads: int | None = None,
        require_certificate: bool = False,
        to: str | Path | None = None,
        memory_limit: str | None = None,
        limit: int | None = None,
        progress: Progress | None = None,
    ) -> Dataset:
        """A training set: every row of the spine with the features as of the instant in its column `as_of`.

        The spine is pandas, polars, Arrow, a list of dicts, the path of a Parquet, CSV or JSON file, or a SELECT over
        such files; relative paths start at the project's folder. Its columns pass through in order. With `statuses`,
        a column `<feature>__status` follows each feature. With `to`, it is written to that Parquet file; with `limit`,
        it has the spine's first rows only.

        With a `memory_limit` such as `4GB`, here or in featurestore.toml, what needs more is built in buckets of the
        keys, one after another. Such a build keeps what it has finished below the state folder: stopped or killed, the
        same call goes on from there, and gives the same bytes.
        Raises: NotCertified  when a certificate is required, here or in featurestore.toml, and the version has none.
        """
        plan, required = self.plan(feature_set), require_certificate or self.config.require_certificate
        certify = partial(certificate_of, self.config.home, plan.name, required=required)
        if not plan.static_sources:  # else the version is known when the tables were read
            certify(plan.version)
        memory = memory_limit or self.config.memory_limit
        with showing(f"training set {plan.name}", progress) as shown:
            built = build_dataset(
                plan,
                spine,
                as_of,
                self.history,
                statuses=statuses,
                threads=threads,
                to=None if to is None else Path(to),
                bounds=None if memory is None else Bounds(memory, self.config.home),
                certify=certify,
                progress=shown,
                limit=limit,
            )
        return replace(built.warned(), certificate=certify(built.version))

    def lookup(
        self,
        feature_set: FeatureSet | str,
        inputs: object,
        *,
        as_of: datetime | str | None = None,
        request_id: str | None = None,
    ) -> Vectors:
        """The vectors for some questions, each a spine row without `as_of`; all as of one instant: now, or the one
        given. The serving log has them under `request_id`, which is made when it is left out.

        `inputs` is a dict, a list of them, or a pandas, polars or Arrow table; columns that nobody asks for are passed
        over.
        """
        rows = rows_of(inputs, "the lookup's input")
        as_of_us = None if as_of is None else instant_us(as_of)
        return self.online.lookup(self.plan(feature_set), rows, as_of_us, request_id)

    def ingest(self, source: type[Source] | str, events: object) -> IngestReport:
        """Push rows: they are committed to the source's history and applied to every state that reads it."""
        scan = plan_scan(self._source(source))
        states = [state for state in self._states() if state.scan.source == scan.source]
        return self.online.ingest(scan, states, events)

    def quarantined(self, source: type[Source] | str, *, limit: int = 20) -> Quarantined:
        """The rows of a source that were set aside, with their reasons: the newest `limit` of those that were pushed,
        and the first `limit` of its data and log."""
        return quarantined_rows(plan_scan(self._source(source)), self.history, limit, self._states())

    def materialize(
        self,
        views: Sequence[type[FeatureView]] = (),
        *,
        only: Sequence[str] = (),
        missing: bool = False,
        progress: Progress | None = None,
    ) -> MaterializeReport:
        """Compute the state of all keys from history; what served before serves until it is complete.

        Rows that are pushed meanwhile are in the new state. With `views`, only the state that these read; with `only`,
        those of feature sets, views, sources or states of these names; with `missing`, those that lookups lack.
        """
        chosen = [plan_view(self._view(view).__spec__) for view in views] if views else self.views()
        self._beside |= {view.name: view for view in chosen if view not in self._defined()}
        known = [*self._defined(), *self._beside.values()]
        states = list({view.state.id: view.state for view in chosen if view.state}.values())
        states = states_named(only, chosen, list(self._plannable())) if only else states
        states = lacking(self.log, self.online, states, known) if missing else states
        with showing("materialize", progress) as shown:
            report = materialize(self.config.home, self.history, self.log, self.online, states, known, shown)
        plans = self._plannable() if definition_files(self.config.root, self.config.definitions) else ()
        remember(self.config.home, plans, report.built, partly=bool(views or only or missing))
        return report

    def verify(
        self,
        feature_set: FeatureSet | str,
        *,
        cells: int = 1_000_000,
        seed: int = 0,
        spine: object = None,
        as_of: str = "as_of",
        progress: Progress | None = None,
    ) -> ParityReport:
        """Replay real history through both roads and compare every bit, and what a training set reads of a `spine`
        with what a lookup would be given. Without a difference the version has a certificate from then on."""
        from featurestore.check.verified import verified

        plan = self.plan(feature_set)
        given = None if spine is None else (spine, as_of)
        with showing(f"verify {plan.name}", progress) as shown:
            return verified(plan, self.history, self.online.writer, self.config.home, cells, seed, given, shown)

    def skew(
        self,
        feature_set: FeatureSet | str,
        *,
        since: datetime | str | None = None,
        until: datetime | str | None = None,
        spine: object = None,
        as_of: str = "as_of",
        progress: Progress | None = None,
    ) -> SkewReport:
        """What was served in a period, by the serving log, beside what training says of the same questions: each
        difference with its cause. Without `since`, the last day.

        With a `spine`, training takes its inputs from there, where a row has the request's `request_id`, or its key
        and instant. Cells that differ in computation, or without a cause, take the version's certificate away.
        Raises: InputError  when nothing was served in the period.
        """
        from featurestore.skew.compare import doubt, skew
        from featurestore.skew.served import served_by_us
        from featurestore.skew.spine_inputs import SpineInputs

        plan = self.plan(feature_set)
        begin_us, end_us = self._period(since, until)
        served, notes = served_by_us(self.config.home / SERVED, plan, self._plannable(), begin_us, end_us)
        report = skew(
            plan,
            self.history,
            served,
            begin_us=begin_us,
            end_us=end_us,
            manifests=self.config.home / GENERATIONS,
            spine=None if spine is None else SpineInputs(plan, spine, as_of, self.config.root),
            notes=notes,
            progress=progress,
        )
        doubt(self.config.home, report)
        return report

    def drift(
        self,
        feature_set: FeatureSet | str,
        training: str | Path,
        *,
        since: datetime | str | None = None,
        until: datetime | str | None = None,
    ) -> DistributionReport:
        """How far what was served in a period is from a training set, by the distributions of its values. Without
        `since`, the last day. `training` is a Parquet file that `dataset` wrote."""
        from featurestore.log.served import served_rows
        from featurestore.skew.drifted import drift

        plan = self.plan(feature_set)
        begin_us, end_us = self._period(since, until)
        versions = served_rows(self.config.home / SERVED, plan.name, begin_us, end_us)
        known = list(self._plannable())
        tables = (table for each in versions if each.plan(known) == plan for table in each.tables())
        return drift(plan, self.config.root / training, tables)

    def skew_against(
        self,
        feature_set: FeatureSet | str,
        path: str | Path,
        *,
        as_of: str = "as_of",
        names: Mapping[str, str] | None = None,
        zone: str | None = None,
        progress: Progress | None = None,
    ) -> SkewReport:
        """Another system's vectors, a Parquet file of keys, instants and values, beside what our definitions say of
        the same questions. `names` gives our feature's name for a column that is called otherwise."""
        from featurestore.skew.against import served_elsewhere
        from featurestore.skew.compare import skew

        plan = self.plan(feature_set)
        file = self.config.root / path
        served, notes = served_elsewhere(plan, file, as_of, names=names, zone=zone)
        return skew(
            served.plan,
            self.history,
            [served],
            against=str(path),
            notes=notes,
            progress=progress,
        )

    def close(self) -> None:
        """Let go of the server, the log and their files."""
        if "online" in self.__dict__:
            self.online.close()
        if self._server is not None:
            self._server.close()
        if "log" in self.__dict__:
            self.log.close()
        for name in ("online", "log"):
            self.__dict__.pop(name, None)
        self._server = None
        if self._scratch is not None:
            self._scratch.cleanup()

    def __repr__(self) -> str:
        try:
            sets = ", ".join(self.feature_sets) or "none"
        except FeatureStoreError as error:
            sets = f"{error.name}, {error.what}"
        where = "without a project file, its state is removed at the end" if self._scratch else str(self.config.root)
        server = "no server in use" if self._server is None else "its server in use"
        return f"<FeatureStore {self.config.project}: {where}; feature sets: {sets}; {server}>"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _period(self, since: datetime | str | None, until: datetime | str | None) -> tuple[int, int]:
        """A period of the serving log, to which this process has written all that it answered."""
        if "online" in self.__dict__ and self.online.served is not None:
            self.online.served.flush()
        end_us = time.time_ns() // 1000 + 1 if until is None else instant_us(until)
        return end_us - DAY_US if since is None else instant_us(since), end_us

    def _source(self, source: type[Source] | str) -> type[Source]:
        if isinstance(source, str):
            return self.definitions.source(source)
        return self.definitions.source(source.__name__) if is_replaced(source.__spec__) else source

    def _view(self, view: type[FeatureView]) -> type[FeatureView]:
        return self.definitions.view(view.__name__) if is_replaced(view.__spec__) else view

    def _plannable(self) -> Iterator[Plan]:
        """The plans of the feature sets of the definitions that are in order."""
        for feature_set in self.definitions.feature_sets.values():
            with suppress(DefinitionError):
                yield self.plan(feature_set)

    def _defined(self) -> list[View]:
        """The views of the definitions, if there are any: a notebook may have all of them in its cells."""
        return self.views() if definition_files(self.config.root, self.config.definitions) else []

    def _states(self) -> list[State]:
        """Every state that this process knows: of the definitions, and of what was planned or materialised beside
        them."""
        states = [view.state for view in [*self._defined(), *self._beside.values()] if view.state]
        states += [state for *_, plan in self._plans.values() for state in plan.states]
        return list({state.id: state for state in states}.values())
