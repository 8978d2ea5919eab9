"""The inputs of a training set beside those of the requests that it was made of."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa

from featurestore.errors import InputError
from featurestore.offline.connection import connect, quoted
from featurestore.offline.spine import ask, spine_table
from featurestore.plan.nodes import Plan

REQUEST_ID = "request_id"


class SpineInputs:
    """A training set's spine, found again by request: by its column `request_id` where it has one, else by the key and
    the instant.

    Raises: InputError and its kinds, when the spine does not fit the feature set.
    """

    def __init__(self, plan: Plan, spine: object, as_of: str, root: Path) -> None:
        self.names = [each.name for each in plan.inputs]
        connection = connect([root])
        try:
            table = spine_table(spine, root)
            ask(connection, plan, table, as_of)
            asked: pa.Table = connection.sql("SELECT * FROM asked ORDER BY spine_row").to_arrow_table()
        finally:
            connection.close()
        self.by_request = REQUEST_ID in table.column_names
        if self.by_request:
            asked = asked.append_column(REQUEST_ID, table.column(REQUEST_ID).cast(pa.string()))
        self._keys = (
            [REQUEST_ID] if self.by_request else ["as_of_us", *(f"i_{each.name}" for each in plan.inputs if each.key)]
        )
        if not self.by_request and len(self._keys) == 1:
            raise InputError(
                f"nothing tells which request a row of the spine belongs to: `{plan.name}` has no key",
                has=table.column_names,
                fix=f"give the spine the column `{REQUEST_ID}`, as the reply's header has it",
            )
        self._asked = asked

    def inputs_of(self, questions: pa.Table) -> pa.Table:
        """The inputs as the spine has them, for each question; as they were logged where it has none.

        Shape: `i_<input>`, in the order of `spine_row`.
        """
        connection = connect([])
        try:
            connection.register("questions", questions)
            connection.register("spine", self._asked.drop_columns(["spine_row"]))
            same = " AND ".join(f"s.{quoted(key)} = q.{quoted(key)}" for key in self._keys)
            columns = ", ".join(
                f"CASE WHEN s.found THEN s.{name} ELSE q.{name} END AS {name}"
                for name in (quoted(f"i_{each}") for each in self.names)
            )
            once = ", ".join(map(quoted, self._keys))
            found: pa.Table = connection.sql(
                f"SELECT {columns} FROM questions q LEFT JOIN (\n"
                f"  SELECT *, TRUE AS found FROM spine\n"
                f"  QUALIFY row_number() OVER (PARTITION BY {once} ORDER BY {once}) = 1\n"
                f") s ON {same} ORDER BY q.spine_row"
            ).to_arrow_table()
            return found
        finally:
            connection.close()
