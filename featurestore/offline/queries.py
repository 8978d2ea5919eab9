"""A source's `Query` and a spine's SELECT: what they may say, and which files they read.

DuckDB parses them; what they may read is judged on the parse tree, and paths become absolute files before they run. So
a query means the same in every working folder, and reads neither what we registered nor anything beyond the project.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from glob import escape, glob
from pathlib import Path
from typing import Any

import duckdb

from featurestore.define.data import Csv, Data, DuckDBTable, Frame, Parquet, Query
from featurestore.define.places import short_path
from featurestore.errors import InputError, InvalidDefinition
from featurestore.offline.connection import literal, quoted

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
_READER_OF = {".parquet": "read_parquet", ".csv": "read_csv", ".json": "read_json", ".ndjson": "read_ndjson"}
BESIDE = ("generate_series", "json_each", "json_tree", "range", "unnest")
"""Table functions that read nothing."""
_WORD = re.compile(r"[a-z_0-9]+")
_QUOTED = re.compile(rb"""'([^']|'')*'|"([^"]|"")*\"""")
CLOCKS = ("current_date", "current_time", "current_timestamp", "localtime", "localtimestamp")
"""Words that SQL takes for functions although they look like columns."""
CLOCK_BY_ARITY = frozenset({("age", 1)})
"""Calls that read the clock although DuckDB lists an overload of them as stable, with their number of arguments."""


@dataclass(frozen=True, slots=True)
class Reading:
    """The paths that a query names in one place: its place in bytes, and what is written there instead, around the
    list of files."""

    start: int
    end: int
    paths: tuple[str, ...]
    written: str = "{}"


def query_files(source: str, query: Query, root: Path) -> list[Path]:
    """The files that a query reads. Raises: InvalidDefinition, InputError  as `query_sql` does."""
    whose, where = f"the query of `{source}`", where_of(query)
    return [file for each in _readings(whose, where, query.sql) for file in _files(whose, where, each, root)]


def query_sql(source: str, query: Query, root: Path) -> str:
    """The query with the files that it reads in place of its paths.

    Raises: InvalidDefinition  when it is not one SELECT, reads anything but files, or depends on more than these.
            InputError         when a path fits no file below the project's folder.
    """
    return _resolved(f"the query of `{source}`", where_of(query), query.sql, root, spine=False)[0]


def spine_sql(sql: str, root: Path) -> tuple[str, list[Path]]:
    """A spine's SELECT with files in place of its paths, and these files.

    It reads files as a source's query does. It may also name a file as a table, and ask a clock or chance, for no
    value of a feature depends on that.
    Raises: InputError  when it is not one SELECT, reads anything but files, or a path fits none.
    """
    try:
        return _resolved("the spine's SQL", where_of_spine(sql), sql, root, spine=True)
    except InvalidDefinition as error:
        raise InputError(error.what, where=error.where, has=error.has, fix=error.fix) from None


def where_of(data: Data | None) -> str:
    """A source's data as an error names it."""
    match data:
        case None:
            return "pushed rows"
        case Frame():
            return "a table in memory"
        case Query():
            return f"Query({' '.join(data.sql.split())!r:.200})"
        case Parquet() | Csv():
            return f"{type(data).__name__}({data.path!r})"
        case DuckDBTable():
            return f"DuckDBTable({data.path!r}, {data.table!r})"


def where_of_spine(sql: str) -> str:
    """A spine's SELECT as an error names it."""
    return " ".join(sql.split())[:200]


def _resolved(whose: str, where: str, sql: str, root: Path, *, spine: bool) -> tuple[str, list[Path]]:
    text, read = sql.encode(), []
    for reading in sorted(_readings(whose, where, sql, spine), key=lambda each: each.start, reverse=True):
        files = _files(whose, where, reading, root)
        listed = f"[{', '.join(literal(str(file)) for file in files)}]"
        text = text[: reading.start] + reading.written.format(listed).encode() + text[reading.end :]
        read += files
    return text.decode().rstrip().rstrip(";"), read


def _files(whose: str, where: str, reading: Reading, root: Path) -> list[Path]:
    below = os.path.realpath(root)
    found = []
    for path in reading.paths:
        whole = os.path.normpath(os.path.join(escape(below), path))
        if not whole.startswith(f"{escape(below)}{os.sep}"):
            raise InvalidDefinition(
                f"{whose} reads `{path}`, which is not below the project's folder",
                where=where,
                has=short_path(below),
                fix="keep the data below the project, a link to it is enough; or give a path without SQL",
            )
        files = sorted(glob(whole, recursive=True))
        if not files:
            raise InputError(
                f"{whose} finds no files `{path}`",
                where=where,
                has=f"nothing below {short_path(below)} fits",
                fix="write the files, or mend the path",
            )
        found += [Path(file).resolve() for file in files]
    return found


def volatile_calls(connection: duckdb.DuckDBPyConnection) -> frozenset[tuple[str, int | None]]:
    """Calls whose value depends on more than their arguments: name and number of arguments, None for any number.

    They are judged by overload. DuckDB lists `-`, `date_trunc` and others once more for TIMESTAMPTZ with a lesser
    stability, since these read the session's time zone. `connect` pins that zone, so such an overload is stable here.
    It has arguments, and one of them or the result is an instant; a clock, such as `now()`, has no arguments. A macro
    of DuckDB that makes such a call, such as `ago`, is as volatile as that call.
    """
    listed = connection.execute(
        "SELECT function_name, parameter_types, varargs, return_type, stability FROM duckdb_functions() "
        "WHERE function_type = 'scalar' AND stability <> 'CONSISTENT' AND function_name <> 'error'"
    ).fetchall()
    found: set[tuple[str, int | None]] = set()
    for name, parameters, varargs, result, stability in listed:
        zoned = any("TIME ZONE" in kind or "TIMESTAMPTZ" in kind for kind in (*parameters, str(result)))
        if stability == "CONSISTENT_WITHIN_QUERY" and parameters and zoned:
            continue
        found.add((str(name), None if varargs else len(parameters)))
    calls = {name for name, _ in found} | set(CLOCKS)
    macros = connection.execute(
        "SELECT function_name, macro_definition FROM duckdb_functions() WHERE function_type = 'macro'"
    ).fetchall()
    found |= {(str(name), None) for name, body in macros if calls & set(_WORD.findall(str(body).lower()))}
    return frozenset(found) | CLOCK_BY_ARITY


@cache
def _readings(whose: str, where: str, sql: str, spine: bool = False) -> tuple[Reading, ...]:
    with duckdb.connect() as parser:
        [[text]] = parser.execute("SELECT json_serialize_sql($sql)", {"sql": sql}).fetchall()
        parsed: dict[str, Any] = json.loads(text)
        if parsed["error"]:
            raise InvalidDefinition(
                f"{whose} is no SELECT that DuckDB can read",
                where=where,
                has=parsed["error_message"],
                fix="mend the SQL",
            )
        if len(parsed["statements"]) != 1:
            raise InvalidDefinition(f"{whose} has {len(parsed['statements'])} statements", where=where, fix="write one")
        volatile = None if spine else volatile_calls(parser)
    try:
        return tuple(_walk(parsed["statements"][0], frozenset(), volatile, sql.encode()))
    except InvalidDefinition as error:
        error.what, error.where = f"{whose} {error.what}", where
        raise


def _walk(
    node: Any, names: frozenset[str], volatile: frozenset[tuple[str, int | None]] | None, sql: bytes
) -> Iterator[Reading]:
    """The readings below a node of the parse tree; `names` are the CTEs in scope, `volatile` the calls that a source
    may not make, and None for a spine."""
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
        reader = _READER_OF.get(Path(table).suffix)
        written = _QUOTED.match(sql, int(node["query_location"]))
        if volatile is None and reader and written:
            alias = "" if node["alias"] else f" AS {quoted(Path(table).stem)}".replace("{", "{{").replace("}", "}}")
            yield Reading(written.start(), written.end(), (table,), f"{reader}({{}}){alias}")
            return
        raise InvalidDefinition(
            f"reads `{table}`, which is no name that it defines",
            has=[*names, *READERS],
            fix=f"write `{reader}('{table}')`" if reader else "read files: `read_parquet('data/*.parquet')`",
        )
    if kind == "SHOW_REF":
        raise InvalidDefinition("describes tables", has=READERS, fix="select rows of files")
    if volatile is not None and node.get("sample"):
        raise InvalidDefinition("takes a sample, which another run would not take again", fix="choose rows with WHERE")
    if volatile is not None and (
        {(name, None), (name, len(node.get("arguments", ())))} & volatile
        or (kind == "COLUMN_REF" and node["column_names"][-1].lower() in CLOCKS)
    ):
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
        raise InvalidDefinition(f"calls `{name}`, which it may not", has=READERS, fix="read files")
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
