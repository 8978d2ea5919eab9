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
from pathlib import Path
from typing import Any

import duckdb

from featurestore.define.data import Csv, Data, DuckDBTable, Frame, Parquet, Query
from featurestore.define.places import short_path
from featurestore.errors import InputError, InvalidDefinition
from featurestore.offline.connection import connect, quoted
from featurestore.offline.files import found_files
from featurestore.offline.readers import Call, rows_sql

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
_READER_OF = {
    ".parquet": "read_parquet",
    ".csv": "read_csv",
    ".json": "read_json",
    ".ndjson": "read_ndjson",
    ".jsonl": "read_ndjson",
}
BESIDE = ("generate_series", "json_each", "json_tree", "range", "unnest")
"""Table functions that read nothing."""
_WORD = re.compile(r"[a-z_0-9]+")
_LATERAL = re.compile(rb"lateral\s+", re.IGNORECASE)
_TOKEN = re.compile(
    rb"""[eE]'(?:[^'\\]|\\.|'')*'|'(?:[^']|'')*'|"(?:[^"]|"")*"|\$(\w*)\$.*?\$\1\$|--[^\n]*|/\*.*?\*/|[()]""",
    re.DOTALL,
)
"""What may hold a parenthesis, and parentheses."""
_QUOTED = re.compile(rb"""'([^']|'')*'|"([^"]|"")*\"""")
CLOCKS = ("current_date", "current_time", "current_timestamp", "localtime", "localtimestamp")
"""Words that SQL takes for functions although they look like columns."""
CLOCK_BY_ARITY = frozenset({("age", 1)})
"""Calls that read the clock although DuckDB lists an overload of them as stable, with their number of arguments."""


@dataclass(frozen=True, slots=True)
class Reading:
    """A call of a reader, or a file that is named as a table: its place in bytes, the reader, the paths, its options
    as they are written behind these and by name, and how the rows are called afterwards."""

    start: int
    end: int
    reader: str
    paths: tuple[str, ...]
    written: str = ""
    options: tuple[tuple[str, str], ...] = ()
    alias: str = ""


def query_files(source: str, query: Query, root: Path) -> list[Path]:
    """The files that a query reads. Raises: InvalidDefinition, InputError  as `query_sql` does."""
    whose, where = f"the query of `{source}`", where_of(query)
    return [file for each in _readings(whose, where, query.sql) for file in _files(whose, where, each, root)]


def query_sql(source: str, query: Query, root: Path, connection: duckdb.DuckDBPyConnection | None = None) -> str:
    """The query with the files that it reads in place of its paths, each with types that hold what is in all its rows.

    Raises: InvalidDefinition  when it is not one SELECT, reads anything but files, or depends on more than these.
            InputError         when a path fits no file below the project's folder, or no type holds what the files say.
    """
    return _resolved(f"the query of `{source}`", where_of(query), query.sql, root, connection, spine=False)[0]


def spine_sql(sql: str, root: Path) -> tuple[str, list[Path]]:
    """A spine's SELECT with files in place of its paths, and these files.

    It reads files as a source's query does. It may also name a file as a table, and ask a clock or chance, for no
    value of a feature depends on that.
    Raises: InputError  when it is not one SELECT, reads anything but files, or a path fits none.
    """
    try:
        return _resolved("the spine's SQL", where_of_spine(sql), sql, root, None, spine=True)
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


def _resolved(
    whose: str, where: str, sql: str, root: Path, connection: duckdb.DuckDBPyConnection | None, *, spine: bool
) -> tuple[str, list[Path]]:
    readings = sorted(_readings(whose, where, sql, spine), key=lambda each: each.start, reverse=True)
    found = [_files(whose, where, reading, root) for reading in readings]
    read = [file for files in found for file in files]
    opened = connection or connect({file.parent for file in read})
    text = sql.encode()
    try:
        for reading, files in zip(readings, found, strict=True):
            rows = rows_sql(
                opened, Call(whose, where, reading.reader, reading.written, dict(reading.options)), files, root
            )
            text = text[: reading.start] + f"{rows}{reading.alias}".encode() + text[reading.end :]
    finally:
        if connection is None:
            opened.close()
    return text.decode().rstrip().rstrip(";"), read


def _files(whose: str, where: str, reading: Reading, root: Path) -> list[Path]:
    below = os.path.realpath(root)
    found = []
    for path in reading.paths:
        inside = path
        if os.path.isabs(path):  # an absolute path may name the project's folder by a link
            roots = (str(root), os.path.abspath(root), below)
            start = next((each for each in roots if path.startswith(f"{each}{os.sep}")), None)
            inside = path[len(start) + 1 :] if start else ".."
        inside = os.path.normpath(inside)
        if inside.split(os.sep)[0] == "..":
            raise InvalidDefinition(
                f"{whose} reads `{path}`, which is not below the project's folder",
                where=where,
                has=short_path(below),
                fix="keep the data below the project, a link to it is enough; or give a path without SQL",
            )
        found += found_files(inside, Path(below), whose, where)
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
            alias = "" if node["alias"] else f" AS {quoted(Path(table).stem)}"
            yield Reading(written.start(), written.end(), reader, (table,), alias=alias)
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
        yield from _reading(node, sql)
    for each in node.values():
        yield from _walk(each, names, volatile, sql)


def _reading(table: dict[str, Any], sql: bytes) -> Iterator[Reading]:
    function = table["function"]
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
    start, end = _call(sql, int(table["query_location"]))
    behind = first["query_location"] + first["query_location_length"]
    alias = "" if table["alias"] else f" AS {quoted(name)}"
    texts = tuple(path["literal"]["text"] for path in paths)
    options = tuple(_option(each, sql) for each in function["arguments"][1:])
    yield Reading(start, end, name, texts, sql[behind : end - 1].decode(), options, alias)


def _call(sql: bytes, start: int) -> tuple[int, int]:
    """Where a call of a function that is written at `start` begins and ends; LATERAL is no part of it."""
    lateral = _LATERAL.match(sql, start)
    depth = 0
    for token in _TOKEN.finditer(sql, start):
        depth += {b"(": 1, b")": -1}.get(token[0], 0)
        if depth == 0 and token[0] == b")":
            return lateral.end() if lateral else start, token.end()
    raise InvalidDefinition("has a call whose end was not found", fix="take comments out of the SQL")


def _option(argument: dict[str, Any], sql: bytes) -> tuple[str, str]:
    """An option of a reader, `header = true` or `header := true`, by its name; its text if that is all of it."""
    value, name = argument["expression"], argument["name"]
    if not name and value.get("type") == "COMPARE_EQUAL" and value["left"].get("type") == "COLUMN_REF":
        name, value = value["left"]["column_names"][-1], value["right"]
    if not name:
        raise InvalidDefinition("gives a reader more than paths", fix="write its options as `name = value`")
    if value.get("function_name") == "struct_pack":  # the names are what matters
        return name.lower(), ",".join(quoted(each["name"]) for each in value["arguments"])
    return name.lower(), _text(value, sql).decode()


def _text(node: dict[str, Any], sql: bytes) -> bytes:
    start = node["query_location"]
    return sql[start : start + int(node["query_location_length"])]
