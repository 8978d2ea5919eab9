"""`featurestore verify` and `demo`: both roads on the same rows, and the flights example from end to end."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from featurestore.cli.completion import FeatureSetName
from featurestore.cli.progress import Working
from featurestore.cli.session import Json, session_of
from featurestore.cli.tables import print_line, print_table
from featurestore.cli.texts import counted


def verify(
    context: typer.Context,
    feature_set: FeatureSetName,
    cells: Annotated[int, typer.Option("--cells", min=1, help="Values to compare; fewer of few rows.")] = 1_000_000,
    seed: Annotated[
        int, typer.Option("--seed", help="What is asked is drawn from it: the same seed asks the same.")
    ] = 0,
    spine: Annotated[
        str | None,
        typer.Option("--spine", metavar="FILE", help="A training set's spine: what is read of it is compared too."),
    ] = None,
    as_of: Annotated[str, typer.Option("--as-of", metavar="COLUMN", help="The spine's column of instants.")] = "as_of",
    as_json: Json = False,
) -> None:
    """Compare both roads bit by bit.

    History is replayed through the online state, and DuckDB is asked the same. Exit code 1 on any difference; without
    one the version has a certificate from then on.
    """
    from featurestore.check.report import describe

    session = session_of(context, as_json=as_json)
    with session.open() as store, Working(f"verify {feature_set}") as working:
        report = store.verify(feature_set, cells=cells, seed=seed, spine=spine, as_of=as_of, progress=working)
    if as_json:
        session.emit(report.to_json())
    else:
        print_table(
            ("feature", "type", "cells", "not null or 0", "distinct", "differing"),
            [
                (each.name, each.dtype, each.cells, each.informative, each.distinct, each.differing)
                for each in report.features
            ],
        )
        for each in report.features:
            if each.example:
                print_line(f"\n{each.name}\n  {describe(each.example)}", "red")
        rows = ", ".join(f"{count:,} of {source}" for source, count in report.rows.items())
        print_line(f"\nrows replayed: {rows}")
        for source, count in report.unusable.items():
            print_line(f"{counted(count, 'row')} of {source} quarantined, so not replayed", "yellow")
        print_line(f"legs: {'; '.join(report.legs)}")
        if report.spine:
            print_line(str(report.spine), "red" if report.spine.differing else "")
            for example in report.spine.examples.values():
                print_line(f"  {example}", "red")
        if report.unexercised:
            found = f"null or zero in every cell, so not exercised: {', '.join(report.unexercised)}"
            print_line(found, "yellow")
        share = report.nonnull / report.cells if report.cells else 0.0
        print_line(
            f"{feature_set} version {report.version}: {report.cells:,} cells, {share:.0%} neither null nor zero, "
            f"{report.differing:,} differing, {report.seconds:.1f} s, seed {seed}",
            "bold red" if report.differing else "bold green",
        )
    if report.differing:
        raise typer.Exit(1)


def demo(context: typer.Context) -> None:
    """Run the flights example from end to end.

    In the folder of the repository, which has its definitions; takes a few minutes.
    """
    from featurestore.demo.run import run

    run(Path("."), environment=session_of(context).environment)
