"""Run every test with the newest allowed versions, and note the result in docs/versions.md.

    .venv-newest/bin/python tests/versions.py --jobs 2

Ends with the exit code of pytest. `make test-newest` makes the environment that it runs in.
"""

from __future__ import annotations

import argparse
import platform
import re
import subprocess
import sys
import tomllib
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "versions.md"
NAME = re.compile(r"[A-Za-z0-9-]+")


def allowed() -> dict[str, str]:
    """Direct dependencies, of the package and of its extras that tests install: what pyproject.toml allows of each."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    lines = [*project["dependencies"], *(line for name in ("local", "demo", "polars", "dev") for line in extras[name])]
    found = {}
    for line in lines:
        match = NAME.match(line)
        assert match is not None
        if match[0] != "featurestore":
            found[match[0]] = re.sub(r"^\[\w+\]", "", line[match.end() :])
    return found


def locked() -> dict[str, str]:
    """Versions in the lock file of development."""
    text = (ROOT / "requirements" / "dev.txt").read_text(encoding="utf-8")
    found: dict[str, list[str]] = {}
    for name, number in re.findall(r"^([\w-]+)==(\S+)", text, re.MULTILINE):
        found.setdefault(name, []).append(number)
    return {name: ", ".join(numbers) for name, numbers in found.items()}


def page(result: str, at: datetime) -> str:
    """The page: one row a package, and what the tests said."""
    known = locked()
    rows = [f"| {name} | `{bounds}` | {known[name]} | {version(name)} |" for name, bounds in sorted(allowed().items())]
    return "\n".join(
        [
            "# Versions",
            "",
            "`make demo` and `make test` install the locked versions, with their hashes, from `requirements/`.",
            "`make lock` writes these: the newest within what pyproject.toml allows. `make test-newest` runs",
            "every test with the newest allowed versions of the day and writes this page. Where two versions",
            "are locked, the second is for Python 3.12 and newer.",
            "",
            f"{at:%Y-%m-%d}, Python {platform.python_version()} on {platform.system()} {platform.machine()}: {result}.",
            "",
            "| package | allowed | locked | newest, tested |",
            "|---|---|---|---|",
            *rows,
            "",
        ]
    )


def main() -> int:
    """Run pytest, write the page, and give pytest's exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", default="2")
    command = [sys.executable, "-m", "pytest", "-n", parser.parse_args().jobs, "--dist", "worksteal", "-q"]
    last = ""
    # an engine that was not tested yet warns, and that is what is being found out here
    command += ["-W", "ignore::featurestore.plan.engines.UntestedEngine"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as run:
        assert run.stdout is not None
        for line in run.stdout:
            print(line, end="", flush=True)
            last = line.strip().strip("= ") or last
    PAGE.write_text(page(re.sub(r" in [0-9.]+s.*", "", last), datetime.now(UTC)), encoding="utf-8")
    return run.returncode


if __name__ == "__main__":
    sys.exit(main())
