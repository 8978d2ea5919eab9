"""One run of the command line: its global options, and where it prints."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from featurestore.store import FeatureStore

NATURAL_WIDTH = 100_000
"""Columns where nobody looks: a pipe or a log gets every cell whole and on one line."""

Json = Annotated[bool, typer.Option("--json", help="Print JSON, for a program to read.")]
RequireCertificate = Annotated[
    bool, typer.Option("--require-certificate", help="Refuse what `featurestore verify` has not certified.")
]


@dataclass(slots=True)
class Session:
    """The global options of a run, whether a program reads its output, and whether Ctrl-C was pressed."""

    environment: str | None = None
    debug: bool = False
    as_json: bool = False
    interrupted: bool = False

    def open(self) -> FeatureStore:
        """The project in the working folder. Raises: ConfigError."""
        from featurestore.store import FeatureStore

        return FeatureStore(".", environment=self.environment)

    def emit(self, answer: object) -> None:
        """Print an answer as JSON: one document, in UTF-8 whatever the terminal speaks."""
        text = json.dumps(answer, ensure_ascii=True, allow_nan=False, indent=2 if sys.stdout.isatty() else None)
        print(text, flush=True)


def session_of(context: typer.Context, *, as_json: bool = False) -> Session:
    """The session that `main` made, now knowing who reads the output of its command."""
    session: Session = context.obj
    session.as_json = as_json
    return session


def console(*, stderr: bool = False) -> Console:
    """Where people read: highlighting and markup are off, for what is printed may come from anybody's data."""
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() else NATURAL_WIDTH
    return Console(file=stream, width=width, highlight=False, markup=False, emoji=False)
