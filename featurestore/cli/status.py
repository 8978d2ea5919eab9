"""`featurestore status`: one screen that says what is defined, built, fresh, served, certified and waiting.

Each line is found by itself: one that cannot be found says why, and the others are there all the same.
"""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import typer

from featurestore.cli.failures import known_error
from featurestore.cli.progress import Working
from featurestore.cli.session import Json, session_of
from featurestore.cli.tables import print_line
from featurestore.cli.texts import ago, counted

if TYPE_CHECKING:
    import redis

    from featurestore.offline.manifest import Manifest
    from featurestore.online.pointers import Pointer
    from featurestore.plan.nodes import State
    from featurestore.store import FeatureStore

ANSWER_S = 1.0
"""How long a running service may take to say what it serves."""


@dataclass(slots=True)
class Part:
    """One part of the screen: its name, its lines, and the same as JSON values. `reason` says why it is not known."""

    name: str
    lines: list[str] = field(default_factory=list)
    found: dict[str, Any] = field(default_factory=dict)
    reason: str = ""


Finding = Callable[["Looked", Part], None]


class Looked:
    """A project, as far as it can be read."""

    def __init__(self, store: FeatureStore) -> None:
        self.store = store
        self.now_us = time.time_ns() // 1000
        self._pointers: dict[str, Pointer | None] | None = None

    def pointers(self) -> dict[str, Pointer | None]:
        """Where each state stands; a server of our own is not started where nothing was ever built."""
        if self._pointers is None:
            config = self.store.config
            found: dict[str, Pointer | None] = {}
            if config.redis_url is not None:
                from featurestore.online.server import connect

                with closing(connect(config.redis_url, timeout_s=ANSWER_S)) as client:
                    found = self._read(client)
            elif (config.home / "redis").is_dir():
                found = self._read(self.store.online.writer)
            self._pointers = {state.id: found.get(state.id) for state in self.states()}
        return self._pointers

    def _read(self, client: redis.Redis) -> dict[str, Pointer | None]:
        from featurestore.errors import StoreEmpty
        from featurestore.online.pointers import read_pointers

        found: dict[str, Pointer | None] = {}
        for state in self.states():
            with suppress(StoreEmpty):  # written by another version of the product
                found |= read_pointers(client, self.store.config.project, [state])
        return found

    def pushed(self, source: str) -> tuple[int, int | None]:
        """A source's last log position, and when that row was committed; no log is made to look."""
        if not (self.store.config.home / "log").is_dir():
            return 0, None
        return self.store.log.head(source), self.store.log.last_known_at_us(source)

    def states(self) -> list[State]:
        """The states of the defined views."""
        return list({view.state.id: view.state for view in self.store.views() if view.state}.values())


def status(context: typer.Context, as_json: Json = False) -> None:
    """Say where the project stands.

    What is defined, built, fresh, served, certified and waiting. A line that cannot be found says why, and makes the
    exit code 1.
    """
    session = session_of(context, as_json=as_json)
    project, parts = Part("project"), [Part(name) for name in FINDINGS]
    try:
        with session.open() as store, Working("status") as working:
            _project(store, session.environment, project)
            looked = Looked(store)
            for done, part in enumerate(parts):
                working(part.name, done, len(parts))
                _find(FINDINGS[part.name], looked, part)
    except Exception as error:
        project.reason = _reason(error)
        for part in parts:
            part.reason = part.reason or "there is no project to look at"
    found = [project, *parts]
    if as_json:
        session.emit({each.name: {"unknown": each.reason} if each.reason else each.found for each in found})
    else:
        for each in found:
            lines = [f"unknown: {each.reason}"] if each.reason else each.lines
            for number, line in enumerate(lines):
                print_line(f"{'' if number else each.name:<10} {line}", "yellow" if each.reason else "")
    if any(each.reason for each in found):
        raise typer.Exit(1)


def _find(finding: Finding, looked: Looked, part: Part) -> None:
    try:
        finding(looked, part)
    except Exception as error:
        part.lines, part.found, part.reason = [], {}, _reason(error)


def _reason(error: Exception) -> str:
    """Return an error on one line. Raises: the error itself, when it is not an expected one."""
    known = known_error(error)
    if known is None:
        raise error
    fix = f"; {known.fix}" if known.fix else ""
    return f"{known.name}: {known.what}{fix}"


def _project(store: FeatureStore, environment: str | None, part: Part) -> None:
    config = store.config
    part.found = {"name": config.project, "folder": str(config.root), "state": str(config.home)}
    part.found["environment"] = environment
    part.lines = [f"{config.project} in {config.root}{f', environment {environment}' if environment else ''}"]


def _defined(looked: Looked, part: Part) -> None:
    store = looked.store
    names = store.definitions
    features = {name: len(store.plan(name).outputs) for name in names.feature_sets}
    part.found = {"feature_sets": features, "views": list(names.views), "sources": list(names.sources)}
    sets = ", ".join(f"{name} ({counted(count, 'feature')})" for name, count in features.items())
    part.lines = [
        f"{counted(len(features), 'feature set')}, {counted(len(names.views), 'view')}, "
        f"{counted(len(names.sources), 'source')}{': ' if sets else ''}{sets}"
    ]


def _built(looked: Looked, part: Part) -> None:
    from featurestore.materialize import lacking

    states, pointers, store = looked.states(), looked.pointers(), looked.store
    published = [state for state in states if pointers[state.id] is not None]
    short = lacking(store.log, store.online, published, store.views()) if published else []
    missing = [state.id for state in states if pointers[state.id] is None or state in short]
    ages = {}
    for state in published:
        manifest = _manifest(looked, pointers[state.id])
        ages[state.id] = None if manifest is None else manifest.built_us
    known = [at_us for at_us in ages.values() if at_us is not None]
    part.found = {
        "states": len(states),
        "missing": missing,
        "keys": sum(pointer.keys for pointer in pointers.values() if pointer is not None),
        "rows": sum(pointer.rows for pointer in pointers.values() if pointer is not None),
        "oldest_us": min(known, default=None),
        "newest_us": max(known, default=None),
    }
    line = f"{len(states) - len(missing)} of {counted(len(states), 'state')}"
    if published:
        line += f", {counted(part.found['keys'], 'key')}, {counted(part.found['rows'], 'row')} kept"
    if known:
        line += f", the oldest {ago(min(known), looked.now_us)}"
    part.lines = [line]
    if missing:
        part.lines += [f"to be built: {name}" for name in missing]
        part.lines += ["run `featurestore materialize --missing`"]


def _fresh(looked: Looked, part: Part) -> None:
    """For each source whether its files are those that were read, how far its states follow the log, and how old the
    newest pushed row is."""
    from featurestore.offline.manifest import unchanged
    from featurestore.plan.scan import plan_scan

    store, pointers = looked.store, looked.pointers()
    for name, source in store.definitions.sources.items():
        mine = [pointers[state.id] for state in looked.states() if state.scan.source == name]
        known = [pointer for pointer in mine if pointer is not None]
        manifests = [each for pointer in known if (each := _manifest(looked, pointer)) is not None]
        head, newest_us = looked.pushed(name)
        behind = max((head - pointer.applied for pointer in known), default=None)
        scan = plan_scan(source)
        same = all(unchanged(scan, store.history, each.files) for each in manifests) if manifests else None
        built_us = min((each.built_us for each in manifests), default=None)
        part.found[name] = {
            "files_unchanged": None if scan.data is None else same,
            "built_us": built_us,
            "log_position": head,
            "behind": behind,
            "newest_pushed_us": newest_us,
        }
        if not known:
            text = "no state is built"
        elif scan.data is None:
            text = "only pushed"
        elif same is None:
            text = "built elsewhere"
        else:
            text = f"files {'unchanged' if same else 'CHANGED'} since {ago(built_us or 0, looked.now_us)}"
        if head:
            text += f"; log at {head:,}, {f'{behind:,} behind' if behind else 'all applied'}" if known else ""
            text += f"; newest pushed row {ago(newest_us or 0, looked.now_us)}"
        part.lines.append(f"{name}: {text}")
    part.lines = part.lines or ["no source is defined"]


def _served(looked: Looked, part: Part) -> None:
    from featurestore.serve.registered import running_services

    home = looked.store.config.home
    part.found["services"] = []
    for each in running_services(home):
        answer = _ask(f"{each.address}/readyz")
        sets = answer.get("feature_sets", {})
        newer = answer.get("definitions", {}).get("newer", False)
        part.found["services"].append(
            {"address": each.address, "pid": each.pid, "workers": each.workers, "started_us": each.started_us}
            | {"feature_sets": sets, "definitions_newer": newer, "problem": answer.get("title")}
        )
        versions = ", ".join(f"{name} {version}" for name, version in sets.items())
        text = versions or f"not ready: {answer.get('title')}: {answer.get('detail', '')}".rstrip(": ")
        more = "; the definitions are newer: restart it" if newer else ""
        part.lines.append(f"{each.address}, started {ago(each.started_us, looked.now_us)}: {text}{more}")
    part.found["lately"] = _lately(looked)
    for name, versions in part.found["lately"].items():
        for version, at_us in versions.items():
            part.lines.append(f"{name} {version}: last lookups recorded {ago(at_us, looked.now_us)}")
    part.lines = part.lines or ["no service runs here, and no lookup was recorded"]


def _lately(looked: Looked) -> dict[str, dict[str, int]]:
    """When the newest record of each version was written, by feature set, in microseconds."""
    from featurestore.log.served import served_rows, served_sets
    from featurestore.store import SERVED

    folder = looked.store.config.home / SERVED
    found: dict[str, dict[str, int]] = {}
    for name in served_sets(folder):
        for each in served_rows(folder, name):
            written = [path.stat().st_mtime_ns // 1000 for path in each.files if path.is_file()]
            if written:
                found.setdefault(name, {})[each.version] = max(written)
    return found


def _certified(looked: Looked, part: Part) -> None:
    from featurestore.online.pointers import content_version
    from featurestore.plan.certificates import standing

    store = looked.store
    for name in store.definitions.feature_sets:
        plan, version = store.plan(name), store.plan(name).version
        if plan.static_sources:
            known = {state.id: pointer for state in plan.states if (pointer := looked.pointers()[state.id]) is not None}
            if len(known) < len(plan.states):
                part.found[name] = {"certified": False, "version": None, "reason": "its states are not built"}
                part.lines.append(f"{name}: not known before its states are built")
                continue
            version = content_version(plan, known)
        found = standing(store.config.home, name, version)
        part.found[name] = {"certified": found.certificate is not None, "version": version, "reason": found.reason}
        part.lines.append(str(found))
    part.lines = part.lines or ["no feature set is defined"]


def _waiting(looked: Looked, part: Part) -> None:
    """Rows that were set aside when they were pushed, and builds that were not finished."""
    from featurestore.log.quarantine import Quarantine

    home = looked.store.config.home
    kept = Quarantine(home / "quarantine")
    part.found["quarantined"] = {source: kept.count(source) for source in kept.sources()}
    part.found["unfinished"] = sorted(
        path.name for path in (home / "training").glob("*") if path.is_dir() and not path.name.startswith("spill-")
    )
    part.lines = [
        f"{counted(count, 'row')} of {source} quarantined when pushed; `featurestore quarantine {source}`"
        for source, count in part.found["quarantined"].items()
    ]
    if part.found["unfinished"]:
        part.lines.append(f"{counted(len(part.found['unfinished']), 'training set')} begun and not finished")
    part.lines = part.lines or ["nothing"]


FINDINGS: dict[str, Finding] = {
    "defined": _defined,
    "built": _built,
    "fresh": _fresh,
    "served": _served,
    "certified": _certified,
    "waiting": _waiting,
}


def _manifest(looked: Looked, pointer: Pointer | None) -> Manifest | None:
    from featurestore.materialize import GENERATIONS
    from featurestore.offline.manifest import kept

    return None if pointer is None else kept(looked.store.config.home / GENERATIONS, pointer.generation)


def _ask(url: str) -> dict[str, Any]:
    """The JSON of a running service, or the problem that it answers with."""
    try:
        with urllib.request.urlopen(url, timeout=ANSWER_S) as reply:
            found: dict[str, Any] = json.loads(reply.read())
    except urllib.error.HTTPError as error:
        try:
            found = dict(json.loads(error.read()))
        except (ValueError, TypeError):
            found = {"title": f"HTTP {error.code}"}
    except (OSError, ValueError):
        found = {"title": "it does not answer"}
    return found
