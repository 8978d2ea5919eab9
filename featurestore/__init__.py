"""Define a feature once; train on it with DuckDB, serve it with Redis, and get the same bits."""

from typing import TYPE_CHECKING, Any

from featurestore.define.columns import Column, EventTime, KnownTime, Order, RowId, column
from featurestore.define.data import Csv, Frame, Parquet
from featurestore.define.entity import Entity, Request
from featurestore.define.feature_set import FeatureSet
from featurestore.define.source import Source
from featurestore.define.view import Feature, FeatureView, feature
from featurestore.errors import FeatureStoreError
from featurestore.expr.choices import coalesce, when
from featurestore.expr.fluent import rows

if TYPE_CHECKING:
    from featurestore.store import FeatureStore

__all__ = [
    "Column",
    "Csv",
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
    "Request",
    "RowId",
    "Source",
    "coalesce",
    "column",
    "feature",
    "rows",
    "when",
]


def __getattr__(name: str) -> Any:
    """The store is imported when it is first named: definitions and the service need neither DuckDB nor pandas."""
    if name == "FeatureStore":
        from featurestore.store import FeatureStore

        return FeatureStore
    raise AttributeError(f"module 'featurestore' has no attribute {name!r}")
