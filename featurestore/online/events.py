"""Pushed rows on their way in: checked, made canonical, committed to the log. What cannot be used is set aside with
its reason (R16)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any

from featurestore.errors import (
    FeatureStoreError,
    InputError,
    InvalidValue,
    MissingColumn,
    NaiveTime,
    UnknownColumn,
    did_you_mean,
)
from featurestore.online import codec
from featurestore.plan.log_rows import BAD_VALUES, TYPES, type_to_tell
from featurestore.plan.nodes import Scan, ScanColumn
from featurestore.plan.outcomes import MISFIT, OUT_OF_RANGE, SKIPPED, UNIT_FIX, bad_key_text, reason_of, reason_text
from featurestore.semantics import decimals
from featurestore.semantics.dtypes import (
    FLOAT64,
    INT64,
    TIMESTAMP,
    DType,
    Value,
    canonical,
    dtype_named,
    list_of,
)
from featurestore.semantics.foreign import of_python
from featurestore.semantics.identity import fingerprint
from featurestore.semantics.instants import (
    FIRST_DAY,
    FIRST_US,
    INT64_MAX,
    INT64_MIN,
    LAST_DAY,
    LAST_US,
    Far,
    OutOfYears,
    in_years,
    moment_of,
    unix_us,
)
from featurestore.semantics.zones import instant_of_local_us
from featurestore.tables import rows_of

Row = dict[str, Value]
_STORED: dict[str, type] = {
    "bool": bool,
    "int64": int,
    "float64": float,
    "string": str,
    "timestamp": int,
    "date": int,
    "decimal": int,
}
_RANGES = {"int64": (INT64_MIN, INT64_MAX), "timestamp": (FIRST_US, LAST_US), "date": (FIRST_DAY, LAST_DAY)}
_LONGEST = 80
"""Letters of a bad value that the log keeps."""


class _Skipped(InvalidValue):
    """A local time that the clocks of its zone jumped over; to others it is a value like any that does not fit."""

    @property
    def name(self) -> str:
        """The error's name as printed and as sent over HTTP."""
        return InvalidValue.__name__


@dataclass(slots=True)
class Checked:
    """Rows of one call: canonical ones, those set aside as `(place, raw row, reason)`, and how many values of each
    column became null."""

    rows: list[Row] = field(default_factory=list)
    quarantined: list[tuple[int, dict[str, Any], str]] = field(default_factory=list)
    bad_values: Counter[str] = field(default_factory=Counter)


def check_events(scan: Scan, events: object, keys: Sequence[Sequence[str]] = ()) -> Checked:
    """The rows of a call, canonical. `keys` are the key columns of each state that reads them: a row with a bad value
    in all of these keys is set aside, since no state could use it.

    Raises: InputError                 when the source does not take pushed rows, or `events` is no table.
            MissingColumn, UnknownColumn, NaiveTime  when a row does not have the source's columns: nothing of the
            call is taken.
    """
    if scan.event_at is None:
        raise InputError(
            f"`{scan.source}` is static and takes no events",
            where=f"ingest into `{scan.source}`",
            fix="change its data and run `featurestore materialize`",
        )
    if scan.data is not None and scan.row_id is None:
        raise InputError(
            f"`{scan.source}` has data and no RowId, so a pushed row could count twice",
            where=f"ingest into `{scan.source}`",
            fix="mark the column that tells its rows apart: `id: RowId[int]`",
        )
    checked = Checked()
    marked = (scan.event_at, scan.known_at, scan.row_id)
    for place, event in enumerate(rows_of(events, f"the events of `{scan.source}`")):
        _check_names(scan, event, place)
        row: Row = {}
        stood: dict[str, int] = {}
        misfits: dict[str, str] = {}
        for column in scan.columns:
            raw = event[column.name] if column.name in event else event[column.stored]
            try:
                row[column.name] = entered(raw, column.dtype, scan.zone, column.unit)
            except NaiveTime as error:
                error.where = f"row {place}, `{scan.source}.{column.name}`"
                raise
            except FeatureStoreError as error:
                row[column.name] = None
                stood[column.name] = _misfit(error)
                if column.name not in marked:
                    misfits[column.name] = _short(raw)
        # a row that has no KnownTime is stamped when it is committed
        code = reason_of(scan, row, stood, 0)
        checked.bad_values.update(misfits.keys())
        reason = None if code is None else reason_text(scan, code)
        if misfits and reason is None:
            reason = _bad_key(scan, misfits, keys)
        if reason is not None:
            raw_row = {name: of_python(raw) for name, raw in event.items()}
            checked.quarantined.append((place, raw_row, reason))
        else:
            checked.rows.append(row | {BAD_VALUES: misfits} if misfits else row)
    return checked


def _bad_key(scan: Scan, misfits: Mapping[str, str], keys: Sequence[Sequence[str]]) -> str | None:
    """Why no state can use a row: each has a bad value in its key, of which the first is named."""
    bad = [next((name for name in key if name in misfits), None) for key in keys]
    return bad_key_text(scan, bad[0]) if bad and bad[0] is not None and None not in bad else None


def has_bad_value(body: str, row: Row, names: Iterable[str]) -> bool:
    """Whether a row of the log has a bad value in one of these columns: one that was pushed, or one that today's type
    does not hold."""
    stored = codec.decode(body)
    bad = stored.get(BAD_VALUES) or {}
    return any(row[name] is None and (name in bad or stored.get(name) is not None) for name in names)


def encode(rows: Iterable[Row], scan: Scan) -> list[str]:
    """Canonical rows as the log keeps them."""
    told = ((column.name, type_to_tell(column.dtype)) for column in scan.columns)
    types = {TYPES: {name: text for name, text in told if text}}
    return [codec.encode(row | types) for row in rows]


def decode(body: str, scan: Scan) -> Row:
    """A row of the log with the columns of today: one that was declared later is null, and so is a value that its
    column does not hold any more."""
    stored = codec.decode(body)
    types = stored.get(TYPES)
    return {column.name: _of_today(stored.get(column.name), column, types) for column in scan.columns}


def _of_today(value: Value, column: ScanColumn, types: Mapping[str, str] | None) -> Value:
    """A stored value as its column's type reads it; null where the type does not hold it."""
    told = type_to_tell(column.dtype) if types is None else types.get(column.name)
    if column.dtype.kind in ("list", "vector"):
        return _items_held(value, column.dtype, told)
    return _held(value, column.dtype, told)


def _held(value: Value, dtype: DType, told: str | None) -> Value:
    """A value as a type reads it; `told` is the type that it was written with, if it does not say so itself."""
    kind = dtype.kind
    if type(value) is int and told != type_to_tell(dtype):
        return _rescaled(value, dtype, told) if kind == "decimal" else None
    if kind == "float64" and type(value) is int and abs(value) <= 2**53:
        return float(value)
    if kind in _STORED and type(value) is not _STORED[kind]:
        return None
    low, high = _RANGES.get(kind, (None, None))
    if kind == "decimal":
        low, high = -(10**dtype.precision) + 1, 10**dtype.precision - 1
    return value if low is None or high is None or low <= value <= high else None


def _rescaled(number: int, dtype: DType, told: str | None) -> Value:
    """An int, or a decimal of other digits, as a decimal; times and dates are none."""
    held = INT64 if told is None else dtype_named(told)
    if held.kind not in ("int64", "decimal"):
        return None
    return decimals.rescaled(number, held.scale, dtype.precision, dtype.scale)


def _items_held(value: Value, dtype: DType, told: str | None) -> Value:
    """A list is held only if all its items are, and a vector only if none of them is null."""
    if not isinstance(value, list) or (dtype.kind == "vector" and len(value) != dtype.length):
        return None
    item_type, item_told = dtype.item or FLOAT64, told and str(dtype_named(told).item or told)
    items = tuple(
        None if type(item) is int and item_type == FLOAT64 else _held(item, item_type, item_told) for item in value
    )
    lost = any(item is None and (given is not None or not dtype.item) for item, given in zip(items, value, strict=True))
    return None if lost else items


def times_and_identity(scan: Scan, row: Row, stamped_us: int, position: int) -> tuple[int, int, Value, str | None]:
    """`event_at`, `known_at`, row id and fingerprint of a row of the log (R2, R6, R13)."""
    assert scan.event_at is not None, "a static source has no log"
    known_at_us = row[scan.known_at] if scan.known_at else stamped_us
    if scan.row_id is None:
        return row[scan.event_at], known_at_us, position, None
    columns = sorted(scan.columns, key=lambda column: column.name)
    return (
        row[scan.event_at],
        known_at_us,
        row[scan.row_id],
        fingerprint((row[column.name], column.dtype) for column in columns),
    )


def _check_names(scan: Scan, event: Mapping[str, Any], place: int) -> None:
    known = {name for column in scan.columns for name in (column.name, column.stored)}
    unknown = [str(name) for name in event if name not in known]
    declared = [column.name for column in scan.columns]
    if unknown:
        raise UnknownColumn(
            f"`{scan.source}` has no column `{unknown[0]}`",
            where=f"row {place} of the events",
            has=declared,
            fix=did_you_mean(unknown[0], declared, "send only declared columns"),
        )
    missing = [column.name for column in scan.columns if column.name not in event and column.stored not in event]
    if missing:
        raise MissingColumn(
            f"row {place} of the events lacks `{missing[0]}`",
            where=f"source `{scan.source}`",
            has=[str(name) for name in event],
            fix=f"send `{missing[0]}`; null is allowed where it is no time and no RowId",
        )


def entered(raw: object, dtype: DType, zone: str | None, unit: str = "") -> Value:
    """A pushed value, canonical; a time without a zone is read in the source's, a number of a `unit` as an instant.

    Raises: InvalidValue, NaiveTime  when the type cannot hold it.
    """
    if unit:
        number = canonical(raw, INT64)
        return None if number is None else unix_us(number, unit)
    if dtype == TIMESTAMP and isinstance(raw, int):
        raise InvalidValue(f"{raw!r:.80} is a number and no instant", has="no unit in the source", fix=UNIT_FIX)
    if zone is None or raw is None or dtype not in (TIMESTAMP, list_of(TIMESTAMP)):
        return canonical(raw, dtype)
    raw = of_python(raw)
    if dtype != TIMESTAMP:
        if not isinstance(raw, Sequence) or isinstance(raw, str):
            return canonical(raw, dtype)
        return tuple(entered(item, TIMESTAMP, zone) for item in raw)
    if type(raw) is date:  # its midnight, as a text may stop at the date
        raw = datetime(raw.year, raw.month, raw.day)  # noqa: DTZ001
    moment = moment_of(raw) if isinstance(raw, str) else raw
    if isinstance(moment, Far) and moment.kind == "local":
        local_us = moment.number
    elif isinstance(moment, datetime) and moment.tzinfo is None:
        local_us = canonical(moment.replace(tzinfo=UTC), dtype)
    else:
        return canonical(raw, dtype)
    at_us = instant_of_local_us(zone, local_us)
    if at_us is None:
        raise _Skipped(f"{moment} does not exist in {zone}", fix="send the time that the clocks showed")
    return in_years(at_us)


def _misfit(error: FeatureStoreError) -> int:
    """What is wrong with a value, as a code of `plan.outcomes`."""
    if isinstance(error, _Skipped):
        return SKIPPED
    return OUT_OF_RANGE if isinstance(error, OutOfYears) else MISFIT


def _short(raw: object) -> str:
    """A value as the log can keep it."""
    return str(of_python(raw))[:_LONGEST].encode("utf-8", errors="backslashreplace").decode()
