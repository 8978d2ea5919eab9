"""Where the situations were met: peers and engines by version, and the places in their pages and sources."""

from __future__ import annotations

FEAST, CHRONON, FEATHR = "f0bc070 of 2026-08-21", "5edd4fc of 2026-08-20", "45e44af of 2024-03-26"
DUCKDB, PANDAS, PYTHON = "2.0", "3.1", "3.11"
DUCKDB_ORDER = "https://duckdb.org/docs/2.0/operations_manual/non-deterministic_behavior.html"
DUCKDB_ISSUE = "https://github.com/duckdb/duckdb/issues/"
FEAST_ISSUE = "https://github.com/feast-dev/feast/issues/"
FEAST_RETRIEVAL = "docs/getting-started/concepts/feature-retrieval.md"
FEAST_JOINS = "docs/getting-started/concepts/point-in-time-joins.md"
FEAST_REDIS = "sdk/python/feast/infra/online_stores/redis.py"
FEAST_IBIS = "sdk/python/feast/infra/offline_stores/ibis.py"
FEAST_TILES = "sdk/python/feast/aggregation/tiling/"
OPENMLDB_ISSUE = "https://github.com/4paradigm/OpenMLDB/issues/"
CHRONON_GROUP_BY = "docs/source/authoring_features/GroupBy.md"
CHRONON_FETCHER = "online/src/main/scala/ai/chronon/online/FetcherBase.scala"
CHRONON_WINDOWS = "aggregator/src/main/scala/ai/chronon/aggregator/windowing/"
TECTON_EDGE = (
    "https://docs.tecton.ai/docs/1.0/sdk-reference/feature-views/configuration/read-features/AggregationLeadingEdge"
)
TECTON_TTL = "https://docs.tecton.ai/docs/0.4/defining-features/feature-views/the-ttl-parameter-in-feature-views"
TECTON_REALTIME = "https://docs.tecton.ai/docs/beta/defining-features/feature-views/realtime-feature-view"
SAGEMAKER_PUT = "https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_feature_store_PutRecord.html"
SAGEMAKER_TTL = "https://docs.aws.amazon.com/sagemaker/latest/dg/feature-store-time-to-live.html"
VERTEX_SOURCE = "https://cloud.google.com/vertex-ai/docs/featurestore/latest/prepare-data-source"
HOPSWORKS = "client 4aa6806 of 2026-08-21"
HOPSWORKS_INSERT = "https://github.com/logicalclocks/hopsworks-api/blob/4aa6806/python/hsfs/feature_group.py"
HOPSWORKS_GROUPS = "https://docs.hopsworks.ai/4.0/concepts/fs/feature_group/fg_overview"
DATABRICKS_TIME = "https://docs.databricks.com/machine-learning/feature-store/time-series.html"
SPARK_WATERMARK = (
    "https://spark.apache.org/docs/latest/api/python/reference/pyspark.sql/api/pyspark.sql.DataFrame.withWatermark.html"
)
PANDAS_MERGE = "https://pandas.pydata.org/docs/reference/api/pandas.merge.html"
PANDAS_MERGE_ASOF = "https://pandas.pydata.org/docs/reference/api/pandas.merge_asof.html"
PANDAS_NULLS = "https://pandas.pydata.org/docs/user_guide/missing_data.html"
JSON_NUMBERS = "https://www.rfc-editor.org/rfc/rfc8259#section-6"
GLIBC_ERRORS = "https://sourceware.org/glibc/manual/2.41/html_node/Errors-in-Math-Functions.html"
FOLDS = "https://peps.python.org/pep-0495/"
REDIS_EVICTION = "https://redis.io/docs/latest/develop/reference/eviction/"
REDIS_INCR = "https://redis.io/docs/latest/commands/incrby/"


def feast(path: str) -> str:
    """A place in Feast's repository."""
    return f"https://github.com/feast-dev/feast/blob/f0bc0700/{path}"


def chronon(path: str) -> str:
    """A place in Chronon's repository."""
    return f"https://github.com/airbnb/chronon/blob/5edd4fc9/{path}"


def feathr(path: str) -> str:
    """A place in Feathr's repository."""
    return f"https://github.com/feathr-ai/feathr/blob/45e44afc/{path}"


def duckdb_docs(path: str) -> str:
    """A page of DuckDB's documentation."""
    return f"https://duckdb.org/docs/2.0/{path}"
