"""`featurestore init` and `plan`: a project's first files, and what its definitions mean."""

from __future__ import annotations

import re
import shlex
from contextlib import suppress
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from featurestore.cli.completion import feature_sets
from featurestore.cli.session import Json, session_of
from featurestore.cli.tables import print_line, print_table
from featurestore.cli.texts import counted
from featurestore.errors import DefinitionError, DefinitionErrors
from featurestore.plan.built import to_be_built
from featurestore.plan.certificates import Standing, standing, standings

if TYPE_CHECKING:
    from featurestore.define.load import Definitions
    from featurestore.plan.changes import Changes, Materialized
    from featurestore.plan.nodes import Plan, State, View

EXAMPLE = '''"""What a shop knows of its customers when they are about to pay. Change it, or write files beside it."""

from featurestore import Column, Entity, EventTime, FeatureSet, FeatureView, Request, RowId, Source, feature, rows


class Customer(Entity):
    """Whom the features are about."""

    customer_id: Column[int]


class Purchase(Source):
    """One row per purchase. It has no data of its own: rows are pushed with `featurestore ingest` or over HTTP."""

    purchase_id: RowId[str]
    customer_id: Column[int]
    amount: Column[float]
    country: Column[str]
    bought_at: EventTime


class Spending(FeatureView, entity=Customer, source=Purchase):
    """How this customer has been buying."""

    purchases = rows(over=("1d", "30d"))
    spent = feature(Purchase.amount.sum(over="30d"), default=0.0, doc="money spent in 30 days")
    usual_amount = Purchase.amount.mean(over="30d")
    last_country = Purchase.country.last(over="30d")


class Basket(Request):
    """What only the question knows."""

    amount: Column[float]


class AtCheckout(FeatureView, request=Basket):
    """The basket against what is usual."""

    against_usual = feature(Basket.amount / Spending.usual_amount, doc="1.0 is as always")


checkout = FeatureSet("checkout", Spending, AtCheckout, doc="is this purchase unlike the customer?")
'''


def init(
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="The project's folder; it is made if it is not there.")
    ] = Path("."),
    file: Annotated[
        Path | None,
        typer.Option("--from", metavar="FILE", help="Draft the definitions from a Parquet or CSV file."),
    ] = None,
) -> None:
    """Start a project.

    Writes featurestore.toml, an example of definitions and .gitignore; nothing is overwritten.
    """
    from featurestore.cli.drafts import draft

    drafted = None if file is None else draft(file, folder)
    folder.mkdir(parents=True, exist_ok=True)
    name = re.sub(r"[^A-Za-z0-9_.-]+", "-", folder.resolve().name).strip("-") or "project"
    defined = any((folder / "definitions").glob("**/*.py"))
    _write(folder / "featurestore.toml", f'project = "{name}"\ndefinitions = "definitions"\n')
    if file is not None and drafted is not None:
        stem = re.sub(r"\W+", "_", file.stem).strip("_").lower() or "drafted"
        _write(folder / "definitions" / f"{stem}.py", drafted)
    elif defined:
        print_line(f"kept   {folder / 'definitions'}: there are definitions in it")
    else:
        _write(folder / "definitions" / "example.py", EXAMPLE)
    _ignore(folder / ".gitignore")
    print_line("\nnext:")
    if folder.resolve() != Path.cwd():
        print_line(f"  cd {shlex.quote(str(folder))}")
    print_line(f"  featurestore plan{' --data' if drafted else ''}")
    print_line("  featurestore materialize")
    if not defined and drafted is None:
        bought_at = datetime.now(UTC).replace(microsecond=0, tzinfo=None).isoformat() + "Z"
        row = f'{{"purchase_id": "p1", "customer_id": 7, "amount": 12.5, "country": "FR", "bought_at": "{bought_at}"}}'
        print_line(f"  featurestore ingest Purchase '{row}'")
        print_line("  featurestore lookup checkout customer_id=7 amount=50")


def plan(
    context: typer.Context,
    feature_set: Annotated[
        str | None,
        typer.Argument(metavar="FEATURE_SET", help="One feature set; all when left out.", autocompletion=feature_sets),
    ] = None,
    data: Annotated[
        bool,
        typer.Option("--data", help="Also read all data of the sources, and report each column that does not fit."),
    ] = False,
    as_json: Json = False,
) -> None:
    """Show what the definitions mean.

    Versions, their certificates, inputs, features, the states that are kept, what has changed since `materialize`, and
    which states have to be built. Nothing is computed; with --data, all sources are read. Exit code 1 when data does
    not fit.
    """
    from featurestore.cli.data_check import check_data, fits_in_json, print_fits
    from featurestore.config import read_config
    from featurestore.define.load import load_definitions
    from featurestore.plan.build import plan_feature_set
    from featurestore.plan.changes import Materialized, compare, meanings, remembered

    session = session_of(context, as_json=as_json)
    config = read_config(".", environment=session.environment)
    definitions = load_definitions(config.root, config.definitions)
    chosen = [definitions.feature_set(feature_set)] if feature_set else list(definitions.feature_sets.values())
    found, errors = [], []
    for each in chosen:
        try:
            found.append((plan_feature_set(each), each.doc))
        except DefinitionError as error:
            error.where = error.where or f"feature set `{each.name}`"
            errors.append(error)
    if errors:
        raise errors[0] if len(errors) == 1 else DefinitionErrors(errors)
    known = remembered(config.home) or Materialized()
    before = known.feature_sets
    defined = _defined_views(definitions)
    changes = {plan.name: compare(before[plan.name], meanings(plan)) for plan, _ in found if plan.name in before}
    sources = {source: None for plan, _ in found for source in plan.scans} if feature_set else None
    fits = check_data(session, sources) if data else []
    if as_json:
        told = {name: asdict(change) for name, change in changes.items()}
        answer: dict[str, Any] = {
            "feature_sets": [
                _described(plan, doc, known, defined)
                | {"changes": told.get(plan.name), **_certified(config.home, plan)}
                for plan, doc in found
            ]
        }
        session.emit(answer | ({"sources": fits_in_json(fits)} if data else {}))
        if any(each.mistakes for each in fits):
            raise typer.Exit(1)
        return
    if not found:
        print_line(
            f"no feature set is defined in `{config.definitions}`; it has {counted(len(definitions.views), 'view')}"
        )
    for plan, doc in found:
        _print_plan(_described(plan, "", known, defined), plan, doc, _certified(config.home, plan))
        if changes.get(plan.name):
            _print_changes(changes[plan.name])
    for name in sorted(set() if feature_set else before.keys() - definitions.feature_sets.keys()):
        print_line(f"the feature set {name}, which was materialised, is no longer defined\n", "yellow")
    if data:
        print_fits(fits)


def _print_changes(changes: Changes) -> None:
    print_line("since it was materialised", "bold")
    lines = [("added", name, "") for name in changes.added]
    lines += [("removed", name, "") for name in changes.removed]
    lines += [("changed", name, "") for name in changes.changed]
    for old, new in changes.renamed:
        kept = old.split("__", 1)[1]
        lines.append(("renamed?", old, f'it means the same as {new}; `feature(..., name="{kept}")` keeps the name'))
    print_table(("", "feature", "note"), lines, wrap=("note",))
    print_line()


def _write(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        print_line(f"kept   {path}: it is there already")
    else:
        print_line(f"wrote  {path}")


def _ignore(path: Path) -> None:
    known = path.read_text(encoding="utf-8").splitlines() if path.is_file() else None
    if known is not None and not {".featurestore", ".featurestore/", "/.featurestore/"} & set(known):
        print_line(f"kept   {path}: add the line `.featurestore/` to it")
    else:
        _write(path, "# state: log, server data, datasets\n.featurestore/\n")


def _certified(home: Path, plan: Plan) -> dict[str, Any]:
    """What is known of the certificates of a plan: of the one version, or of each content that static tables had."""
    if not plan.static_sources:
        found = [standing(home, plan.name, plan.version)]
    else:
        every = [each.certificate for each in standings(home, plan.name)]
        of_plan = [each for each in every if each is not None and each.plan_version == plan.version]
        found = [Standing(plan.name, each.version, each) for each in of_plan]
        found = found or [Standing(plan.name, plan.version, None, "no content of its static tables was verified")]
    held = [asdict(each.certificate) for each in found if each.certificate is not None]
    return {"certified": bool(held), "certificates": held, "standing": "\n".join(map(str, found))}


def _defined_views(definitions: Definitions) -> list[View]:
    """The views of a project, which decide together what a state keeps; one that cannot be planned is left out, and is
    an error of its own elsewhere."""
    from featurestore.plan.build import plan_view

    found = []
    for each in definitions.views.values():
        with suppress(DefinitionError):
            found.append(plan_view(each.__spec__))
    return found


def _print_plan(described: dict[str, Any], plan: Plan, doc: str, certified: dict[str, Any]) -> None:
    static = f", and the content of {' and '.join(plan.static_sources)}" if plan.static_sources else ""
    print_line(f"{plan.name}  version {plan.version}{static}", "bold")
    if doc:
        print_line(doc, "dim")
    print_line(_served(described), "dim")
    for line in certified["standing"].splitlines():
        print_line(line, "dim" if certified["certified"] else "yellow")
    print_line()
    print_table(
        ("input", "type", "is"),
        [(each["name"], each["type"], "key" if each["key"] else "request") for each in described["inputs"]],
    )
    print_line()
    print_table(
        ("feature", "type", "definition", "doc"),
        [(each["name"], each["type"], each["definition"], each["doc"]) for each in described["features"]],
        wrap=("definition", "doc"),
    )
    print_line()
    print_table(
        ("view", "version", "asked by", "state"),
        [
            (each["name"], each["version"], ", ".join(each["inputs"]), each["state"] or "")
            for each in described["views"]
        ],
        wrap=("asked by",),
    )
    print_line()
    print_table(
        ("state", "online", "source", "key", "windows", "folds"),
        [
            (
                *(each["id"], "built" if each["built"] else "to be built", each["source"]),
                *(", ".join(each["key"]), ", ".join(each["windows"]), each["folds"]),
            )
            for each in described["states"]
        ],
        wrap=("key", "windows"),
    )
    print_line()
    for each in described["states"]:
        print_line(f"{each['id']} keeps {each['keeps']}", "yellow" if each["keeps_all_rows"] else "dim")
    sizes = (
        counted(len(plan.outputs), "feature"),
        counted(len(plan.views), "view"),
        counted(len(plan.states), "state"),
    )
    print_line(f"\n{', '.join(sizes)}")
    lacking = sum(not each["built"] for each in described["states"])
    if lacking:
        print_line(f"{counted(lacking, 'state')} to be built: run `featurestore materialize --missing`", "yellow")
    print_line()


def _served(described: dict[str, Any]) -> str:
    """Which version the online state answers, and which one it will answer when it was built again."""
    served, after = described["served_version"], described["next_version"]
    if served is None:
        more = f"; `featurestore materialize` serves it as {after}" if after else ""
        return f"not served yet{more}"
    if served == after:
        return f"served as {served}"
    return f"served now as {served}; after `featurestore materialize` as {after or 'what the static tables make of it'}"


def _described(plan: Plan, doc: str, known: Materialized, defined: list[View]) -> dict[str, Any]:
    from featurestore.plan.retention import kept_text, retention_of

    lacking = to_be_built(plan.views, known.states)
    static = [state for state in plan.states if state.scan.event_at is None]
    seen = [(state.scan.source, known.states[state.id].content) for state in static if state.id in known.states]
    views = {view.name: view for view in plan.views}
    deciding = list({view.name: view for view in (*plan.views, *defined)}.values())
    return {
        "name": plan.name,
        "version": plan.version,
        "served_version": known.versions.get(plan.name),
        "next_version": plan.version_with(seen) if len(seen) == len(static) else None,
        "static_sources": list(plan.static_sources),
        "doc": doc,
        "inputs": [{"name": each.name, "type": str(each.dtype), "key": each.key} for each in plan.inputs],
        "features": [
            {"name": output.name, "type": str(output.dtype), **_definition(views[output.view], output.feature)}
            for output in plan.outputs
        ],
        "views": [
            {
                "name": view.name,
                "version": view.version,
                "inputs": list(view.inputs),
                "state": view.state.id if view.state else None,
            }
            for view in plan.views
        ],
        "states": [
            {
                "id": state.id,
                "source": state.scan.source,
                "key": list(state.key),
                "windows": _windows(plan, state),
                "folds": len(state.folds),
                "built": state.id not in lacking,
                "keeps": kept_text(state, deciding),
                "keeps_all_rows": retention_of(state, deciding) is None,
            }
            for state in plan.states
        ],
    }


def _definition(view: View, name: str) -> dict[str, str]:
    from featurestore.expr.printing import text_of

    found = next(feature for feature in view.features if feature.name == name)
    return {"definition": text_of(found.node), "doc": found.doc}


def _windows(plan: Plan, state: State) -> list[str]:
    spans = {span for view in plan.views if view.state == state for span in view.spans}
    ordered = sorted(spans, key=lambda span: (span.length_us is None, span.length_us or 0))
    return ["all history" if span.length_us is None else span.label for span in ordered]
