"""What our own serving log has of a feature set, as the comparison wants it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from featurestore.define.places import short_path
from featurestore.log.served import ServedVersion, is_sampled, served_rows
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
        then = plan_of(version, plan, known)
        if then is None:
            notes.append(f"version {version.version} cannot be asked again: its plan or a row function of it is gone")
        else:
            parts.append(Served(version.version, then, asked_tables(version, notes=notes)))
    return parts, notes


def plan_of(version: ServedVersion, plan: Plan, known: Iterable[Plan]) -> Plan | None:
    """The plan that answered: today's itself where they are equal, None when it cannot be had any more."""
    then = plan if version.version == plan.version else version.plan(known)
    return plan if then == plan else then


def asked_tables(
    version: ServedVersion,
    share: float = 1.0,
    notes: list[str] | None = None,
    *,
    done: float = 0.0,
    counts: Counter[str] | None = None,
) -> Iterator[pa.Table]:
    """What a version served, file by file: a share of the lookups, each of them whole or not at all, without those in
    the share `done`. `notes` gets the files that cannot be read; `counts` the lookups that are `new`, and those of them
    that are `sampled`. Raises: InputError  when a file cannot be read, without `notes`."""
    unreadable: list[Path] = []
    for table in version.tables(None if notes is None else unreadable):
        rows = table if share >= 1 and not done and counts is None else _sampled(table, share, done, counts)
        if rows.num_rows:
            yield rows.rename_columns(
                [f"i_{name[2:]}" if name.startswith("i.") else name for name in rows.column_names]
            )
    if notes is not None and unreadable:
        notes.append(f"{len(unreadable):,} files cannot be read, and were left out: {short_path(str(unreadable[0]))}")


def _sampled(table: pa.Table, share: float, done: float, counts: Counter[str] | None) -> pa.Table:
    ids = table.column("request_id")
    new = [each for each in ids.unique().to_pylist() if not is_sampled(str(each), done)]
    chosen = [each for each in new if is_sampled(str(each), share)]
    if counts is not None:
        counts.update(new=len(new), sampled=len(chosen))
    return table.filter(pc.is_in(ids, value_set=pa.array(chosen, pa.string())))
