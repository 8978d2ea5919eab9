"""What is given on the command line: values as text, `name=value` pairs, and rows in files, on stdin or as JSON."""

from __future__ import annotations

import csv
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from featurestore.errors import InputError, InvalidValue, NaiveTime, UnknownColumn, did_you_mean
from featurestore.semantics.dtypes import DType, canonical
from featurestore.semantics.strict_json import read_json
from featurestore.semantics.texts import BOOL_TEXT, NUMBER_TEXT, WHOLE_TEXT

if TYPE_CHECKING:
    import pyarrow as pa

_KINDS = (".jsonl", ".ndjson", ".json", ".csv", ".parquet")


def value_of(text: str, dtype: DType, *, zoned: bool = False) -> object:
    """The value that a text stands for, by the declared type. Empty and `null` are null; `"null"`, quoted, is a string.

    With `zoned` somebody else knows the zone of a local time, which then stays a text.
    Raises: InvalidValue, NaiveTime  when the text is no value of the type.
    """
    if text in ("", "null"):
        return None
    value: object = text
    match dtype.kind:
        case "bool" if re.fullmatch(BOOL_TEXT, text):
            value = text.lower() == "true"
        case "int64" if re.fullmatch(WHOLE_TEXT, text):
            value = int(text)
        case "float64" if re.fullmatch(NUMBER_TEXT, text):
            value = float(text)
        case "list" | "vector" if text[:1] == "[":
            value = _unquoted(text)
        case "string" if len(text) > 1 and text[0] == text[-1] == '"':
            value = _unquoted(text)
    try:
        canonical(value, dtype)
    except NaiveTime:
        if not zoned:
            raise
    except InvalidValue as error:
        error.has = f"the text {text!r:.60}"
        error.fix = error.fix if dtype.kind in ("timestamp", "date") else _HOW.get(dtype.kind, error.fix)
        raise
    return value


_HOW = {
    "bool": "write true, false or null",
    "int64": "write a whole number within 64 bits, or null",
    "float64": "write a number such as 1.5, or null",
    "decimal": "write a number such as 12.50, with no more decimal places than the type has, or null",
    "list": 'write a list in JSON, such as ["a", null], or null',
    "vector": "write as many numbers as the vector has, in JSON, such as [0.5, 1], or null",
}


def pairs_of(texts: Sequence[str], dtypes: Mapping[str, DType], what: str, *, zoned: bool = False) -> dict[str, Any]:
    """The values of `name=value` texts. `what` says whose names these are.

    Raises: UnknownColumn            for a name that is not among them.
            InvalidValue, NaiveTime  naming the one whose text is no value of its type.
    """
    found: dict[str, Any] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals:
            raise typer.BadParameter(f"{text!r} is no pair; write name=value")
        if name in found:
            raise typer.BadParameter(f"`{name}` is given twice")
        if name not in dtypes:
            raise UnknownColumn(
                f"{what} takes no `{name}`",
                has=[f"{known} ({dtype})" for known, dtype in dtypes.items()],
                fix=did_you_mean(name, list(dtypes), "leave it out"),
            )
        try:
            found[name] = value_of(value, dtypes[name], zoned=zoned)
        except InputError as error:
            error.where = f"`{name}` ({dtypes[name]}) of {what}"
            raise
    return found


def rows_of(
    texts: Sequence[str], dtypes: Mapping[str, DType], what: str, *, zoned: bool = False
) -> list[dict[str, Any]] | pa.Table:
    """Rows from a file, from JSON lines on stdin (`-`), from JSON in the argument, or one row of `name=value` pairs."""
    first = texts[0]
    if len(texts) == 1 and first == "-":
        return _json_lines(sys.stdin, "stdin")
    if len(texts) == 1 and first.lstrip()[:1] in ("{", "["):
        return _json_rows(first, "the argument")
    if len(texts) == 1 and Path(first).suffix.lower() in _KINDS and not Path(first).is_file():
        raise InputError(
            f"there is no file `{first}`",
            where=str(Path.cwd()),
            fix="give the path of a file, `-` for stdin, or name=value pairs",
        )
    if len(texts) == 1 and ("=" not in first or Path(first).is_file()):
        return rows_of_file(Path(first), dtypes)
    return [pairs_of(texts, dtypes, what, zoned=zoned)]


def rows_of_file(path: Path, dtypes: Mapping[str, DType]) -> list[dict[str, Any]] | pa.Table:
    """The rows of a file, by its ending. A CSV is read by the declared types; a cell that does not fit stays a text."""
    match path.suffix.lower():
        case ".jsonl" | ".ndjson":
            with path.open(encoding="utf-8") as file:
                return _json_lines(file, str(path))
        case ".json":
            return _json_rows(path.read_text(encoding="utf-8"), str(path))
        case ".csv":
            return _csv_rows(path, dtypes)
        case ".parquet":
            return _parquet_rows(path)
        case _:
            raise InputError(f"`{path}` is no file of rows", has=_KINDS, fix="give a file with one of these endings")


def _unquoted(text: str) -> object:
    """What a text holds that is written in JSON; a text that is not stays what it is."""
    try:
        return read_json(text)
    except ValueError:
        return text


def _json_lines(lines: Iterable[str], name: str) -> list[dict[str, Any]]:
    rows = []
    try:
        for number, line in enumerate(lines, start=1):
            if line.strip():
                rows += _json_rows(line, f"{name}:{number}")
    except UnicodeDecodeError as error:
        raise _no_text(error, name) from None
    return rows


def _json_rows(text: str, place: str) -> list[dict[str, Any]]:
    try:
        found = read_json(text)
    except ValueError as error:
        raise InvalidValue(f"this is not JSON: {error}"[:300], where=place, fix="write one object a row") from None
    rows = found if isinstance(found, list) else [found]
    for row in rows:
        if not isinstance(row, dict):
            raise InvalidValue(f"{row!r:.60} is no row", where=place, fix="write each row as a JSON object")
    return rows


def _csv_rows(path: Path, dtypes: Mapping[str, DType]) -> list[dict[str, Any]]:
    from featurestore.offline.files import check_names_once, csv_names  # DuckDB is loaded for files only

    rows: list[dict[str, Any]] = []
    names = csv_names(path, ",", f"`{path}` cannot be read", str(path))
    check_names_once(names, dict.fromkeys(names), f"`{path}`", str(path))
    with path.open(encoding="utf-8-sig", newline="") as file:
        try:
            for line in csv.DictReader(file, strict=True):
                if None in line or None in line.values():
                    raise InvalidValue(
                        "a line has not as many cells as the header",
                        where=f"{path}, row {len(rows)}",
                        fix="fix the line",
                    )
                rows.append({name: _lenient(text, dtypes.get(name)) for name, text in line.items()})
        except csv.Error as error:
            raise InvalidValue(f"this is not CSV: {error}", where=str(path), fix="fix the file") from None
        except UnicodeDecodeError as error:
            raise _no_text(error, str(path)) from None
    return rows


def _lenient(text: str, dtype: DType | None) -> object:
    """What ingest would not take, it counts: so a text that is no value of its type is passed on as it is."""
    if text == "":
        return None
    try:
        return text if dtype is None or dtype.kind == "string" or text == "null" else value_of(text, dtype)
    except InputError:
        return text


def _parquet_rows(path: Path) -> pa.Table:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return pq.ParquetFile(path).read()
    except pa.ArrowException as error:
        said = str(error).splitlines()[0][:300]
        raise InvalidValue(f"this is not Parquet: {said}", where=str(path), fix="fix the file") from None


def _no_text(error: UnicodeDecodeError, place: str) -> InvalidValue:
    return InvalidValue(f"this is not UTF-8: {error.reason}", where=place, fix="write it in UTF-8")
