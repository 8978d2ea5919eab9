"""Approximate answers from small states that merge exactly: the same bits on both roads, however rows were grouped.

A bucket is the leading bits of a float: its sign, its exponent and seven digits of its mantissa, so that the buckets'
widths grow with the values. A quantile is the middle of the bucket that holds it, within 2^-8 (0.4 %) of the exact
one. Different values are counted by the K least 64-bit hashes: exactly below K, beyond by how closely these lie, with
a standard error of 1 / sqrt(K - 2), 6.3 %.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from hashlib import md5
from itertools import chain
from typing import Final

from featurestore.semantics.dtypes import DATE, FLOAT64, INT64, STRING, TIMESTAMP, Value
from featurestore.semantics.folding.row import Aggregate, Fold, Rank, State, present
from featurestore.semantics.folding.tallies import add_tallies, quantile_of, sql_quantile, tally
from featurestore.semantics.instants import INT64_MAX

K: Final = 256
_DROPPED: Final = 45
_SMALLEST: Final = 2.2250738585072014e-308
"""Values nearer to zero have fewer digits than a bucket, and count as zero."""


def bucket_of(value: float) -> int:
    """The bucket of a float; greater floats have the same or a greater one.

    >>> bucket_of(0.0), bucket_of(1.0) == bucket_of(1.007), bucket_of(1.0) + 1 == bucket_of(1.0078125)
    (0, True, True)
    """
    size = abs(value)
    if size < _SMALLEST:
        return 0
    [bits] = struct.unpack("<q", struct.pack("<d", size))
    bucket: int = bits >> _DROPPED
    return bucket if value > 0 else -bucket


def middle_of(bucket: int) -> float:
    """The float in the middle of a bucket.

    >>> middle_of(bucket_of(1.0)) == 1.0 + 2.0**-8
    True
    """
    if bucket == 0:
        return 0.0
    [middle] = struct.unpack("<d", struct.pack("<q", (abs(bucket) << _DROPPED) | (1 << (_DROPPED - 1))))
    size: float = middle
    return size if bucket > 0 else -size


def hash_of(value: Value) -> int:
    """Sixty-four bits of the md5 of a value's text; of a float, of its bits as an integer."""
    text = str(struct.unpack("<q", struct.pack("<d", value))[0]) if isinstance(value, float) else str(value)
    return int.from_bytes(md5(text.encode(), usedforsecurity=False).digest()[:8], "little")


def _buckets(values: Sequence[Value], _: Sequence[Rank], __: int) -> State:
    return tally([bucket_of(float(value)) for value in present(values)])


def _least(values: Sequence[Value], _: Sequence[Rank], __: int) -> State:
    return sorted({hash_of(value) for value in set(present(values))})[:K]


def _merged(states: Sequence[State], _: int) -> State:
    return sorted(set(chain.from_iterable(states)))[:K]


def _distinct(state: State) -> tuple[Value, bool]:
    if len(state) < K:
        return len(state), False
    return min((K - 1) * 2**64 // (state[K - 1] + 1), INT64_MAX), False


def _hashes(name: str, text: str) -> Fold:
    derived, kept = ("hash", f"md5_number_upper({text})"), ("h", f"min(DISTINCT {{v}}_hash, {K})")
    merged = f"list_slice(list_sort(list_distinct(flatten(list({{c}}) FILTER (WHERE {{c}} IS NOT NULL)))), 1, {K})"
    return Fold(name, [], _least, _merged, (kept,), (derived,), cost=f"{K} hashes", running=False, sql_merge=(merged,))


_SQL_DISTINCT: Final = (
    f"CASE WHEN len({{f}}_h) < {K} THEN len({{f}}_h) WHEN len({{f}}_h) = {K} THEN CAST(least({K - 1}::HUGEINT * "
    f"18446744073709551616::HUGEINT // (CAST({{f}}_h[{K}] AS HUGEINT) + 1), {INT64_MAX}::HUGEINT) AS BIGINT) ELSE 0 END"
)
_SOURCE_OF_BUCKETS: Final = "Gan et al. 2018 and Masson et al. 2019 (DDSketch), with buckets of the float itself"
_SOURCE_OF_HASHES: Final = "Bar-Yossef et al. 2002; Beyer et al. 2007, unbiased estimator"

MACROS: Final[dict[str, str]] = {
    # bucket_of() and middle_of() above
    "fs_bucket(x)": f"CASE WHEN abs(x) >= {_SMALLEST!r}::DOUBLE THEN "
    f"CAST(sign(x) AS BIGINT) * (CAST(CAST(abs(x) AS BIT) AS BIGINT) >> {_DROPPED}) WHEN x IS NOT NULL THEN 0 END",
    "fs_middle(b)": f"CASE WHEN b <> 0 THEN CAST(sign(b) AS DOUBLE) * "
    f"CAST(CAST((abs(b) << {_DROPPED}) | {1 << (_DROPPED - 1)}::BIGINT AS BIT) AS DOUBLE) "
    "WHEN b = 0 THEN 0.0::DOUBLE END",
}
FOLDS: Final = (
    Fold(
        "buckets",
        [],
        _buckets,
        add_tallies,
        (("n", "count({v})"), ("l", "list({v}_bucket)")),
        (("bucket", "fs_bucket(CAST({v} AS DOUBLE))"),),
        cost="128 buckets for each power of two that the values reach",
        running=False,
    ),
    _hashes("hashes", "CAST({v} AS VARCHAR)"),
    _hashes("float_hashes", "CAST(CAST(CAST({v} AS BIT) AS BIGINT) AS VARCHAR)"),
)
AGGREGATES: Final = (
    Aggregate(
        "approx_quantile",
        (INT64, FLOAT64),
        lambda _: FLOAT64,
        "buckets",
        lambda state, asked: ((middle_of(quantile_of(state, asked.parameter)) if state else None), False),
        sql_quantile("fs_middle({})"),
        doc="A quantile within 2^-8 (0.4 %) of the exact one, from a state that does not grow with the rows.",
        asked=True,
        source=_SOURCE_OF_BUCKETS,
    ),
    *(
        Aggregate(
            "approx_distinct_count",
            takes,
            lambda _: INT64,
            fold,
            _distinct,
            _SQL_DISTINCT,
            doc=f"Number of different values: exact below {K}, beyond with a standard error of 6.3 %.",
            source=_SOURCE_OF_HASHES,
        )
        for takes, fold in (((INT64, STRING, TIMESTAMP, DATE), "hashes"), ((FLOAT64,), "float_hashes"))
    ),
)
