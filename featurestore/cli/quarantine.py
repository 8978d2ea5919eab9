"""`featurestore quarantine`: the rows that were set aside, and why."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from featurestore.cli.completion import sources as sources_named
from featurestore.cli.progress import Working
from featurestore.cli.session import Json, session_of
from featurestore.cli.tables import print_line, print_table
from featurestore.cli.texts import counted

if TYPE_CHECKING:
    from featurestore.offline.quarantined import Quarantined
    from featurestore.plan.outcomes import SetAside


def quarantine(
    context: typer.Context,
    source: Annotated[
        str | None, typer.Argument(metavar="SOURCE", help="A source; all when left out.", autocompletion=sources_named)
    ] = None,
    limit: Annotated[int, typer.Option("--limit", min=0, help="Rows of each source to show.")] = 20,
    as_json: Json = False,
) -> None:
    """List the rows that were set aside, with their reasons.

    Those that were pushed, the newest last, and those in the source's files and log. They are part of no feature.
    """
    session = session_of(context, as_json=as_json)
    with session.open() as store, Working("quarantine"):
        sources = [source] if source else list(store.definitions.sources)
        found = [store.quarantined(each, limit=limit) for each in sources]
    if as_json:
        session.emit({"sources": {each.source: _in_json(each) for each in found}})
        return
    lines = [line for each in found for line in _lines(each)]
    if lines:
        print_table(("source", "where", "reason", "row"), lines, wrap=("where", "reason", "row"))
    pushed, unusable = sum(each.pushed_rows for each in found), sum(each.unusable_rows for each in found)
    print_line(f"{counted(pushed, 'row')} set aside when pushed, {counted(unusable, 'row')} in files and logs")


def print_set_aside(accounts: Mapping[str, SetAside]) -> None:
    """A line for each source of which something does not count, and one for all."""
    from featurestore.plan.outcomes import total

    partial = [account for account in accounts.values() if not account.nothing]
    for account in partial:
        print_line(str(account), "yellow")
    if partial:
        print_line(total(partial), "yellow")
    for text in (text for account in accounts.values() for text in account.warnings()):
        print_line(f"warning: {text}", "red")


def _lines(found: Quarantined) -> list[tuple[str, str, str, str]]:
    lines = [(found.source, each.place, each.reason, _shown(each.row)) for each in found.unusable]
    for kept in found.pushed:
        lines.append(
            (found.source, f"pushed {kept.at}, call {kept.call} row {kept.place}", kept.reason, _shown(kept.row))
        )
    return lines


def _shown(row: dict[str, Any]) -> str:
    return json.dumps(row, ensure_ascii=False)


def _in_json(found: Quarantined) -> dict[str, Any]:
    return {
        "pushed": {"rows": found.pushed_rows, "shown": [_finite(asdict(each)) for each in found.pushed]},
        "history": {"rows": found.unusable_rows, "shown": [_finite(asdict(each)) for each in found.unusable]},
    }


def _finite(value: Any) -> Any:
    """A kept value as JSON can write it: NaN and infinity, which a row may hold, as texts."""
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        return str(value)
    if isinstance(value, dict):
        return {name: _finite(each) for name, each in value.items()}
    return [_finite(each) for each in value] if isinstance(value, list) else value
