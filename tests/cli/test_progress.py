"""Progress: silence while it is short, lines where nobody watches."""

from __future__ import annotations

import re
import time

import pytest

from featurestore.cli import progress
from featurestore.cli.progress import Working


def until_shown(capsys: pytest.CaptureFixture[str]) -> str:
    """What stands on stderr once the thread that shows progress has begun to, with a line for the present step."""
    shown, deadline_s = "", time.monotonic() + 60
    while "Visit by" not in shown:
        assert time.monotonic() < deadline_s, shown
        time.sleep(0.01)
        out, err = capsys.readouterr()
        assert out == ""
        shown += err
    return shown


def test_short_work_says_nothing(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Work that ends before the first line is due leaves no trace."""
    monkeypatch.setattr(progress, "SILENT_S", 3600.0)
    with Working("materialize") as working:
        working("Visit by user", 0, 2)
    assert capsys.readouterr() == ("", "")


def test_long_work_is_told_line_by_line_in_a_log(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where no terminal is, each step of long work is a line on stderr; stdout stays free for the answer."""
    monkeypatch.setattr(progress, "SILENT_S", 0.01)
    with Working("materialize") as working:
        working("Visit by [user]", 0, 2)
        shown = until_shown(capsys)
        working("Note by user", 1, 2)
    out, err = capsys.readouterr()
    assert out == ""
    lines = "materialize ...\n  0/2  Visit by [user]  N s\n  1/2  Note by user  N s\n"
    assert re.sub(r"\d+ s\n", "N s\n", shown + err) == lines


def test_a_terminal_gets_a_bar_that_goes_away(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a terminal long work is one bar, and the line is free again afterwards."""
    monkeypatch.setattr(progress, "SILENT_S", 0.01)
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    with Working("materialize") as working:
        working("Visit by user", 1, 2)
        shown = until_shown(capsys)
    err = shown + capsys.readouterr().err
    assert "materialize: Visit by user" in err
    assert err.endswith("\x1b[2K")
