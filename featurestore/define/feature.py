"""What is said of a feature beside its expression: a default, a name, a description."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Generic, TypeVar, overload

from featurestore.define.drift import Drift, refuse_misplaced
from featurestore.errors import InvalidDefinition, InvalidValue, TypeMismatch
from featurestore.expr.fluent import Expr, Group
from featurestore.expr.nodes import Default, Node
from featurestore.semantics.dtypes import FLOAT64, PYTHON_TYPES, SCALARS, canonical

T = TypeVar("T")
K = TypeVar("K")


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
        drift: Drift | None = None,
    ) -> None:
        super().__init__(node)
        self.named, self.doc, self.owner, self.tags, self.drift = named, doc, owner, tags, drift


@overload
def feature(
    expr: Expr[T],
    *,
    name: str = "",
    default: T | None = None,
    doc: str = "",
    owner: str = "",
    tags: tuple[str, ...] = (),
    drift: Drift | None = None,
) -> Feature[T]: ...
@overload
def feature(
    expr: Group[T],
    *,
    name: str = "",
    default: T | None = None,
    doc: str = "",
    owner: str = "",
    tags: tuple[str, ...] = (),
    drift: Drift | None = None,
) -> Group[T]: ...
@overload
def feature(
    expr: Mapping[K, Expr[T]],
    *,
    name: str = "",
    default: T | None = None,
    doc: str = "",
    owner: str = "",
    tags: tuple[str, ...] = (),
    drift: Drift | None = None,
) -> dict[K, Expr[T]]: ...
def feature(
    expr: Expr[Any] | Group[Any] | Mapping[Any, Expr[Any]],
    *,
    name: str = "",
    default: Any = None,
    doc: str = "",
    owner: str = "",
    tags: tuple[str, ...] = (),
    drift: Drift | None = None,
) -> Feature[Any] | Group[Any] | dict[Any, Expr[Any]]:
    """A feature with a default, a name that is not its attribute's, a description, or thresholds of its alarms.

    Of a group, every member has them, and `name` stands for the attribute: `name="late"` gives `late_1d`.
    """
    if isinstance(expr, (Group, Mapping)):
        members = expr.members if isinstance(expr, Group) else expr
        made: dict[Any, Expr[Any]] = {
            label: feature(
                member,
                name=name and f"{name}_{label}",
                default=default,
                doc=doc,
                owner=owner,
                tags=tags,
                drift=drift,
            )
            for label, member in members.items()
        }
        return Group(made) if isinstance(expr, Group) else made
    if not isinstance(expr, Expr):
        raise InvalidDefinition(
            f"`feature({expr!r:.60})` is given no expression", fix="write `feature(Source.column.mean(over=...))`"
        )
    node = expr.node
    if drift is not None:
        refuse_misplaced(drift, node.dtype, f"`{expr!r}`")
    if default is not None:
        value: Any = float(default) if node.dtype == FLOAT64 and isinstance(default, int) else default
        try:
            fits = node.dtype not in SCALARS or PYTHON_TYPES.get(type(value)) == node.dtype
            held = canonical(value, node.dtype) if fits else None
        except InvalidValue:
            fits = False
        if not fits:
            raise TypeMismatch(
                f"the default {default!r:.60} is no {node.dtype}",
                where=f"`{expr!r}`",
                fix=f"give a default of type {node.dtype}",
            )
        if held is None:
            raise InvalidDefinition(f"the default {default!r} is null", where=f"`{expr!r}`", fix="give a number")
        node = Default(node, held, node.dtype)
    return Feature(node, name, doc, owner, tuple(tags), drift)
