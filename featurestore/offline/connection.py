"""A DuckDB that can read the declared sources and nothing else."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from glob import escape
from pathlib import Path

import duckdb

from featurestore.semantics.macros import EVERYWHERE, MACROS, macros_of
from featurestore.semantics.zones import local_offsets, offsets, wall_offsets

CSV_DIALECT = {"header": "true", "delim": "','", "quote": "'\"'", "escape": "'\"'", "comment": "''", "skip": "0"}
"""How a CSV file is written. DuckDB would guess it from a file's first rows, and one row would read differently in two
files."""
CSV_OPTIONS = ", ".join(f"{name} = {text}" for name, text in CSV_DIALECT.items())


def connect(
    folders: Iterable[Path],
    *,
    threads: int | None = None,
    memory_limit: str | None = None,
    spill: Path | None = None,
) -> duckdb.DuckDBPyConnection:
    """A new in-memory database that may open files below `folders` only, load no extension, and knows the macros that
    every road needs. What goes beyond its memory is put into the folder `spill`."""
    connection = duckdb.connect(config={"autoinstall_known_extensions": "false", "autoload_known_extensions": "false"})
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute("SET python_enable_replacements = false")
    # our progress goes to the error stream, and to a terminal only
    with suppress(duckdb.InvalidInputException):  # a notebook without ipywidgets has no bar, and refuses the setting
        connection.execute("SET enable_progress_bar = false")
    # how many questions there are is guessed, and a loop over all rows for thousands that were guessed to be few takes
    # minutes
    connection.execute("SET asof_loop_join_threshold = 0")
    # a nested SELECT for each level of an expression at most, and those of the views around it
    connection.execute("SET max_expression_depth = 4000")
    if threads is not None:
        connection.execute(f"SET threads = {int(threads)}")
    if memory_limit is not None:
        connection.execute(f"SET memory_limit = {literal(memory_limit)}")
    if spill is not None:
        connection.execute(f"SET temp_directory = {literal(str(spill.resolve()))}")
    paths = {str(folder.resolve()) for folder in folders}  # DuckDB checks a path as it is named, and each file found
    allowed = ", ".join(literal(f"{path}/") for path in sorted(paths | {escape(path) for path in paths}))
    connection.execute(f"SET allowed_directories = [{allowed}]")
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")
    for head in EVERYWHERE:
        connection.execute(f"CREATE TEMP MACRO {head} AS {MACROS[head]}")
    return connection


def define_macros(connection: duckdb.DuckDBPyConnection, sql: str) -> None:
    """Make the macros and kernels that a query calls known to a connection; all of them would cost every connection
    dearly."""
    for head, body in macros_of(sql).items():
        if head not in EVERYWHERE:
            connection.execute(f"CREATE OR REPLACE TEMP MACRO {head} AS {body}")


def define_zone(connection: duckdb.DuckDBPyConnection, zone: str) -> None:
    """Make the macros of a zone known to a connection."""
    for name, (instants, known) in (
        (offset_macro(zone), offsets(zone)),
        (local_offset_macro(zone), local_offsets(zone)),
        (wall_offset_macro(zone), wall_offsets(zone)),
    ):
        connection.execute(f"CREATE OR REPLACE TEMP MACRO {name}(x) AS {_search(instants, known)}")


def offset_macro(zone: str) -> str:
    """The macro that gives a zone's offset at an instant, in microseconds."""
    return f"fs_offset_{_plain(zone)}"


def local_offset_macro(zone: str) -> str:
    """The macro that gives a zone's offset at a local time, null where the clocks jumped over it."""
    return f"fs_local_offset_{_plain(zone)}"


def wall_offset_macro(zone: str) -> str:
    """The macro that gives the offset with which a local time of a zone is read; there always is one."""
    return f"fs_wall_offset_{_plain(zone)}"


def said_by(error: duckdb.Error) -> str:
    """What DuckDB says of what it cannot read, without the SQL that we wrote around it."""
    lines = [line for line in str(error).splitlines() if line.strip()]
    if any("sniffing" in line for line in lines[:4]):
        return 'lines that do not have the columns of the header, or that are not written as `a,"b",c`'
    behind = next((place for place, line in enumerate(lines) if line.startswith("LINE ")), 4)
    return "; ".join(lines[: min(max(behind, 1), 4)])


def quoted(name: str) -> str:
    """A name as SQL: always quoted, whatever it holds."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A text as a SQL string."""
    return "'" + text.replace("'", "''") + "'"


def _plain(zone: str) -> str:
    return "".join(letter if letter.isalnum() else {"+": "_plus_", "-": "_minus_"}.get(letter, "_") for letter in zone)


def _search(instants: tuple[int, ...], known: tuple[int | None, ...]) -> str:
    """The offset by halving: nested choices, since a table of zones joined to every row would cost more."""
    if not instants:
        return "NULL" if known[0] is None else f"{known[0]}::BIGINT"
    middle = len(instants) // 2
    before = _search(instants[:middle], known[: middle + 1])
    after = _search(instants[middle + 1 :], known[middle + 1 :])
    return f"CASE WHEN x < {instants[middle]} THEN {before} ELSE {after} END"
