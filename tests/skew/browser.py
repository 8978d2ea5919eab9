"""A real browser that opens a page and says what became of it."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome")
OPTIONS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage"),
    *("--enable-logging=stderr", "--dump-dom"),
)


@dataclass(frozen=True, slots=True)
class Opened:
    """A page after its script ran: its elements as text, and what the console said."""

    dom: str
    console: tuple[str, ...]


def browser() -> str:
    """The browser of this machine; without one the test is skipped, unless FEATURESTORE_BROWSER=required."""
    found = next((path for name in NAMES if (path := shutil.which(name))), None)
    if found is None and os.environ.get("FEATURESTORE_BROWSER") == "required":
        pytest.fail("FEATURESTORE_BROWSER=required, and no Chromium is installed: apt-get install chromium")
    if found is None:
        pytest.skip("no Chromium on this machine: apt-get install chromium")
    return found


def opened(page: Path, width: int = 1400) -> Opened:
    """Open a file in a window of that width."""
    program = browser()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        command = [program, *OPTIONS, f"--user-data-dir={profile}", f"--window-size={width},1000", page.as_uri()]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, encoding="utf-8")
    said = tuple(line for line in done.stderr.splitlines() if ":CONSOLE" in line)
    assert done.returncode == 0, done.stderr[-2000:]
    return Opened(done.stdout, said)
