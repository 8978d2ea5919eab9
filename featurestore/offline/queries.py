"""A source's `Query`: what it may say, and which files it reads.

DuckDB parses it; what it may read is judged on the parse tree, and paths become absolute files before it runs. So a
query means the same in every working folder, and reads neither what we registered nor anything beyond the project.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from glob import escape, glob
from pathlib import Path
from typing import Any

import duckdb

from featurestore.define.data import Query
from featurestore.define.places import short_path
from featurestore.errors import InputError, InvalidDefinition
from featurestore.offline.connection import literal

READERS = (
    "parquet_scan",
    "read_csv",
    "read_csv_auto",
    "read_json",
    "read_json_auto",
    "read_ndjson",
    "read_ndjson_auto",
    "read_parquet",
)
BESIDE = ("generate_series", "json_each", "json_tree", "range", "unnest")
"""Table functions that read nothing."""
CLOCKS = ("current_date", "current_time", "current_timestamp", "localtime", "localtimestamp")
"""Words that SQL takes for functions although they look like columns."""


@dataclass(frozen=True, slots=True)
class Reading:
    """The first argument of a reading function: its place in the query, in bytes, and the paths it names."""

    start: int
    end: int
    paths: tuple[str, ...]


def query_files(source: str, query: Query, root: Path) -> list[Path]:
    """The files that a query reads. Raises: InvalidDefinition, InputError  as `query_sql` does."""
    return [file for reading in _readings(source, query.sql) for file in _files(source, query, reading, root)]


def query_sql(source: str, query: Query, root: Path) -> str:
    """The query with the files that it reads in place of its paths.

    Raises: InvalidDefinition  when it is not one SELECT, reads anything but files, or depends on more than these.
            InputError         when a path fits no file below the project's folder.
    """
    text = query.sql.encode()
    for reading in sorted(_readings(source, query.sql), key=lambda each: each.start, reverse=True):
        listed = ", ".join(literal(str(file)) for file in _files(source, query, reading, root))
        text = text[: reading.start] + f"[{listed}]".encode() + text[reading.end :]
    return text.decode().rstrip().rstrip(";")


def where_of(query: Query) -> str:
    """The query as an error names it."""
    return f"Query({' '.join(query.sql.split())!r:.200})"


def _files(source: str, query: Query, reading: Reading, root: Path) -> list[Path]:
    below = os.path.realpath(root)
    found = []
    for path in reading.paths:
        whole = os.path.normpath(os.path.join(escape(below), path))
        if not whole.startswith(f"{escape(below)}{os.sep}"):
            raise InvalidDefinition(
                f"the query of `{source}` reads `{path}`, which is not below the project's folder",
                where=where_of(query),
                has=short_path(below),
                fix="keep the data below the project, a link to it is enough; or use `Parquet(path)`",
            )
        files = sorted(glob(whole, recursive=True))
        if not files:
            raise InputError(
                f"the source `{source}` has no files `{path}`",
                where=where_of(query),
                has=f"nothing below {short_path(below)} fits",
                fix="write the files, or mend the path",
            )
        found += [Path(file).resolve() for file in files]
    return found


@cache
def _readings(source: str, sql: str) -> tuple[Reading, ...]:
    where = where_of(Query(sql))
    with duckdb.connect() as parser:
        [[text]] = parser.execute("SELECT json_serialize_sql($sql)", {"sql": sql}).fetchall()
        parsed: dict[str, Any] = json.loads(text)
        if parsed["error"]:
            raise InvalidDefinition(
                f"the query of `{source}` is no SELECT that DuckDB can read",
                where=where,
                has=parsed["error_message"],
                fix="mend the SQL",
            )
        if len(parsed["statements"]) != 1:
            raise InvalidDefinition(
                f"the query of `{source}` has {len(parsed['statements'])} statements", where=where, fix="write one"
            )
        found = parser.execute(
            "SELECT DISTINCT function_name FROM duckdb_functions() "
            "WHERE function_type = 'scalar' AND stability <> 'CONSISTENT' AND function_name <> 'error'"
        ).fetchall()
    try:
        return tuple(_walk(parsed["statements"][0], frozenset(), frozenset(name for (name,) in found), sql.encode()))
    except InvalidDefinition as error:
        error.what, error.where = f"the query of `{source}` {error.what}", where
        raise


def _walk(node: Any, names: frozenset[str], volatile: frozenset[str], sql: bytes) -> Iterator[Reading]:
    """The readings below a node of the parse tree; `names` are the CTEs in scope."""
    if isinstance(node, list):
        for each in node:
            yield from _walk(each, names, volatile, sql)
        return
    if not isinstance(node, dict):
        return
    names |= {entry["key"].lower() for entry in (node.get("cte_map") or {}).get("map", ())}
    kind, name = node.get("type"), str(node.get("function_name") or "").lower()
    if kind == "BASE_TABLE" and (len(node["qualified_name"]["path"]) > 1 or node["table_name"].lower() not in names):
        table = ".".join(node["qualified_name"]["path"])
        reader = {".csv": "read_csv", ".json": "read_json"}.get(Path(table).suffix, "read_parquet")
        raise InvalidDefinition(
            f"reads `{table}`, which is no name that it defines",
            has=[*names, *READERS],
            fix=f"write `{reader}('{table}')`" if "." in table else "read files: `read_parquet('data/*.parquet')`",
        )
    if kind == "SHOW_REF":
        raise InvalidDefinition("describes tables", has=READERS, fix="select rows of files")
    if node.get("sample"):
        raise InvalidDefinition("takes a sample, which another run would not take again", fix="choose rows with WHERE")
    if name in volatile or (kind == "COLUMN_REF" and node["column_names"][-1].lower() in CLOCKS):
        shown = name or node["column_names"][-1]
        raise InvalidDefinition(
            f"calls `{shown}`, which gives another value at another time",
            fix="take it away: the rows of a source depend on its files alone",
        )
    if kind == "TABLE_FUNCTION":
        yield from _reading(node["function"], sql)
    for each in node.values():
        yield from _walk(each, names, volatile, sql)


def _reading(function: dict[str, Any], sql: bytes) -> Iterator[Reading]:
    name = function["function_name"].lower()
    if name in BESIDE:
        return
    if name not in READERS:
        raise InvalidDefinition(f"calls `{name}`, which no query of a source may", has=READERS, fix="read files")
    first = function["arguments"][0]["expression"] if function["arguments"] else {}
    listed = first.get("function_name") == "list_value" and _text(first, sql)[:1] == b"["
    paths = [each["expression"] for each in first["arguments"]] if listed else [first]
    for path in paths:
        if path.get("class") != "CONSTANT" or path["literal"]["kind"] != "STRING" or _text(path, sql)[:1] != b"'":
            raise InvalidDefinition(
                f"gives `{name}` a path that is no text", fix=f"write it out: `{name}('data/*.parquet')`"
            )
    start = first["query_location"]
    end = start + first["query_location_length"]
    yield Reading(start, end, tuple(path["literal"]["text"] for path in paths))


def _text(node: dict[str, Any], sql: bytes) -> bytes:
    start = node["query_location"]
    return sql[start : start + int(node["query_location_length"])]
