"""The two samples of distribution skew: a training set in a file, and what was served in a period."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from featurestore.errors import InputError, MissingColumn
from featurestore.offline.connection import connect, quoted
from featurestore.offline.files import file_list
from featurestore.plan.nodes import Plan, View
from featurestore.semantics.statuses import NULL, OK, STATUS_NAMES
from featurestore.skew.against import described, read_as
from featurestore.skew.distribution import Keys, compare_distributions
from featurestore.skew.distribution_report import DistributionReport


def drift(plan: Plan, training: Path, served: Iterable[pa.Table]) -> DistributionReport:
    """Compare a training set with what was served.

    `training` is a Parquet file that `dataset` wrote: with its statuses, if it was built with them. Each table of
    `served` has `v.<feature>` and `s.<feature>`, as the serving log has them.
    Raises: InputError  when the file does not fit the feature set, or nothing was served.
    """
    tables = [table for table in served if all(f"v.{each.name}" in table.column_names for each in plan.outputs)]
    rows = [
        table.select([f"{kind}.{each.name}" for each in plan.outputs for kind in "vs"]).rename_columns(
            [name for each in plan.outputs for name in (each.name, f"{each.name}__status")]
        )
        for table in tables
    ]
    if not any(table.num_rows for table in rows):
        raise InputError(
            f"nothing of `{plan.name}` was served by this version in the period",
            where="the serving log",
            fix="widen the period with --since, or look whether the serving log is on: `[served] share`",
        )
    trained, told = trained_values(plan, training)
    keys = {view.name: keys_of(view, tables, training) for view in plan.views if view.state is not None}
    return compare_distributions(plan, trained, _as_told(pa.concat_tables(rows), told, plan), keys)


def keys_of(view: View, served: Sequence[pa.Table], training: Path) -> Keys:
    """The different keys of a view among the served rows, and in a training set that has the columns of the key."""
    asked = pa.concat_tables([table.select([f"i.{name}" for name in view.inputs]) for table in served])
    known = None
    if set(view.inputs) <= set(pq.read_schema(training).names):
        known = pq.read_table(training, columns=list(view.inputs)).group_by(list(view.inputs)).aggregate([]).num_rows
    return Keys(asked.group_by(asked.column_names).aggregate([]).num_rows, known)


def _as_told(served: pa.Table, told: set[str], plan: Plan) -> pa.Table:
    """What was served, told as the training set tells it: without statuses, a key never seen is a null like others."""
    for each in plan.outputs:
        if each.name not in told:
            place, status = served.column_names.index(f"{each.name}__status"), f"{each.name}__status"
            codes = pc.if_else(pc.is_null(served.column(each.name)), NULL, OK)
            served = served.set_column(place, status, codes.cast(pa.int8()))
    return served


def trained_values(plan: Plan, path: Path) -> tuple[pa.Table, set[str]]:
    """The values and statuses of a training set in a file, and the features whose statuses it tells; of the others a
    null is null and the rest is in order.

    Raises: MissingColumn, InputError  when the file does not fit the feature set.
    """
    if not path.is_file():
        raise InputError(
            f"there is no file `{path.name}`",
            where=str(path.parent),
            fix="give the path of a training set that `dataset` wrote",
        )
    connection = connect([path.parent])
    try:
        relation = f"read_parquet({file_list([path.resolve()])}, hive_partitioning = false)"
        types = described(connection, relation, path)
        columns = []
        for each in plan.outputs:
            if each.name not in types:
                raise MissingColumn(
                    f"the training set has no column `{each.name}`",
                    where=str(path),
                    has=list(types),
                    fix=f"build it with `featurestore dataset {plan.name}`",
                )
            value, status = read_as(each.name, types[each.name], each.dtype, None, path), f"{each.name}__status"
            names = "".join(f" WHEN '{name}' THEN {code}" for code, name in enumerate(STATUS_NAMES))
            known = f"CASE WHEN {value} IS NULL THEN {NULL} ELSE {OK} END"
            if status in types:
                known = f"CASE {quoted(status)}{names} END"
            columns += [f"{value} AS {quoted(each.name)}", f"CAST({known} AS TINYINT) AS {quoted(status)}"]
        found: pa.Table = connection.sql(f"SELECT {', '.join(columns)} FROM {relation}").to_arrow_table()
        return found, {each.name for each in plan.outputs if f"{each.name}__status" in types}
    finally:
        connection.close()
