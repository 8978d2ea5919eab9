"""Column markers: what an annotated attribute of a source, entity or request becomes."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal, TypeVar, get_args, get_origin

from featurestore.define.places import place
from featurestore.errors import DuplicateName, InvalidDefinition, TypeMismatch
from featurestore.expr.fluent import Expr
from featurestore.expr.nodes import Node
from featurestore.semantics.decimals import DIGITS
from featurestore.semantics.dtypes import (
    FLOAT64,
    LONGEST_VECTOR,
    PYTHON_TYPES,
    SCALARS,
    TIMESTAMP,
    DType,
    Vector,
    decimal_of,
    list_of,
    vector_of,
)
from featurestore.semantics.instants import UNITS

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

    def __class_getitem__(cls, held: Any) -> Any:
        raise _always_an_instant(cls, held)


class KnownTime(Column[datetime]):
    """The column that says when this system could have known a row."""

    __slots__ = ()

    def __class_getitem__(cls, held: Any) -> Any:
        raise _always_an_instant(cls, held)


def _always_an_instant(marker: type, held: Any) -> InvalidDefinition:
    return InvalidDefinition(
        f"`{marker.__name__}[{getattr(held, '__name__', held)}]` names a type, and a {marker.__name__} is always an "
        "instant",
        fix=f"write `{marker.__name__}` alone",
    )


@dataclass(frozen=True, slots=True)
class ColumnOptions:
    """What is said of a column beside its annotation; `name` is empty where it is the attribute's."""

    name: str = ""
    precision: int | None = None
    scale: int | None = None
    length: int | None = None
    unit: str | None = None


def column(
    name: str = "",
    *,
    precision: int | None = None,
    scale: int | None = None,
    length: int | None = None,
    unit: Literal["s", "ms", "us", "ns"] | None = None,
) -> Any:
    """A column whose name in the data is no Python name, `from_: Column[str] = column("from")`, whose type needs
    numbers, `price: Column[Decimal] = column(precision=12, scale=2)`, `vec: Column[Vector] = column(length=8)`, or
    whose instants are numbers since 1970, `at: EventTime = column(unit="ms")`."""
    return ColumnOptions(name, precision, scale, length, unit)


@dataclass(frozen=True, slots=True)
class ColumnSpec:
    """One declared column: its attribute, its name in the data, its type and its marker."""

    name: str
    stored: str
    dtype: DType
    marker: type[Column[Any]]
    unit: str = ""


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
        given = cls.__dict__.get(name)
        options = given if isinstance(given, ColumnOptions) else ColumnOptions()
        dtype = _dtype(cls, name, held, options)
        if marker is RowId and dtype == FLOAT64:
            raise TypeMismatch(
                f"`{cls.__name__}.{name}` is marked RowId and holds float64: two facts whose numbers are nearly equal, "
                "or NaN, could not be told apart",
                where=place(cls, name),
                has=["int", "str", "datetime", "date", "bool"],
                fix=f"write `{name}: RowId[int]` or `RowId[str]`",
            )
        if marker in (RowId, Order) and dtype not in SCALARS:
            raise TypeMismatch(
                f"`{cls.__name__}.{name}` is marked {marker.__name__} and holds {dtype}",
                where=place(cls, name),
                has=[each.__name__ for each in PYTHON_TYPES],
                fix="mark a column of one of these types",
            )
        if options.unit is not None and (dtype != TIMESTAMP or options.unit not in UNITS or allowed is not MARKERS):
            raise InvalidDefinition(
                f"`{cls.__name__}.{name}` holds {dtype} with unit={options.unit!r}",
                where=place(cls, name),
                has=f"a unit is {', '.join(UNITS)}, of a time of a source that is written as a whole number since 1970",
                fix='write `at: EventTime = column(unit="ms")`, or leave the unit out',
            )
        spec = ColumnSpec(name, options.name or name, dtype, marker, options.unit or "")
        specs.append(spec)
        setattr(cls, name, marker(node(spec)))
    refuse_case_twins(cls, [spec.name for spec in specs])
    for name, value in cls.__dict__.items():
        if name not in annotations and (get_origin(value) or value) in MARKERS:
            raise InvalidDefinition(
                f"`{cls.__name__}.{name}` is assigned a type, and is no column so",
                where=place(cls, name),
                fix=f"write `:` for `=`: `{name}: {_written(value)}`",
            )
        if isinstance(value, (Expr, ColumnOptions)) and name not in annotations:
            raise InvalidDefinition(
                f"`{cls.__name__}.{name}` has a value but no type",
                where=place(cls, name),
                fix=f"write `{name}: Column[...]`",
            )
    return tuple(specs)


def _written(value: Any) -> str:
    """How a marker is written in an annotation."""
    marker = get_origin(value) or value
    held = ", ".join(getattr(each, "__name__", str(each)) for each in get_args(value))
    return marker.__name__ if marker in (EventTime, KnownTime) else f"{marker.__name__}[{held or '...'}]"


def _dtype(cls: type, attribute: str, held: Any, options: ColumnOptions) -> DType:
    """The type of a column. Raises: TypeMismatch, InvalidDefinition."""
    name = f"{cls.__name__}.{attribute}"
    wanted: dict[str, int | None] = {}
    item = get_args(held)[0] if get_origin(held) is list else held
    if item is Decimal:
        wanted = {"precision": options.precision, "scale": options.scale}
    elif held is Vector:
        wanted = {"length": options.length}
    elif item not in PYTHON_TYPES:
        raise TypeMismatch(
            f"`{name}` holds `{getattr(held, '__name__', held)}`, which no column can",
            where=place(cls, attribute),
            has=[*(each.__name__ for each in PYTHON_TYPES), "Decimal", "Vector", "list[...] of these but Vector"],
            fix="write `Column[str]`, or another of these types",
        )
    given = {each: number for each in _NUMBERS if (number := getattr(options, each)) is not None}
    if given.keys() != wanted.keys() or not _are_numbers(given):
        example = ", ".join(f"{each}={_NUMBERS[each][1]}" for each in wanted)
        raise InvalidDefinition(
            f"`{name}` holds {getattr(held, '__name__', held)} with "
            f"{', '.join(f'{each}={number!r}' for each, number in given.items()) or 'no numbers'}",
            where=place(cls, attribute),
            has=f"a decimal has a precision of 1 to {DIGITS} and a scale up to it, a vector a length of 1 to "
            f"{LONGEST_VECTOR}; other types have neither",
            fix=f"write `= column({example})`" if wanted else "take the numbers away",
        )
    if item is Decimal:
        dtype = decimal_of(given["precision"], given["scale"])
    else:
        dtype = vector_of(given["length"]) if held is Vector else PYTHON_TYPES[item]
    return list_of(dtype) if get_origin(held) is list else dtype


_NUMBERS = {"precision": (1, 12), "scale": (0, 2), "length": (1, 8)}
"""The least that each number can be, and an example."""


def _are_numbers(given: dict[str, int]) -> bool:
    if not all(type(number) is int for number in given.values()):
        return False
    most = {"precision": DIGITS, "scale": given.get("precision", 0), "length": LONGEST_VECTOR}
    return all(_NUMBERS[each][0] <= number <= most[each] for each, number in given.items())


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
