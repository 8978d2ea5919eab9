"""Sides of a comparison as the runner sees them: started, called in turn, measured."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any, Self

HERE = Path(__file__).resolve().parent
FEAST = HERE.parent / ".venv-feast" / "bin" / "python"


@dataclass(slots=True)
class Figure:
    """What was measured of one side: every round, and what else is known."""

    rounds: list[float] = field(default_factory=list)
    peak_mb: float = 0.0
    gave: Any = None

    @property
    def median(self) -> float:
        """The middle round."""
        return median(self.rounds)


class Side:
    """A process that answers calls; see side.py."""

    def __init__(self, module: str, options: Mapping[str, Any], python: str | Path = sys.executable) -> None:
        command = [str(python), str(HERE / "side.py"), module, json.dumps(options)]
        self.module = module
        self._log = (HERE / "results" / f"{module}.log").open("a")
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._log, text=True
        )
        self._answer()

    def call(self, name: str, **arguments: Any) -> dict[str, Any]:
        """Seconds, what it gave, and the process's peak."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps([name, arguments]) + "\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self.module} ended; see {self._log.name}")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()
        self._log.close()


def in_turn(sides: dict[str, Side], rounds: Mapping[str, int], name: str, **arguments: Any) -> dict[str, Figure]:
    """Call all sides in turn, round after round, so that a slow moment of the machine meets all of them.

    A first round is not counted: it reads files and imports modules. A side with 0 rounds is so slow that its first one
    has to do. A peer whose process ends, for want of memory above all, is told and left out of `sides` from then on.
    """
    found = {each: Figure() for each in sides}
    for number in range(max(rounds.values()) + 1):
        for each, side in list(sides.items()):
            if number <= rounds[each]:
                try:
                    answer = side.call(name, **arguments)
                except (RuntimeError, BrokenPipeError) as error:
                    if each == "ours":
                        raise
                    print(f"  {each} is left out: {error}", flush=True)
                    del sides[each], found[each]
                    continue
                if number or not rounds[each]:
                    found[each].rounds.append(answer["seconds"])
                found[each].peak_mb, found[each].gave = answer["peak_mb"], answer["gave"]
    return found


def has_feast() -> bool:
    """Whether `make bench-peers` has been run."""
    return FEAST.is_file()


def line(what: str, unit: str, ours: str, figures: Mapping[str, Figure], *, better: str = "less") -> dict[str, Any]:
    """One comparison as it is kept: medians, spread, and how many times as good ours is as each other side."""
    row: dict[str, Any] = {"what": what, "unit": unit, "better": better, "sides": {}, "ratios": {}}
    for name, figure in figures.items():
        row["sides"][name] = {
            "median": figure.median,
            "least": min(figure.rounds),
            "most": max(figure.rounds),
            "rounds": len(figure.rounds),
            "peak_mb": round(figure.peak_mb, 1),
        }
        if name != ours:
            one, other = figures[ours].median, figure.median
            row["ratios"][name] = other / one if better == "less" else one / other
    show(row)
    return row


def show(row: Mapping[str, Any]) -> None:
    """Print a comparison."""
    sides = "  ".join(f"{name} {each['median']:,.6g} (to {each['most']:,.4g})" for name, each in row["sides"].items())
    ratios = ", ".join(f"{value:.2f} x {name}" for name, value in row["ratios"].items())
    print(f"  {row['what']} [{row['unit']}]: {sides}" + (f"\n      ours is {ratios}" if ratios else ""), flush=True)
