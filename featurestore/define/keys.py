"""How a view is keyed: the source's columns that hold the key which its entity declares."""

from __future__ import annotations

from typing import Any

from featurestore.define.columns import Column
from featurestore.define.entity import KeyPart
from featurestore.define.places import place
from featurestore.define.source import Source, key_columns
from featurestore.errors import InvalidDefinition, TypeMismatch, UnknownColumn, did_you_mean


def checked_key(
    cls: type,
    parts: tuple[KeyPart, ...],
    source: type[Source] | None,
    key: Column[Any] | tuple[Column[Any], ...] | None,
) -> tuple[str, ...]:
    """The source's columns that hold a view's key, in its order.

    Raises: InvalidDefinition, UnknownColumn, TypeMismatch  when there are none of these names and types.
    """
    if (source is None) != (not parts):
        raise InvalidDefinition(
            f"`{cls.__name__}` has {'an entity but no source' if parts else 'a source but no entity'}",
            where=place(cls),
            fix="give both `entity=` and `source=`, or neither",
        )
    if source is None:
        return ()
    if not (isinstance(source, type) and issubclass(source, Source)):
        raise InvalidDefinition(
            f"`source={source!r:.60}` of `{cls.__name__}` is no source", where=place(cls), fix="write the class"
        )
    columns = {spec.name: spec for spec in source.__spec__.columns}
    names = key_columns(source, key, tuple(part.column.name for part in parts))
    if len(names) != len(parts):
        raise InvalidDefinition(
            f"`key=` of `{cls.__name__}` has {len(names)} columns, its entity {len(parts)}",
            where=place(cls),
            has=list(names),
            fix="name one for each",
        )
    for name, part in zip(names, parts, strict=True):
        if name not in columns:
            raise UnknownColumn(
                f"`{source.__name__}` has no key column `{name}`",
                where=place(cls),
                has=list(columns),
                fix=did_you_mean(
                    name, list(columns), f"name the columns that hold the key: `key={source.__name__}.<column>`"
                ),
            )
        if columns[name].dtype != part.column.dtype:
            raise TypeMismatch(
                f"`{source.__name__}.{name}` is {columns[name].dtype}, the key "
                f"`{part.entity}.{part.column.name}` is {part.column.dtype}",
                where=place(cls),
                fix='give both one type: 1 and "1" are two keys',
            )
    return names
