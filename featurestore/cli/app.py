"""The commands under one name, their global options, and what becomes of an error."""

from __future__ import annotations

import os
import signal
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Annotated, TextIO

import typer

from featurestore.cli import auditing, checking, listing, project, quarantine, serving, show, skewing, status, training
from featurestore.cli.completion import environments
from featurestore.cli.failures import report
from featurestore.cli.session import Session, session_of
from featurestore.plan.engines import warn_untested

app = typer.Typer(
    name="featurestore",
    no_args_is_help=True,
    # Its rich pages would double the time to the first line of help: they load a Markdown parser.
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for command in (
    project.init,
    project.plan,
    status.status,
    listing.describe,
    training.dataset,
    show.show,
    training.materialize,
    serving.ingest,
    serving.lookup,
    serving.serve,
    quarantine.quarantine,
    checking.verify,
    skewing.skew,
    auditing.audit,
    skewing.drift,
    checking.demo,
):
    app.command()(command)
app.command("list")(listing.list_definitions)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import PackageNotFoundError, version

        try:
            print(f"featurestore {version('featurestore')}")
        except PackageNotFoundError:
            print("featurestore, not installed")
        raise typer.Exit


@app.callback()
def options(
    context: typer.Context,
    folder: Annotated[
        Path, typer.Option("--project", "-C", metavar="FOLDER", help="Work as if started in this folder.")
    ] = Path("."),
    environment: Annotated[
        str | None,
        typer.Option(
            "--env",
            metavar="NAME",
            help="The environment in featurestore.toml to use; may stand after the command, too.",
            autocompletion=environments,
        ),
    ] = None,
    debug: Annotated[bool, typer.Option("--debug", help="Show Python's traceback of an error.")] = False,
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_version, help="Print the version.")
    ] = False,
) -> None:
    """Define a feature once; train on it with DuckDB, serve it with Redis, and get the same bits."""
    session = session_of(context)
    session.environment, session.debug = environment, debug
    os.chdir(folder)
    warn_untested()


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit: 0, 1 for an error, 2 for wrong usage, 70 for a bug of ours, 130 for Ctrl-C."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    session = Session()
    warnings.showwarning = _print_warning
    with _noting_interrupts(session):
        try:
            typer.main.get_command(app).main(_environment_first(given), prog_name="featurestore", obj=session)
        except Exception as error:
            sys.exit(report(error, session, given))


def _print_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """Print a warning as one line on stderr, without the place in our code that Python would name."""
    print(f"warning: {message}", file=sys.stderr)


def _environment_first(given: Sequence[str]) -> list[str]:
    """The arguments with `--env NAME` before the command, wherever it was written; what follows `--` stays.

    >>> _environment_first(["plan", "sales", "--env", "test"])
    ['--env', 'test', 'plan', 'sales']
    """
    chosen: list[str] = []
    rest: list[str] = []
    words = iter(given)
    for word in words:
        if word == "--":
            rest.append(word)
            break
        if word == "--env":
            chosen += [word, *([name] if (name := next(words, None)) is not None else [])]
        elif word.startswith("--env="):
            chosen.append(word)
        else:
            rest.append(word)
    return [*chosen, *rest, *words]


@contextmanager
def _noting_interrupts(session: Session) -> Iterator[None]:
    """Remember that Ctrl-C was pressed: DuckDB turns it into an error of its own, which must not pass for a bug."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        session.interrupted = True
        signal.default_int_handler(number, frame)

    # whoever started us may have had SIGINT ignored, and then it stays ignored
    ours = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if ours:
        signal.signal(signal.SIGINT, interrupt)
    try:
        yield
    finally:
        if ours:
            signal.signal(signal.SIGINT, signal.default_int_handler)
