"""`featurestore show`: what a training set says of itself."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from featurestore.cli.session import Json, session_of
from featurestore.cli.tables import print_line, print_table
from featurestore.cli.texts import counted

if TYPE_CHECKING:
    import pyarrow as pa


def show(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A Parquet file that `dataset` wrote.")],
    as_json: Json = False,
) -> None:
    """Show what a training set's file says of itself.

    Its feature set, version, spine, certificate and columns. Needs no project.
    """
    import pyarrow.parquet as pq

    from featurestore.offline.about import about_file

    session = session_of(context, as_json=as_json)
    about = about_file(file)
    with pq.ParquetFile(file) as opened:
        rows, schema = opened.metadata.num_rows, opened.schema_arrow
    if as_json:
        session.emit({"file": str(file), "rows": rows, "columns": len(schema), **about})
        return
    engines = ", ".join(f"{name} {version}" for name, version in about.get("engines", {}).items())
    spine = about.get("spine", {})
    limit = f", its first {counted(spine['limit'], 'row')}" if spine.get("limit") else ""
    print_line(f"{file}: {counted(rows, 'row')}, {counted(len(schema), 'column')}", "bold")
    for name, text in (
        ("feature set", about.get("feature_set", "")),
        ("version", _version(about)),
        ("spine", f"{spine.get('given', '')}{limit}"),
        ("as of", about.get("as_of", "")),
        ("certificate", _certified(about.get("certificate"))),
        ("built by", f"{about.get('product', '')} ({engines})"),
    ):
        print_line(f"{name:<12} {text}")
    print_line()
    print_table(("column", "type", "is"), [(each.name, *_kind(each, about)) for each in schema])


def _version(about: dict[str, Any]) -> str:
    version, defined = about["version"], about.get("definitions_version")
    return version if defined in (None, version) else f"{version} (definitions {defined})"


def _certified(found: dict[str, Any] | None) -> str:
    if found is None:
        return "none: this version was not verified when the file was written"
    cells = counted(found["cells"], "cell")
    return f"{cells} verified, 0 differing, {counted(found['informative'], 'cell')} neither null nor zero"


def _kind(column: pa.Field[Any], about: dict[str, Any]) -> tuple[str, str]:
    """A column's type as definitions name it, and what it is."""
    features = {each["name"]: each["type"] for each in about.get("features", ())}
    if column.name in features:
        return features[column.name], "feature"
    if column.name.removesuffix("__status") in features and about.get("statuses"):
        return "string", "status"
    inputs = {each["name"]: each["type"] for each in about.get("inputs", ())}
    if column.name == about.get("as_of"):
        return str(column.type), "as of"
    return inputs.get(column.name, str(column.type)), "input" if column.name in inputs else "spine"
