"""The files of the serving log: the oldest are removed, and readers meet whole ones only."""

from __future__ import annotations

import os
import resource
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pyarrow as pa

from featurestore.log.served import ServedLog, served_rows
from tests.log.test_served import DAY_US, NOON_US, kept, offer


@contextmanager
def tiny_disk(folder: Path) -> Iterator[tuple[Callable[[], None], Callable[[], None]]]:
    """What fills a disk and what frees it: a real one of 256 kB where one can be mounted, else a limit."""
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(folder)], capture_output=True)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    filler = folder / "filler"

    def fill() -> None:
        with suppress(OSError), filler.open("wb", buffering=0) as file:
            while True:
                file.write(bytes(4_096))

    if mounted.returncode:
        lower = (resource.RLIMIT_FSIZE, (0, limits[1]))
        try:
            yield lambda: resource.setrlimit(*lower), lambda: resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        return
    try:
        yield fill, filler.unlink
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)  # a reader may not have closed yet


def test_a_full_disk_leaves_no_broken_file(tmp_path: Path) -> None:
    """A file that did not fit is counted and leaves nothing behind; when there is room again, the next is written."""
    log = ServedLog(tmp_path)
    with tiny_disk(tmp_path) as (fill, free):
        offer(log, "before")
        log.flush()
        fill()
        for number in range(2):
            offer(log, f"lost{number}", rows=5_000)
            log.flush()
        assert (log.counts()["written"], log.counts()["write_failed"]) == (1, 2)
        free()
        offer(log, "after")
        log.close()
        assert [row["request_id"] for row in kept(tmp_path)] == ["before", "after"]
        assert (log.counts()["written"], log.counts()["write_failed"]) == (2, 2)
        files = sorted(path.suffix for path in tmp_path.rglob("*") if path.is_file())
        assert files == [".json", ".parquet", ".parquet"], "two files of rows, and the plan that answered"


def test_the_oldest_go_by_days_and_by_bytes(tmp_path: Path) -> None:
    """Days that are over are removed whole; beyond the bytes, the oldest files of any version go first."""
    log = ServedLog(tmp_path, days=2)
    for days in range(5):
        offer(log, f"r{days}", served_us=NOON_US + days * DAY_US)
        log.flush()
    assert len(kept(tmp_path)) > 3, "it is not looked for at every file"
    again = ServedLog(tmp_path, days=2)
    offer(again, "r5", served_us=NOON_US + 5 * DAY_US)
    again.close()
    assert [row["request_id"] for row in kept(tmp_path)] == ["r3", "r4", "r5"]
    days = [each for each in (tmp_path / "things" / "0123456789ab").iterdir() if each.is_dir()]
    assert len(days) == 3, "the folders are gone as well"
    size = max(path.stat().st_size for path in tmp_path.rglob("*.parquet"))
    small = ServedLog(tmp_path, most_bytes=2 * size)
    for number in range(4):
        offer(small, f"s{number}", served_us=NOON_US + 5 * DAY_US + number)
        small.flush()
        assert sum(path.stat().st_size for path in tmp_path.rglob("*.parquet")) <= 2 * size
    assert [row["request_id"] for row in kept(tmp_path)] == ["s2", "s3"]
    log.close()


def test_what_a_crash_left_is_no_file_and_is_removed(tmp_path: Path) -> None:
    """A reader does not see an unfinished file; after an hour the next look at old files removes it."""
    log = ServedLog(tmp_path)
    offer(log, "r")
    log.close()
    [path] = tmp_path.rglob("*.parquet")
    left, fresh = (path.with_name(f"{name}.parquet.partial") for name in ("left", "fresh"))
    for each in (left, fresh):
        each.write_bytes(b"PAR1")
    os.utime(left, (time.time() - 7_200,) * 2)
    assert len(kept(tmp_path)) == 1
    again = ServedLog(tmp_path)
    offer(again, "s")
    again.close()
    assert not left.exists() and fresh.exists()


def test_a_reader_meets_whole_files_while_others_write_and_remove(tmp_path: Path) -> None:
    """Reading while a process writes and removes files gives rows of whole files only, and never fails."""
    log = ServedLog(tmp_path, most_bytes=60_000)
    done = threading.Event()

    def serve() -> None:
        try:
            for number in range(150):
                offer(log, f"r{number}", rows=20, served_us=NOON_US + number)
                log.flush()
        finally:
            done.set()

    writer = threading.Thread(target=serve)
    writer.start()
    while not done.is_set():
        for each in served_rows(tmp_path, "things"):
            table: pa.Table = each.table()
            assert table.num_rows % 20 == 0
    writer.join()
    log.close()
    assert log.counts()["written"] == 150 and len(kept(tmp_path)) < 150 * 20
