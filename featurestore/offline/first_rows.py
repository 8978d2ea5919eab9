"""The first rows of a spine: enough to look at a training set before all of it is built."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pyarrow as pa

from featurestore.errors import InputError
from featurestore.offline.spine import SpineQuery, spine_of
from featurestore.plan.nodes import Plan


def first_rows(spine: object, root: Path, count: int, plan: Plan, as_of: str) -> pa.Table:
    """The first `count` rows of a spine, in its order; of a file no others are read, where its format allows that.

    Raises: InputError  as `spine_of` does, and for a count below 1.
    """
    if count < 1:
        raise InputError(
            "no row of the spine would be left", where=f"`limit={count}`", fix="give at least 1, or leave `limit` out"
        )
    found = spine_of(spine, root, plan, as_of)
    if isinstance(found, SpineQuery):
        return replace(found, sql=f"SELECT * FROM (\n{found.sql}\n) LIMIT {count}").run()
    return next(found.tables(count), found.schema.empty_table())
