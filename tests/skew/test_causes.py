"""Every cause has a row of the table, and the page has that row."""

from __future__ import annotations

from pathlib import Path

from featurestore.skew.causes import CAUSES
from featurestore.skew.trials import BIT, causes_of

PAGE = Path(__file__).resolve().parents[2] / "docs" / "skew.md"


def test_the_page_has_every_cause_as_it_is() -> None:
    """The table of the docs is the table of the code."""
    told = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| `")]
    assert told == [f"| `{each.name}` | {each.says} | {each.fix} |" for each in CAUSES.values()]


def test_labels_hold_any_set_of_causes() -> None:
    """Each cause has a bit of its own, so a cell can have several."""
    assert len(set(BIT.values())) == len(CAUSES)
    assert causes_of(sum(BIT.values())) == list(CAUSES)
    assert causes_of(0) == []
