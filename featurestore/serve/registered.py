"""Services that run on this machine: each leaves a file while it answers, so that `featurestore status` finds it.

<home>/services/<pid>.json
"""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

FOLDER = "services"


@dataclass(frozen=True, slots=True)
class Running:
    """A service: its address, its process, and the machine that it runs on.

    Units: `started_us` microseconds UTC.
    """

    address: str
    pid: int
    host: str
    workers: int
    started_us: int


@contextmanager
def registered(home: Path, address: str, workers: int) -> Iterator[None]:
    """A block in which the service is known. A state folder that cannot be written is no reason not to serve."""
    running = Running(address, os.getpid(), socket.gethostname(), workers, time.time_ns() // 1000)
    path = home / FOLDER / f"{running.pid}.json"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".partial")
        partial.write_text(json.dumps(asdict(running)), encoding="utf-8")
        partial.replace(path)
    except OSError:
        yield
        return
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def running_services(home: Path) -> list[Running]:
    """The services of a state folder that run; the file of a process that died on this machine is removed."""
    found = []
    for path in sorted((home / FOLDER).glob("*.json")):
        try:
            each = Running(**json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            continue
        if each.host == socket.gethostname() and not _alive(each.pid):
            path.unlink(missing_ok=True)
        else:
            found.append(each)
    return found


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
