"""Source classes with columns of every type: with and without RowId, Order and KnownTime, with a delay, and static."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from itertools import product
from types import new_class
from typing import Any, Literal

from hypothesis import strategies as st

from featurestore import Column, Entity, EventTime, KnownTime, Order, Request, RowId, Source, Vector, column
from tests.strategies.values import DELAY

Known = Literal["column", "delay", "event"]

COLUMNS: dict[str, Any] = {
    "user": int,
    "place": str,
    "whole": int,
    "number": float,
    "text": str,
    "flag": bool,
    "moment": datetime,
    "day": date,
    "price": Decimal,
    "fee": Decimal,
    "tags": list[str],
    "counts": list[int],
    "point": Vector,
}
OPTIONS: dict[str, Any] = {
    "price": column(precision=18, scale=2),
    "fee": column(precision=12, scale=2),
    "point": column(length=3),
}


def make_source(
    *,
    row_id: type | None,
    order: type | None,
    known: Known = "event",
    static: bool = False,
    columns: Sequence[str] = tuple(COLUMNS),
    **options: Any,
) -> type[Source]:
    """A source class named after its traits; `options` are further class keywords, such as `data=` or `zone=`."""
    markers: dict[str, Any] = {name: Column.__class_getitem__(COLUMNS[name]) for name in columns}  # type: ignore[attr-defined]
    name = "StaticPing" if static else f"Ping{known.title()}"
    for attribute, marker, held in (("id", RowId, row_id), ("turn", Order, order)):
        if held is not None:
            generic: Any = marker
            markers[attribute] = generic[held]
            name += f"{attribute.title()}{held.__name__.title()}"
    if not static:
        markers["happened_at"] = EventTime
    if known == "column":
        markers["learnt_at"] = KnownTime
    if known == "delay":
        options["delay"] = DELAY
    if static:
        options["static"] = True
    stored = {name: option for name, option in OPTIONS.items() if name in columns}
    body = stored | {"__annotations__": markers, "__module__": __name__}
    return new_class(name, (Source,), options, lambda given: given.update(body))


_KNOWN: tuple[Known, ...] = ("column", "delay", "event")
SOURCES: tuple[type[Source], ...] = (
    *(make_source(row_id=a, order=b, known=c) for a, b, c in product((int, None, str), (None, int, float), _KNOWN)),
    *(make_source(row_id=a, order=b, static=True) for a, b in product((int, None), (None, int))),
)


def source_classes() -> st.SearchStrategy[type[Source]]:
    """One of the fixed source classes."""
    return st.sampled_from(SOURCES)


class Ask(Request):
    """Request columns of every type, under names that no key has."""

    ask_whole: Column[int]
    ask_number: Column[float]
    ask_text: Column[str]
    ask_flag: Column[bool]
    ask_moment: Column[datetime]
    ask_day: Column[date]
    ask_price: Column[Decimal] = column(precision=12, scale=2)
    ask_tags: Column[list[str]]
    ask_point: Column[Vector] = column(length=3)


def _entity(name: str, *columns: str) -> type[Entity]:
    generic: Any = Column
    annotations = {column: generic[COLUMNS[column]] for column in columns}
    return new_class(name, (Entity,), {}, lambda body: body.update(__annotations__=annotations, __module__=__name__))


User = _entity("User", "user")
Place = _entity("Place", "place")
UserPlace = _entity("UserPlace", "user", "place")

# single keys of each type, keys of two columns in one entity and in two
ENTITIES: tuple[Any, ...] = (
    User,
    Place,
    UserPlace,
    (Place, User),
    _entity("Flag", "flag"),
    _entity("Day", "day"),
    _entity("Moment", "moment"),
    _entity("Number", "number"),
)
# the same keys, asked for by request columns
ROLES: tuple[Any, ...] = (
    User(user=Ask.ask_whole),
    Place(place=Ask.ask_text),
    UserPlace(user=Ask.ask_whole),
    (Place(place=Ask.ask_text), User),
)
