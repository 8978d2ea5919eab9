"""What the log asks of a disk: locks between processes, folders that keep their names, failures told in four parts."""

from __future__ import annotations

import fcntl
import os
import sqlite3
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from featurestore.errors import StoreUnavailable


@contextmanager
def told(path: Path) -> Iterator[None]:
    """Turn what SQLite and the file system raise about a file into StoreUnavailable."""
    try:
        yield
    except (sqlite3.OperationalError, OSError) as error:
        fix = "check that the folder exists, that the disk has room and that this user may write to it"
        raise StoreUnavailable(f"the event log does not answer: {error}", where=str(path), fix=fix) from error
    except sqlite3.DatabaseError as error:
        if type(error) is not sqlite3.DatabaseError:  # its other children tell of wrong arguments, not of wrong files
            raise
        raise damaged(path.stem, path, str(error)) from error


def damaged(source: str, path: Path, found: str) -> StoreUnavailable:
    """The error for files that contradict each other: no rows are better than wrong ones (R15)."""
    return StoreUnavailable(
        f"the event log of {source} is damaged",
        where=str(path),
        has=found,
        fix="restore the folder of the log from a copy: a file in it was removed or changed",
    )


def flock(path: Path, *, wait: bool) -> int | None:
    """The descriptor of an exclusive lock, or None when somebody has it and we do not wait.

    The kernel gives it back when the process dies.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BaseException as error:
        os.close(descriptor)
        if isinstance(error, BlockingIOError):
            return None
        raise
    return descriptor


def unlock(descriptor: int) -> None:
    """Give a lock back."""
    # A child forked meanwhile shares the open file, so that closing it here alone would not unlock.
    fcntl.flock(descriptor, fcntl.LOCK_UN)
    os.close(descriptor)


def sync(folder: Path) -> None:
    """Bring the names in a folder to disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def identity_of(folder: Path) -> str:
    """The random id of a log's folder; the first process to ask makes folder and id."""
    path = folder / "log.identity"  # with a dot: a source may be called `identity`, and its segments need that name
    folder.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        lock = flock(folder / "log.identity.lock", wait=True)
        assert lock is not None
        try:
            if not path.exists():
                temporary = path.with_name("log.identity.tmp")
                with temporary.open("w") as file:
                    file.write(uuid.uuid4().hex)
                    file.flush()
                    os.fsync(file.fileno())
                os.replace(temporary, path)
                sync(folder)
                sync(folder.parent)
        finally:
            unlock(lock)
    return path.read_text()
