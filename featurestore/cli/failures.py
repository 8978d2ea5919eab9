"""Errors on the command line: four parts for a person, JSON for a program, and an exit code that means something."""

from __future__ import annotations

import shlex
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path

from featurestore.cli.session import Session, console
from featurestore.cli.texts import printable
from featurestore.errors import DefinitionErrors, FeatureStoreError

FAILED = 1
OUR_BUG = 70
INTERRUPTED = 130


def report(error: Exception, session: Session, arguments: Sequence[str]) -> int:
    """Say what went wrong, on stderr and with `--json` on stdout too; the exit code, 1, 70 or 130."""
    if session.debug:
        traceback.print_exception(error)
    if session.interrupted:
        return INTERRUPTED
    known = known_error(error)
    if known is None:
        return _report_bug(error, session, arguments)
    errors = known.errors if isinstance(known, DefinitionErrors) else (known,)
    for each in errors:
        print_error(each.name, each.parts())
    if session.as_json:
        answer: dict[str, object] = {"name": known.name, **known.parts()}
        if isinstance(known, DefinitionErrors):
            answer["errors"] = [{"name": each.name, **each.parts()} for each in errors]
        session.emit({"error": answer})
    return FAILED


def known_error(error: Exception) -> FeatureStoreError | None:
    """The error in four parts; None for what nobody foresaw. What the system refuses is no bug of ours."""
    if isinstance(error, FeatureStoreError):
        return error
    if isinstance(error, OSError) and error.strerror and not isinstance(error, ConnectionError):
        place = None if error.filename is None else str(error.filename)
        return _Refused(type(error).__name__, error.strerror.lower(), place)
    return None


def print_error(name: str, parts: dict[str, str]) -> None:
    """`Name: what`, then `in`, `has` and `fix`, each on a line of its own; in colour on a terminal."""
    from rich.text import Text

    lines = Text.assemble((name, "bold red"), (f": {printable(parts['what'])}", "red"))
    for key in ("in", "has", "fix"):
        if key in parts:
            lines.append(f"\n  {key:<4} ", "dim")
            lines.append(printable(parts[key]), "" if key == "fix" else "dim")
    console(stderr=True).print(lines, soft_wrap=True)


class _Refused(FeatureStoreError):
    """What the operating system would not do, under the name that Python gives it."""

    def __init__(self, name: str, what: str, where: str | None) -> None:
        super().__init__(what, where=where, fix="check that the place exists and that you may read and write there")
        self._name = name

    @property
    def name(self) -> str:
        """The system's name for it."""
        return self._name


def _report_bug(error: Exception, session: Session, arguments: Sequence[str]) -> int:
    frames = traceback.extract_tb(error.__traceback__)
    place = f" at {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    what = printable(" ".join(f"{type(error).__name__}: {error}".split()))[:300] + place
    again = shlex.join(["featurestore", *(["--debug"] if "--debug" not in arguments else []), *arguments])
    print(f"InternalError: {what}: a bug of ours; please report it with what `{again}` prints", file=sys.stderr)
    if session.as_json:
        session.emit({"error": {"name": "InternalError", "what": what, "fix": f"report what `{again}` prints"}})
    return OUR_BUG
