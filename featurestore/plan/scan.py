"""A source's definition as the scan of its rows."""

from __future__ import annotations

from featurestore.define.source import Source, SourceSpec
from featurestore.plan.nodes import Scan, ScanColumn


def plan_scan(source: type[Source]) -> Scan:
    """The scan of a source."""
    spec: SourceSpec = source.__spec__
    columns = tuple(ScanColumn(column.name, column.stored, column.dtype, column.unit) for column in spec.columns)
    return Scan(
        spec.name, columns, spec.event_at, spec.known_at, spec.row_id, spec.order, spec.delay_us, spec.zone, spec.data
    )
