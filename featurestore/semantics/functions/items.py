"""What the items of a list add up to, and what a map holds: sums are those of R9, nulls are skipped.

DuckDB text binds a list by a lambda, so that it stands in the text once, however often the function reads it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from featurestore.semantics import exact
from featurestore.semantics.decimals import DIGITS, sql_to_float, to_float
from featurestore.semantics.dtypes import BOOL, FLOAT64, INT64, ORDERED, DType, Value, decimal_of, list_of
from featurestore.semantics.functions.row import Rule, Scalar, int64
from featurestore.semantics.instants import INT64_MAX, INT64_MIN

MOST: Final = 10**DIGITS - 1
Typed = tuple[str, Callable[..., Value]]


def _bound(name: str, text: str, body: str) -> str:
    """`body` with a name for the value of a text."""
    return f"list_transform([{text}], lambda {name}: {body})[1]"


def _item(given: tuple[DType, ...]) -> DType | None:
    return given[0].item if len(given) == 1 and given[0].kind == "list" else None


def _is_number(item: DType) -> bool:
    return item in (BOOL, INT64, FLOAT64) or item.kind == "decimal"


def _total_type(given: tuple[DType, ...]) -> DType | None:
    item = _item(given)
    if item is None or not _is_number(item):
        return None
    return INT64 if item == BOOL else decimal_of(DIGITS, item.scale) if item.kind == "decimal" else item


def _mean_type(given: tuple[DType, ...]) -> DType | None:
    item = _item(given)
    return FLOAT64 if item is not None and _is_number(item) else None


def _extreme_type(given: tuple[DType, ...]) -> DType | None:
    item = _item(given)
    return item if item is not None and (item in ORDERED or item.kind == "decimal") else None


_COUNT: Final = "CAST(list_count(v) AS DOUBLE)"
_TRUTHS: Final = "list_transform({0}, lambda x: CAST(x AS BIGINT))"
_DECIMAL: Final = _bound("s", "list_sum(v)", f"CASE WHEN s BETWEEN -{MOST} AND {MOST} THEN CAST(s AS BIGINT) END")
_FRACTION: Final = _bound(
    "e",
    "{{'hi': list_sum(list_transform(v, lambda x: CAST(fs_units(x) >> 64 AS BIGINT))), "
    "'lo': list_sum(list_transform(v, lambda x: CAST(fs_units(x) & 18446744073709551615::HUGEINT AS UBIGINT))), "
    "'big': list_bool_or(list_transform(v, lambda x: abs(x) >= 9223372036854775808.0::DOUBLE))}}",
    "CASE WHEN NOT e.big AND fs_in_range(e.hi, e.lo) THEN fs_nearest(e.hi, e.lo) END",
)


def _present(items: Sequence[Value]) -> list[Any]:
    return [item for item in items if item is not None]


def _summed(item: DType) -> Callable[[list[Any]], Value]:
    """The sum of values that are there, at least one (R9)."""

    def fraction(values: list[Any]) -> Value:
        units = [exact.units(value) for value in values]
        total = sum(unit or 0 for unit in units)
        inside = None not in units and INT64_MIN <= total >> 64 <= INT64_MAX
        return exact.nearest_float(total) if inside else None

    def decimal(values: list[Any]) -> Value:
        total = sum(values)
        return total if -MOST <= total <= MOST else None

    if item == FLOAT64:
        return fraction
    return decimal if item.kind == "decimal" else lambda values: int64(sum(values))


def _sum(given: tuple[DType, ...]) -> Typed:
    item = given[0].item
    assert item is not None, "only lists are summed"
    total = _summed(item)

    def python(items: Sequence[Value]) -> Value:
        values = _present(items)
        return total(values) if values else None

    text = _TRUTHS if item == BOOL else "{0}"
    if item in (BOOL, INT64):
        return f"TRY_CAST(list_sum({text}) AS BIGINT)", python
    return _bound("v", text, _FRACTION if item == FLOAT64 else _DECIMAL), python


def _mean(given: tuple[DType, ...]) -> Typed:
    item = given[0].item
    assert item is not None, "only lists have a mean"
    total = _summed(item)

    def python(items: Sequence[Value]) -> Value:
        values = _present(items)
        found = total(values) if values else None
        if found is None:
            return None
        return (to_float(found, item.scale) if item.kind == "decimal" else float(found)) / float(len(values))

    text = _TRUTHS if item == BOOL else "{0}"
    if item == FLOAT64:
        return _bound("v", text, f"{_FRACTION} / {_COUNT}"), python
    if item.kind == "decimal":
        return _bound("v", text, f"{sql_to_float(_DECIMAL, item.scale)} / {_COUNT}"), python
    return _bound("v", text, f"CAST(TRY_CAST(list_sum(v) AS BIGINT) AS DOUBLE) / {_COUNT}"), python


def _extreme(compute: Callable[[list[Any]], Value]) -> Callable[[Sequence[Value]], Value]:
    def python(items: Sequence[Value]) -> Value:
        values = _present(items)
        return compute(values) if values else None

    return python


def _of_map(result: Callable[[DType, DType], DType | None]) -> Rule:
    """The rule of a function of a map, from the types of its keys and values."""

    def rule(given: tuple[DType, ...]) -> DType | None:
        key, item = given[0].key, given[0].item
        return result(key, item) if len(given) == 1 and key is not None and item is not None else None

    return rule


def _at_extreme(extreme: str) -> str:
    """The first key whose value is the extreme one: keys lie in order, so it is the least of several."""
    first = "list_extract(list_filter(map_entries(m), lambda e: e.value = b), 1).key"
    return _bound("m", "{0}", _bound("b", f"{extreme}(map_values(m))", first))


def _key_at(compute: Callable[[list[Any]], Value]) -> Callable[[tuple[tuple[Value, Value], ...]], Value]:
    def python(pairs: tuple[tuple[Value, Value], ...]) -> Value:
        values = _present([value for _, value in pairs])
        best = compute(values) if values else None
        return next((key for key, value in pairs if value == best), None) if values else None

    return python


def _ordered_key(key: DType, item: DType) -> DType | None:
    return key if _extreme_type((list_of(item),)) is not None else None


ROWS: Final[tuple[Scalar, ...]] = (
    Scalar("sum", _total_type, "", sum, typed=_sum),
    Scalar("mean", _mean_type, "", sum, typed=_mean),
    Scalar("min", _extreme_type, "list_min({0})", _extreme(min)),
    Scalar("max", _extreme_type, "list_max({0})", _extreme(max)),
    Scalar("keys", _of_map(lambda key, _: list_of(key)), "map_keys({0})", lambda pairs: tuple(key for key, _ in pairs)),
    Scalar(
        "values",
        _of_map(lambda _, item: list_of(item)),
        "map_values({0})",
        lambda pairs: tuple(value for _, value in pairs),
    ),
    Scalar(
        "values",
        lambda given: list_of(FLOAT64) if len(given) == 1 and given[0].kind == "vector" else None,
        "{0}",
        lambda items: items,
    ),
    Scalar("length", _of_map(lambda _, __: INT64), "CAST(cardinality({0}) AS BIGINT)", len),
    Scalar("argmax", _of_map(_ordered_key), _at_extreme("list_max"), _key_at(max)),
    Scalar("argmin", _of_map(_ordered_key), _at_extreme("list_min"), _key_at(min)),
)
