"""Feature views: named expressions over one source's aggregates, over other features and over the request."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, get_args

from featurestore.define.columns import Column, refuse_case_twins
from featurestore.define.drift import Drift
from featurestore.define.entity import EntityUse, KeyPart, Request, key_parts
from featurestore.define.feature import Feature
from featurestore.define.keys import checked_key
from featurestore.define.made import next_made, top_level_module
from featurestore.define.places import origin, place
from featurestore.define.source import Source
from featurestore.errors import DuplicateName, InvalidDefinition, TypeMismatch, a_kind
from featurestore.expr.choices import When
from featurestore.expr.fluent import Expr, Group
from featurestore.expr.nodes import Aggregate, ColumnRef, FeatureRef, Literal, Node, rewrite, walk
from featurestore.expr.row_functions import TimeBetween
from featurestore.expr.shapes import levels_of
from featurestore.semantics.aggregates import TIMED
from featurestore.semantics.dtypes import fits_annotation
from featurestore.semantics.instants import duration_us


@dataclass(frozen=True, slots=True)
class FeatureSpec:
    """One feature of a view as declared; `attribute` is where it is written."""

    name: str
    node: Node
    attribute: str
    doc: str = ""
    owner: str = ""
    tags: tuple[str, ...] = ()
    drift: Drift | None = None


@dataclass(frozen=True, slots=True)
class ViewSpec:
    """A view as declared. `key_columns` are the source's columns that hold the values of `key`, in the same order.

    `where` is the place of this definition, `made` counts upwards. `module` is the module without a file, such as a
    notebook's, that defines it at top level.
    Units: `refresh_us` microseconds; 1 for a view that is always fresh.
    """

    name: str
    source: type[Source] | None
    key: tuple[KeyPart, ...]
    key_columns: tuple[str, ...]
    features: tuple[FeatureSpec, ...]
    doc: str
    refresh_us: int = 1
    where: str = field(default="", compare=False)
    module: str = field(default="", compare=False)
    made: int = field(default_factory=next_made, compare=False)


class FeatureView:
    """Features of one entity from one source, or of a request, or of other views.

    Assigned attributes are features: an expression, `feature(...)`, or a group, which gives one feature a window
    (`delay_7d`). A subclass with another `entity=` is the same state read for another key. With `refresh="1h"` every
    value is as of the last full hour (R3): training sees the staleness that serving has.
    """

    __spec__: ClassVar[ViewSpec]

    def __init_subclass__(
        cls,
        *,
        entity: EntityUse | None = None,
        source: type[Source] | None = None,
        key: Column[Any] | tuple[Column[Any], ...] | None = None,
        request: type[Request] | None = None,
        refresh: str | None = None,
    ) -> None:
        inherited = next((base.__spec__ for base in cls.__mro__[1:] if hasattr(base, "__spec__")), None)
        parts = key_parts(entity) if entity is not None else ()
        if inherited is not None:
            cls.__spec__ = _role(cls, inherited, parts, source is None and key is None and refresh is None)
        else:
            columns = checked_key(cls, parts, source, key)
            features = _features(cls, source)
            doc = inspect.cleandoc(cls.__doc__ or "")
            cls.__spec__ = ViewSpec(
                cls.__name__,
                source,
                parts,
                columns,
                features,
                doc,
                _refresh_us(cls, source, refresh),
                origin(cls),
                top_level_module(cls),
            )
            _check_refresh(cls, cls.__spec__)
        _publish(cls)


def _role(cls: type, inherited: ViewSpec, parts: tuple[KeyPart, ...], bare: bool) -> ViewSpec:
    """The same state for another key."""
    _refuse_left_out(cls)
    own = [
        name
        for name, value in cls.__dict__.items()
        if isinstance(value, (Expr, Group, dict)) and not name.startswith("_")
    ]
    if own or not bare:
        raise InvalidDefinition(
            f"`{cls.__name__}` is `{inherited.name}` in another role and cannot change it",
            where=place(cls, own[0] if own else None),
            has=own or ["source=", "key=", "refresh="],
            fix="give only `entity=`; put other features into a view of their own",
        )
    if [part.column.dtype for part in parts] != [part.column.dtype for part in inherited.key]:
        raise TypeMismatch(
            f"the key of `{cls.__name__}` differs from that of `{inherited.name}`",
            where=place(cls),
            has=[f"{part.column.name}: {part.column.dtype}" for part in inherited.key],
            fix="give an entity whose key has the same types",
        )
    doc = inspect.cleandoc(cls.__doc__ or "") or inherited.doc
    return replace(
        inherited,
        name=cls.__name__,
        key=parts,
        doc=doc,
        where=origin(cls),
        module=top_level_module(cls),
        made=next_made(),
    )


def _refresh_us(cls: type, source: type[Source] | None, refresh: str | None) -> int:
    if refresh is None:
        return 1
    if source is None:
        raise InvalidDefinition(
            f"`{cls.__name__}` has `refresh={refresh!r}` and no source",
            where=place(cls),
            fix="give `refresh=` to the view that aggregates the source",
        )
    return duration_us(refresh)


def _check_refresh(cls: type, spec: ViewSpec) -> None:
    """Values of one instant are not mixed with values of another inside a refreshed view."""
    if spec.refresh_us == 1:
        return
    for feature in spec.features:
        for node in walk(feature.node):
            if isinstance(node, FeatureRef) and node.target.refresh_us != spec.refresh_us:
                raise InvalidDefinition(
                    f"`{cls.__name__}.{feature.name}` is refreshed at other instants than `{node.view}.{node.name}`, "
                    "which it reads",
                    where=place(cls, feature.attribute),
                    fix=f"give `{node.view}` the same `refresh=`, or write the feature in a view without one",
                )


def _features(cls: type, source: type[Source] | None) -> tuple[FeatureSpec, ...]:
    found: dict[str, FeatureSpec] = {}
    _refuse_left_out(cls)
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


def _refuse_left_out(cls: type) -> None:
    """Refuse what reads as a feature and would be none: no attribute is left out in silence.

    Raises: InvalidDefinition  for an expression under a name that begins with `_`, and for a type without a value.
    """
    for attribute, value in cls.__dict__.items():
        members = value.values() if isinstance(value, dict) else (value,)
        if attribute.startswith("_") and any(isinstance(each, (Expr, Group, When)) for each in members):
            plain = attribute.lstrip("_") or "name"
            raise InvalidDefinition(
                f"`{cls.__name__}.{attribute}` is an expression, and names of features do not begin with `_`",
                where=place(cls, attribute),
                fix=f"write `{plain} = ...` for a feature; assign what only helps to write others above the class",
            )
    for attribute in inspect.get_annotations(cls):
        if attribute not in cls.__dict__:
            raise InvalidDefinition(
                f"`{cls.__name__}.{attribute}` has a type and no value",
                where=place(cls, attribute),
                fix=f"assign its expression: `{attribute}: Feature[float] = ...`; columns are declared in a source",
            )


def _named(cls: type, attribute: str, value: object) -> list[tuple[str, Expr[Any]]]:
    if isinstance(value, (Group, dict)) and value:
        return _members(cls, attribute, value.members if isinstance(value, Group) else value)
    if isinstance(value, Expr):
        name = _checked_name(cls, attribute, value, attribute)
        annotation = get_args(inspect.get_annotations(cls, eval_str=True).get(attribute))
        told = getattr(annotation[0], "__name__", annotation[0]) if annotation else ""
        if annotation and not fits_annotation(annotation[0], value.node.dtype):
            raise TypeMismatch(
                f"`{cls.__name__}.{attribute}` is annotated {told} and is {value.node.dtype}",
                where=place(cls, attribute),
                fix="change the annotation, or the expression",
            )
        return [(name, value)]
    hint = "assign an expression or `feature(...)`; write all else above the class"
    if inspect.ismethod(value):
        hint = "call it: `.last()`"
    elif isinstance(value, When):
        hint = "give its value: `when(...).then(...).otherwise(...)`"
    elif isinstance(value, TimeBetween):
        hint = "end it: `time_between(...).mean()`, `.min()` or `.max()`"
    raise InvalidDefinition(
        f"`{cls.__name__}.{attribute}` is {a_kind(value)}, not a feature",
        where=place(cls, attribute),
        fix=hint,
    )


def _members(cls: type, attribute: str, members: Mapping[Any, Any]) -> list[tuple[str, Expr[Any]]]:
    """The features of a group: the attribute's name and the member's label, `delay_7d`."""
    for label, member in members.items():
        if not isinstance(member, Expr):
            raise InvalidDefinition(
                f"`{cls.__name__}.{attribute}[{label!r}]` is {a_kind(member)}, not a feature",
                where=place(cls, attribute),
                fix="give every label an expression, or `feature(...)`",
            )
    return [
        (_checked_name(cls, attribute, member, f"{attribute}_{label}"), member) for label, member in members.items()
    ]


def written_members(view: type[FeatureView]) -> dict[str, tuple[str, str]]:
    """The features of a view's groups by name: the group's attribute, and how an author writes the member."""
    found: dict[str, tuple[str, str]] = {}
    for attribute in dict.fromkeys(spec.attribute for spec in view.__spec__.features):
        value = getattr(view, attribute, None)
        members = value.members if isinstance(value, Group) else value if isinstance(value, dict) else {}
        for label, member in members.items():
            shown = f'"{label}"' if isinstance(label, str) else repr(label)
            if isinstance(member.node, FeatureRef):
                found[member.node.name] = (attribute, f"{attribute}[{shown}]")
    return found


def _checked_name(cls: type, attribute: str, written: Expr[Any], otherwise: str) -> str:
    name = written.named if isinstance(written, Feature) and written.named else otherwise
    if not name.isidentifier():
        raise InvalidDefinition(
            f"{name!r} is no name for a feature", where=place(cls, attribute), fix="write snake_case"
        )
    return name


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
    declared = {spec.name: spec.dtype for spec in source.__spec__.columns} if source else {}
    inside = {below for each in walk(node) if isinstance(each, Aggregate) for below in walk(each)}
    for each in walk(node):
        if isinstance(each, ColumnRef) and each not in inside:
            raise InvalidDefinition(
                f"`{each.source}.{each.name}` is a column of rows, not a value",
                where=place(cls, attribute),
                fix=f"say which rows: `{each.source}.{each.name}.last()`, `.mean(over=...)`",
            )
        if isinstance(each, ColumnRef) and each.source == own and declared.get(each.name) != each.dtype:
            raise InvalidDefinition(
                f"`{own}.{each.name}` was {each.dtype} when this expression was written, and `{own}` has changed since",
                where=place(cls, attribute),
                has=[f"{name}: {dtype}" for name, dtype in declared.items()],
                fix="write the expression again: in a notebook, run its cell again",
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
        if (
            isinstance(each, Aggregate)
            and source is not None
            and source.__spec__.event_at is None
            and each.function in TIMED
        ):
            raise InvalidDefinition(
                f"`{cls.__name__}.{attribute}` asks when rows of `{own}` happened, and it has no time",
                where=place(cls, attribute),
                fix="give the source an `EventTime`, or use `rows()`",
            )


def _publish(cls: type[FeatureView]) -> None:
    """Put a reference to each feature where its expression was, so that other views and feature sets can name it."""
    found: dict[str, list[Expr[Any]]] = {}
    for spec in cls.__spec__.features:
        node = FeatureRef(cls.__name__, spec.name, spec.node.dtype, cls.__spec__, levels_of(spec.node))
        found.setdefault(spec.attribute, []).append(
            Feature(node, spec.name, spec.doc, spec.owner, spec.tags, spec.drift)
        )
    for attribute, references in found.items():
        written = getattr(cls, attribute)
        if isinstance(written, Group):
            setattr(cls, attribute, Group(dict(zip(written.members, references, strict=True))))
        elif isinstance(written, dict):
            setattr(cls, attribute, dict(zip(written, references, strict=True)))
        else:
            setattr(cls, attribute, references[0])
