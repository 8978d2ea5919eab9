"""What our own serving log has of a feature set, as the comparison wants it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import pyarrow as pa

from featurestore.define.places import short_path
from featurestore.log.served import ServedVersion, served_rows
from featurestore.plan.nodes import Plan
from featurestore.skew.compare import Served


def served_by_us(
    folder: Path, plan: Plan, known: Iterable[Plan], begin_us: int, end_us: int
) -> tuple[list[Served], list[str]]:
    """What each version of a feature set served in a period, and what is worth knowing of it: more of that is added as
    the tables are read.

    Units: microseconds UTC; begin is in the period, end is not.
    """
    parts, notes = [], []
    known = [plan, *known]
    for version in served_rows(folder, plan.name, begin_us, end_us):
        then = plan if version.version == plan.version else version.plan(known)
        if then is None:
            notes.append(f"version {version.version} cannot be asked again: its plan or a row function of it is gone")
        else:
            parts.append(Served(version.version, plan if then == plan else then, _tables(version, notes)))
    return parts, notes


def _tables(version: ServedVersion, notes: list[str]) -> Iterator[pa.Table]:
    unreadable: list[Path] = []
    for table in version.tables(unreadable):
        yield table.rename_columns([f"i_{name[2:]}" if name.startswith("i.") else name for name in table.column_names])
    if unreadable:
        notes.append(f"{len(unreadable):,} files cannot be read, and were left out: {short_path(str(unreadable[0]))}")
