"""Sources: rows with an event time."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

from featurestore.define.columns import MARKERS, Column, ColumnSpec, EventTime, KnownTime, Order, RowId, declare_columns
from featurestore.define.data import Data, Frame
from featurestore.define.made import next_made, top_level_module
from featurestore.define.places import origin, place
from featurestore.errors import InvalidDefinition
from featurestore.expr.nodes import ColumnRef
from featurestore.semantics.instants import duration_us
from featurestore.semantics.zones import offsets


@dataclass(frozen=True, slots=True)
class SourceSpec:
    """A source as declared. `event_at` is None for a static source; times without a zone are read in `zone`.

    `made` counts upwards, so that of two definitions the newer is known; `where` is the place of this one, `module` the
    module without a file, such as a notebook's, that defines it at top level.
    Units: `delay_us` microseconds from the event to when a row could be known.
    """

    name: str
    columns: tuple[ColumnSpec, ...]
    data: Data | None
    event_at: str | None
    known_at: str | None
    row_id: str | None
    order: str | None
    delay_us: int
    zone: str | None
    where: str = field(default="", compare=False)
    module: str = field(default="", compare=False)
    made: int = field(default_factory=next_made, compare=False)


class Source:
    """Rows that happened: one class, annotated attributes are its columns.

    Options are class keywords: `data=` where its history is (none: it is only pushed), `delay=` from the event to
    when a row is known, `zone=` of times that carry none, `static=True` for a table without time.
    """

    __spec__: ClassVar[SourceSpec]

    def __init_subclass__(
        cls, *, data: Data | Any = None, delay: str | None = None, zone: str | None = None, static: bool = False
    ) -> None:
        columns = declare_columns(cls, lambda spec: ColumnRef(cls.__name__, spec.name, spec.dtype), MARKERS)
        marked = {marker: [spec.name for spec in columns if spec.marker is marker] for marker in MARKERS}
        for marker in (RowId, Order, EventTime, KnownTime):
            if len(marked[marker]) > 1:
                raise InvalidDefinition(
                    f"`{cls.__name__}` has {len(marked[marker])} columns marked {marker.__name__}",
                    where=place(cls, marked[marker][1]),
                    has=marked[marker],
                    fix="mark one",
                )
        event_at, known_at, row_id, order = (
            marked[marker][0] if marked[marker] else None for marker in (EventTime, KnownTime, RowId, Order)
        )
        if event_at is None and not static:
            raise InvalidDefinition(
                f"the source `{cls.__name__}` has no event time",
                where=place(cls),
                fix="mark a column `EventTime`, or write `static=True` for a table without time",
            )
        if static and (event_at or known_at or delay or zone):
            raise InvalidDefinition(
                f"the static source `{cls.__name__}` has times",
                where=place(cls),
                fix="take `static=True` away, or the times",
            )
        if known_at and delay:
            raise InvalidDefinition(
                f"`{cls.__name__}` says twice when a row is known",
                where=place(cls),
                has=[known_at, f"delay={delay!r}"],
                fix="keep one",
            )
        if data is not None and not isinstance(data, Data):
            if isinstance(data, (str, bytes, dict, list)):
                raise InvalidDefinition(
                    f"`data={data!r:.60}` of `{cls.__name__}` is no table",
                    where=place(cls),
                    has=[
                        "Parquet(path)",
                        "Csv(path)",
                        "Query(sql)",
                        "DuckDBTable(path, table)",
                        "a pandas, polars or Arrow table",
                    ],
                    fix='write `data=Parquet("path/*.parquet")`',
                )
            data = Frame(data)
        if zone is not None:
            offsets(zone)
        delay_us = duration_us(delay) if delay else 0
        cls.__spec__ = SourceSpec(
            cls.__name__,
            columns,
            data,
            event_at,
            known_at,
            row_id,
            order,
            delay_us,
            zone,
            where=origin(cls),
            module=top_level_module(cls),
        )


def key_columns(
    source: type[Source], key: Column[Any] | tuple[Column[Any], ...] | None, names: tuple[str, ...]
) -> tuple[str, ...]:
    """The source's columns that hold a view's key: those of `key=`, else those named as the entity's."""
    if key is None:
        return names
    given = key if isinstance(key, tuple) else (key,)
    nodes = [getattr(each, "node", None) for each in given]
    return tuple(
        node.name if isinstance(node, ColumnRef) and node.source == source.__name__ else repr(each)
        for node, each in zip(nodes, given, strict=True)
    )
