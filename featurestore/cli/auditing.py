"""`featurestore audit`: a share of what is served, compared with training all the time."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from featurestore.cli.session import Json, session_of
from featurestore.cli.tables import print_line

if TYPE_CHECKING:
    from featurestore.skew.report import SkewReport


def audit(
    context: typer.Context,
    every: Annotated[str, typer.Option("--every", metavar="DURATION", help="From one look to the next.")] = "60s",
    share: Annotated[
        float, typer.Option("--share", min=0.0, max=1.0, help="The share of lookups, chosen by their request id.")
    ] = 0.05,
    after: Annotated[
        str, typer.Option("--after", metavar="DURATION", help="How long to wait before a lookup is compared.")
    ] = "0s",
    again: Annotated[
        str | None,
        typer.Option("--again", metavar="DURATION", help="Compare each a second time, when late rows have come."),
    ] = None,
    host: Annotated[str, typer.Option("--host", help="The address of the counts; 0.0.0.0 for all.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="Their port; 0 takes a free one.")] = 8001,
    threads: Annotated[int, typer.Option("--threads", min=1, help="DuckDB's threads.")] = 1,
    memory: Annotated[str, typer.Option("--memory", metavar="SIZE", help="DuckDB's memory, at most.")] = "2GB",
    once: Annotated[bool, typer.Option("--once", help="Look once and end, as cron wants it.")] = False,
    as_json: Json = False,
) -> None:
    """Compare what is new in the serving log with training, again and again.

    Until Ctrl-C, with counts for Prometheus. With --once, exit code 1 when DuckDB gives other bits for the rows that
    the state held, or a difference has no cause.
    """
    from featurestore.audit import run
    from featurestore.audit.rounds import Settings
    from featurestore.offline.replay import Limits
    from featurestore.semantics.instants import duration_us

    if as_json and not once:
        raise typer.BadParameter("it goes with --once: the counts are at /metrics", param_hint="--json")
    session = session_of(context, as_json=as_json)
    settings = Settings(
        share,
        0 if after == "0s" else duration_us(after),
        None if again is None else duration_us(again),
        Limits(threads, memory),
    )
    if not once:
        every_s = duration_us(every) / 1e6
        run.run(Path("."), settings, every_s=every_s, host=host, port=port, environment=session.environment)
        return
    reports, lookups = [], Counter[str]()

    def round_of_all() -> Iterator[SkewReport]:
        lookups.update((yield from run.once(Path("."), settings, environment=session.environment)))

    for report in round_of_all():
        reports.append(report)
        if not as_json:
            _print(report)
        elif report.faulty:  # printed now, since a later one may fail
            print(report.told()[-1], file=sys.stderr)
    new, sampled = lookups["new"], lookups["sampled"]
    if as_json:
        session.emit([report.to_json() for report in reports])
    elif not new and not reports:
        print_line("nothing new in the serving log")
    elif sampled < new:
        print_line(
            f"{new:,} new lookups, {sampled:,} in the sample of {share * 100:g} %: --share 1 compares the others, too"
        )
    if any(report.faulty for report in reports):
        raise typer.Exit(1)


def _print(report: SkewReport) -> None:
    *lines, verdict = report.told()
    for line in lines:
        print_line(line)
    print_line(verdict, "bold red" if report.faulty else "bold green")
