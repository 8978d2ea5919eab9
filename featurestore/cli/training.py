"""`featurestore dataset` and `materialize`: history as a training set, and history as online state."""

from __future__ import annotations

import sys
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from featurestore.cli.completion import FeatureSetName, stateful
from featurestore.cli.failures import INTERRUPTED
from featurestore.cli.progress import Working
from featurestore.cli.quarantine import print_set_aside
from featurestore.cli.session import Json, RequireCertificate, session_of
from featurestore.cli.tables import print_line, print_preview, print_table
from featurestore.cli.texts import counted, plain_value, shown
from featurestore.plan.certificates import standing

if TYPE_CHECKING:
    from featurestore.offline.dataset import Dataset

PREVIEW = 10
"""Rows of the spine that are answered to look at, unless a number is given."""


def dataset(
    context: typer.Context,
    feature_set: FeatureSetName,
    spine: Annotated[
        str, typer.Argument(metavar="SPINE", help="A Parquet, CSV or JSON file, or a SELECT over such files.")
    ],
    as_of: Annotated[str, typer.Option("--as-of", metavar="COLUMN", help="The spine's column of instants.")],
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="Where to write; ends with .parquet.")
    ] = None,
    statuses: Annotated[
        bool, typer.Option("--statuses", help="A column <feature>__status after each feature.")
    ] = False,
    threads: Annotated[
        int | None, typer.Option("--threads", min=1, help="DuckDB's threads; all cores by default.")
    ] = None,
    memory_limit: Annotated[
        str | None, typer.Option("--memory-limit", metavar="SIZE", help="Build within so much memory, such as 4GB.")
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option("--limit", min=1, metavar="N", help="The first N rows of the spine only; 10 without --out."),
    ] = None,
    explain: Annotated[
        bool, typer.Option("--explain", help="Also print how it was computed, and the seconds of each step.")
    ] = False,
    require_certificate: RequireCertificate = False,
    as_json: Json = False,
) -> None:
    """Build a training set from a spine.

    Each row of the spine gets every feature as of its own instant. Without --out, the first rows are built and shown.
    What needs more than --memory-limit is built in buckets; stopped, the same command goes on from the last one that
    was finished.
    """
    if out is not None and out.suffix != ".parquet":
        raise typer.BadParameter(f"`{out}` must end with .parquet", param_hint="--out")
    session = session_of(context, as_json=as_json)
    limit = PREVIEW if limit is None and out is None else limit
    with session.open() as store, _kept_told(), Working(f"training set {feature_set}") as working:
        if out is not None:
            out.parent.mkdir(parents=True, exist_ok=True)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # they are printed below
            built = store.dataset(
                feature_set,
                spine,
                as_of=as_of,
                statuses=statuses,
                threads=threads,
                require_certificate=require_certificate,
                to=out,
                memory_limit=memory_limit,
                limit=limit,
                progress=working,
            )
        features = len(store.plan(feature_set).outputs)
        if built.certificate is None:
            print(standing(store.config.home, feature_set, built.version), file=sys.stderr)
    if as_json:
        from featurestore.tables import python_rows

        head = python_rows(built.to_arrow()) if out is None else None
        session.emit(
            {
                "feature_set": feature_set,
                "version": built.version,
                "rows": len(built),
                "features": features,
                "seconds": round(working.seconds, 3),
                "limit": limit,
                "file": None if out is None else str(out),
                "preview": plain_value(head),
                "set_aside": {source: account.to_json() for source, account in built.set_aside.items()},
                "warnings": [text for account in built.set_aside.values() for text in account.warnings()],
                "notes": list(built.notes),
                "explanation": built.explain() if explain else None,
            }
        )
        return
    if out is None:
        _preview(built)
    sizes = f"{counted(len(built), 'row')}, {counted(features, 'feature')}, {working.seconds:.1f} s"
    if explain:
        print_line(built.explain())
    print_set_aside(built.set_aside)
    for note in built.notes:
        print_line(note, "yellow")
    print_line(f"{feature_set} version {built.version}: {sizes}{f', in {out}' if out else ''}")
    if limit is not None and len(built) == limit:
        rest = "" if out else "; --limit N takes more, --out FILE.parquet all"
        print_line(f"only the first {counted(limit, 'row')} of the spine{rest}", "yellow")


@contextmanager
def _kept_told() -> Iterator[None]:
    """Ctrl-C ends with what is kept, where a build keeps anything."""
    try:
        yield
    except KeyboardInterrupt as stopped:
        if str(stopped):
            print(f"interrupted: {stopped}", file=sys.stderr)
        raise typer.Exit(INTERRUPTED) from None


def materialize(
    context: typer.Context,
    only: Annotated[
        list[str] | None,
        typer.Option(
            "--only",
            metavar="NAME",
            help="Only the states of this feature set, view or source; repeatable.",
            autocompletion=stateful,
        ),
    ] = None,
    missing: Annotated[
        bool, typer.Option("--missing", help="Only states that lookups lack, such as those of new features.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Compute the online state from history.

    All states, unless some are chosen. What served before serves until the new state is complete.
    """
    session = session_of(context, as_json=as_json)
    starts: list[float] = []
    with session.open() as store, Working("materialize") as working:

        def progress(what: str, done: int, total: int) -> None:
            starts.append(time.monotonic())
            working(what, done, total)

        report = store.materialize(only=only or (), missing=missing, progress=progress)
    seconds = {state: end - start for state, start, end in zip(report.states, starts, starts[1:], strict=False)}
    rows = [
        {
            "state": state,
            "keys": report.keys[state],
            "rows": report.rows[state],
            "bytes": report.bytes[state],
            "applied": counts.applied,
            "duplicate": counts.duplicate,
            "unkeyed": counts.unkeyed,
            "quarantined": counts.quarantined,
            "seconds": round(seconds[state], 3),
        }
        for state, counts in report.states.items()
    ]
    if as_json:
        sources = {source: account.to_json() for source, account in report.set_aside.items()}
        session.emit({"states": rows, "sources": sources, "seconds": round(working.seconds, 3)})
        return
    if not rows:
        print_line("no state was built: " + ("none is missing" if missing else "no view keeps one"))
        return
    names = ("state", "keys", "rows", "bytes/key", "applied", "duplicate", "unkeyed", "quarantined", "seconds")
    shown = [
        row | {"bytes/key": report.bytes[state] // max(report.keys[state], 1), "seconds": f"{seconds[state]:.1f}"}
        for state, row in zip(report.states, rows, strict=True)
    ]
    heads = [name if name != "rows" else "rows kept" for name in names]
    print_table(heads, [[row[name] for name in names] for row in shown])
    print_set_aside(report.set_aside)
    print_line(f"{counted(len(rows), 'state')} published, {working.seconds:.1f} s")


def _preview(built: Dataset) -> None:
    """All rows side by side, a line for each column."""
    from featurestore.tables import python_rows

    head = built.to_arrow()
    print_preview(head.column_names, [[shown(row[name]) for name in head.column_names] for row in python_rows(head)])
