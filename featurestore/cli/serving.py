"""`featurestore ingest`, `lookup` and `serve`: rows in, vectors out."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from featurestore.cli.completion import FeatureSetName, SourceName
from featurestore.cli.progress import Working
from featurestore.cli.session import Json, RequireCertificate, session_of
from featurestore.cli.tables import print_line, print_table
from featurestore.cli.texts import counted, plain_value, shown

if TYPE_CHECKING:
    from featurestore.online.online_store import IngestReport
    from featurestore.online.vectors import Vectors
    from featurestore.semantics.dtypes import DType


def ingest(
    context: typer.Context,
    source: SourceName,
    rows: Annotated[
        list[str],
        typer.Argument(
            metavar="ROWS",
            help="A .jsonl, .json, .csv or .parquet file; - for JSON lines on stdin; JSON; or name=value.",
        ),
    ],
    as_json: Json = False,
) -> None:
    """Push rows of a source.

    They are committed to the source's history and applied to the online state. Exit code 1 where no row counts
    anywhere: none can be used, or none has a key.
    """
    from featurestore.cli.given import rows_of
    from featurestore.plan.scan import plan_scan

    session = session_of(context, as_json=as_json)
    with session.open() as store, Working(f"ingest {source}"):
        scan = plan_scan(store.definitions.source(source))
        dtypes = {name: column.sent for column in scan.columns for name in (column.name, column.stored)}
        report = store.ingest(source, rows_of(rows, dtypes, f"the source `{source}`", zoned=scan.zone is not None))
    if as_json:
        # the shape that HTTP answers have
        session.emit(asdict(report) | {"set_aside": [{"row": at, "reason": reason} for at, reason in report.set_aside]})
    else:
        _print_report(report)
    if report.useless:
        raise typer.Exit(1)


def lookup(
    context: typer.Context,
    feature_set: FeatureSetName,
    inputs: Annotated[
        list[str] | None, typer.Argument(metavar="NAME=VALUE", help="What is asked for; null or nothing is null.")
    ] = None,
    as_of: Annotated[
        str | None, typer.Option("--as-of", metavar="INSTANT", help="ISO 8601 with a zone; default now.")
    ] = None,
    file: Annotated[
        str | None,
        typer.Option("--inputs", metavar="FILE", help="Many questions: .jsonl, .json, .csv, .parquet, or -."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Look a vector up in the online state.

    With --inputs many at once, all as of one instant.
    """
    from featurestore.cli.given import pairs_of, rows_of
    from featurestore.tables import python_rows

    if bool(inputs) and file is not None:
        raise typer.BadParameter("give either name=value pairs or --inputs FILE")
    session = session_of(context, as_json=as_json)
    with session.open() as store, Working(f"lookup {feature_set}"):
        dtypes = {each.name: each.dtype for each in store.plan(feature_set).inputs}
        if file is None:
            asked = [pairs_of(inputs or [], dtypes, f"the feature set `{feature_set}`")]
        else:
            found = rows_of([file], dtypes, f"the feature set `{feature_set}`")
            asked = found if isinstance(found, list) else python_rows(found)
        vectors = store.lookup(feature_set, asked, as_of=as_of)
    if as_json:
        session.emit(_reply(vectors))
        return
    for place, (values, statuses) in enumerate(zip(vectors.to_pylist(), vectors.status, strict=True)):
        if file is not None:
            print_line(f"question {place}", "bold")
        lines = [(name, shown(value), statuses[name]) for name, value in values.items()]
        print_table(("feature", "value", "status"), lines, wrap=("value",))
        print_line()
    print_line(f"{feature_set} version {vectors.version} as of {plain_value(vectors.as_of)}")


def serve(
    context: typer.Context,
    host: Annotated[str, typer.Option("--host", help="The address to listen at; 0.0.0.0 for all.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="The port; 0 takes a free one.")] = 8000,
    workers: Annotated[int, typer.Option("--workers", min=1, help="Processes that answer.")] = 1,
    require_certificate: RequireCertificate = False,
) -> None:
    """Serve lookups and events over HTTP.

    Until Ctrl-C; what is served is described at /docs. A feature set without a certificate is told on stderr.
    """
    from featurestore.serve.run import run

    run(
        Path("."),
        host=host,
        port=port,
        workers=workers,
        environment=session_of(context).environment,
        require_certificate=require_certificate,
    )


def _reply(vectors: Vectors) -> dict[str, object]:
    """The shape that HTTP answers have."""
    rows = [
        {
            "values": [_plain_cell(*cell) for cell in zip(values.values(), vectors.dtypes, strict=True)],
            "status": list(statuses.values()),
        }
        for values, statuses in zip(vectors.to_pylist(), vectors.status, strict=True)
    ]
    return {
        "feature_set": vectors.feature_set,
        "version": vectors.version,
        "as_of": plain_value(vectors.as_of),
        "names": list(vectors.names),
        "types": list(map(str, vectors.dtypes)),
        "rows": rows,
    }


def _print_report(report: IngestReport) -> None:
    names = ("applied", "duplicate", "unkeyed", "quarantined")
    if report.states:
        counts = {state: asdict(each) for state, each in report.states.items()}
        print_table(("state", *names), [(state, *(each[name] for name in names)) for state, each in counts.items()])
    else:
        print_line("no state of this source is materialised: the rows wait in the log for `featurestore materialize`")
    positions = f", log positions {report.first} to {report.last}" if report.last else ", none committed"
    print_line(
        f"{report.source}: {counted(report.rows, 'row')} in{positions}, {counted(report.bad_values, 'bad value')}"
    )
    for column, count in report.bad_columns.items():
        print_line(f"{counted(count, 'bad value')} of {column} read as null", "yellow")
    for place, reason in report.set_aside:
        print_line(f"row {place} set aside: {reason}", "yellow")
    if report.future:
        print_line(f"{counted(report.future, 'row')} of the future, seen from its instant on", "yellow")
    if report.quarantined:
        rest = report.quarantined - len(report.set_aside)
        more = f"and {counted(rest, 'row')} more; " if rest else ""
        print_line(f"{more}`featurestore quarantine {report.source}` shows what was set aside", "yellow")


def _plain_cell(value: Any, dtype: DType) -> object:
    """A value as HTTP writes it: a map whose keys are no strings as a list of pairs."""
    if isinstance(value, dict) and dtype.key is not None and dtype.key.kind != "string":
        return plain_value(list(value.items()))
    return plain_value(value)
