"""What a question brings: its inputs, checked and canonical."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from featurestore.errors import FeatureStoreError, MissingColumn, rename_to
from featurestore.plan.nodes import Plan
from featurestore.semantics.dtypes import Value, canonical


def canonical_inputs(plan: Plan, row: Mapping[str, Any], place: int) -> dict[str, Value]:
    """A question's inputs, checked. Raises: MissingColumn, InvalidValue, NaiveTime  naming the input and the
    question."""
    values = {}
    for given in plan.inputs:
        if given.name not in row:
            raise MissingColumn(
                f"question {place} lacks the input `{given.name}`",
                where=f"feature set `{plan.name}`",
                has=[str(name) for name in row],
                fix=rename_to(
                    given.name,
                    [str(name) for name in row if name not in {each.name for each in plan.inputs}],
                    f"send `{given.name}` ({given.dtype}); null is allowed",
                ),
            )
        try:
            values[given.name] = canonical(row[given.name], given.dtype)
        except FeatureStoreError as error:
            error.where = f"question {place}, `{given.name}` ({given.dtype}) of feature set `{plan.name}`"
            raise
    return values
