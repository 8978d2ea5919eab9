"""`featurestore audit`: round after round until told to stop, with its counts on a port of its own; or one round."""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import FrameType

import pyarrow as pa
from prometheus_client import CollectorRegistry, start_http_server

from featurestore.audit.looked import Looked
from featurestore.audit.metrics import AuditMetrics
from featurestore.audit.rounds import Rounds, Settings, plans_of
from featurestore.config import read_config
from featurestore.errors import ConfigError, FeatureStoreError
from featurestore.skew.report import SkewReport
from featurestore.store import FeatureStore

NICENESS = 10
"""How far the audit steps back for whoever else wants the machine."""
_STOPPING = (signal.SIGINT, signal.SIGTERM)
_logger = logging.getLogger(__name__)


class _Stopped(BaseException):
    """A signal came: what is at work is left, and what was not remembered is new again next time."""


def run(
    root: str | Path,
    settings: Settings,
    *,
    every_s: float = 60.0,
    host: str = "127.0.0.1",
    port: int = 8001,
    environment: str | None = None,
    home: str | Path | None = None,
) -> None:
    """Audit a folder's project until SIGINT or SIGTERM. Port 0 is a free one.

    Prints one line, where the counts are, and looks for the first time `every_s` later: Prometheus has then seen the
    counts at 0, and what is found at once is seen as a rise. A round that fails is logged, counted and tried again.
    Raises: ConfigError      when the project, host or port is not in order, or another audit of it is running.
            DefinitionError  when a definition is not in order.
    """
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    _step_back(settings)
    config = read_config(root, environment=environment, home=home)
    open_store = partial(FeatureStore, root, environment=environment, home=home)
    metrics = AuditMetrics()
    with open_store() as store:
        project = f"{config.project}, {len(store.definitions.feature_sets)} feature sets"
        for plan in plans_of(store):
            metrics.expect(plan, again=settings.again_us is not None)
    with _stoppable() as stopping, Looked(config.home) as looked, _counts_at(host, port, metrics.registry) as address:
        rounds, began = Rounds(open_store, looked, metrics, settings), time.monotonic()
        print(f"featurestore audit: {project}; counts at {address}/metrics", flush=True)
        while not stopping.is_set():
            time.sleep(max(0.0, began + every_s - time.monotonic()))
            began = time.monotonic()
            try:
                for report in rounds.round():
                    _log(report)
            except BaseException as error:
                if stopping.is_set():  # DuckDB may make an error of its own of a signal
                    return
                if not isinstance(error, Exception):
                    raise
                metrics.failed()
                known = isinstance(error, FeatureStoreError)
                _logger.warning(
                    "a round failed and will be tried again: %s: %s",
                    type(error).__name__,
                    error,
                    exc_info=None if known else error,
                )


def once(
    root: str | Path, settings: Settings, *, environment: str | None = None, home: str | Path | None = None
) -> Generator[SkewReport, None, Counter[str]]:
    """One round of all that is new: a report for each part that was compared, as it comes. Returns how many lookups
    were `new`, and how many of them were `sampled`.

    Raises: ConfigError  as `run` does, and whatever a comparison raises.
    """
    _step_back(settings)
    config = read_config(root, environment=environment, home=home)
    open_store = partial(FeatureStore, root, environment=environment, home=home)
    with Looked(config.home) as looked:
        rounds = Rounds(open_store, looked, AuditMetrics(), settings)
        yield from rounds.round()
    return rounds.lookups


def _log(report: SkewReport) -> None:
    if report.faulty:
        for line in report.told():
            if line:
                _logger.error("%s: %s", report.feature_set, line)


def _step_back(settings: Settings) -> None:
    """Leave the machine to those who serve."""
    os.nice(max(0, NICENESS - os.nice(0)))
    if settings.limits.threads is not None:
        pa.set_cpu_count(settings.limits.threads)


@contextmanager
def _stoppable() -> Iterator[threading.Event]:
    """A block that a signal ends at once, and that ends well then."""
    stopping = threading.Event()

    def stop(_: int, __: FrameType | None) -> None:
        if not stopping.is_set():
            stopping.set()
            raise _Stopped

    before = {each: signal.signal(each, stop) for each in _STOPPING}
    try:
        yield stopping
    except _Stopped:
        pass
    finally:
        for each, known in before.items():
            signal.signal(each, known)


@contextmanager
def _counts_at(host: str, port: int, registry: CollectorRegistry) -> Iterator[str]:
    """The counts over HTTP. Raises: ConfigError  when the address cannot be had."""
    where = f"{host}:{port}"
    try:
        server, thread = start_http_server(port, host, registry)
    except OSError as error:
        raise ConfigError(
            f"the counts cannot be shown there: {(error.strerror or str(error)).lower()}",
            where=where,
            fix="give another --port, or an address of this machine as --host",
        ) from None
    try:
        shown = f"[{host}]" if ":" in host else host
        yield f"http://{shown}:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
