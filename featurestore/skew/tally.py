"""What was seen of one feature, counted portion by portion, and what the report has of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from featurestore.offline.connection import quoted
from featurestore.offline.replay import Replay
from featurestore.plan.nodes import Output
from featurestore.semantics.dtypes import python_value
from featurestore.semantics.instants import instant_text
from featurestore.skew.causes import CAUSES
from featurestore.skew.report import FeatureSkew, Size

WORST = 5
KEYS_AT_ONCE = 1_000
"""Of each feature and portion of questions, the keys that are kept when the worst of all are sought."""
EDGES = np.array([0.0, *(float(f"{digit}e{power}") for power in range(-323, 308) for digit in (1, 2, 5))])
"""Where the bins of a difference's size begin."""


@dataclass(slots=True)
class Tally:
    """What was seen of one feature."""

    dtype: str
    cells: int = 0
    differing: int = 0
    compute_differing: int = 0
    causes: Counter[str] = field(default_factory=Counter)
    keys: Counter[tuple[tuple[str, str], ...]] = field(default_factory=Counter)
    first_us: int | None = None
    last_us: int | None = None
    sizes: list[np.ndarray[Any, Any]] = field(default_factory=list)


def worst_keys(then: Replay, output: Output, rows: np.ndarray[Any, Any]) -> dict[tuple[tuple[str, str], ...], int]:
    """The keys that some questions ask for, with how many of them do: those that most do, and so many at most."""
    view = next(view for view in then.plan.views if view.name == output.view)
    names = view.inputs or tuple(each.name for each in then.plan.inputs)
    dtypes = {each.name: each.dtype for each in then.plan.inputs}
    columns = ", ".join(quoted(f"i_{name}") for name in names)
    then.add("chosen", pa.table({"spine_row": pa.array(rows, pa.int64())}))
    found = then.connection.execute(
        f"SELECT {columns or 'NULL'}, count(*) AS n FROM questions WHERE spine_row IN (FROM chosen)\n"
        f"GROUP BY ALL ORDER BY n DESC, min(spine_row) LIMIT {KEYS_AT_ONCE}"
    ).fetchall()
    return {
        tuple((name, str(python_value(value, dtypes[name]))) for name, value in zip(names, values, strict=False)): count
        for *values, count in found
    }


def told(name: str, tally: Tally) -> FeatureSkew:
    """A feature as the report has it."""
    sizes = np.concatenate(tally.sizes) if tally.sizes else np.array([])
    size = None
    if len(sizes):
        p95 = float(np.quantile(sizes, 0.95))
        size = Size(len(sizes), float(np.median(sizes)), p95, float(sizes.max()), tuple(_bins(sizes)))
    causes = dict(sorted(tally.causes.items(), key=lambda each: (-each[1], list(CAUSES).index(each[0]))))
    return FeatureSkew(
        name,
        tally.dtype,
        tally.cells,
        tally.differing,
        tally.compute_differing,
        causes,
        tuple((dict(key), count) for key, count in tally.keys.most_common(WORST)),
        None if tally.first_us is None else instant_text(tally.first_us),
        None if tally.last_us is None else instant_text(tally.last_us),
        size,
    )


def _bins(sizes: np.ndarray[Any, Any]) -> Iterator[tuple[float, int]]:
    """The bins that hold some sizes: where each begins, and how many it holds."""
    places, counts = np.unique(np.searchsorted(EDGES, sizes, side="right") - 1, return_counts=True)
    for place, count in zip(places, counts, strict=True):
        yield float(EDGES[place]), int(count)
