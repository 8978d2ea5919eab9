"""Cells of two tables compared to the bit, all at once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from featurestore.offline.connection import quoted
from featurestore.offline.replay import Replay
from featurestore.plan.nodes import Output

Mask = npt.NDArray[np.bool_]
"""Shape: one row a question, one column a feature."""


def same_cells(replay: Replay, outputs: Sequence[Output], answers: pa.Table, transform: str = "{a}") -> Mask:
    """Where the answers say what was served: same bits, and the same status where one was logged (R18).

    The answers may be those to some of the questions; `transform` is what became of a value `{a}` on its way.
    Shape: as many rows as answers, in their order.
    """
    if not outputs or not answers.num_rows:
        return np.zeros((answers.num_rows, len(outputs)), dtype=bool)
    replay.add("answers", answers)
    served = set(replay.columns("questions"))
    tests = []
    for place, output in enumerate(outputs):
        value = f"a.{quoted(output.name)}"
        test = f"q.{quoted(f'v.{output.name}')} IS NOT DISTINCT FROM {transform.format(a=value)}"
        if f"s.{output.name}" in served:
            test += f" AND q.{quoted(f's.{output.name}')} = a.{quoted(f'{output.name}__status')}"
        tests.append(f"{test} AS c{place}")
    found = replay.connection.sql(
        f"SELECT {', '.join(tests)} FROM answers a JOIN questions q USING (spine_row) ORDER BY spine_row"
    ).to_arrow_table()
    return np.column_stack([column.to_numpy() for column in found.columns]).astype(bool)
