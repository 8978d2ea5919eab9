"""One side of a comparison, in a process of its own: `python side.py MODULE JSON`, in that side's own Python.

It opens the side once, then takes calls as lines of JSON and answers each with its seconds, what it gave, and the most
memory that the process has ever held. Only the standard library is imported here: a peer's Python has nothing of ours.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import time
from pathlib import Path
from typing import Any


def peak_mb() -> float:
    """The most memory that this process has held, in megabytes."""
    status = Path("/proc/self/status").read_text()
    [line] = [line for line in status.splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1]) / 1000


def main() -> None:
    """Open, then answer until the input ends."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a library prints is no answer
    side: Any = importlib.import_module(f"peers.{sys.argv[1]}").open_side(**json.loads(sys.argv[2]))
    print(json.dumps({"ready": True}), file=answers, flush=True)
    for line in sys.stdin:
        name, arguments = json.loads(line)
        started = time.perf_counter()
        gave = getattr(side, name)(**arguments)
        seconds = time.perf_counter() - started
        print(json.dumps({"seconds": seconds, "gave": gave, "peak_mb": peak_mb()}), file=answers, flush=True)


if __name__ == "__main__":
    main()
