"""Files that a path names, and what their headers and footers say.

A path of the user may be a glob. A file that was found is data: DuckDB would expand its name once more, so every list
of files is escaped before it goes into SQL.
"""

from __future__ import annotations

import csv
import gzip
import io
import os
import re
from collections.abc import Iterable, Sequence
from glob import escape, glob, has_magic
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from featurestore.define.places import short_path
from featurestore.errors import InputError
from featurestore.offline.connection import literal

_HEADER_BYTES = 65_536
_OTHER_DELIMITERS = (";", "\t", "|")
_UNTYPED = re.compile(r"\b(required|optional) |field_id=-?[0-9]+ ")
"""What the text of a Parquet schema has that is no part of a column's type."""


def found_files(pattern: str, root: Path, whose: str, where: str, lacking: str = "") -> list[Path]:
    """The files that a path or glob names, sorted, each once. Relative paths start at `root`, whose own name is no
    pattern. A path that a file has exactly is that file, whatever letters are in it.

    Raises: InputError  when there are none, with `lacking` as its first line.
    """
    exact = Path(os.path.join(root, pattern))
    paths = [str(exact)] if exact.is_file() else glob(os.path.join(escape(str(root)), pattern), recursive=True)
    files = list(dict.fromkeys(Path(path).resolve() for path in sorted(paths) if os.path.isfile(path)))
    if files:
        return files
    if paths:
        raise InputError(
            f"{whose}: `{pattern}` is a folder",
            where=where,
            has=sorted(short_path(path) for path in paths)[:5],
            fix=f"name its files, such as `{pattern.rstrip('/')}/**/*.parquet`",
        )
    raise InputError(
        lacking or f"{whose} finds no files `{pattern}`",
        where=where,
        has=f"nothing below {short_path(str(root.resolve()))} fits",
        fix="write the files, or fix the path",
    )


def file_list(files: Iterable[Path]) -> str:
    """Files as the list that DuckDB's readers take: each is read once, whatever letters are in its name.

    Raises: InputError  for a name that DuckDB cannot take.
    """
    return f"[{', '.join(literal(_escaped(str(file))) for file in files)}]"


def _escaped(path: str) -> str:
    if not has_magic(path):
        return path
    if "\\" in path:  # DuckDB takes it for a separator as soon as a path is a glob
        raise InputError(
            f"the path `{path}` has a backslash and one of `*?[`, which DuckDB cannot read",
            has=path,
            fix="rename the file or folder",
        )
    return escape(path)


def hive_options(files: Sequence[Path], root: Path) -> dict[str, str]:
    """Options that make `name=value` folders columns of text, where all files are in such folders below `root`; the
    path of the project itself is no data."""
    above = root.resolve()
    keys = {
        tuple(
            part.partition("=")[0]
            for part in (file.relative_to(above) if file.is_relative_to(above) else file).parts[:-1]
            if "=" in part
        )
        for file in files
    }
    partitioned = len(keys) == 1 and any(keys)
    if not partitioned:
        return {"hive_partitioning": "false"}
    return {"hive_partitioning": "true", "hive_types_autocast": "false"}


def hive_names(files: Sequence[Path], root: Path) -> list[str]:
    """The columns that `hive_options` makes of folders."""
    if hive_options(files, root)["hive_partitioning"] == "false":
        return []
    return [part.partition("=")[0] for part in files[0].parts[:-1] if "=" in part]


def alike_parquet(files: Sequence[Path]) -> list[list[Path]]:
    """Parquet files in groups of one schema, so that a column has one type in a group. Files that cannot be read are
    in one group: DuckDB says why."""
    groups: dict[str, list[Path]] = {}
    if len(files) == 1:
        return [list(files)]
    for file in files:
        try:
            text = str(pq.read_metadata(file).schema).split("\n", 2)[2]  # behind the root's name
        except (pa.ArrowException, OSError):
            return [list(files)]
        groups.setdefault(_UNTYPED.sub("", text), []).append(file)
    return list(groups.values())


def parquet_names(file: Path) -> list[str]:
    """The columns of a Parquet file as it has them; none of a file that cannot be read."""
    try:
        return list(pq.read_schema(file).names)
    except (pa.ArrowException, OSError):
        return []


def csv_names(file: Path, delimiter: str, what: str, where: str) -> list[str]:
    """The header of a CSV file; empty where it is compressed in a way that Python does not read.

    Raises: InputError  when it is not UTF-8, or when another separator than `delimiter` is between the names.
    """
    if file.suffix in (".zst", ".zstd"):
        return []
    with gzip.open(file, "rb") if file.suffix == ".gz" else file.open("rb") as opened:
        start = opened.read(_HEADER_BYTES)
    if start[:2] in (b"\xff\xfe", b"\xfe\xff") or b"\x00" in start[:100]:
        raise InputError(what, where=where, has=f"{file.name} is UTF-16, not UTF-8", fix="write the file in UTF-8")
    lines = io.StringIO(start.decode("utf-8-sig", errors="replace"), newline="")
    try:
        names = next(csv.reader(lines, delimiter=delimiter), [])
    except csv.Error:  # DuckDB says what is wrong with it
        return []
    if len(names) == 1:
        other = next((each for each in _OTHER_DELIMITERS if each != delimiter and each in names[0]), None)
        if other is not None:
            shown, written = ("a tab", "\\t") if other == "\t" else (f"`{other}`", other)
            raise InputError(
                what,
                where=where,
                has=f"the header `{names[0][:80]}`: its separator is {shown}, not `{delimiter}`",
                fix=f"write it with `{delimiter}`, or read it by a SELECT: "
                f"`SELECT * FROM read_csv('{file.name}', delim = '{written}')`",
            )
    return names


def check_names_once(names: Sequence[str], wanted: Iterable[str], what: str, where: str) -> None:
    """Refuse a column that the data has twice, or in two spellings that differ in case: DuckDB would rename one.

    Raises: InputError.
    """
    lowered = [name.lower() for name in names]
    for name in wanted:
        if lowered.count(name.lower()) > 1:
            twice = [each for each in names if each.lower() == name.lower()]
            raise InputError(
                f"{what} has the column `{name}` {len(twice)} times",
                where=where,
                has=[f"`{each}`" for each in twice],
                fix="rename one of them, or leave it out; names that differ only in case are one name",
            )
