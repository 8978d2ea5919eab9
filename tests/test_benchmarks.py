"""The page of the benchmarks."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CODE = (
    "import json, page; path = page.newest();"
    "print(json.dumps([page.PAGE.read_text(), page.page(json.loads(path.read_text()), path.name)]))"
)


def test_the_page_is_made_from_the_newest_run() -> None:
    """Nobody has written into it, and no run lies beside it that it does not show."""
    printed = subprocess.check_output([sys.executable, "-c", CODE], cwd=ROOT / "benchmarks", text=True)
    kept, made = json.loads(printed)
    assert kept == made
