"""All features of a view over a few rows, in all three voices, as Python values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import redis

from featurestore import FeatureView
from featurestore.online.memory import MemoryServer
from featurestore.semantics.dtypes import canonical, python_value
from featurestore.semantics.instants import instant_us
from tests.parity.voices import bits, plan_of, said_by_duckdb, said_by_redis, said_by_reference
from tests.strategies import Case, Question
from tests.strategies.definitions import input_types


def answers(
    view: type[FeatureView], rows: Sequence[dict[str, Any]], as_of: str, **inputs: object
) -> dict[str, tuple[Any, int]]:
    """Value and status of each feature, on which reference, DuckDB and the online state agree to the bit."""
    spec = view.__spec__
    columns = spec.source.__spec__.columns if spec.source else ()
    asked = {name: canonical(inputs[name], dtype) for name, dtype in input_types([view]).items()}
    keys = {column: asked[part.input] for column, part in zip(spec.key_columns, spec.key, strict=True)}
    held = [
        {
            each.name: canonical(row[each.name], each.dtype) if each.name in row else keys.get(each.name)
            for each in columns
        }
        for row in rows
    ]
    at = [instant_us(as_of)]
    case = Case((view,), {spec.source.__name__: held} if spec.source else {}, (Question(asked, at[0]),))
    plan = plan_of(case)
    [rules] = said_by_reference(case, plan, at)
    assert bits(said_by_duckdb(case, plan, at, threads=1)) == bits([rules])
    assert bits(said_by_redis(case, plan, at, cast(redis.Redis, MemoryServer()))) == bits([rules])
    return {each.feature: (python_value(rules[each.name][0], each.dtype), rules[each.name][1]) for each in plan.outputs}
