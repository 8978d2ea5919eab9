"""Rows that were set aside: kept as they were sent, in files that a person can read and that do not grow for ever."""

from __future__ import annotations

import json
from pathlib import Path

from featurestore.log.quarantine import Kept, Quarantine


def test_r16_a_row_is_kept_with_its_instant_call_place_and_reason(tmp_path: Path) -> None:
    """What comes back is what was set aside, whatever letters are in it, and a person can read the line."""
    kept = Quarantine(tmp_path / "quarantine")
    assert (kept.count("Order"), list(kept.rows("Order"))) == (0, [])
    row = {"id": None, "text": "é\n\ud800", "amount": float("inf")}
    kept.append("Order", "c0ffee", 1_000_000, [(3, row, "id is null")])
    kept.append("Order", "c0ffef", 2_000_000, [(0, {"id": 1}, "at is null")])
    assert list(kept.rows("Order")) == [
        Kept("1970-01-01T00:00:01Z", "c0ffee", 3, "id is null", row),
        Kept("1970-01-01T00:00:02Z", "c0ffef", 0, "at is null", {"id": 1}),
    ]
    (file,) = kept.files("Order")
    assert json.loads(file.read_text().splitlines()[1])["reason"] == "at is null"


def test_a_file_that_has_grown_is_numbered_and_never_removed(tmp_path: Path) -> None:
    """Rows stay in order over many files, a source's numbers are its own, and files that a person removed are gone."""
    kept = Quarantine(tmp_path, turn_over_at=200)
    for place in range(40):
        kept.append("Order", "a", 0, [(place, {"id": place}, "at is null")])
        kept.append("OrderLine", "b", 0, [(place, {"id": place}, "at is null")])
    files = kept.files("Order")
    assert len(files) > 10 and [file.name for file in files[-3:]] == [
        f"Order.{len(files) - 2}.jsonl",
        f"Order.{len(files) - 1}.jsonl",
        "Order.jsonl",
    ]
    assert [each.place for each in kept.rows("Order")] == list(range(40))
    assert kept.count("Order") == kept.count("OrderLine") == 40
    files[0].unlink()
    kept.append("Order", "a", 0, [(40, {}, "at is null")])
    assert [each.place for each in kept.rows("Order")][-2:] == [39, 40]
    assert 30 < kept.count("Order") < 40


def test_a_line_that_a_crash_cut_short_is_passed_over(tmp_path: Path) -> None:
    """A writer that died in the middle of a line takes no other row with it."""
    kept = Quarantine(tmp_path)
    kept.append("Order", "a", 0, [(0, {"id": 0}, "at is null")])
    with (tmp_path / "Order.jsonl").open("ab") as file:
        file.write(b'{"at": "1970-01-')
    kept.append("Order", "b", 0, [(1, {"id": 1}, "at is null")])
    assert [each.place for each in kept.rows("Order")] == [0, 1]
