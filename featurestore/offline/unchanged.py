"""What a training set depends on, in one digest: who finds the same again may go on with what was begun."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from featurestore.define.data import Frame
from featurestore.errors import InputError
from featurestore.offline.buckets import Part, answers_sql, features_sql
from featurestore.offline.content import hash_of_table
from featurestore.offline.relations import files_of
from featurestore.offline.scan import History
from featurestore.offline.spine import Spine, SpineQuery
from featurestore.plan.certificates import product_version
from featurestore.plan.nodes import Plan, Scan, digest
from featurestore.tables import arrow_table


def digest_of(
    plan: Plan, parts: Sequence[Part], spine: Spine | SpineQuery, as_of: str, history: History, *, statuses: bool
) -> str:
    """The digest: of the plan and the SELECTs that it becomes, the files of sources and spine, the positions of the
    log, and the product. A file is the same while the system says so: by its size and the time of its last change."""
    texts = [answers_sql(part, plan, "SELECT 1") for part in parts]
    texts.append(features_sql(plan, parts, {part.name: "SELECT 1" for part in parts}, statuses=statuses))
    scans = plan.scans
    return digest(
        [
            [plan.version, [[given.name, str(given.dtype)] for given in plan.inputs], texts],
            [[source, _source(scan, history)] for source, scan in scans.items()],
            [as_of, seen_spine(spine)],
            [product_version(), duckdb.__version__, pa.__version__],
        ]
    )


def check_spine(spine: Spine, seen: list[Any]) -> None:
    """Refuse a spine whose file was written anew since it was seen: its columns would stand beside features of other
    rows. Raises: InputError."""
    if spine.file and seen_spine(spine) != seen:
        raise InputError(
            "the spine's file was changed while the training set was built",
            where=str(spine.file),
            fix="build it again",
        )


def _source(scan: Scan, history: History) -> list[Any]:
    log = [history.log.identity, history.upto.get(scan.source)] if history.log is not None else []
    if scan.source in history.rows:
        return [hash_of_table(history.rows[scan.source]), log]
    if scan.data is None:
        return [None, log]
    if isinstance(scan.data, Frame):
        return [hash_of_table(arrow_table(scan.data.table, f"the data of `{scan.source}`")), log]
    return [repr(scan.data), [_file(path) for path in files_of(scan.source, scan.data, history.root)], log]


def seen_spine(spine: Spine | SpineQuery) -> list[Any]:
    """What a spine is known by."""
    if isinstance(spine, SpineQuery):
        return [spine.sql, [_file(path) for path in spine.files]]
    return [hash_of_table(spine.held) if isinstance(spine.held, pa.Table) else _file(spine.held)]


def _file(path: Path) -> list[Any]:
    about = path.stat()
    return [str(path), about.st_size, about.st_mtime_ns, about.st_ino]
