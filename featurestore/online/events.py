"""Pushed rows on their way in: checked, made canonical, committed to the log. What cannot be used is set aside with
its reason (R16)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from featurestore.errors import FeatureStoreError, InputError, MissingColumn, NaiveTime, UnknownColumn, did_you_mean
from featurestore.online import codec
from featurestore.plan.nodes import Scan
from featurestore.semantics.dtypes import DATE, TIMESTAMP, DType, Value, canonical
from featurestore.semantics.identity import fingerprint
from featurestore.semantics.instants import EARLIEST_US, LATEST_US
from featurestore.semantics.zones import instant_of_local_us
from featurestore.tables import arrow_table

Row = dict[str, Value]


@dataclass(slots=True)
class Checked:
    """Rows of one call: canonical ones, those set aside as `(raw row, reason)`, and how many values became null."""

    rows: list[Row] = field(default_factory=list)
    quarantined: list[tuple[dict[str, Any], str]] = field(default_factory=list)
    bad_values: int = 0


def check_events(scan: Scan, events: object) -> Checked:
    """The rows of a call, canonical.

    Raises: InputError                 when the source does not take pushed rows, or `events` is no table.
            MissingColumn, UnknownColumn, NaiveTime  when a row does not have the source's columns: nothing of the
            call is taken.
    """
    if scan.event_at is None:
        raise InputError(
            f"`{scan.source}` is static and takes no events", fix="change its data and run `featurestore materialize`"
        )
    if scan.data is not None and scan.row_id is None:
        raise InputError(
            f"`{scan.source}` has data and no RowId, so a pushed row could count twice",
            where=f"ingest into `{scan.source}`",
            fix="mark the column that tells its rows apart: `id: RowId[int]`",
        )
    checked = Checked()
    for place, event in enumerate(_as_dicts(scan, events)):
        _check_names(scan, event, place)
        row: Row = {}
        reason = None
        for column in scan.columns:
            raw = event[column.name] if column.name in event else event[column.stored]
            try:
                row[column.name] = _canonical(raw, column.dtype, scan.zone)
            except NaiveTime as error:
                error.where = f"row {place}, `{scan.source}.{column.name}`"
                raise
            except FeatureStoreError as error:
                row[column.name] = None
                if column.name in (scan.event_at, scan.known_at, scan.row_id):
                    reason = f"{column.name}: {error.what}"
                else:
                    checked.bad_values += 1
        reason = reason or _unusable(scan, row)
        if reason:
            checked.quarantined.append((dict(event), reason))
        else:
            checked.rows.append(row)
    return checked


def encode(row: Row) -> str:
    """A canonical row as the log keeps it."""
    return codec.encode(row)


def decode(body: str, scan: Scan) -> Row:
    """A row of the log with the columns of today: one that was declared later is null."""
    stored = codec.decode(body)
    return {column.name: stored.get(column.name) for column in scan.columns}


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


def _as_dicts(scan: Scan, events: object) -> Iterable[Mapping[str, Any]]:
    if isinstance(events, Mapping):
        return [events]
    if (
        isinstance(events, Sequence)
        and not isinstance(events, str)
        and all(isinstance(event, Mapping) for event in events)
    ):
        return events
    rows: list[dict[str, Any]] = arrow_table(events, f"the events of `{scan.source}`").to_pylist()
    return rows


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


def _canonical(raw: object, dtype: DType, zone: str | None) -> Value:
    if dtype == DATE and isinstance(raw, datetime):
        raw = raw.date()
    if dtype != TIMESTAMP or zone is None or raw is None:
        return canonical(raw, dtype)
    try:
        moment = datetime.fromisoformat(raw) if isinstance(raw, str) else raw
    except ValueError:
        return canonical(raw, dtype)  # which says what is wrong with it
    if not isinstance(moment, datetime) or moment.tzinfo is not None:
        return canonical(raw, dtype)
    return instant_of_local_us(zone, canonical(moment.replace(tzinfo=UTC), dtype))


def _unusable(scan: Scan, row: Row) -> str | None:
    for name in (scan.event_at, scan.known_at):
        if name is not None and (row[name] is None or not EARLIEST_US <= row[name] <= LATEST_US):
            return f"{name} is no usable instant"
    if scan.row_id is not None and row[scan.row_id] is None:
        return f"{scan.row_id} is null"
    return None
