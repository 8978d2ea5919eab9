"""Tables in terminals of several widths: names and values stay whole, and a value that does not fit continues below."""

from __future__ import annotations

import io
import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from featurestore.cli import main
from featurestore.cli.tables import laid_out

WIDTHS = (60, 80, 120, 160)
NAME = "carrier_departures__cancelled_share_of_the_last_30d"
COUNTS = ("feature", "type", "cells", "not null or 0", "distinct", "differing")
Screen = Callable[..., list[str]]


class Terminal(io.StringIO):
    """A stream that a person watches."""

    def isatty(self) -> bool:
        """As a terminal says it."""
        return True


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> Screen:
    """The command line in a terminal of some columns: the lines that it prints."""

    def run(columns: int, *arguments: str) -> list[str]:
        stream = Terminal()
        monkeypatch.setattr(sys, "stdout", stream)
        monkeypatch.setenv("COLUMNS", str(columns))
        monkeypatch.setenv("TERM", "xterm")
        with pytest.raises(SystemExit) as left:
            main(arguments)
        assert not left.value.code
        return re.sub(r"\x1b\[[0-9;]*m", "", stream.getvalue()).splitlines()

    return run


@pytest.mark.parametrize("width", WIDTHS)
def test_every_name_and_number_of_a_table_is_whole(width: int) -> None:
    """Numbers that do not fit next to a long name are below it under their own heads; nothing is cut or lost."""
    rows = [(NAME, "float64", 15_904, 11_828, 1_701, 0), ("n", "int64", 15_904, 3, 2, 1)]
    lines = [line.plain for line in laid_out(COUNTS, rows, width)]
    assert max(map(len, lines)) <= width
    for row in (COUNTS, *rows):
        for cell in row:
            text = f"{cell:,}" if isinstance(cell, int) else cell
            assert any(re.search(rf"(^|  ){re.escape(text)}(  |$)", line) for line in lines), text
    assert len(lines) == (3 if width >= 120 else 6)
    assert [line for line in lines if line.startswith(NAME)]


@pytest.mark.parametrize("width", WIDTHS)
def test_only_texts_are_wrapped_and_only_at_spaces(width: int) -> None:
    """A definition is broken between its words, never inside a name, and its words are all there."""
    definition = f"({NAME}.sum(over='30d') / other_view__{NAME}.mean(over='7d')) + 1"
    rows = [(NAME, "float64", definition, "what the plan says of it, in a sentence that is rather long")]
    lines = [
        line.plain
        for line in laid_out(("feature", "type", "definition", "doc"), rows, width, wrap=("definition", "doc"))
    ]
    text = " ".join(lines)
    assert NAME in text.split()
    if width > 80:  # in a narrower terminal one word alone is wider than a line
        assert max(map(len, lines)) <= width
        assert all(word in text.split() for word in definition.split())


def test_a_word_wider_than_a_line_is_folded() -> None:
    """A text without spaces is folded at the terminal's edge, since nothing may be lost."""
    lines = [line.plain for line in laid_out(("name", "is"), [("n", "x" * 50)], 20, wrap=("is",))]
    assert lines == ["name", "  is", "n", "  " + "x" * 18, "  " + "x" * 18, "  " + "x" * 14]


@pytest.mark.parametrize("width", WIDTHS)
def test_a_preview_keeps_every_name(width: int, project: Path, screen: Screen) -> None:
    """`dataset` without `--out` shows the names of all columns and at least the first row, and says how many fit."""
    lines = screen(width, "dataset", "everything", SPINE, "--as-of", "asked_at")
    names = [line.split()[0] for line in lines]
    for name in ("label", "visits__seconds", "visits__last_at", "now__member"):
        assert name in names
    [first] = [line for line in lines if line.startswith("visits__seconds")]
    assert first.split()[1] == "41.25"
    table = lines[: next(at for at, line in enumerate(lines) if " fit " in line)]
    assert max(map(len, table)) <= width
    shown = len(re.findall(r"row \d", lines[0]))
    assert f"{shown} of 10 rows fit {width} columns" in "\n".join(lines)
    assert shown >= {60: 1, 80: 1, 120: 3, 160: 4}[width]


def test_a_preview_in_a_very_narrow_terminal_stands_below_its_names(project: Path, screen: Screen) -> None:
    """Where no row fits next to the names, the first one is below them."""
    lines = screen(24, "dataset", "visits", "spine.parquet", "--as-of", "asked_at")
    at = lines.index("visits__seconds")
    assert lines[at + 1] == "  41.25"


@pytest.mark.parametrize("width", WIDTHS)
def test_plan_keeps_every_name(width: int, project: Path, screen: Screen) -> None:
    """`plan` in any terminal has each feature's name, whole, at the beginning of a line."""
    lines = screen(width, "plan", "visits")
    names = [line.split()[0] for line in lines if line.strip()]
    assert {"visits__n", "visits__seconds", "visits__page", "visits__last_at", "visits__pages"} <= set(names)
    assert "seconds on all pages" in "\n".join(lines)


SPINE = "SELECT *, 1.5::DOUBLE AS price, true AS member, 'a' AS code, asked_at::DATE AS born FROM 'spine.parquet'"
