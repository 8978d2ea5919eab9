"""How a view is keyed: the source's columns that hold the key which its entity declares."""

from __future__ import annotations

import sys
from typing import Any

from featurestore.define.columns import Column
from featurestore.define.entity import Entity, KeyPart
from featurestore.define.places import place
from featurestore.define.source import Source, key_columns
from featurestore.errors import InvalidDefinition, TypeMismatch, UnknownColumn, nearest


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
                fix=_how_to_key(source, name, key is not None, parts),
            )
        if columns[name].dtype != part.column.dtype:
            raise TypeMismatch(
                f"`{source.__name__}.{name}` is {columns[name].dtype}, the key "
                f"`{part.entity}.{part.column.name}` is {part.column.dtype}",
                where=place(cls),
                fix='give both one type: 1 and "1" are two keys',
            )
    return names


def _how_to_key(source: type[Source], name: str, named: bool, parts: tuple[KeyPart, ...]) -> str:
    """What to write where a source lacks a key column: the near name of `key=`, an entity whose key it has, or
    `key=`."""
    types = {spec.name: spec.dtype for spec in source.__spec__.columns}
    close = nearest(name, list(types))
    if named and close:
        return f"write `{close}`"
    fitting = [
        entity.__name__
        for entity in _entities()
        if all(types.get(spec.name) == spec.dtype for spec in entity.__columns__)
    ]
    alike = [each for each in types if types[each] == parts[0].column.dtype]
    column = close if close in alike else "<column>"
    by_key = f"name the column that holds the key: `key={source.__name__}.{column}`"
    if fitting:
        return f"write `entity={sorted(set(fitting))[0]}`, whose key `{source.__name__}` has, or {by_key}"
    return by_key


def _entities() -> list[type[Entity]]:
    """The entities that are defined."""
    found: list[type[Entity]] = list(Entity.__subclasses__())
    for each in found:
        found += each.__subclasses__()
    return [each for each in found if getattr(sys.modules.get(each.__module__), each.__name__, None) is each]
