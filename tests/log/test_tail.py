"""SQLite files under stress: forks, full disks, files that vanish."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from featurestore.errors import StoreUnavailable
from featurestore.log import EventLog


@pytest.fixture
def log(tmp_path: Path) -> Iterator[EventLog]:
    """A log with one row."""
    log = EventLog(tmp_path / "log", seal_after=1000)
    push(log, "first")
    yield log
    log.close()


def push(log: EventLog, *bodies: str) -> range:
    """Append in a turn of its own."""
    with log.turn("flights"):
        return log.append("flights", bodies, 1)


def bodies(log: EventLog) -> list[str]:
    """All bodies in order."""
    return [entry.body for entry in log.entries("flights")]


@pytest.fixture
def small_files() -> Iterator[None]:
    """Writing beyond 200 kB of any file fails, as on a disk that is full."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, limits[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    signal.signal(signal.SIGXFSZ, before)


def test_parent_and_child_of_a_fork_both_keep_their_rows(log: EventLog) -> None:
    """A forked child writes to the log it was born with; rows survive the parent closing its files meanwhile."""
    to_child, to_parent = os.pipe(), os.pipe()
    child = os.fork()
    if not child:
        try:
            push(log, "child")
            os.write(to_parent[1], b".")
            os.read(to_child[0], 1)
            push(log, "child again")
        finally:
            os._exit(0)
    os.read(to_parent[0], 1)
    assert log.head("flights") == 2
    log.close()
    os.write(to_child[1], b".")
    os.waitpid(child, 0)
    push(log, "parent")
    assert bodies(log) == ["first", "child", "child again", "parent"]
    for descriptor in (*to_child, *to_parent):
        os.close(descriptor)


def test_a_fork_inside_a_turn_leaves_the_turn_with_the_parent(log: EventLog) -> None:
    """The child may not append in its parent's turn, cannot end it, and gets its own once the parent's is over."""
    to_parent = os.pipe()
    with log.turn("flights"):
        child = os.fork()
        if not child:
            try:
                log.append("flights", ["stolen"], 1)
            except RuntimeError:
                push(log, "child")
            finally:
                os.write(to_parent[1], b".")
                os._exit(0)
        log.append("flights", ["parent"], 1)
        log.append("flights", ["parent again"], 1)
    os.read(to_parent[0], 1)
    os.waitpid(child, 0)
    assert bodies(log) == ["first", "parent", "parent again", "child"]
    for descriptor in to_parent:
        os.close(descriptor)


def test_forks_among_busy_threads_lose_no_row(log: EventLog) -> None:
    """While threads read and write, forks wait for them, and children start with a log that works."""
    stop = threading.Event()
    failures: list[BaseException] = []
    written: list[str] = []

    def write() -> None:
        try:
            while not stop.is_set():
                push(log, f"row {len(written)}")
                written.append(f"row {len(written)}")
                assert log.head("flights") > len(written)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=write)]
    for thread in threads:
        thread.start()
    codes = []
    for n in range(10):
        child = os.fork()
        if not child:
            code = 1
            try:
                push(log, f"child {n}")
                code = 0
            finally:
                os._exit(code)
        codes.append(os.waitpid(child, 0)[1])
    stop.set()
    for thread in threads:
        thread.join()
    assert not failures
    assert codes == [0] * 10
    assert sorted(bodies(log)) == sorted(["first", *written, *(f"child {n}" for n in range(10))])


@pytest.mark.parametrize("size", [900, 2000], ids=["tail", "segment"])
def test_a_full_disk_appends_nothing(log: EventLog, size: int, small_files: None) -> None:
    """An append that the disk has no room for is told as such, leaves nothing behind, and a smaller one still fits."""
    noise = [os.urandom(300).hex() for _ in range(size)]
    with pytest.raises(StoreUnavailable, match="the event log does not answer") as caught:
        push(log, *noise)
    assert caught.value.fix is not None
    assert log.head("flights") == 1
    assert push(log, "second") == range(2, 3)
    assert bodies(log) == ["first", "second"]
    assert not list(log.folder.rglob("*.tmp"))


def test_a_seal_that_fails_keeps_its_rows_and_is_tried_again(
    log: EventLog, small_files: None, caplog: pytest.LogCaptureFixture
) -> None:
    """Rows are acknowledged although their segment cannot be written, and sealed when it can."""
    blocked = log.folder / "flights"
    blocked.touch()
    impatient = EventLog(log.folder, seal_after=5)
    blocked.unlink()
    with impatient.turn("flights"):
        blocked.touch()
        assert impatient.append("flights", list("abcd"), 1) == range(2, 6)
        assert impatient.append("flights", ["e"], 1) == range(6, 7)
        assert "will be tried again" in caplog.text
        blocked.unlink()
        impatient.append("flights", ["f"], 1)
    assert [path.name for path in blocked.iterdir()] == [f"{1:020}-{7:020}.parquet"]
    assert bodies(impatient) == ["first", *"abcdef"]
    impatient.close()


def test_a_log_that_was_removed_is_not_written_to(log: EventLog) -> None:
    """Once the folder is gone, or another log stands in its place, rows are refused instead of vanishing."""
    shutil.rmtree(log.folder)
    with pytest.raises(StoreUnavailable, match="does not answer"):
        push(log, "lost")
    other = EventLog(log.folder)
    assert other.identity != log.identity
    with pytest.raises(StoreUnavailable, match="replaced by another"):
        push(log, "lost")
    assert push(other, "kept") == range(1, 2)
    assert bodies(other) == ["kept"]
    other.close()


def test_a_lost_tail_file_is_made_again_from_the_segments(tmp_path: Path) -> None:
    """Without its SQLite file a source still has its sealed rows, and goes on after them."""
    log = EventLog(tmp_path, seal_after=2)
    push(log, *"abc")
    log.close()
    for path in tmp_path.glob("flights.sqlite*"):
        path.unlink()
    again = EventLog(tmp_path, seal_after=2)
    assert (again.sources(), again.head("flights"), again.last_known_at_us("flights")) == (["flights"], 3, 1)
    assert push(again, "d") == range(4, 5)
    assert bodies(again) == list("abcd")
    again.close()


def test_a_file_that_is_no_database_is_told(log: EventLog) -> None:
    """A tail overwritten by something else gives an error that says so, never an empty log."""
    log.close()
    (log.folder / "flights.sqlite").write_bytes(b"not a database" * 1000)
    with pytest.raises(StoreUnavailable, match="the event log of flights is damaged"):
        log.head("flights")
