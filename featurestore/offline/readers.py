"""What a reader call of a SELECT becomes: the rows of its files, with types that hold everything in all of them.

DuckDB guesses types and dialect from the first 20,480 lines, takes the types of the first file for all, and reads
`007` as 7. Here CSV and JSON are read with types from all rows, and Parquet files of one call must have types that one
type holds exactly.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb

from featurestore.errors import InputError, InvalidDefinition
from featurestore.offline.columns import EXACT
from featurestore.offline.connection import CSV_DIALECT, literal, quoted, said_by
from featurestore.offline.files import (
    alike_parquet,
    check_names_once,
    csv_names,
    file_list,
    hive_names,
    hive_options,
    parquet_names,
)
from featurestore.offline.inferred import exact_number, inferred_types
from featurestore.offline.interrupts import interruptible

_CSV_ALIASES = {"sep": "delim", "delimiter": "delim", "dtypes": "types", "column_types": "types"}
_FORMATS = ("dateformat", "date_format", "timestampformat", "timestamp_format", "decimal_separator", "thousands")
"""Options that say how a type is written, so they need a type."""
_JSON_TYPES = (
    "auto_detect",
    "convert_strings_to_integers",
    "dateformat",
    "field_appearance_threshold",
    "map_inference_threshold",
    "maximum_depth",
    "maximum_sample_files",
    "sample_size",
    "timestampformat",
    "union_by_name",
)
"""Options that change the types that DuckDB guesses."""
_ALL_ROWS = {"sample_size": "-1", "maximum_sample_files": str(2**62), "union_by_name": "true"}
_TEXTS = re.compile(r"\b(TIMESTAMP WITH TIME ZONE|TIMESTAMP(_[A-Z]+)?|DATE|TIME|UUID|INTERVAL)\b")
"""Types that JSON has only as texts."""
_LONG = r"(^|[\[,:]) *-?[0-9]{16,} *($|[,}\]])|[0-9.]{19,}"
"""A number within JSON that a double may not hold."""
_SMALL = ("TINYINT", "SMALLINT", "INTEGER", "UTINYINT", "USMALLINT", "UINTEGER")
_INTEGERS = (*_SMALL, "BIGINT", "UBIGINT", "HUGEINT")


@dataclass(frozen=True, slots=True)
class Call:
    """A call of a reader: in whose SQL, the reader, and its options behind the paths, as written and by name."""

    whose: str
    where: str
    reader: str
    written: str
    options: Mapping[str, str]

    def refuse(self, what: str, fix: str) -> InvalidDefinition:
        """The error that says what the call does."""
        return InvalidDefinition(f"{self.whose} {what}", where=self.where, has=sorted(self.options), fix=fix)


def rows_sql(connection: duckdb.DuckDBPyConnection, call: Call, files: Sequence[Path], root: Path) -> str:
    """The rows of a call as DuckDB text that can stand in its place.

    Raises: InvalidDefinition  for options that ask DuckDB to guess.
            InputError         when the files cannot be read, or no type holds what they say.
    """
    found = {name: text for name, text in hive_options(files, root).items() if name not in call.options}
    hive = {} if {"hive_types", "hive_types_autocast"} & set(call.options) else found
    try:
        if "csv" in call.reader:
            return _csv(connection, call, files, hive)
        if "json" in call.reader:
            return _json(connection, call, files, root, hive)
        return _parquet(connection, call, files, root, hive)
    except duckdb.Error as error:
        if isinstance(error, (duckdb.OutOfMemoryException, duckdb.InterruptException)):
            raise
        raise InputError(
            f"{call.whose} cannot be read", where=call.where, has=said_by(error), fix="fix the SQL, or the file"
        ) from None


def _reader(call: Call, files: Sequence[Path], more: Mapping[str, str]) -> str:
    """The call over these files, with options that it does not have."""
    added = "".join(f", {name} = {text}" for name, text in more.items() if name not in call.options)
    return f"{call.reader}({file_list(files)}{call.written.rstrip()}{added})"


def _csv(connection: duckdb.DuckDBPyConnection, call: Call, files: Sequence[Path], hive: Mapping[str, str]) -> str:
    given = {_CSV_ALIASES.get(name, name): text for name, text in call.options.items()}
    if given.get("all_varchar", "true").lower() == "false" or given.get("auto_detect", "false").lower() == "true":
        raise call.refuse("lets DuckDB guess types", "leave the option out: types are read from all rows")
    if {"columns", "names"} & set(given) and "header" not in given:
        raise call.refuse("names columns and says nothing of a header", "write `header = true` or `header = false`")
    if set(_FORMATS) & set(given) and not {"columns", "types", "all_varchar"} & set(given):
        raise call.refuse(
            "says how values are written and not of which columns", "write `types = {'day': 'DATE'}` as well"
        )
    more = {name: text for name, text in CSV_DIALECT.items() if name not in given}
    more |= {"union_by_name": "true"} | dict(hive)
    if "quote" in given and "escape" not in given:
        more["escape"] = given["quote"]
    delimiter = given.get("delim", "','")[1:-1]
    if len(delimiter) == 1 and given.get("skip", "0") == "0" and "names" not in given and "columns" not in given:
        for file in files:
            names = csv_names(file, delimiter, f"{call.whose} cannot be read", call.where)
            if given.get("header", "true").lower() == "true":
                check_names_once(names, dict.fromkeys(names), f"the file `{file.name}`", call.where)
    if {"columns", "auto_detect", "all_varchar"} & set(given):
        return _reader(call, files, more if "auto_detect" not in given else {})
    relation = _reader(call, files, more | {"all_varchar": "true"})
    types = _described(connection, relation)
    typed = given.get("types")
    named = set(re.findall(r'"((?:[^"]|"")*)"', typed)) if typed and not typed.startswith("[") else set()
    first = typed.count(",") + 1 if typed and typed.startswith("[") else 0
    texts = [
        name
        for place, (name, kind) in enumerate(types.items())
        if kind == "VARCHAR" and name.replace('"', '""') not in named and place >= first
    ]
    inferred = inferred_types(connection, relation, texts)
    return _cast(relation, types, {name: kind for name, kind in inferred.items() if kind != "VARCHAR"})


def _json(
    connection: duckdb.DuckDBPyConnection, call: Call, files: Sequence[Path], root: Path, hive: Mapping[str, str]
) -> str:
    if "columns" in call.options:
        return _reader(call, files, hive)
    if guessing := sorted(set(_JSON_TYPES) & set(call.options)):
        raise call.refuse(
            f"says how DuckDB guesses types, `{guessing[0]}`",
            "leave it out: types are read from all rows; or name them, `columns = {'k': 'BIGINT'}`",
        )
    every = _reader(call, files, {**hive, **_ALL_ROWS})
    types = interruptible(connection, _described, connection, every)
    others = {name.lower() for name in hive_names(files, root)} | {_file_column(call)}
    own = {name: kind for name, kind in types.items() if name.lower() not in others}
    columns = {name: _TEXTS.sub("VARCHAR", kind) for name, kind in own.items()}
    lists = [name for name, kind in columns.items() if kind == "JSON[]"]
    if lists:  # DuckDB knows no type of items that are not there
        counts = ", ".join(f"count(*) FILTER (WHERE len({quoted(name)}) > 0)" for name in lists)
        raw = _reader(call, files, {**hive, "columns": _struct(dict.fromkeys(lists, "JSON[]"))})
        found = connection.execute(f"SELECT {counts} FROM {raw}").fetchall()[0]
        columns |= {name: '"NULL"[]' for name, count in zip(lists, found, strict=True) if not count}
    floats = [name for name, kind in columns.items() if "DOUBLE" in kind]
    if floats:
        raw = _reader(call, files, {**hive, "columns": _struct(dict.fromkeys(floats, "JSON"))})
        lost = [
            f"bool_or(NOT {exact_number(text)})"
            if columns[name] == "DOUBLE"
            else f"bool_or(regexp_matches({text}, {literal(_LONG)}))"
            for name in floats
            for text in [f"CAST({quoted(name)} AS VARCHAR)"]
        ]
        sql = f"SELECT {', '.join(lost)} FROM {raw}"
        [found] = interruptible(connection, lambda: connection.execute(sql).fetchall())
        for name, is_lost in zip(floats, found, strict=True):
            if is_lost:  # as it is written
                columns[name] = "VARCHAR" if columns[name] == "DOUBLE" else "JSON"
    return _reader(call, files, {**hive, "columns": _struct(columns)})


def _file_column(call: Call) -> str:
    """The column that the option `filename` adds."""
    text = call.options.get("filename", "").strip()
    return text[1:-1].lower() if text.startswith("'") else "filename"


def _parquet(
    connection: duckdb.DuckDBPyConnection, call: Call, files: Sequence[Path], root: Path, hive: Mapping[str, str]
) -> str:
    more = dict(hive) | ({"union_by_name": "true"} if len(files) > 1 else {})
    if "schema" in call.options:
        return _reader(call, files, hive)
    for group in (groups := alike_parquet(files)):
        names = [*parquet_names(group[0]), *hive_names(files, root)]
        check_names_once(names, dict.fromkeys(names), f"the file `{group[0].name}`", call.where)
    if len(groups) > 1:
        _check_types(connection, call, groups, hive)
    return _reader(call, files, more)


def _check_types(
    connection: duckdb.DuckDBPyConnection, call: Call, groups: Sequence[Sequence[Path]], hive: Mapping[str, str]
) -> None:
    """Refuse files whose types DuckDB would bring to one at the cost of digits or of a zone. Raises: InputError."""
    seen: dict[str, tuple[str, str, Sequence[Path]]] = {}
    for group in groups:
        for name, kind in _described(connection, _reader(call, group, hive)).items():
            known, held, before = seen.setdefault(name.lower(), (name, kind, group))
            whole = [each for each in ((held, before), (kind, group)) if each[0] in _INTEGERS]
            doubles = {held, kind} & {"FLOAT", "DOUBLE"}
            if known == name and (
                held == kind
                or '"NULL"' in (held, kind)
                or len(whole) == 2
                or len(doubles) == 2
                or (whole and doubles == {"DOUBLE"} and _exact(connection, call, name, *whole[0], hive))
            ):
                if kind == "DOUBLE" or held == '"NULL"':
                    seen[name.lower()] = (name, kind, group)
                continue
            raise InputError(
                f"{call.whose} reads files that have other types for `{name}`",
                where=call.where,
                has=f"`{known}` {held} in {before[0].name}, `{name}` {kind} in {group[0].name}",
                fix=f"write the files with one type, or read each by itself and cast: "
                f"`SELECT {name}::DOUBLE FROM ... UNION ALL SELECT ...`; `Parquet(...)` reads each file by itself",
            )


def _exact(
    connection: duckdb.DuckDBPyConnection,
    call: Call,
    name: str,
    kind: str,
    files: Sequence[Path],
    hive: Mapping[str, str],
) -> bool:
    """Whether a double holds every integer of some files."""
    if kind in _SMALL:
        return True
    column = quoted(name)
    wide = f"coalesce(bool_and({column} BETWEEN -{EXACT} AND {EXACT}), TRUE)"
    found = connection.execute(f"SELECT {wide} FROM {_reader(call, files, hive)}").fetchall()
    return bool(found[0][0])


def _described(connection: duckdb.DuckDBPyConnection, relation: str) -> dict[str, str]:
    found = connection.execute(f"DESCRIBE SELECT * FROM {relation}").fetchall()
    return {str(name): str(kind) for name, kind, *_ in found}


def _cast(relation: str, types: Mapping[str, str], to: Mapping[str, str]) -> str:
    """A relation with some columns of other types, in their order."""
    columns = ", ".join(
        f"CAST({quoted(name)} AS {to[name]}) AS {quoted(name)}" if name in to else quoted(name) for name in types
    )
    return f"(SELECT {columns} FROM {relation})"


def _struct(types: Mapping[str, str]) -> str:
    return f"{{{', '.join(f'{literal(name)}: {literal(kind)}' for name, kind in types.items())}}}"
