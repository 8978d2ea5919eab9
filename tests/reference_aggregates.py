"""What the third voice says of aggregates, over the values in the order of R5 and the instants of their rows."""

from __future__ import annotations

import math
import struct
from collections import Counter
from collections.abc import Callable, Sequence
from fractions import Fraction
from hashlib import md5
from itertools import pairwise
from typing import Any

from featurestore.expr.nodes import Aggregate
from tests.reference_decays import decayed
from tests.reference_functions import summed, varied
from tests.reference_kernels import KERNELS
from tests.reference_pairs import paired, shaped
from tests.reference_types import summed_decimals

Said = tuple[Any, bool]


def said(
    node: Aggregate, values: Sequence[Any], instants: Sequence[int], as_of_us: int, seconds: Sequence[Any] = ()
) -> Said:
    """An aggregate's value and whether it overflowed: R7 and R9. `seconds` are the values of a second column."""
    present = [value for value in values if value is not None]
    match node.function:
        case "rows":
            return len(values), False
        case "last_n":
            return tuple(values[-node.n :]) or None, False
        case "first_n":
            return tuple(values[: node.n]) or None, False
        case "top_values" | "bottom_values":
            return tuple(sorted(present, reverse=node.function == "top_values")[: node.n]) or None, False
        case "max_by" | "min_by":
            held = [second for second in seconds if second is not None]
            extreme = (max if node.function == "max_by" else min)(held, default=None)
            tied = [value for value, second in zip(values, seconds, strict=True) if second == extreme]
            return (tied[-1] if held else None), False
        case "count" | "distinct_count":
            return len(present if node.function == "count" else set(present)), False
        case "min" | "max":
            return (min if node.function == "min" else max)(present, default=None), False
        case "first" | "last":
            return (values[0 if node.function == "first" else -1] if values else None), False
        case "first_at" | "last_at":
            held = [at for value, at in zip(values, instants, strict=True) if value is not None or node.input is None]
            return (min if node.function == "first_at" else max)(held, default=None), False
        case "sum" | "mean" if node.input and node.input.dtype.kind == "decimal":
            return summed_decimals(present, node.input.dtype, node.function == "mean")
        case "sum" | "mean" if node.input and node.input.dtype.kind == "vector":
            elements = [summed(column, node.function == "mean") for column in zip(*present, strict=True)]
            overflow = any(over for _, over in elements)
            return (None if overflow or not present else tuple(value for value, _ in elements)), overflow
        case "sum" | "mean":
            return summed(present, node.function == "mean")
        case "var" | "std" | "var_pop" | "std_pop":
            variance, overflow = varied(present, not node.function.endswith("_pop"))
            return (math.sqrt(variance) if variance and node.function.startswith("std") else variance), overflow
        case "time_between_mean":
            gaps = [later - sooner for sooner, later in pairwise(instants)]
            return (float(sum(gaps)) / (float(len(gaps)) * 1e6) if gaps else None), False
        case "time_between_min" | "time_between_max":
            gaps = [later - sooner for sooner, later in pairwise(instants)]
            return (float((min if node.function.endswith("min") else max)(gaps)) / 1e6 if gaps else None), False
        case "skewness" | "kurtosis" | "skewness_pop" | "kurtosis_pop":
            return shaped(node.function, present)
        case "covariance" | "covariance_pop" | "correlation" | "slope":
            pairs = [pair for pair in zip(values, seconds, strict=True) if None not in pair]
            return paired(node.function, pairs)
        case "decayed_sum" | "decayed_mean":
            pairs = [(value, at) for value, at in zip(values, instants, strict=True) if value is not None]
            return decayed(node.function, pairs, node.n, as_of_us)
        case "decayed_rows":
            return decayed(node.function, [(1.0, at) for at in instants], node.n, as_of_us)
    return SAID[node.function](present, node.parameter), False


def nearest_rank(present: list[Any], parameter: str) -> Any:
    """The least value that at least that share of the values is not above."""
    share = Fraction(parameter)
    return next((value for i, value in enumerate(sorted(present), 1) if Fraction(i, len(present)) >= share), None)


def between(present: list[Any], parameter: str) -> float | None:
    """The number at place (n - 1) * q, from 0: the two values around it, each times its share of their distance."""
    if not present:
        return None
    place = (len(present) - 1) * Fraction(parameter)
    above = place - math.floor(place)
    low, high = (float(sorted(present)[each]) for each in (math.floor(place), math.ceil(place)))
    return sorted([low, low * float(1 - above) + high * float(above), high])[1]


def frequent(present: list[Any]) -> list[tuple[Any, int]]:
    """Values with their counts, most frequent first, then the least."""
    return sorted(Counter(present).items(), key=lambda pair: (-pair[1], pair[0]))


def middle(value: float) -> float:
    """The middle of a float's bucket: 128 equal parts of each power of two, and zero below the normal floats."""
    mantissa, exponent = math.frexp(abs(value))
    part = math.floor(mantissa * 256)
    return math.copysign(math.ldexp((2 * part + 1) / 512, exponent), value) if abs(value) >= 2.0**-1022 else 0.0


def estimated(present: list[Any]) -> int:
    """The number of different values, beyond 255 by the 256th least of their hashes."""
    texts = {
        str(struct.unpack(">q", struct.pack(">d", each))[0]) if type(each) is float else str(each) for each in present
    }
    hashes = sorted(int.from_bytes(bytes.fromhex(md5(text.encode()).hexdigest()[:16]), "little") for text in texts)
    return len(texts) if len(texts) < 256 else min(255 * 2**64 // (hashes[255] + 1), 2**63 - 1)


def entropy_of(present: list[Any]) -> float | None:
    """Shannon's entropy in bits, by the stated steps."""
    if not present:
        return None
    total, number = 0.0, float(len(present))
    for _, count in sorted(Counter(present).items()):
        total = total + count * (KERNELS["log2"](number) - KERNELS["log2"](float(count)))
    return total / number


SAID: dict[str, Callable[[list[Any], str], Any]] = {
    "quantile": nearest_rank,
    "quantile_interpolated": between,
    "approx_quantile": lambda present, share: middle(float(nearest_rank(present, share))) if present else None,
    "approx_distinct_count": lambda present, _: estimated(present),
    "entropy": lambda present, _: entropy_of(present),
    "mode": lambda present, _: frequent(present)[0][0] if present else None,
    "mode_count": lambda present, _: frequent(present)[0][1] if present else None,
    "top_n": lambda present, most: tuple(value for value, _ in frequent(present)[: int(most)]) or None,
    "top_n_counts": lambda present, most: tuple(count for _, count in frequent(present)[: int(most)]) or None,
}
