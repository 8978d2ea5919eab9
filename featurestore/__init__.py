"""Define a feature once; train on it with DuckDB, serve it with Redis, and get the same bits."""

from typing import TYPE_CHECKING, Any

import featurestore.notebook  # noqa: F401  # mistakes in a cell are explained from the first import on
from featurestore.define.columns import Column, EventTime, KnownTime, Order, RowId, column
from featurestore.define.data import Csv, DuckDBTable, Frame, Parquet, Query
from featurestore.define.drift import Drift
from featurestore.define.entity import Entity, Request
from featurestore.define.feature import Feature, feature
from featurestore.define.feature_set import FeatureSet
from featurestore.define.source import Source
from featurestore.define.view import FeatureView
from featurestore.errors import FeatureStoreError
from featurestore.expr.choices import coalesce, concat, greatest, least, when
from featurestore.expr.distances import haversine
from featurestore.expr.fluent import rows
from featurestore.expr.python_functions import row_function
from featurestore.expr.row_functions import (
    as_of,
    decayed_rows,
    first_at,
    last_at,
    share,
    time_between,
    time_since_first,
    time_since_last,
)
from featurestore.semantics.dtypes import Vector
from featurestore.semantics.windows import Window

if TYPE_CHECKING:
    from featurestore.store import FeatureStore

__all__ = [
    "Column",
    "Csv",
    "Drift",
    "DuckDBTable",
    "Entity",
    "EventTime",
    "Feature",
    "FeatureSet",
    "FeatureStore",
    "FeatureStoreError",
    "FeatureView",
    "Frame",
    "KnownTime",
    "Order",
    "Parquet",
    "Query",
    "Request",
    "RowId",
    "Source",
    "Vector",
    "Window",
    "as_of",
    "coalesce",
    "column",
    "concat",
    "decayed_rows",
    "feature",
    "first_at",
    "greatest",
    "haversine",
    "last_at",
    "least",
    "row_function",
    "rows",
    "share",
    "time_between",
    "time_since_first",
    "time_since_last",
    "when",
]


def __getattr__(name: str) -> Any:
    """The store is imported when it is first named: definitions and the service need neither DuckDB nor pandas."""
    if name == "FeatureStore":
        from featurestore.store import FeatureStore

        return FeatureStore
    raise AttributeError(f"module 'featurestore' has no attribute {name!r}")
