"""Feature views: named expressions over one source's aggregates, over other features and over the request."""

from __future__ import annotations

import inspect
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Generic, TypeVar, get_args

from featurestore.define.columns import Column, refuse_case_twins
from featurestore.define.entity import EntityUse, KeyPart, Request, key_parts
from featurestore.define.places import place
from featurestore.define.source import Source, key_columns
from featurestore.errors import DuplicateName, InvalidDefinition, TypeMismatch, UnknownColumn, did_you_mean
from featurestore.expr.fluent import Expr, Group
from featurestore.expr.nodes import Aggregate, ColumnRef, Default, FeatureRef, Literal, Node, rewrite, walk
from featurestore.semantics.dtypes import FLOAT64, PYTHON_TYPES, canonical

T = TypeVar("T")


class Feature(Expr[T], Generic[T]):
    """An expression with what else is to be said of it."""

    __slots__ = ("doc", "drift", "named", "owner", "tags")

    def __init__(
        self,
        node: Node,
        named: str = "",
        doc: str = "",
        owner: str = "",
        tags: tuple[str, ...] = (),
        drift: float | None = None,
    ) -> None:
        super().__init__(node)
        self.named, self.doc, self.owner, self.tags, self.drift = named, doc, owner, tags, drift


def feature(
    expr: Expr[T],
    *,
    name: str = "",
    default: T | None = None,
    doc: str = "",
    owner: str = "",
    tags: tuple[str, ...] = (),
    drift: float | None = None,
) -> Feature[T]:
    """A feature with a default, a name that is not its attribute's, or a description."""
    if not isinstance(expr, Expr):
        raise InvalidDefinition(
            f"`feature({expr!r:.60})` is given no expression", fix="write `feature(Source.column.mean(over=...))`"
        )
    node = expr.node
    if default is not None:
        value: Any = float(default) if node.dtype == FLOAT64 and isinstance(default, int) else default
        if PYTHON_TYPES.get(type(value)) != node.dtype:
            raise TypeMismatch(
                f"the default {default!r} is no {node.dtype}",
                where=f"`{expr!r}`",
                fix=f"give a default of type {node.dtype}",
            )
        held = canonical(value, node.dtype)
        if held is None:
            raise InvalidDefinition(f"the default {default!r} is null", where=f"`{expr!r}`", fix="give a number")
        node = Default(node, held, node.dtype)
    return Feature(node, name, doc, owner, tuple(tags), drift)


@dataclass(frozen=True, slots=True)
class FeatureSpec:
    """One feature of a view as declared; `attribute` is where it is written."""

    name: str
    node: Node
    attribute: str
    doc: str = ""
    owner: str = ""
    tags: tuple[str, ...] = ()
    drift: float | None = None


@dataclass(frozen=True, slots=True)
class ViewSpec:
    """A view as declared. `key_columns` are the source's columns that hold the values of `key`, in the same order."""

    name: str
    source: type[Source] | None
    key: tuple[KeyPart, ...]
    key_columns: tuple[str, ...]
    features: tuple[FeatureSpec, ...]
    doc: str


class FeatureView:
    """Features of one entity from one source, or of a request, or of other views.

    Assigned attributes are features: an expression, `feature(...)`, or a group, which gives one feature a window
    (`delay_7d`). A subclass with another `entity=` is the same state read for another key.
    """

    __spec__: ClassVar[ViewSpec]

    def __init_subclass__(
        cls,
        *,
        entity: EntityUse | None = None,
        source: type[Source] | None = None,
        key: Column[Any] | tuple[Column[Any], ...] | None = None,
        request: type[Request] | None = None,
    ) -> None:
        inherited = next((base.__spec__ for base in cls.__mro__[1:] if hasattr(base, "__spec__")), None)
        parts = key_parts(entity) if entity is not None else ()
        if inherited is not None:
            cls.__spec__ = _role(cls, inherited, parts, source is None and key is None)
        else:
            columns = _checked_key(cls, parts, source, key)
            features = _features(cls, source)
            cls.__spec__ = ViewSpec(cls.__name__, source, parts, columns, features, inspect.cleandoc(cls.__doc__ or ""))
        _publish(cls)


def _role(cls: type, inherited: ViewSpec, parts: tuple[KeyPart, ...], bare: bool) -> ViewSpec:
    """The same state for another key."""
    own = [
        name for name, value in cls.__dict__.items() if isinstance(value, (Expr, Group)) and not name.startswith("_")
    ]
    if own or not bare:
        raise InvalidDefinition(
            f"`{cls.__name__}` is `{inherited.name}` in another role and cannot change it",
            where=place(cls, own[0] if own else None),
            has=own or ["source=", "key="],
            fix="give only `entity=`; put other features into a view of their own",
        )
    if [part.column.dtype for part in parts] != [part.column.dtype for part in inherited.key]:
        raise TypeMismatch(
            f"the key of `{cls.__name__}` differs from that of `{inherited.name}`",
            where=place(cls),
            has=[f"{part.column.name}: {part.column.dtype}" for part in inherited.key],
            fix="give an entity whose key has the same types",
        )
    return replace(inherited, name=cls.__name__, key=parts, doc=inspect.cleandoc(cls.__doc__ or "") or inherited.doc)


def _checked_key(
    cls: type,
    parts: tuple[KeyPart, ...],
    source: type[Source] | None,
    key: Column[Any] | tuple[Column[Any], ...] | None,
) -> tuple[str, ...]:
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


def _features(cls: type, source: type[Source] | None) -> tuple[FeatureSpec, ...]:
    found: dict[str, FeatureSpec] = {}
    for attribute, value in cls.__dict__.items():
        if attribute.startswith("_"):
            continue
        for name, expr in _named(cls, attribute, value):
            node = rewrite(expr.node, lambda node: _bound(node, source))
            _check_feature(cls, attribute, node, source)
            if name in found:
                raise DuplicateName(
                    f"`{cls.__name__}` has two features `{name}`",
                    where=place(cls, attribute),
                    has=[f"`{found[name].attribute}`", f"`{attribute}`"],
                    fix="rename one",
                )
            extra = (expr.doc, expr.owner, expr.tags, expr.drift) if isinstance(expr, Feature) else ()
            found[name] = FeatureSpec(name, node, attribute, *extra)
    refuse_case_twins(cls, found)
    if not found:
        raise InvalidDefinition(
            f"the view `{cls.__name__}` has no feature", where=place(cls), fix="assign an expression to an attribute"
        )
    return tuple(found.values())


def _named(cls: type, attribute: str, value: object) -> list[tuple[str, Expr[Any]]]:
    if isinstance(value, Group):
        return [(f"{attribute}_{label}", member) for label, member in value.members.items()]
    if isinstance(value, Expr):
        name = value.named if isinstance(value, Feature) and value.named else attribute
        if not name.isidentifier():
            raise InvalidDefinition(
                f"{name!r} is no name for a feature", where=place(cls, attribute), fix="write snake_case"
            )
        annotation = get_args(inspect.get_annotations(cls, eval_str=True).get(attribute))
        if annotation and annotation[0] in PYTHON_TYPES and PYTHON_TYPES[annotation[0]] != value.node.dtype:
            raise TypeMismatch(
                f"`{cls.__name__}.{attribute}` is annotated {annotation[0].__name__} and is {value.node.dtype}",
                where=place(cls, attribute),
                fix="change the annotation, or the expression",
            )
        return [(name, value)]
    hint = (
        "call it: `.last()`"
        if inspect.ismethod(value)
        else "assign an expression, `feature(...)`, or start the name with `_`"
    )
    raise InvalidDefinition(
        f"`{cls.__name__}.{attribute}` is a {type(value).__name__}, not a feature",
        where=place(cls, attribute),
        fix=hint,
    )


def _bound(node: Node, source: type[Source] | None) -> Node:
    if isinstance(node, Aggregate) and not node.source and source is not None:
        return replace(node, source=source.__name__)
    return node


def _check_feature(cls: type, attribute: str, node: Node, source: type[Source] | None) -> None:
    if isinstance(node, Literal):
        raise InvalidDefinition(
            f"`{cls.__name__}.{attribute}` is a constant", where=place(cls, attribute), fix="write an expression"
        )
    own = source.__name__ if source else ""
    inside = {below for each in walk(node) if isinstance(each, Aggregate) for below in walk(each)}
    for each in walk(node):
        if isinstance(each, ColumnRef) and each not in inside:
            raise InvalidDefinition(
                f"`{each.source}.{each.name}` is a column of rows, not a value",
                where=place(cls, attribute),
                fix=f"say which rows: `{each.source}.{each.name}.last()`, `.mean(over=...)`",
            )
        if isinstance(each, Aggregate) and each.source != own:
            raise InvalidDefinition(
                f"`{cls.__name__}.{attribute}` aggregates `{each.source or 'rows'}`, the view's "
                f"source is `{own or 'none'}`",
                where=place(cls, attribute),
                fix="a view has one source; write a second view and refer to its features",
            )
        if (
            isinstance(each, Aggregate)
            and source is not None
            and source.__spec__.event_at is None
            and each.span.length_us
        ):
            raise InvalidDefinition(
                f"`{cls.__name__}.{attribute}` has a window, and `{own}` has no time",
                where=place(cls, attribute),
                fix="take `over=` away",
            )


def _publish(cls: type[FeatureView]) -> None:
    """Put a reference to each feature where its expression was, so that other views and feature sets can name it."""
    groups: dict[str, dict[str, Expr[Any]]] = {}
    for spec in cls.__spec__.features:
        reference: Feature[Any] = Feature(
            FeatureRef(cls.__name__, spec.name, spec.node.dtype, cls.__spec__),
            spec.name,
            spec.doc,
            spec.owner,
            spec.tags,
            spec.drift,
        )
        label = spec.name.removeprefix(f"{spec.attribute}_")
        if spec.name.startswith(f"{spec.attribute}_") and not isinstance(getattr(cls, spec.attribute), Feature):
            groups.setdefault(spec.attribute, {})[label] = reference
        else:
            setattr(cls, spec.attribute, reference)
    for attribute, members in groups.items():
        setattr(cls, attribute, Group(members))
