"""Column markers: what an annotated attribute of a source, entity or request becomes."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar, get_args, get_origin

from featurestore.define.places import place
from featurestore.errors import DuplicateName, InvalidDefinition, TypeMismatch
from featurestore.expr.fluent import Expr
from featurestore.expr.nodes import Node
from featurestore.semantics.dtypes import PYTHON_TYPES, DType

T = TypeVar("T")


class Column(Expr[T]):
    """A column of a source, entity or request; in a source, aggregates start here."""

    __slots__ = ()


class RowId(Column[T]):
    """The column that tells one fact from another (R6): a redelivered row changes nothing."""

    __slots__ = ()


class Order(Column[T]):
    """The column that orders rows of one instant (R5)."""

    __slots__ = ()


class EventTime(Column[datetime]):
    """The column that says when a row happened."""

    __slots__ = ()


class KnownTime(Column[datetime]):
    """The column that says when this system could have known a row."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class StoredName:
    """The name a column has in its data, where Python cannot write it."""

    name: str


def column(name: str) -> Any:
    """A column whose name in the data is no Python name: `from_: Column[str] = column("from")`."""
    return StoredName(name)


@dataclass(frozen=True, slots=True)
class ColumnSpec:
    """One declared column: its attribute, its name in the data, its type and its marker."""

    name: str
    stored: str
    dtype: DType
    marker: type[Column[Any]]


MARKERS: tuple[type[Column[Any]], ...] = (Column, RowId, Order, EventTime, KnownTime)


def declare_columns(
    cls: type, node: Callable[[ColumnSpec], Node], allowed: tuple[type[Column[Any]], ...]
) -> tuple[ColumnSpec, ...]:
    """Read a class's annotations as columns and put an expression for each on the class.

    Raises: InvalidDefinition, TypeMismatch  for an annotation that is no column.
    """
    specs = []
    try:
        annotations = inspect.get_annotations(cls, eval_str=True)
    except NameError as error:
        raise InvalidDefinition(
            f"an annotation of `{cls.__name__}` names `{error.name}`, which is not defined",
            where=place(cls),
            fix="import it first",
        ) from None
    for name, annotation in annotations.items():
        marker: Any = get_origin(annotation) or annotation
        if marker not in allowed:
            raise InvalidDefinition(
                f"`{cls.__name__}.{name}` is annotated "
                f"`{getattr(annotation, '__name__', annotation)}`, which is no column",
                where=place(cls, name),
                has=[
                    f"{each.__name__}[...]" if each not in (EventTime, KnownTime) else each.__name__ for each in allowed
                ],
                fix=f"write `{name}: Column[...]`",
            )
        held: Any = datetime if marker in (EventTime, KnownTime) else (get_args(annotation) or (None,))[0]
        dtype = PYTHON_TYPES.get(held)
        if dtype is None:
            raise TypeMismatch(
                f"`{cls.__name__}.{name}` holds `{getattr(held, '__name__', held)}`, which no column can",
                where=place(cls, name),
                has=[each.__name__ for each in PYTHON_TYPES],
                fix=f"write `{name}: {marker.__name__}[str]`, or another of these types",
            )
        given = cls.__dict__.get(name)
        stored = given.name if isinstance(given, StoredName) else name
        spec = ColumnSpec(name, stored, dtype, marker)
        specs.append(spec)
        setattr(cls, name, marker(node(spec)))
    refuse_case_twins(cls, [spec.name for spec in specs])
    for name, value in cls.__dict__.items():
        if isinstance(value, (Expr, StoredName)) and name not in annotations:
            raise InvalidDefinition(
                f"`{cls.__name__}.{name}` has a value but no type",
                where=place(cls, name),
                fix=f"write `{name}: Column[...]`",
            )
    return tuple(specs)


def refuse_case_twins(cls: type, names: Iterable[str]) -> None:
    """Refuse names that differ only in case, which SQL takes for one. Raises: DuplicateName."""
    seen: dict[str, str] = {}
    for name in names:
        twin = seen.setdefault(name.lower(), name)
        if twin != name:
            raise DuplicateName(
                f"`{cls.__name__}` has `{twin}` and `{name}`, which differ only in case",
                where=place(cls, name),
                fix="rename one: SQL takes them for the same",
            )
