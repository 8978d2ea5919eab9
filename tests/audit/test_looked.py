"""What the audit remembers of the serving log: every file once, whatever comes in between."""

from __future__ import annotations

import os
import sqlite3
import time
from pathlib import Path

import pytest

from featurestore.audit.looked import AGAIN, FIRST, Looked
from featurestore.errors import ConfigError, StoreUnavailable

NOW_US = time.time_ns() // 1000
DAY = "2026-11-20"


def written(home: Path, name: str, *, age_s: float = 60.0, day: str = DAY, version: str = "v1") -> str:
    """A file of the log that was written some time ago."""
    path = home / "served" / "clicks" / version / day / f"{name}.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    at = NOW_US / 1e6 - age_s
    os.utime(path, (at, at))
    return name


def waiting(looked: Looked, look: str = FIRST, age_s: float = 0.0) -> list[str]:
    """The names of the files that wait."""
    return [each.path.stem for each in looked.waiting(look, "clicks", NOW_US - int(age_s * 1e6))]


def test_every_file_is_met_once(tmp_path: Path) -> None:
    """Files come oldest first over all versions and days; what was remembered does not come again, after a restart
    either, and one that another process wrote late does."""
    written(tmp_path, "b", age_s=30, version="v2")
    written(tmp_path, "a", age_s=40)
    written(tmp_path, "c", age_s=20, day="2026-11-21")
    with Looked(tmp_path) as looked:
        assert waiting(looked) == ["a", "b", "c"]
        looked.remember(FIRST, looked.waiting(FIRST, "clicks", NOW_US)[:2])
        assert waiting(looked) == ["c"]
    with Looked(tmp_path) as looked:
        assert waiting(looked) == ["c"]
        written(tmp_path, "late", age_s=4_000)
        assert waiting(looked) == ["late", "c"]
        assert waiting(looked, AGAIN) == ["late", "a", "b", "c"]


def test_what_is_young_has_to_wait(tmp_path: Path) -> None:
    """A file is met when it is as old as is wanted, and a file that is being written is not met at all."""
    written(tmp_path, "old", age_s=120)
    written(tmp_path, "young", age_s=30)
    (tmp_path / "served" / "clicks" / "v1" / DAY / "begun.parquet.partial").touch()
    with Looked(tmp_path) as looked:
        assert waiting(looked, age_s=60) == ["old"]
        looked.remember(FIRST, looked.waiting(FIRST, "clicks", NOW_US - 60_000_000))
        assert waiting(looked, age_s=60) == []
        assert waiting(looked, age_s=10) == ["young"]


def test_a_folder_that_has_not_changed_is_not_read_again(tmp_path: Path) -> None:
    """A day that was looked through is listed again only when its folder has changed, and then nothing is missed."""
    written(tmp_path, "a")
    day = tmp_path / "served" / "clicks" / "v1" / DAY
    os.utime(day, (NOW_US / 1e6 - 60, NOW_US / 1e6 - 60))
    with Looked(tmp_path) as looked:
        looked.remember(FIRST, looked.waiting(FIRST, "clicks", NOW_US))
        assert waiting(looked) == []
        changed = day.stat().st_mtime_ns
        written(tmp_path, "hidden")
        os.utime(day, ns=(changed, changed))
        assert waiting(looked) == [], "this shows that the folder was not listed"
        written(tmp_path, "b")
        assert waiting(looked) == ["b", "hidden"]


def test_days_that_the_log_removed_are_forgotten(tmp_path: Path) -> None:
    """What is remembered does not grow for ever."""
    written(tmp_path, "a")
    with Looked(tmp_path) as looked:
        looked.remember(FIRST, looked.waiting(FIRST, "clicks", NOW_US))
        looked.forget_removed()
        assert waiting(looked) == []
        (tmp_path / "served" / "clicks" / "v1" / DAY / "a.parquet").unlink()
        (tmp_path / "served" / "clicks" / "v1" / DAY).rmdir()
        looked.forget_removed()
        written(tmp_path, "a")
        assert waiting(looked) == ["a"]


def test_a_file_is_done_only_for_the_share_it_was_compared_with(tmp_path: Path) -> None:
    """With a larger share a file waits again, and says which share of it was compared, after a restart too; one that an
    earlier release remembered counts as compared whole."""
    written(tmp_path, "a")
    with Looked(tmp_path) as looked:
        looked.remember(FIRST, looked.waiting(FIRST, "clicks", NOW_US, 0.05), 0.05)
        assert looked.waiting(FIRST, "clicks", NOW_US, 0.05) == []
    with Looked(tmp_path) as looked:
        [file] = looked.waiting(FIRST, "clicks", NOW_US, 0.5)
        assert file.done == 0.05
        looked.remember(FIRST, [file], 0.5)
        assert looked.waiting(FIRST, "clicks", NOW_US, 0.4) == []
    with sqlite3.connect(tmp_path / "audit" / "looked.sqlite") as memory:
        memory.execute("ALTER TABLE looked DROP COLUMN share")
    memory.close()
    with Looked(tmp_path) as looked:
        assert waiting(looked) == []


def test_one_audit_at_a_time(tmp_path: Path) -> None:
    """A second audit of a project is refused while the first is there."""
    with Looked(tmp_path), pytest.raises(ConfigError, match="another audit of this project is running"):
        Looked(tmp_path)
    Looked(tmp_path).close()


def test_a_memory_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    """A file that is no memory of an audit is an error in four parts, and leaves no lock behind."""
    (tmp_path / "audit").mkdir()
    (tmp_path / "audit" / "looked.sqlite").write_text("no database, and long enough to be seen as none" * 30)
    for _ in range(2):
        with pytest.raises(StoreUnavailable) as caught:
            Looked(tmp_path)
        assert caught.value.fix
