"""What questions bring: their inputs, checked and canonical."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from featurestore.errors import FeatureStoreError, MissingColumn, rename_to
from featurestore.plan.nodes import Plan
from featurestore.semantics.dtypes import Value, canonical, canonical_column
from featurestore.semantics.examples import example_of


def canonical_inputs(plan: Plan, rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Value]]:
    """The inputs of each question, checked. Raises: MissingColumn, InvalidValue, NaiveTime  naming the input and the
    question."""
    if plan.inputs and set(map(type, rows)) == {dict}:
        try:
            columns = [canonical_column([row[given.name] for row in rows], given.dtype) for given in plan.inputs]
        except (KeyError, FeatureStoreError):
            pass  # which question it is, is told below
        else:
            names = [given.name for given in plan.inputs]
            if len(names) == 1:
                return [{names[0]: value} for value in columns[0]]
            return [dict(zip(names, values, strict=True)) for values in zip(*columns, strict=True)]
    return [_canonical(plan, row, place) for place, row in enumerate(rows)]


def _missing(plan: Plan, row: Mapping[str, Any], place: int) -> MissingColumn:
    """The error that names every input which a question lacks, with an example of a whole question."""
    missing = [given for given in plan.inputs if given.name not in row]
    names = {given.name for given in plan.inputs}
    listed = ", ".join(f"`{given.name}` ({given.dtype})" for given in missing)
    example = json.dumps({given.name: example_of(given.dtype) for given in plan.inputs})
    return MissingColumn(
        f"question {place} lacks the input{'s' if len(missing) > 1 else ''} "
        f"{', '.join(f'`{given.name}`' for given in missing)}",
        where=f"feature set `{plan.name}`",
        has=[str(name) for name in row],
        fix=rename_to(
            missing[0].name,
            [str(name) for name in row if name not in names],
            f"send {listed}; null is allowed. A whole question: {example}",
        ),
    )


def _canonical(plan: Plan, row: Mapping[str, Any], place: int) -> dict[str, Value]:
    values = {}
    if any(given.name not in row for given in plan.inputs):
        raise _missing(plan, row, place)
    for given in plan.inputs:
        try:
            values[given.name] = canonical(row[given.name], given.dtype)
        except FeatureStoreError as error:
            error.where = f"question {place}, `{given.name}` ({given.dtype}) of feature set `{plan.name}`"
            raise
    return values
