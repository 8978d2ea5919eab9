"""The work folder of a training set that is built in buckets: what is finished in it stays finished.

<home>/training/<feature set>-<digest>/       the digest is of all that the training set depends on
  build.json                                  in how many buckets
  asked.parquet, rows/, asked/, answers/      each file or folder gets its name when it is whole
  spill/                                      DuckDB's own, which no build leaves behind
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from featurestore.errors import InputError
from featurestore.log.disk import flock, unlock

BUILD, SPILL, LOCK = "build.json", "spill", "lock"


@dataclass(slots=True)
class Work:
    """A work folder that this process has to itself. `kept` counts the pieces that an earlier build left in it."""

    folder: Path
    buckets: int
    kept: int = 0
    made: list[str] = field(default_factory=list)

    @property
    def spill(self) -> Path:
        """Where DuckDB puts what does not fit in memory."""
        return self.folder / SPILL

    def piece(self, name: str, make: Callable[[Path], object]) -> Path:
        """A file or folder of the work, made unless it is there; what is half made has another name."""
        path = self.folder / name
        if path.exists():
            self.kept += 1
            return path
        partial = path.with_name(f"{path.name}.partial")
        _remove(partial)
        partial.parent.mkdir(parents=True, exist_ok=True)
        try:
            make(partial)
        except BaseException:
            _remove(partial)
            raise
        partial.rename(path)
        self.made.append(name)
        return path


@contextmanager
def work_folder(home: Path, name: str, digest: str, buckets: int, *, exactly: bool = False) -> Iterator[Work]:
    """The work folder of a build; what other builds of that name left is removed, and this one when it has succeeded.

    A folder that an earlier build left is gone on with if that had as many buckets or more, or `exactly` as many.
    Raises: InputError  when another process is building the same.
    """
    above = home / "training"
    above.mkdir(parents=True, exist_ok=True)
    folder = above / f"{name}-{digest}"
    for other in above.glob(f"{name}-{'[0-9a-f]' * 12}"):
        if other != folder:
            with _turn(other) as ours:
                if ours:
                    _remove(other)
    with _turn(folder) as ours:
        if not ours:
            raise InputError(
                f"this training set of `{name}` is being built by another process",
                where=str(folder),
                fix="wait for it, or stop it: what it has finished is gone on with",
            )
        known = _known_buckets(folder)
        if known < buckets or (exactly and known != buckets):
            _remove(folder)
            folder.mkdir()
            (folder / BUILD).write_text(json.dumps({"buckets": buckets}), encoding="utf-8")
            known = buckets
        work = Work(folder, known)
        _remove(work.spill)
        work.spill.mkdir()
        try:
            yield work
        finally:
            _remove(work.spill)
        _remove(folder)


@contextmanager
def _turn(folder: Path) -> Iterator[bool]:
    """Whether no other process works in a folder, nor will while we do."""
    path = folder.with_name(f"{folder.name}.{LOCK}")
    descriptor = flock(path, wait=False)
    if descriptor is None:
        yield False
        return
    try:
        # who let go of it meanwhile has taken the file away, and another may have made it anew
        yield path.exists() and path.stat().st_ino == os.fstat(descriptor).st_ino
    finally:
        path.unlink(missing_ok=True)
        unlock(descriptor)


def _known_buckets(folder: Path) -> int:
    try:
        return int(json.loads((folder / BUILD).read_text(encoding="utf-8"))["buckets"])
    except (OSError, ValueError, KeyError, TypeError):
        return 0


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
