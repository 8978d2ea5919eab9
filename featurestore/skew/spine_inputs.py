"""The inputs of a training set beside those of the requests that it was made of."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa

from featurestore.errors import InputError
from featurestore.offline.connection import connect, quoted
from featurestore.offline.spine import ask, held_spine
from featurestore.plan.nodes import Plan

REQUEST_ID = "request_id"


class SpineInputs:
    """A training set's spine, found again by request: by its column `request_id` where it has one, and the key where a
    request asked for several, else by the key and the instant.

    Raises: InputError and its kinds, when the spine does not fit the feature set.
    """

    def __init__(self, plan: Plan, spine: object, as_of: str, root: Path) -> None:
        self._names = [f"i_{each.name}" for each in plan.inputs]
        self._keys = [f"i_{each.name}" for each in plan.inputs if each.key]
        self._missed = self._asked = 0
        connection = connect([root])
        try:
            given = held_spine(spine, root, plan, as_of)
            ask(connection, plan, given, as_of)
            self._spine: pa.Table = connection.sql("SELECT * FROM asked ORDER BY spine_row").to_arrow_table()
        finally:
            connection.close()
        table = given.table()
        self._by_request = REQUEST_ID in table.column_names
        if self._by_request:
            self._spine = self._spine.append_column(REQUEST_ID, table.column(REQUEST_ID).cast(pa.string()))
        elif not self._keys:
            raise InputError(
                f"nothing tells which request a row of the spine belongs to: `{plan.name}` has no key",
                has=table.column_names,
                fix=f"give the spine the column `{REQUEST_ID}`, as the reply's header has it",
            )

    def inputs_of(self, questions: pa.Table) -> pa.Table:
        """The inputs as the spine has them, for each question; as they were logged where it has none. Of several rows
        that fit, one with the request's own instant and inputs is taken if there is any, and else the first.

        Shape: `i_<input>`, in the order of `spine_row`.
        """
        keys = " AND ".join(f"s.{quoted(key)} = q.{quoted(key)}" for key in self._keys) or "FALSE"
        alike = " AND ".join(f"s.{quoted(name)} IS NOT DISTINCT FROM q.{quoted(name)}" for name in self._names)
        same = f"s.as_of_us = q.as_of_us AND {keys}"
        many = ""
        if self._by_request:
            same = f"s.{REQUEST_ID} = q.{REQUEST_ID} AND (q.many = 1 AND s.many = 1 OR {keys})"
            many = f", count(*) OVER (PARTITION BY {REQUEST_ID}) AS many"
        columns = ", ".join(
            f"CASE WHEN s.spine_row IS NULL THEN q.{name} ELSE s.{name} END AS {name}"
            for name in map(quoted, self._names)
        )
        connection = connect([])
        try:
            connection.register("questions", questions)
            connection.register("spine", self._spine)
            found: pa.Table = connection.sql(
                f"SELECT {columns}, s.spine_row IS NULL AS missed\n"
                f"FROM (SELECT *{many} FROM questions) q LEFT JOIN (SELECT *{many} FROM spine) s ON {same}\n"
                f"QUALIFY row_number() OVER (PARTITION BY q.spine_row "
                f"ORDER BY s.as_of_us <> q.as_of_us, NOT ({alike}), s.spine_row) = 1\n"
                f"ORDER BY q.spine_row"
            ).to_arrow_table()
        finally:
            connection.close()
        self._asked += questions.num_rows
        self._missed += found.column("missed").to_pylist().count(True)
        return found.drop_columns(["missed"])

    def notes(self) -> list[str]:
        """What is worth knowing of how the spine fits what was asked."""
        if not self._missed:
            return []
        return [f"{self._missed:,} of {self._asked:,} questions have no row in the spine: their inputs are as logged"]
