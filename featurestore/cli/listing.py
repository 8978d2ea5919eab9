"""`featurestore list` and `describe`: what is defined, what belongs to it, and who uses it."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from featurestore.cli.completion import everything
from featurestore.cli.session import Json, session_of
from featurestore.cli.tables import print_line, print_table
from featurestore.errors import UnknownFeature, did_you_mean

if TYPE_CHECKING:
    from featurestore.cli.session import Session
    from featurestore.define.feature_set import FeatureSet
    from featurestore.define.load import Definitions
    from featurestore.define.view import ViewSpec

Row = dict[str, Any]
HEADS = {
    "feature_sets": ("name", "features", "doc"),
    "views": ("name", "features", "key", "source", "doc"),
    "sources": ("name", "columns", "data", "doc"),
    "entities": ("name", "key", "doc"),
}


def list_definitions(context: typer.Context, as_json: Json = False) -> None:
    """List what is defined: feature sets, views, sources and entities.

    With what each says of itself. Nothing is read but the definitions.
    """
    session = session_of(context, as_json=as_json)
    found = _listed(_definitions(session))
    if as_json:
        session.emit(found)
        return
    for kind, heads in HEADS.items():
        print_line(kind.replace("_", " "), "bold")
        rows = [[_cell(row[head]) for head in heads] for row in found[kind]]
        print_table(heads, rows, wrap=("key", "doc"))
        print_line()


def describe(
    context: typer.Context,
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME",
            help="A feature set, view, source, entity, or a feature such as spending__spent.",
            autocompletion=everything,
        ),
    ],
    as_json: Json = False,
) -> None:
    """Describe one definition: its parts, with owner, tags and doc, and who uses it."""
    session = session_of(context, as_json=as_json)
    found = _described(_definitions(session), name)
    if as_json:
        session.emit(found)
        return
    print_line(f"{found['name']}  {found['kind']}", "bold")
    if found["doc"]:
        print_line(found["doc"], "dim")
    for key, value in found.items():
        if key not in ("name", "kind", "doc", "parts") and value:
            print_line(f"{key.replace('_', ' '):<11} {_cell(value)}")
    if found["parts"]:
        print_line()
        heads = [head for head in found["parts"][0] if head == "name" or any(part[head] for part in found["parts"])]
        rows = [[_cell(part[head]) for head in heads] for part in found["parts"]]
        print_table(heads, rows, wrap=("definition", "doc", "tags"))


def _definitions(session: Session) -> Definitions:
    from featurestore.config import read_config
    from featurestore.define.load import load_definitions

    config = read_config(".", environment=session.environment)
    return load_definitions(config.root, config.definitions)


def _listed(definitions: Definitions) -> dict[str, list[Row]]:
    return {
        "feature_sets": [
            {"name": name, "features": len(each.features), "doc": each.doc}
            for name, each in definitions.feature_sets.items()
        ],
        "views": [
            {
                "name": name,
                "features": len(view.__spec__.features),
                "key": [part.input for part in view.__spec__.key],
                "source": view.__spec__.source.__name__ if view.__spec__.source else "",
                "doc": _first_line(view.__spec__.doc),
            }
            for name, view in definitions.views.items()
        ],
        "sources": [
            {
                "name": name,
                "columns": len(source.__spec__.columns),
                "data": _data(source.__spec__.data),
                "doc": _first_line(_doc(source)),
            }
            for name, source in definitions.sources.items()
        ],
        "entities": [
            {"name": name, "key": [column.name for column in entity.__columns__], "doc": _first_line(_doc(entity))}
            for name, entity in definitions.entities.items()
        ],
    }


def _described(definitions: Definitions, name: str) -> Row:
    """Raises: UnknownFeature."""
    if name in definitions.feature_sets:
        return _of_set(definitions, definitions.feature_sets[name])
    if name in definitions.views:
        return _of_view(definitions, definitions.views[name].__spec__)
    if name in definitions.sources:
        source = definitions.sources[name]
        users = [view for view, cls in definitions.views.items() if cls.__spec__.source is source]
        spec = source.__spec__
        times = {"delay_us": spec.delay_us or None, "zone": spec.zone}
        parts = [
            {"name": each.name, "type": str(each.dtype), "is": each.marker.__name__, "in_the_data": _other(each)}
            for each in spec.columns
        ]
        about = {"data": _data(spec.data), **times, "used_by": users, "defined": spec.where}
        return {"name": name, "kind": "source", "doc": _doc(source), **about, "parts": parts}
    if name in definitions.entities:
        entity = definitions.entities[name]
        users = [view for view, cls in definitions.views.items() if name in {part.entity for part in cls.__spec__.key}]
        parts = [{"name": each.name, "type": str(each.dtype)} for each in entity.__columns__]
        return {"name": name, "kind": "entity", "doc": _doc(entity), "used_by": users, "parts": parts}
    return _of_feature(definitions, name)


def _of_set(definitions: Definitions, found: FeatureSet) -> Row:
    from featurestore.plan.build import plan_feature_set

    plan = plan_feature_set(found)
    rows = {row["name"]: row for view in definitions.views.values() for row in _features(view.__spec__)}
    parts = [rows.get(each.name, {"name": each.name, "type": str(each.dtype)}) for each in plan.outputs]
    return {
        "name": found.name,
        "kind": "feature set",
        "doc": found.doc,
        "version": plan.version,
        "inputs": [f"{each.name} ({each.dtype})" for each in plan.inputs],
        "sources": list(plan.scans),
        "parts": parts,
    }


def _of_view(definitions: Definitions, spec: ViewSpec) -> Row:
    users = [
        name for name, each in definitions.feature_sets.items() if any(node.view == spec.name for node in each.features)
    ]
    return {
        "name": spec.name,
        "kind": "view",
        "doc": spec.doc,
        "key": [f"{part.input} ({part.column.dtype})" for part in spec.key],
        "source": spec.source.__name__ if spec.source else "",
        "used_by": users,
        "defined": spec.where,
        "parts": list(_features(spec)),
    }


def _of_feature(definitions: Definitions, name: str) -> Row:
    known: list[str] = []
    for view in definitions.views.values():
        for row, spec in zip(_features(view.__spec__), view.__spec__.features, strict=True):
            known.append(row["name"])
            if name in (row["name"], f"{view.__name__}.{spec.name}"):
                users = [
                    set_name
                    for set_name, each in definitions.feature_sets.items()
                    if any((node.view, node.name) == (view.__name__, spec.name) for node in each.features)
                ]
                about = {"view": view.__name__, "used_by": users, "defined": view.__spec__.where, "parts": []}
                return {"name": row["name"], "kind": "feature", "doc": row["doc"], **row, **about}
    names = [*definitions.feature_sets, *definitions.views, *definitions.sources, *definitions.entities]
    raise UnknownFeature(
        f"nothing is called `{name}`",
        has=names,
        fix=did_you_mean(name, [*names, *known], "run `featurestore list`"),
    )


def _features(spec: ViewSpec) -> Iterator[Row]:
    from featurestore.expr.printing import text_of
    from featurestore.plan.build import snake_case

    for each in spec.features:
        yield {
            "name": f"{snake_case(spec.name)}__{each.name}",
            "type": str(each.node.dtype),
            "definition": text_of(each.node),
            "owner": each.owner,
            "tags": list(each.tags),
            "doc": each.doc,
        }


def _data(data: object) -> str:
    """Where a source's rows are, in a few words."""
    match data:
        case None:
            return "only pushed"
        case _ if hasattr(data, "path"):
            return f"{data.path}{f', {data.table}' if hasattr(data, 'table') else ''}"
        case _:
            return "a SELECT" if hasattr(data, "sql") else "a table in memory"


def _other(column: Any) -> str:
    return "" if column.stored == column.name else str(column.stored)


def _doc(cls: type) -> str:
    """A class's own docstring: that of its base is about all sources or entities."""
    return inspect.cleandoc(cls.__dict__.get("__doc__") or "")


def _first_line(doc: str) -> str:
    return doc.split("\n", 1)[0]


def _cell(value: object) -> object:
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return "" if value is None else value
