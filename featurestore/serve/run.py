"""`featurestore serve`: bind, open, answer until told to stop, finish what was begun, close."""

from __future__ import annotations

import asyncio
import errno
import gc
import json
import logging
import os
import signal
import socket
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import pyarrow as pa
import uvicorn
import uvloop
from fastapi import FastAPI
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors import Multiprocess

from featurestore.errors import ConfigError, StoreUnavailable
from featurestore.plan.engines import warn_untested
from featurestore.serve.app import MOST_BYTES, create_app
from featurestore.serve.metrics import MULTIPROCESS
from featurestore.serve.registered import registered
from featurestore.serve.service import Service

GRACE_S = 10
_READY_WAIT_S = 60
_BACKLOG = 2048
_ARGUMENTS = "FEATURESTORE_SERVE"
_STOPPING = (signal.SIGINT, signal.SIGTERM)


def run(
    root: str | Path = ".",
    *,
    host: str = "127.0.0.1",
    port: int = 8000,
    workers: int = 1,
    environment: str | None = None,
    home: str | Path | None = None,
    max_body_bytes: int = MOST_BYTES,
    require_certificate: bool = False,
) -> None:
    """Serve a folder's project until SIGINT or SIGTERM; requests in flight have 10 s to finish. Port 0 is a free one.

    Prints one line, the address, when requests are answered, and on stderr one for each feature set that has no
    certificate.
    Raises: ConfigError      when the project, host, port or number of workers is not in order.
            DefinitionError  when a definition is not.
            StoreError       when there is no server to talk to.
            NotCertified     when a certificate is required and no feature set has one.
    """
    warn_untested()
    if workers < 1:
        raise ConfigError(f"{workers} workers cannot serve", where="`serve --workers`", fix="give at least 1")
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    with _bound(host, port) as listener:
        address = _address(host, listener)
        if workers == 1:
            app = create_app(
                root,
                environment=environment,
                home=home,
                max_body_bytes=max_body_bytes,
                require_certificate=require_certificate,
            )
            _leave_pandas_out()
            _spare_the_collector()
            state = app.state.service.config.home
            with registered(state, address, 1), asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(_serve(app, listener, lambda: _announce(app.title, address)))
            return
        arguments = {
            "root": str(Path(root).resolve()),
            "environment": environment,
            "home": None if home is None else str(Path(home)),
            "max_body_bytes": max_body_bytes,
            "require_certificate": require_certificate,
        }
        # Opened here too: errors are reported by one process, and an embedded server outlives any worker.
        service = Service(root, environment=environment, home=home, require_certificate=require_certificate)
        service.open()
        try:
            _tell_certified(service)
            title = f"featurestore: {service.config.project}"
            with registered(service.config.home, address, workers):
                _supervise(arguments, workers, listener, lambda: _announce(title, address))
        finally:
            service.close()


def app_of_worker() -> FastAPI:
    """The application of one of several workers."""
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    app = create_app(**json.loads(os.environ[_ARGUMENTS]))
    _leave_pandas_out()
    _spare_the_collector()
    return app


async def _serve(app: FastAPI, listener: socket.socket, announce: Callable[[], None]) -> None:
    server = _Server(_config(app, lifespan="off"), announce)

    def stop(_: int, __: FrameType | None) -> None:
        server.should_exit = True

    # uvicorn sends itself the signal again when it has stopped; it finds these, so that stopping is a success.
    before = {each: signal.signal(each, stop) for each in _STOPPING}
    try:
        # The lifespan is entered here and not by uvicorn, so that its errors come out as they are.
        async with app.router.lifespan_context(app):
            _tell_certified(app.state.service)
            await server.serve(sockets=[listener])
    finally:
        for each, known in before.items():
            signal.signal(each, known)


def _supervise(
    arguments: Mapping[str, object], workers: int, listener: socket.socket, announce: Callable[[], None]
) -> None:
    with tempfile.TemporaryDirectory(prefix="featurestore-metrics-") as folder:
        ours = {_ARGUMENTS: json.dumps(arguments), MULTIPROCESS: folder}
        os.environ.update(ours)
        try:
            config = _config("featurestore.serve.run:app_of_worker", factory=True, workers=workers, lifespan="on")
            supervisor = _Supervisor(config, [listener], announce)
            supervisor.run()
        finally:
            for name in ours:
                os.environ.pop(name, None)
    if any(process.exitcode == STARTUP_FAILURE for process in supervisor.processes):
        raise StoreUnavailable(
            "a worker did not start", where="`featurestore serve`", fix="see the lines above, or serve with one worker"
        )


def _config(app: FastAPI | str, **options: object) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        log_config=None,
        log_level="warning",
        access_log=False,
        http="httptools",
        loop="uvloop",
        proxy_headers=False,  # nobody asks who the client is
        timeout_graceful_shutdown=GRACE_S,
        **options,  # type: ignore[arg-type]  # one of uvicorn's many options each
    )


class _Server(uvicorn.Server):
    """A server that says when it answers."""

    def __init__(self, config: uvicorn.Config, announce: Callable[[], None]) -> None:
        super().__init__(config)
        self._announce = announce

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._announce()


class _Supervisor(Multiprocess):
    """A supervisor that says when all workers answer."""

    def __init__(self, config: uvicorn.Config, sockets: list[socket.socket], announce: Callable[[], None]) -> None:
        super().__init__(config, sockets)
        self._announce = announce

    def init_processes(self) -> None:
        super().init_processes()
        if all(process.wait_until_ready(_READY_WAIT_S) for process in self.processes):
            self._announce()


def _tell_certified(service: Service) -> None:
    """Say what has no certificate. Raises: NotCertified  when one is required and no feature set has it."""
    service.certified.check_any()
    for each in service.certified.lacking():
        print(each, file=sys.stderr, flush=True)


def _announce(title: str, address: str) -> None:
    print(f"{title} at {address}, described at {address}/docs", flush=True)


@contextmanager
def _bound(host: str, port: int) -> Iterator[socket.socket]:
    """A socket that listens. Raises: ConfigError  when it cannot."""
    where = f"{host}:{port}"
    if not 0 <= port <= 65_535:
        raise ConfigError(f"{port} is no port", where=where, fix="give a port from 0 to 65535")
    try:
        family, *_, place = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        listener = _listener(family, place)
    except (socket.gaierror, UnicodeError):
        raise ConfigError(
            f"{host!r} is no host", where=where, fix="give an address of this machine: 127.0.0.1, or 0.0.0.0 for all"
        ) from None
    except OSError as error:
        raise _cannot_bind(error, host, port) from None
    with listener:
        yield listener


def _listener(family: socket.AddressFamily, place: tuple[object, ...]) -> socket.socket:
    # TCP is named: only then does asyncio turn Nagle's delay off, without which half an answer waits 40 ms.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(place)
        listener.listen(_BACKLOG)
    except BaseException:
        listener.close()
        raise
    return listener


def _cannot_bind(error: OSError, host: str, port: int) -> ConfigError:
    where = f"{host}:{port}"
    if error.errno == errno.EADDRINUSE:
        return ConfigError(f"the port {port} is in use", where=where, fix="stop who uses it, or give another port")
    if error.errno == errno.EADDRNOTAVAIL:
        return ConfigError(
            f"{host!r} is no address of this machine", where=where, fix="give 127.0.0.1, or 0.0.0.0 for all"
        )
    if error.errno == errno.EACCES:
        return ConfigError(f"the port {port} may not be used", where=where, fix="give a port of 1024 or above")
    return ConfigError(f"nobody can be served there: {error.strerror or error}", where=where, fix="give another host")


def _address(host: str, listener: socket.socket) -> str:
    shown = f"[{host}]" if ":" in host else host
    return f"http://{shown}:{listener.getsockname()[1]}"


class _NoPandas:
    """An import system's answer that there is no pandas."""

    @staticmethod
    def find_spec(name: str, *_: object) -> None:
        if name == "pandas":
            raise ModuleNotFoundError("left out of a serving process", name=name)


def _leave_pandas_out() -> None:
    """Have pyarrow find no pandas: it looks once, at the first array it makes, and importing it takes long."""
    if "pandas" in sys.modules:
        return
    sys.meta_path.insert(0, _NoPandas)
    try:
        pa.array([0])
    finally:
        sys.meta_path.remove(_NoPandas)


_COLLECT_AFTER = (50_000, 20, 20)
"""Objects that may be there before the garbage collector looks, and how often it looks further. Nearly all go without
it; at Python's 700 it would look as often as once in ninety lookups whose records are kept for a moment, which is what
their p99 would be."""


def _spare_the_collector() -> None:
    """Have the garbage collector leave modules and definitions alone, and look seldom: walking over them again and
    again takes tens of milliseconds, in which nobody is answered."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_COLLECT_AFTER)
