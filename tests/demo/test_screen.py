"""What the demo shows while it works: names whole in any terminal, the running part, its rows and its seconds."""

from __future__ import annotations

import io
import time
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from featurestore.demo.run import _Doing, _print_side_by_side, _Screen

NAMES = ("at_departure__plane_against_route_of_the_last_30d", "plane_history__delay_2d")


@pytest.mark.parametrize("width", [60, 80, 120])
def test_the_demo_keeps_every_name(width: int) -> None:
    """The table of served and trained values has each name whole, however long the values are."""
    screen = _Screen()
    screen.console = Console(file=io.StringIO(), width=width, force_terminal=False)
    plan: Any = SimpleNamespace(outputs=[SimpleNamespace(name=name) for name in NAMES])
    _print_side_by_side("N1 from EWR", plan, [[0.1] * 9, 55.5], [[0.1] * 9, 55.5], screen)
    stream: Any = screen.console.file
    lines = stream.getvalue().splitlines()
    assert max(map(len, lines)) <= width
    assert {line.split()[0] for line in lines if line.strip() and line.split()[0] in NAMES} == set(NAMES)


def test_a_step_says_what_it_does() -> None:
    """The line of a running step has the part, the rows and the seconds; the seconds go on without a new part."""
    doing = _Doing(time.monotonic() - 7)
    assert str(doing.__rich__()) == "7 s"
    doing.what, doing.rows = "1/3 sources", "336,776 rows"
    assert str(doing.__rich__()) == "1/3 sources  336,776 rows  7 s"
