"""Entities, what features are about, and requests, what only the question knows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, dataclass_transform

from featurestore.define.columns import Column, ColumnSpec, declare_columns
from featurestore.define.places import place
from featurestore.errors import DuplicateName, InvalidDefinition, TypeMismatch, UnknownColumn, did_you_mean
from featurestore.expr.fluent import Expr
from featurestore.expr.nodes import RequestRef
from featurestore.semantics.dtypes import PYTHON_TYPES, SCALARS


@dataclass(frozen=True, slots=True)
class KeyPart:
    """One key column of a view: the entity's column, and the input whose value asks for it."""

    entity: str
    column: ColumnSpec
    input: str


@dataclass_transform(kw_only_default=True)
class Entity:
    """A thing that features are about; its columns are the key. `Airport(code=Trip.origin)` is the same entity asked
    for by another input."""

    __columns__: ClassVar[tuple[ColumnSpec, ...]] = ()

    def __init_subclass__(cls) -> None:
        cls.__columns__ = declare_columns(cls, lambda spec: RequestRef(cls.__name__, spec.name, spec.dtype), (Column,))
        for spec in cls.__columns__:
            if spec.dtype not in SCALARS:
                raise TypeMismatch(
                    f"the key column `{cls.__name__}.{spec.name}` is {spec.dtype}, which no key can be",
                    where=place(cls, spec.name),
                    has=[each.__name__ for each in PYTHON_TYPES],
                    fix="make the key of columns of these types",
                )
        if not cls.__columns__:
            raise InvalidDefinition(
                f"the entity `{cls.__name__}` has no key column", where=place(cls), fix="add one: `id: Column[int]`"
            )

    def __init__(self, **inputs: Expr[Any]) -> None:
        known = {spec.name: spec for spec in self.__columns__}
        for name, value in inputs.items():
            if name not in known:
                raise UnknownColumn(
                    f"`{type(self).__name__}` has no key column `{name}`",
                    has=list(known),
                    fix=did_you_mean(name, list(known), "name one of these"),
                )
            if not (isinstance(value, Expr) and isinstance(value.node, RequestRef)):
                raise InvalidDefinition(
                    f"the key `{type(self).__name__}.{name}` comes from `{value!r:.60}`, which is no "
                    f"column of a request",
                    fix="take keys from a request; a key that another feature gives would cost a second trip",
                )
            if value.node.dtype != known[name].dtype:
                raise InvalidDefinition(
                    f"the key `{type(self).__name__}.{name}` is {known[name].dtype}, its input "
                    f"`{value!r}` is {value.node.dtype}",
                    fix="give both one type",
                )
        self.inputs = {name: value.node.name for name, value in inputs.items() if isinstance(value.node, RequestRef)}


class Request:
    """Columns that come with each question."""

    __columns__: ClassVar[tuple[ColumnSpec, ...]] = ()

    def __init_subclass__(cls) -> None:
        cls.__columns__ = declare_columns(cls, lambda spec: RequestRef(cls.__name__, spec.name, spec.dtype), (Column,))


EntityUse = type[Entity] | Entity | tuple[type[Entity] | Entity, ...]


def key_parts(use: EntityUse) -> tuple[KeyPart, ...]:
    """The key columns of one entity or of several together, in order."""
    parts = []
    for each in use if isinstance(use, tuple) else (use,):
        cls, inputs = (type(each), each.inputs) if isinstance(each, Entity) else (each, {})
        if not (isinstance(cls, type) and issubclass(cls, Entity)):
            raise InvalidDefinition(f"`entity={each!r:.60}` is no entity", fix="write the class: `entity=User`")
        parts += [KeyPart(cls.__name__, spec, inputs.get(spec.name, spec.name)) for spec in cls.__columns__]
    taken = [part.input for part in parts]
    twins = sorted({name for name in taken if taken.count(name) > 1})
    if twins:
        raise DuplicateName(
            f"two key columns are asked for by one input `{twins[0]}`",
            has=[f"{part.entity}.{part.column.name}" for part in parts],
            fix=f"tell them apart: `{parts[-1].entity}({parts[-1].column.name}=YourRequest.other_{twins[0]})`",
        )
    return tuple(parts)
