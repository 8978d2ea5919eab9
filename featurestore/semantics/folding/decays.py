"""Sums that fade: a row counts half as much for each half-life that has passed since it happened.

Time is cut into blocks of one half-life. Within its block a row is raised to the block's end, by 2^(the part of the
half-life from the block's start), and added exactly (R9). What is asked fades the blocks, oldest first, by powers of
two, which floats multiply exactly, and then by the part of a half-life since the last block began. So neither order
nor grouping of rows can be seen, and 64 blocks answer: rows of older ones, which would count 2^-63 of themselves or
less, count nothing.

Source: exponential decay with a landmark, Cormode et al. 2009 (forward decay), the landmark being the block.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import chain
from typing import Final

from featurestore.semantics import exact
from featurestore.semantics.dtypes import FLOAT64, INT64, Value
from featurestore.semantics.folding.row import ADDED, COUNTED, Aggregate, Asked, Finished, Fold, Rank, State
from featurestore.semantics.instants import INT64_MAX, INT64_MIN
from featurestore.semantics.kernels.table import KERNELS

BLOCKS: Final = 64
LONGEST_US: Final = 36_500 * 86_400_000_000
"""A half-life is at most a hundred years, so that 64 of them are a window that instants can have."""
_power: Final = KERNELS["exp2_fraction"].python
_SUM, _WEIGHT, _BIG = 1, 2, 3


def _parts(at_us: int, halflife_us: int) -> tuple[int, float]:
    """The block of an instant, and the power of two by the part of it that has passed."""
    block = at_us // halflife_us
    power: float = _power(float(at_us - block * halflife_us) / float(halflife_us))
    return block, power


def _lift(values: Sequence[Value], ranks: Sequence[Rank], n: int) -> State:
    """Sorted `[block, sum, sum of weights, how many were too big]`."""
    blocks: dict[int, list[int]] = {}
    for value, (event_at_us, *_) in zip(values, ranks, strict=True):
        if value is not None:
            place, power = _parts(event_at_us, n)
            block = blocks.setdefault(place, [place, 0, 0, 0])
            taken = exact.units(float(value) * power)
            block[_SUM] += taken or 0
            block[_WEIGHT] += exact.units(power) or 0
            block[_BIG] += taken is None
    return [blocks[place] for place in sorted(blocks)]


def _lift_rows(values: Sequence[Value], ranks: Sequence[Rank], n: int) -> State:
    return _lift([1.0] * len(values), ranks, n)


def _merge(states: Sequence[State], _: int) -> State:
    blocks: dict[int, list[list[int]]] = {}
    for block in chain.from_iterable(states):
        blocks.setdefault(block[0], []).append(block)
    return [[place, *map(sum, zip(*(each[1:] for each in blocks[place]), strict=True))] for place in sorted(blocks)]


def _faded(state: State, part: int, now: int) -> float:
    """The blocks' sums as of the start of the block `now`, added from the oldest on."""
    total, before = 0.0, now
    for block in state:
        total = math.ldexp(total, before - block[0]) + exact.nearest_float(block[part])
        before = block[0]
    return math.ldexp(total, before - now)


def _overflow(state: State) -> bool:
    return any(block[_BIG] or not INT64_MIN <= block[_SUM] >> 64 <= INT64_MAX for block in state)


def _sum(state: State, asked: Asked) -> Finished:
    overflow = _overflow(state)
    if overflow or not state:
        return None, overflow
    now, power = _parts(asked.as_of_us, asked.n)
    return _faded(state, _SUM, now) / power, False


def _rows(state: State, asked: Asked) -> Finished:
    now, power = _parts(asked.as_of_us, asked.n)
    return _faded(state, _WEIGHT, now) / power, False


def _mean(state: State, asked: Asked) -> Finished:
    overflow = _overflow(state)
    if overflow or not state:
        return None, overflow
    now = asked.as_of_us // asked.n
    return _faded(state, _SUM, now) / _faded(state, _WEIGHT, now), False


_MASK: Final = "18446744073709551615::HUGEINT"
_BLOCK: Final = "fs_floor_div({at}, {n})"
_POWER: Final = f"fs_exp2_fraction(CAST({{at}} - {_BLOCK} * {{n}} AS DOUBLE) / {{n}}.0::DOUBLE)"
_GROWN: Final = "CAST({v} AS DOUBLE) * {v}_power{n}"
_NOW: Final = _POWER.replace("{at}", "{t}")
_HAS_BLOCKS: Final = "len({f}_blocks) > 0"
_OVERFLOW: Final = (
    "coalesce(len(list_filter({f}_blocks, lambda e: e.big > 0 OR NOT fs_in_range(e.hi, e.lo))) > 0, FALSE)"
)


def _sql_faded(hi: str, lo: str) -> str:
    """`_faded` in DuckDB."""
    blocks = f"list_transform({{f}}_blocks, lambda e: {{'a': e.block, 'v': fs_nearest(e.{hi}, e.{lo})}})"
    return f"fs_faded(list_append({blocks}, {{'a': {_BLOCK.replace('{at}', '{t}')}, 'v': 0.0::DOUBLE}})).v"


def _when_summed(text: str) -> str:
    return f"CASE WHEN {_HAS_BLOCKS} AND NOT {_OVERFLOW} THEN {text} END"


_POWER_OF_ROW: Final = _POWER.replace("{at}", "event_at_us")
# columns whose names begin with q are made after the others, from them
_WEIGHT_COLUMNS: Final = (
    ("q_whi{n}", "CAST(fs_units({v}_power{n}) >> 64 AS BIGINT)"),
    ("q_wlo{n}", f"CAST(fs_units({{v}}_power{{n}}) & {_MASK} AS UBIGINT)"),
)
_SUM_COLUMNS: Final = (
    ("q_big{n}", f"abs({_GROWN}) >= 9223372036854775808.0::DOUBLE"),
    ("q_hi{n}", f"CAST(fs_units({_GROWN}) >> 64 AS BIGINT)"),
    ("q_lo{n}", f"CAST(fs_units({_GROWN}) & {_MASK} AS UBIGINT)"),
)


def _sums(*parts: str) -> tuple[tuple[str, str], ...]:
    return tuple((part, f"sum({{v}}_q_{part}{{n}})") for part in parts)


MACROS: Final[dict[str, str]] = {
    # 2^-k for k from 0 to 64
    "fs_half_power(k)": "CAST(CAST((1023 - k) << 52 AS BIT) AS DOUBLE)",
    # _faded() above
    "fs_faded(blocks)": "list_reduce(blocks, lambda x, e: {'a': e.a, 'v': x.v * fs_half_power(e.a - x.a) + e.v})",
}
FOLDS: Final = (
    Fold(
        "decay",
        [],
        _lift,
        _merge,
        (
            ("n", "count({v})"),
            ("big", "count_if({v}_q_big{n})"),
            *_sums("hi", "lo", "whi", "wlo"),
        ),
        (
            ("power{n}", f"CASE WHEN {{v}} IS NOT NULL THEN {_POWER_OF_ROW} END"),
            *_WEIGHT_COLUMNS,
            *_SUM_COLUMNS,
        ),
        sql_merge=(COUNTED, COUNTED, *(ADDED,) * 4),
        ordered=True,
        cost="a block for each half-life that rows reach",
        sql_block=_BLOCK.replace("{at}", "event_at_us"),
    ),
    Fold(
        "decay_rows",
        [],
        _lift_rows,
        _merge,
        (("n", "count(*)"), *_sums("whi", "wlo")),
        (("power{n}", _POWER_OF_ROW), *_WEIGHT_COLUMNS),
        sql_merge=(COUNTED, ADDED, ADDED),
        ordered=True,
        cost="a block for each half-life that rows reach",
        sql_block=_BLOCK.replace("{at}", "event_at_us"),
    ),
)
_SOURCE: Final = "Cormode et al. 2009, forward decay"
AGGREGATES: Final = (
    Aggregate(
        "decayed_sum",
        (INT64, FLOAT64),
        lambda _: FLOAT64,
        "decay",
        _sum,
        _when_summed(f"{_sql_faded('hi', 'lo')} / {_NOW}"),
        _OVERFLOW,
        "Sum of the values, each halved for every half-life since it happened; none beyond 64 half-lives.",
        asked=True,
        source=_SOURCE,
    ),
    Aggregate(
        "decayed_mean",
        (INT64, FLOAT64),
        lambda _: FLOAT64,
        "decay",
        _mean,
        _when_summed(f"{_sql_faded('hi', 'lo')} / {_sql_faded('whi', 'wlo')}"),
        _OVERFLOW,
        "The decayed sum divided by the decayed number of its values.",
        asked=True,
        source=_SOURCE,
    ),
    Aggregate(
        "decayed_rows",
        (),
        lambda _: FLOAT64,
        "decay_rows",
        _rows,
        f"CASE WHEN {_HAS_BLOCKS} THEN {_sql_faded('whi', 'wlo')} / {_NOW} ELSE 0.0::DOUBLE END",
        doc="Number of rows, each halved for every half-life since it happened; none beyond 64 half-lives.",
        asked=True,
        source=_SOURCE,
    ),
)
