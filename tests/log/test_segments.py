"""Segments that are not what their names say are refused."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from featurestore.errors import StoreUnavailable
from featurestore.log import EventLog
from featurestore.log.segments import Segment, read, segments_in, to_table, write


@pytest.fixture
def log(tmp_path: Path) -> Iterator[EventLog]:
    """A log with three segments of three rows and a tail of one."""
    log = EventLog(tmp_path, seal_after=3)
    with log.turn("flights"):
        for _ in range(3):
            log.append("flights", ["a", "b", "c"], 1)
        log.append("flights", ["d"], 1)
    yield log
    log.close()


def test_ranges_within_row_groups_are_counted_off(tmp_path: Path) -> None:
    """Whatever row groups a segment has, each range gives its rows and no others."""
    groups = [range(11, 14), range(14, 15), range(15, 21)]
    tables = [to_table(group, [0] * len(group), [str(n) for n in group]) for group in groups]
    path = write(tmp_path / "flights", 11, 20, tables)
    assert segments_in(tmp_path / "flights") == [Segment(11, 20, path)]
    for after in range(10, 21):
        for upto in range(after, 22):
            for rows in (1, 2, 100):
                batches = list(read(Segment(11, 20, path), after, upto, rows))
                found = [n for batch in batches for n in batch["position"].to_pylist()]
                assert found == list(range(after + 1, min(upto, 20) + 1))


def test_r15_a_missing_segment_is_an_error(log: EventLog) -> None:
    """Rows before the hole are read, then reading stops with an error; nothing is skipped."""
    segments_in(log.folder / "flights")[1].path.unlink()
    entries = log.entries("flights", upto=3)
    assert [entry.position for entry in entries] == [1, 2, 3]
    with pytest.raises(StoreUnavailable, match="the event log of flights is damaged") as caught:
        list(log.entries("flights"))
    assert caught.value.has == "no segment with position 4"


def test_r15_a_segment_that_is_no_parquet_is_an_error(log: EventLog) -> None:
    """A segment overwritten by something else is told by its name."""
    path = segments_in(log.folder / "flights")[0].path
    path.write_bytes(b"not parquet" * 100)
    with pytest.raises(StoreUnavailable, match="is damaged") as caught:
        list(log.entries("flights"))
    assert caught.value.where == str(path)


@pytest.mark.parametrize("positions", [(12, 14), (11, 12)], ids=["after a hole", "with too many rows"])
def test_r15_a_stranded_segment_that_does_not_follow_is_not_taken_in(log: EventLog, positions: tuple[int, int]) -> None:
    """A stray file whose name or rows do not continue what is sealed stops the next turn."""
    rows = to_table(range(3), [1] * 3, ["x"] * 3)
    write(log.folder / "flights", *positions, [rows])
    with pytest.raises(StoreUnavailable, match="is damaged"), log.turn("flights"):
        pass
