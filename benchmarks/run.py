"""Ours, the bare engine and the installed peers side by side in one run; ratios of medians.

Usage: python benchmarks/run.py [--size small|full] [--only SUBJECT[,SUBJECT]] [--out FILE]
Absolute times say little on a shared machine; a ratio within one run does. All who can answer a question are checked to
give the same values before they are timed. Each side has a process of its own; they take turns.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
import traceback
from datetime import UTC, datetime
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any

from sides import FEAST, HERE, has_feast

SUBJECTS = ("training", "loading", "lookup", "serving", "scaling")


def main() -> None:
    """Run the subjects and keep what they found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", choices=("small", "full"), default="small")
    parser.add_argument("--only", default=",".join(SUBJECTS), help=f"some of {', '.join(SUBJECTS)}")
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    only = [each.strip() for each in asked.only.split(",") if each.strip()]
    if unknown := sorted(set(only) - set(SUBJECTS)):
        parser.error(f"no subject is called {unknown[0]}; there are {', '.join(SUBJECTS)}")
    (HERE / "results").mkdir(exist_ok=True)
    now = datetime.now(UTC)
    out = asked.out or HERE / "results" / f"{now:%Y-%m-%d}-{asked.size}.json"
    if not has_feast():
        print("Feast is not here: `make bench-peers` brings it")
    found: dict[str, Any] = {"at": f"{now:%Y-%m-%dT%H:%MZ}", "size": asked.size, "machine": machine(), "subjects": {}}
    failed = []
    for subject in only:
        print(f"{subject} ({asked.size})", flush=True)
        load, started = os.getloadavg()[0], time.perf_counter()
        with tempfile.TemporaryDirectory(prefix="bench-") as name:
            try:
                rows = import_module(subject).run(asked.size, Path(name))
            except Exception:  # the other subjects are worth having
                traceback.print_exc()
                failed.append(subject)
                continue
        seconds = round(time.perf_counter() - started, 1)
        found["subjects"][subject] = {"load_before": round(load, 2), "seconds": seconds, "rows": rows}
        out.write_text(json.dumps(found, indent=1) + "\n")
    print(f"written to {out}")
    if failed:
        sys.exit(f"error: {', '.join(failed)} failed")


def machine() -> dict[str, Any]:
    """What the run was made on."""
    cpu = next(
        (text.split(":")[1].strip() for text in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in text),
        platform.machine(),
    )
    memory = int(Path("/proc/meminfo").read_text().split()[1]) // 1024**2
    versions = {name: version(name) for name in ("duckdb", "pyarrow", "redis", "polars", "pandas", "uvicorn")}
    if has_feast():
        code = "from importlib.metadata import version; print(version('feast'))"
        versions["feast"] = subprocess.check_output([FEAST, "-c", code], text=True).strip()
    return {"cpu": cpu, "cores": os.cpu_count(), "memory_gb": memory, "python": platform.python_version(), **versions}


if __name__ == "__main__":
    main()
