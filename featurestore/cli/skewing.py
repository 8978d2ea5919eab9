"""`featurestore skew` and `drift`: what was served beside what training says, cell by cell and as a whole."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from featurestore.cli.completion import FeatureSetName
from featurestore.cli.progress import Working
from featurestore.cli.session import Json, session_of
from featurestore.cli.tables import print_line, print_table

if TYPE_CHECKING:
    from featurestore.skew.report import FeatureSkew, SkewReport


def skew(
    context: typer.Context,
    feature_set: FeatureSetName,
    since: Annotated[
        str | None,
        typer.Option("--since", metavar="WHEN", help="An instant, or how long ago, such as 6h or 7d; 1d by default."),
    ] = None,
    until: Annotated[
        str | None, typer.Option("--until", metavar="WHEN", help="The end of the period; now by default.")
    ] = None,
    against: Annotated[
        Path | None, typer.Option("--against", metavar="FILE", help="Another system's vectors, a Parquet file.")
    ] = None,
    spine: Annotated[
        Path | None,
        typer.Option("--spine", metavar="FILE", help="The inputs that training has for the same requests."),
    ] = None,
    as_of: Annotated[str, typer.Option("--as-of", metavar="COLUMN", help="The column of instants in FILE.")] = "as_of",
    name: Annotated[
        list[str] | None,
        typer.Option("--name", metavar="THEIRS=OURS", help="A feature that FILE has under another name; repeatable."),
    ] = None,
    zone: Annotated[
        str | None, typer.Option("--zone", metavar="ZONE", help="The zone of times in FILE that have none.")
    ] = None,
    html: Annotated[Path | None, typer.Option("--html", metavar="FILE", help="Write the report as one page.")] = None,
    junit: Annotated[
        Path | None, typer.Option("--junit", metavar="FILE", help="Write the report as JUnit XML.")
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="List features without a difference, too.")] = False,
    as_json: Json = False,
) -> None:
    """Compare what was served with training, and name the cause of each difference.

    Exit code 1 when DuckDB gives other bits for the rows that the state held, or a difference has no cause.
    """
    of_the_log = {"--spine": spine, "--since": since, "--until": until}
    of_a_file = {"--name": name, "--zone": zone}
    for option, value in (of_a_file if against is None else of_the_log).items():
        if value:
            there = "--against" if against is None else "the serving log, not with --against"
            raise typer.BadParameter(f"it goes with {there}", param_hint=option)
    session = session_of(context, as_json=as_json)
    with session.open() as store, Working(f"skew {feature_set}") as working:
        if against is not None:
            names = dict(_pair(each) for each in name or ())
            report = store.skew_against(
                feature_set, against.absolute(), as_of=as_of, names=names, zone=zone, progress=working
            )
        else:
            report = store.skew(
                feature_set,
                since=_instant(since or "1d"),
                until=None if until is None else _instant(until),
                spine=None if spine is None else spine.absolute(),
                as_of=as_of,
                progress=working,
            )
    written = _write(report, html, junit)
    if as_json:
        session.emit(report.to_json())
    else:
        _print(report, every)
        for path in written:
            print_line(f"wrote {path}")
    if report.compute_differing or report.unexplained:
        raise typer.Exit(1)


def drift(
    context: typer.Context,
    feature_set: FeatureSetName,
    training: Annotated[Path, typer.Argument(metavar="TRAINING", help="A training set that `dataset` wrote.")],
    since: Annotated[
        str, typer.Option("--since", metavar="WHEN", help="An instant, or how long ago, such as 6h or 7d.")
    ] = "1d",
    until: Annotated[
        str | None, typer.Option("--until", metavar="WHEN", help="The end of the period; now by default.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Compare the distributions of what was served with those of a training set.

    Exit code 1 when a measure is over its threshold by more than chance. This says nothing of parity.
    """
    session = session_of(context, as_json=as_json)
    with session.open() as store, Working(f"drift {feature_set}"):
        report = store.drift(
            feature_set,
            training.absolute(),
            since=_instant(since),
            until=None if until is None else _instant(until),
        )
    if as_json:
        session.emit(report.to_json())
    else:
        *lines, verdict = str(report).splitlines()
        for line in lines:
            print_line(line)
        print_line(verdict, "bold red" if report.alarms else "bold green")
    if report.alarms:
        raise typer.Exit(1)


def _instant(when: str) -> str:
    """An instant as text, from one or from how long ago it was. Raises: InvalidValue, InvalidDefinition."""
    from featurestore.semantics.instants import duration_us, instant_text

    if when[:1].isdigit() and when[-1:].isalpha() and "-" not in when:
        return instant_text(time.time_ns() // 1000 - duration_us(when))
    return when


def _pair(text: str) -> tuple[str, str]:
    theirs, equals, ours = text.partition("=")
    if not (theirs and equals and ours):
        raise typer.BadParameter(f"`{text}` is no pair: write THEIRS=OURS", param_hint="--name")
    return theirs, ours


def _write(report: SkewReport, html: Path | None, junit: Path | None) -> list[Path]:
    """Write the reports that are wanted. Returns their paths."""
    from featurestore.skew.html import html_of
    from featurestore.skew.junit import junit_of

    written = []
    for path, text_of in ((html, html_of), (junit, junit_of)):
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text_of(report), encoding="utf-8")
            written.append(path)
    return written


def _print(report: SkewReport, every: bool) -> None:
    shown = [each for each in report.features if every or each.differing or each.compute_differing]
    if shown:
        print_table(
            ("feature", "type", "cells", "differing", "share", "causes"),
            [(each.name, each.dtype, each.cells, each.differing, _share(each), _causes(each)) for each in shown],
        )
    if equal := len(report.features) - len(shown):
        print_line(f"{equal:,} of {len(report.features):,} features have no difference; --all lists them")
    *lines, verdict = report.told()
    print_line("")
    for line in lines:
        print_line(line)
    print_line(verdict, "bold red" if report.compute_differing or report.unexplained else "bold green")


def _share(feature: FeatureSkew) -> str:
    return f"{feature.differing / feature.cells:.2%}" if feature.cells else ""


def _causes(feature: FeatureSkew) -> str:
    return ", ".join(f"{cause} {count:,}" for cause, count in feature.causes.items())
