"""The log as its users see it: positions, reading across segments and tail, crashes, other processes, full disks."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest

from featurestore.errors import InvalidValue, StoreUnavailable
from featurestore.log import Entry, EventLog

# Appends until it is killed or has done `times` rounds; a line is printed only after a row was acknowledged.
WRITER = """
import sys
from pathlib import Path
from featurestore.log import EventLog
folder, name, times, seal_after, size = sys.argv[1], sys.argv[2], *map(int, sys.argv[3:])
log = EventLog(Path(folder), seal_after=seal_after)
print(log.identity, flush=True)
for turn in range(times):
    with log.turn("flights"):
        positions = log.append("flights", [f"{name} {turn} {n}" for n in range(size)], turn)
    print(turn, positions[0], positions[-1], flush=True)
"""


def writer(folder: Path, name: str, *, times: int, seal_after: int, size: int = 1) -> subprocess.Popen[str]:
    """Another process that appends; its acknowledgements are read from its output."""
    arguments = [str(folder), name, str(times), str(seal_after), str(size)]
    return subprocess.Popen([sys.executable, "-c", WRITER, *arguments], stdout=subprocess.PIPE, text=True)


def push(log: EventLog, *bodies: str, known_at_us: int = 7, source: str = "flights") -> range:
    """Append in a turn of its own."""
    with log.turn(source):
        return log.append(source, bodies, known_at_us)


def bodies(log: EventLog, source: str = "flights") -> list[str]:
    """All bodies, after checking that positions run from 1 to the head without gaps."""
    entries = list(log.entries(source))
    assert [entry.position for entry in entries] == list(range(1, log.head(source) + 1))
    return [entry.body for entry in entries]


def segment_names(folder: Path, source: str = "flights") -> list[str]:
    """What stands in the folder of the segments."""
    return sorted(path.name for path in (folder / source).iterdir())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A place for a log, not made yet."""
    return tmp_path / "store" / "log"


@pytest.fixture
def log(folder: Path) -> Iterator[EventLog]:
    """A log that seals after ten rows."""
    log = EventLog(folder, seal_after=10)
    yield log
    log.close()


def test_a_source_without_rows_is_empty(log: EventLog, folder: Path) -> None:
    """A source nobody wrote to has head 0, no rows, no greatest instant, and leaves no file behind by being asked."""
    assert (log.head("flights"), log.last_known_at_us("flights"), log.sources()) == (0, None, [])
    assert list(log.entries("flights")) == list(log.batches("flights")) == []
    assert not list(folder.glob("flights*"))


def test_r13_positions_run_from_one_for_each_source(log: EventLog) -> None:
    """Each source counts its own rows from 1, over appends of any size, none included."""
    assert push(log, "a", "b") == range(1, 3)
    assert push(log) == range(3, 3)
    assert push(log, "c") == range(3, 4)
    assert push(log, "x", source="weather") == range(1, 2)
    assert list(log.entries("flights", after=1)) == [Entry(2, 7, "b"), Entry(3, 7, "c")]
    assert log.sources() == ["flights", "weather"]


@pytest.mark.parametrize("size", [1, 3, 30])
def test_instants_are_kept_for_each_row_and_the_greatest_is_known(log: EventLog, size: int) -> None:
    """Rows keep their own instants, and the greatest stays known when later ones are smaller, sealed or not."""
    with log.turn("flights"):
        log.append("flights", ["row"] * size, [50 - n for n in range(size)])
        log.append("flights", ["row"] * size, -5)
    assert [entry.known_at_us for entry in log.entries("flights")] == [50 - n for n in range(size)] + [-5] * size
    assert log.last_known_at_us("flights") == 50


def test_any_text_comes_back_as_it_went_in(log: EventLog) -> None:
    """Bodies are opaque: quotes, zero characters, other scripts and long texts survive tail and segment."""
    texts = ['{"a": "\\u0000"}', "", "a\0b", "Zürich ✈ 東京 👩‍✈️", "'; DROP TABLE rows; --", "x" * 1_000_000]
    push(log, *texts)
    assert bodies(log) == texts
    push(log, *texts)
    assert bodies(log) == texts * 2
    assert segment_names(log.folder) == [f"{1:020}-{12:020}.parquet"]


def test_append_needs_the_turn(log: EventLog) -> None:
    """Rows cannot be appended outside a turn, in another source's turn or in another thread's; turns do not nest."""
    with pytest.raises(RuntimeError, match="outside of its turn"):
        log.append("flights", ["a"], 1)
    with log.turn("weather"):
        with pytest.raises(RuntimeError, match="outside of its turn"):
            log.append("flights", ["a"], 1)
        with pytest.raises(RuntimeError, match="already"), log.turn("weather"):
            pass
    failures: list[type[BaseException]] = []

    def elsewhere() -> None:
        try:
            log.append("flights", ["a"], 1)
        except RuntimeError as error:
            failures.append(type(error))

    with log.turn("flights"):
        thread = threading.Thread(target=elsewhere)
        thread.start()
        thread.join()
    assert failures == [RuntimeError]
    assert log.head("flights") == 0


def test_a_turn_ends_with_its_block_even_by_an_error(log: EventLog) -> None:
    """An exception of the caller's passes through the turn as it is, and the next turn is free."""
    with pytest.raises(OSError, match="mine"), log.turn("flights"):
        raise OSError("mine")
    assert push(log, "a") == range(1, 2)


@pytest.mark.parametrize("shared", [True, False], ids=["one log", "two logs"])
def test_turns_exclude_threads(folder: Path, shared: bool) -> None:
    """Threads take turns, whether they share a log or each have their own on the folder."""
    logs = [EventLog(folder, seal_after=10)] * 4 if shared else [EventLog(folder, seal_after=10) for _ in range(4)]
    inside: list[int] = []

    def work(log: EventLog) -> None:
        for n in range(25):
            with log.turn("flights"):
                inside.append(1)
                assert len(inside) == 1
                log.append("flights", [str(n)], n)
                inside.pop()

    threads = [threading.Thread(target=work, args=(log,)) for log in logs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(bodies(logs[0])) == sorted(str(n) for n in range(25) for _ in range(4))
    for log in logs:
        log.close()


@pytest.mark.parametrize("total", [9, 10, 11, 35])
def test_every_range_reads_the_same_across_segments_and_tail(log: EventLog, total: int) -> None:
    """`after` and `upto` at, beside and beyond every boundary give exactly the rows between them, in any batch size."""
    for n in range(1, total + 1):
        push(log, f"row {n}", known_at_us=n)
    expected = [Entry(n, n, f"row {n}") for n in range(1, total + 1)]
    for after in range(-1, total + 2):
        assert list(log.entries("flights", after)) == expected[max(after, 0) :]
        for upto in range(-1, total + 3):
            read = list(log.entries("flights", after, upto))
            assert read == [entry for entry in expected if after < entry.position <= upto]
    for rows in (1, 3, 10, 100):
        batches = list(log.batches("flights", 2, total - 1, rows=rows))
        assert max(batch.num_rows for batch in batches) <= rows
        table = pa.Table.from_batches(batches)
        assert table.column_names == ["position", "known_at_us", "body"]
        assert table["position"].to_pylist() == list(range(3, total))


def test_the_tail_is_sealed_once_it_is_longer_than_seal_after(log: EventLog, folder: Path) -> None:
    """Ten rows stay in the tail; the eleventh seals all; a large append goes into one segment with the tail."""
    push(log, *"abcde")
    push(log, *"fghij")
    assert not (folder / "flights").exists()
    push(log, "k")
    assert segment_names(folder) == [f"{1:020}-{11:020}.parquet"]
    push(log, "l")
    push(log, *"mnopqrstuvwxyz")
    assert segment_names(folder) == [f"{1:020}-{11:020}.parquet", f"{12:020}-{26:020}.parquet"]
    assert "".join(bodies(log)) == "abcdefghijklmnopqrstuvwxyz"


def test_a_reader_goes_on_while_the_tail_is_sealed_under_it(log: EventLog) -> None:
    """A reader that began in the tail finds the rest in the segment, and ends at the head of its beginning."""
    push(log, *"abcdefgh")
    reader = log.batches("flights", rows=3)
    read = next(reader)["body"].to_pylist()
    push(log, *"ijk")
    push(log, "l")
    assert read + [body for batch in reader for body in batch["body"].to_pylist()] == list("abcdefgh")


@pytest.mark.parametrize("more", [1, 30], ids=["seal of the tail", "large append"])
def test_a_crash_between_seal_and_delete_shows_nothing_twice(folder: Path, tmp_path: Path, more: int) -> None:
    """With the segment in place and the SQLite file as it was before, each row is there once, and writing goes on."""
    log = EventLog(folder, seal_after=10)
    push(log, *"abcde", known_at_us=3)
    push(log, *"fghij", known_at_us=3)
    log.close()
    shutil.copy(folder / "flights.sqlite", tmp_path / "before")
    push(log, *["k"] * more, known_at_us=9)
    log.close()
    shutil.copy(tmp_path / "before", folder / "flights.sqlite")

    recovered = EventLog(folder, seal_after=10)
    assert "".join(bodies(recovered)) == "abcdefghij" + "k" * more
    assert recovered.last_known_at_us("flights") == 9
    assert push(recovered, "z") == range(11 + more, 12 + more)
    assert "".join(bodies(recovered)) == "abcdefghij" + "k" * more + "z"
    recovered.close()


def test_a_process_that_was_running_keeps_its_view_until_the_next_turn_settles_a_crash(folder: Path) -> None:
    """A segment that a crash left is invisible to running readers, and taken in before a turn gives out positions."""
    log, other = EventLog(folder, seal_after=10), EventLog(folder.parent / "other", seal_after=10)
    push(log, "a")
    push(other, "a", *["k"] * 30)
    assert log.head("flights") == 1
    shutil.copytree(other.folder / "flights", folder / "flights")
    assert bodies(log) == ["a"]
    with log.turn("flights"):
        assert log.head("flights") == 31
        assert log.append("flights", ["z"], 1) == range(32, 33)
    assert bodies(log) == ["a", *["k"] * 30, "z"]
    log.close()
    other.close()


def test_leftover_temporary_files_are_ignored_and_removed_by_the_next_seal(log: EventLog, folder: Path) -> None:
    """Half a segment from a crash is never read and goes away."""
    push(log, *"abcdefghijk")
    (folder / "flights" / f"{12:020}-{15:020}.parquet.tmp").write_bytes(b"half")
    assert len(bodies(log)) == 11
    push(log, *"abcdefghijk")
    assert segment_names(folder) == [f"{1:020}-{11:020}.parquet", f"{12:020}-{22:020}.parquet"]


def test_r13_processes_that_append_at_once_leave_no_gap(folder: Path) -> None:
    """Three processes at once: every acknowledged range is its own, all rows are there, each writer's in its order."""
    processes = [writer(folder, name, times=60, seal_after=50, size=3) for name in "abc"]
    acknowledged = [process.communicate(timeout=60)[0].split("\n") for process in processes]
    assert {process.returncode for process in processes} == {0}
    log = EventLog(folder)
    rows = bodies(log)
    assert len(rows) == 3 * 60 * 3
    for name, (identity, *lines) in zip("abc", acknowledged, strict=True):
        assert identity == log.identity
        mine = [row for row in rows if row.startswith(name)]
        assert mine == [f"{name} {turn} {n}" for turn in range(60) for n in range(3)]
        for turn, first, last in (map(int, line.split()) for line in lines if line):
            assert rows[first - 1 : last] == [f"{name} {turn} {n}" for n in range(3)]
    log.close()


@pytest.mark.parametrize(("seal_after", "size", "lines"), [(5, 2, 1), (5, 2, 40), (3, 4, 15), (50_000, 1, 100)])
def test_r13_a_killed_writer_loses_nothing_it_acknowledged(
    folder: Path, seal_after: int, size: int, lines: int
) -> None:
    """After kill -9 each acknowledged row is there, without a gap, no append is there by half, and the turn is free."""
    process = writer(folder, "a", times=1_000_000, seal_after=seal_after, size=size)
    assert process.stdout is not None
    process.stdout.readline()
    for _ in range(lines):
        process.stdout.readline()
    process.send_signal(signal.SIGKILL)
    acknowledged = lines + sum(line.endswith("\n") for line in process.stdout)
    process.stdout.close()
    process.wait()
    log = EventLog(folder, seal_after=seal_after)
    rows = bodies(log)
    assert rows == [f"a {turn} {n}" for turn in range(len(rows) // size) for n in range(size)]
    assert len(rows) // size >= acknowledged
    assert push(log, "next") == range(len(rows) + 1, len(rows) + 2)
    log.close()


def test_another_process_sees_a_commit_at_once(log: EventLog, folder: Path) -> None:
    """The head read here includes what another process was told is durable."""
    push(log, "mine")
    process = writer(folder, "a", times=3, seal_after=2)
    process.communicate(timeout=60)
    assert log.head("flights") == 4
    assert bodies(log) == ["mine", "a 0 0", "a 1 0", "a 2 0"]


def test_many_rows_are_appended_and_read_in_order(folder: Path) -> None:
    """200,000 rows, in one append and in many, come back complete and in order through both ways of reading."""
    log = EventLog(folder)
    texts = [f'{{"number": {n}}}' for n in range(200_000)]
    assert push(log, *texts) == range(1, 200_001)
    with log.turn("flights"):
        for at in range(0, 200_000, 20_000):
            log.append("flights", texts[at : at + 20_000], at)
    table = pa.Table.from_batches(log.batches("flights"))
    assert table["body"].to_pylist() == texts * 2
    assert table["position"].to_pylist() == list(range(1, 400_001))
    assert sum(1 for _ in log.entries("flights", after=150_000, upto=390_000)) == 240_000
    log.close()


@pytest.mark.parametrize(
    "name", ["", ".", "..", "a/b", "../flights", "a b", "1a", "a.b", "a-b", "a\0", "flights\n", "/"]
)
def test_a_name_that_is_no_identifier_is_refused(log: EventLog, folder: Path, name: str) -> None:
    """Nothing but identifiers reaches the file system, whichever way it is handed in."""
    before = sorted(folder.rglob("*"))
    for call in (log.head, log.last_known_at_us, log.entries, log.batches, lambda name: push(log, "a", source=name)):
        with pytest.raises(InvalidValue, match="cannot name a source"):
            call(name)
    assert sorted(folder.rglob("*")) == before


@pytest.mark.parametrize("name", ["identity", "log", "rows", "été", "_", "tmp"])
def test_any_identifier_names_a_source(log: EventLog, name: str) -> None:
    """Names that the log uses for its own files are free for sources."""
    push(log, *"abcdefghijkl", source=name)
    assert bodies(log, name) == list("abcdefghijkl")
    assert log.sources() == [name]


def test_arguments_that_contradict_each_other_are_refused(log: EventLog, folder: Path) -> None:
    """Instants that do not match the rows, empty batches and a log that never seals are mistakes of the caller."""
    with log.turn("flights"), pytest.raises(ValueError, match="2 rows with 1 instants"):
        log.append("flights", ["a", "b"], [1])
    with pytest.raises(ValueError, match="rows must be"):
        log.batches("flights", rows=0)
    with pytest.raises(ValueError, match="seal_after"):
        EventLog(folder, seal_after=0)
    assert log.head("flights") == 0


def test_a_row_that_cannot_be_stored_takes_its_append_with_it(log: EventLog) -> None:
    """One lone surrogate among good rows refuses them all, in a small append and in a large one."""
    for size in (2, 20):
        with pytest.raises(UnicodeEncodeError):
            push(log, *["good"] * size, "\ud800")
    assert push(log, "a") == range(1, 2)
    assert bodies(log) == ["a"]


def test_the_identity_is_the_folder_s(log: EventLog, folder: Path) -> None:
    """Everyone who opens a folder meets one identity, even all at once; another folder has another."""
    met: list[str] = []
    fresh = folder.parent / "fresh"
    threads = [threading.Thread(target=lambda: met.append(EventLog(fresh).identity)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(met) == 8
    assert len(set(met)) == 1
    assert EventLog(folder).identity == log.identity != met[0]


def test_a_folder_that_cannot_be_is_told(tmp_path: Path) -> None:
    """Where a file stands in the way, the error names the place and a way out."""
    (tmp_path / "file").touch()
    with pytest.raises(StoreUnavailable, match="the event log does not answer") as caught:
        EventLog(tmp_path / "file" / "log")
    assert caught.value.parts().keys() == {"what", "in", "fix"}
