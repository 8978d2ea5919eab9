"""`featurestore init --from`: a first definition from a Parquet or CSV file, to be read and changed by its author."""

from __future__ import annotations

import keyword
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from featurestore.errors import InputError

if TYPE_CHECKING:
    import pyarrow as pa

LOOKED_AT = 100_000
"""Rows that are read to see which column names a row, and which one many rows share."""


def draft(file: Path, folder: Path) -> str:
    """Definitions over a file, for a project in `folder`: a source with all columns whose type it can have, an entity,
    a view and a feature set.

    Raises: InputError  when the file cannot be read, or no column can be a key.
    """
    table = _first_rows(file)
    names = {name: annotation for name in table.column_names if (annotation := _annotation(table, name))}
    timed = [name for name, kind in names.items() if kind == "datetime"]
    row_id, key = _identity(table, names, file)
    at = timed[0] if timed else None
    lines = [f"    {name}: {_declared(name, kind, at, row_id)}" for name, kind in names.items()]
    lines += [
        f"    # {name}: {table.schema.field(name).type}, which no column can be as it stands; see docs/definitions.md"
        for name in table.column_names
        if name not in names
    ]
    source = _class_name(file.stem)
    entity = _class_name(re.sub(r"_?(id|key|code)$", "", key, flags=re.IGNORECASE) or key)
    entity = f"{entity}Entity" if entity == source else entity
    reader = "Csv" if file.suffix.lower() == ".csv" else "Parquet"
    path = os.path.relpath(file.resolve(), folder.resolve())
    naive = at is not None and _is_naive(table, at)
    options = [f"data={reader}({path!r})", *(['zone="UTC"'] if naive else []), *([] if at else ["static=True"])]
    imports = sorted({"Column", "Entity", "FeatureSet", "FeatureView", "Source", reader, *_markers(at, row_id)})
    imports += ["rows"] if at else []
    standard = [kind for kind in ("date", "datetime") if any(f"[{kind}]" in line for line in lines)]
    head = [f"from datetime import {', '.join(standard)}", ""] if standard else []
    features = list(_features(source, names, key, at, row_id))
    return "\n".join(
        [
            f'"""Drafted from {file.name}. Check which column is what, and say what a row and each feature means."""',
            "",
            *head,
            f"from featurestore import {', '.join(imports)}",
            *["", "", f"class {entity}(Entity):", '    """What the features are about."""', ""],
            f"    {key}: Column[{names[key]}]",
            *["", "", f"class {source}(Source, {', '.join(options)}):"],
            f'    """One row per ...{"; its local times are taken as UTC: check that" if naive else ""}."""',
            *["", *lines],
            *["", "", f"class {source}Features(FeatureView, entity={entity}, source={source}):"],
            *['    """What is known of one key."""', "", *features],
            *["", "", f'{_set_name(file.stem)} = FeatureSet("{_set_name(file.stem)}", {source}Features)', ""],
        ]
    )


def _first_rows(file: Path) -> pa.Table:
    import pyarrow as pa
    import pyarrow.csv as csv
    import pyarrow.parquet as pq

    try:
        if file.suffix.lower() == ".csv":
            with csv.open_csv(file) as reader:
                return pa.Table.from_batches([reader.read_next_batch()]).slice(0, LOOKED_AT)
        with pq.ParquetFile(file) as opened:
            batch = next(opened.iter_batches(LOOKED_AT), None)
            return opened.schema_arrow.empty_table() if batch is None else pa.Table.from_batches([batch])
    except (pa.ArrowException, OSError, StopIteration) as error:
        said = str(error).splitlines()
        raise InputError(
            f"`{file}` cannot be read", has=said[0] if said else "no rows", fix="give a Parquet or CSV file"
        ) from None


def _annotation(table: pa.Table, name: str) -> str | None:
    """The Python type of a column; None for one that cannot be declared as it stands."""
    import pyarrow.types as kinds

    kind = table.schema.field(name).type
    if kinds.is_dictionary(kind):
        kind = kind.value_type
    if not name.isidentifier() or keyword.iskeyword(name) or name.startswith("_"):
        return None
    for test, annotation in (
        (kinds.is_boolean, "bool"),
        (kinds.is_integer, "int"),
        (kinds.is_floating, "float"),
        (lambda each: kinds.is_string(each) or kinds.is_large_string(each), "str"),
        (kinds.is_timestamp, "datetime"),
        (kinds.is_date32, "date"),
    ):
        if test(kind):
            return annotation
    return None


def _identity(table: pa.Table, names: dict[str, str], file: Path) -> tuple[str | None, str]:
    """The column that names a row, if one does, and the one that many rows share."""
    import pyarrow.compute as pc

    able = [name for name, kind in names.items() if kind in ("int", "str")]
    able.sort(key=lambda name: not re.search(r"(^|_)(id|key|code)$", name, re.IGNORECASE))
    named = [name for name in able if re.search(r"(^|_)(id|key|code)$", name, re.IGNORECASE)]
    unique = [
        name
        for name in named
        if table.num_rows and pc.count_distinct(table.column(name), mode="all").as_py() == table.num_rows
    ]
    row_id = unique[0] if unique else None
    keys = [name for name in able if name != row_id] or able
    if not keys:
        raise InputError(
            f"no column of `{file}` can be a key",
            has=[f"{field.name} ({field.type})" for field in table.schema],
            fix="a key is a whole number or a text; write the definitions by hand, as docs/definitions.md shows",
        )
    return row_id, keys[0]


def _declared(name: str, kind: str, at: str | None, row_id: str | None) -> str:
    if name == at:
        return "EventTime"
    return f"RowId[{kind}]" if at is not None and name == row_id else f"Column[{kind}]"


def _markers(at: str | None, row_id: str | None) -> list[str]:
    return [] if at is None else ["EventTime", *(["RowId"] if row_id else [])]


def _features(source: str, names: dict[str, str], key: str, at: str | None, row_id: str | None) -> Iterator[str]:
    others = [name for name in names if name not in (key, at, row_id)]
    if at is None:
        for name in others or [key]:
            yield f"    {name} = {source}.{name}.last()"
        return
    yield '    number = rows(over=("1d", "30d"))'
    for name in others:
        if names[name] == "float":
            yield f'    {name}_mean = {source}.{name}.mean(over="30d")'
        elif names[name] == "str":
            yield f'    last_{name} = {source}.{name}.last(over="30d")'


def _is_naive(table: pa.Table, name: str) -> bool:
    kind = table.schema.field(name).type
    return bool(kind.tz is None)


def _class_name(text: str) -> str:
    """`late_rides-2` as `LateRides2`; what begins with a digit or is a word of Python gets a letter before it."""
    name = "".join(part[:1].upper() + part[1:] for part in re.findall(r"[A-Za-z0-9]+", text)) or "Row"
    return f"T{name}" if name[0].isdigit() or keyword.iskeyword(name) else name


def _set_name(text: str) -> str:
    name = "_".join(re.findall(r"[a-z0-9]+", text.lower())) or "features"
    return f"set_{name}" if name[0].isdigit() or keyword.iskeyword(name) else name
