"""Progress: silence while it is short, lines where nobody watches."""

from __future__ import annotations

import time

import pytest

from featurestore.cli import progress
from featurestore.cli.progress import Working


def test_short_work_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """Work of less than a second leaves no trace."""
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
        time.sleep(0.2)
        working("Note by user", 1, 2)
    out, err = capsys.readouterr()
    assert (out, err) == ("", "materialize ...\n  0/2  Visit by [user]  0 s\n  1/2  Note by user  0 s\n")


def test_a_terminal_gets_a_bar_that_goes_away(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a terminal long work is one bar, and the line is free again afterwards."""
    monkeypatch.setattr(progress, "SILENT_S", 0.01)
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    with Working("materialize") as working:
        working("Visit by user", 1, 2)
        time.sleep(0.3)
    err = capsys.readouterr().err
    assert "materialize: Visit by user" in err
    assert err.endswith("\x1b[2K")
