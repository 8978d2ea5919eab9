"""`featurestore plan --data`: every source's data against its declaration, all mistakes in one report."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

from featurestore.cli.failures import print_error
from featurestore.cli.progress import Working
from featurestore.cli.tables import print_line, print_table
from featurestore.cli.texts import counted

if TYPE_CHECKING:
    from collections.abc import Iterable

    from featurestore.cli.session import Session
    from featurestore.offline.fits import Fit


def check_data(session: Session, sources: Iterable[str] | None) -> list[Fit]:
    """What was found in the data of these sources, or of all that are defined."""
    from featurestore.offline.fits import fit_of
    from featurestore.plan.scan import plan_scan

    with session.open() as store, Working("data of the sources") as working:
        names = list(store.definitions.sources) if sources is None else list(sources)
        found = []
        for done, name in enumerate(names):
            working(name, done, len(names))
            found.append(fit_of(plan_scan(store.definitions.source(name)), store.history))
    return found


def fits_in_json(found: Iterable[Fit]) -> dict[str, Any]:
    """What was found, by source, as JSON values."""
    return {
        each.source: {
            "rows": each.rows,
            "usable": each.usable,
            "set_aside": None if each.account is None else each.account.to_json(),
            "mistakes": [{"name": error.name, **error.parts()} for error in each.mistakes],
        }
        for each in found
    }


def print_fits(found: list[Fit]) -> None:
    """A line for each source, then each mistake in four parts. Exits with 1 when there is any."""
    lines = [(each.source, *map(_number, (each.rows, each.usable)), _verdict(each)) for each in found]
    print_table(("source", "rows", "usable", "data"), lines, wrap=("data",))
    for each in found:
        if each.account is not None and not each.account.nothing:
            print_line(str(each.account), "yellow")
    print_line()
    for each in found:
        for error in each.mistakes:
            print_error(error.name, error.parts())
    mistakes = sum(len(each.mistakes) for each in found)
    if mistakes:
        print_line(f"{counted(mistakes, 'mistake')} in {counted(len(found), 'source')}", "bold red")
        raise typer.Exit(1)
    print_line(f"the data of {counted(len(found), 'source')} fits", "bold green")


def _number(count: int | None) -> str:
    return "" if count is None else f"{count:,}"


def _verdict(fit: Fit) -> str:
    if fit.mistakes:
        return counted(len(fit.mistakes), "mistake")
    return "only pushed" if fit.pushed else "fits"
