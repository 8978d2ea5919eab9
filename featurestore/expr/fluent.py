"""What authors write expressions with: ordinary operators and methods on a thin wrapper around a node."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Set
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Generic, TypeVar, overload

from featurestore.errors import InvalidDefinition
from featurestore.expr.aggregations import AggregateMethods
from featurestore.expr.build import aggregate, call, literal
from featurestore.expr.categories import categories
from featurestore.expr.decays import DecayMethods, fading
from featurestore.expr.lists import ListMethods
from featurestore.expr.maps import MapMethods
from featurestore.expr.nodes import FeatureRef, Node
from featurestore.expr.numbers import NumberMethods
from featurestore.expr.operators import OperatorMethods
from featurestore.expr.pairs import PairMethods
from featurestore.expr.spreads import SpreadMethods
from featurestore.expr.tallies import TallyMethods
from featurestore.expr.texts import TextMethods
from featurestore.expr.times import TimeMethods
from featurestore.expr.wrapper import Length, Over
from featurestore.semantics.dtypes import Vector
from featurestore.semantics.instants import duration_text, duration_us
from featurestore.semantics.windows import Span, Window

K = TypeVar("K")
T = TypeVar("T")


class Expr(
    OperatorMethods[T],
    NumberMethods[T],
    TimeMethods[T],
    TextMethods[T],
    MapMethods[T],
    ListMethods[T],
    AggregateMethods[T],
    TallyMethods[T],
    DecayMethods[T],
    PairMethods[T],
    SpreadMethods[T],
):
    """A typed value that is not known yet. Operators give new expressions; nothing is computed.

    >>> from featurestore.expr.nodes import ColumnRef
    >>> from featurestore.semantics.dtypes import FLOAT64
    >>> Expr(ColumnRef("Arrival", "late_by", FLOAT64)) > 15
    (Arrival.late_by > 15.0)
    """

    __slots__ = ()

    def _call(self, name: str, *others: object, parameter: str = "") -> Expr[Any]:
        return Expr(call(name, self.node, *(node_of(other) for other in others), parameter=parameter))

    def _of(self, value: object) -> Expr[Any]:
        return Expr(node_of(value))

    def _aggregated(
        self,
        name: str,
        over: Over | tuple[Length, ...],
        where: Expr[bool] | None,
        n: int = 0,
        parameter: str = "",
        by: Expr[Any] | None = None,
        second: Expr[Any] | None = None,
    ) -> Expr[Any] | Group[Any]:
        return aggregated(name, self.node, over, where, n, parameter, by, second)

    def _decayed(
        self, name: str, halflife: str | tuple[str, ...], where: Expr[bool] | None
    ) -> Expr[float] | Group[float]:
        return decayed(name, self.node, halflife, where)

    def is_null(self) -> Expr[bool]:
        """True where there is no value."""
        return self._call("is_null")

    def bucket(self, buckets: int) -> Expr[int]:
        """A number from 0 to `buckets - 1` that depends on the value and its type alone, spread evenly (md5)."""
        if type(buckets) is not int or buckets < 1:
            raise InvalidDefinition(
                f"`bucket` takes a number of buckets, not {buckets!r:.40}",
                where=f"`{self!r}`",
                fix="write `.bucket(1000)`",
            )
        return self._call("bucket", buckets)

    def fill_null(self, other: Operand) -> Expr[T]:
        """The value, or `other` where it is null."""
        return self._call("coalesce", other)

    def between(self, low: Operand, high: Operand) -> Expr[bool]:
        """True from `low` to `high`, both included."""
        return self._call("ge", low)._call("and", self._call("le", high))

    def isin(self, values: Iterable[Operand]) -> Expr[bool]:
        """True when it equals one of the values."""
        # the order of a set is another one in each process, and would be another version (R20)
        listed = sorted(values, key=repr) if isinstance(values, Set) else list(values)
        if not listed:
            raise InvalidDefinition(
                "`isin` needs at least one value", where=f"`{self!r}.isin([])`", fix="list the values"
            )
        return self._call("isin", *listed)


Operand = Expr[Any] | bool | int | float | str | datetime | date | Decimal | Vector


class Group(Generic[T]):
    """One aggregate over several windows: `group["7d"]` is one of them. As a view's attribute it is one feature a
    window."""

    __slots__ = ("members",)

    def __init__(self, members: dict[str, Expr[T]]) -> None:
        self.members = members

    def __getitem__(self, window: Length) -> Expr[T]:
        label = _span("[...]", window).label
        if label not in self.members:
            raise InvalidDefinition(
                f"this group has no window {window!r}",
                has=list(self.members),
                fix=f"write `{self._nearest(label)}`",
            )
        return self.members[label]

    def _nearest(self, label: str) -> str:
        """The member whose window is about as long."""
        wanted_us = duration_us(label.split("_")[0])
        return min(self.members, key=lambda each: abs(duration_us(each.split("_")[0]) - wanted_us))

    def __iter__(self) -> Iterator[str]:
        return iter(self.members)

    def __repr__(self) -> str:
        return f"Group({', '.join(f'{label}: {member!r}' for label, member in self.members.items())})"


@overload
def rows(*, over: Over = None, where: Expr[bool] | None = None) -> Expr[int]: ...
@overload
def rows(
    *, over: Over = None, where: Expr[bool] | None = None, by: Expr[K], null_category: K | None = None
) -> Expr[dict[K, int]]: ...
@overload
def rows(*, over: tuple[Length, ...], where: Expr[bool] | None = None) -> Group[int]: ...
@overload
def rows(
    *, over: tuple[Length, ...], where: Expr[bool] | None = None, by: Expr[K], null_category: K | None = None
) -> Group[dict[K, int]]: ...
def rows(
    *,
    over: Over | tuple[Length, ...] = None,
    where: Expr[bool] | None = None,
    by: Expr[Any] | None = None,
    null_category: Any = None,
) -> Expr[Any] | Group[Any]:
    """Number of rows of the view's source; with `by`, of each of its categories, of which `null_category` is that of
    rows without one."""
    return aggregated("rows", None, over, where, by=categories("rows", by, null_category))


def aggregated(
    name: str,
    of: Node | None,
    over: Over | tuple[Length, ...],
    where: Expr[bool] | None,
    n: int = 0,
    parameter: str = "",
    by: Expr[Any] | None = None,
    second: Expr[Any] | None = None,
) -> Expr[Any] | Group[Any]:
    """One aggregate, or a group with one for each window."""
    if where is not None and not isinstance(where, Expr):
        raise InvalidDefinition(
            f"`where=` of `{name}` takes a condition, not {where!r:.60}", fix="write `where=Source.column > 0`"
        )
    if by is not None and not isinstance(by, Expr):
        raise InvalidDefinition(f"`by=` of `{name}` takes a column, not {by!r:.60}", fix="write `by=Source.column`")
    test, category, other = (each.node if each is not None else None for each in (where, by, second))
    rest = (n, parameter, category, other)
    if isinstance(over, (tuple, list)):
        spans = [_span(name, each) for each in over]
        if len(set(spans)) < len(spans) or not spans:
            raise InvalidDefinition(f"`over={over!r}` of `{name}` needs different windows", fix="name each window once")
        return Group({span.label: Expr(aggregate(name, of, test, span, *rest)) for span in spans})
    return Expr(aggregate(name, of, test, Span() if over is None else _span(name, over), *rest))


def decayed(
    name: str, of: Node | None, halflife: str | tuple[str, ...], where: Expr[bool] | None
) -> Expr[Any] | Group[Any]:
    """One decayed aggregate, or a group with one for each half-life."""
    if not isinstance(halflife, (tuple, list)):
        over, halflife_us = fading(name, halflife)
        return aggregated(name, of, over, where, halflife_us)
    members: dict[str, Expr[Any]] = {}
    for each in halflife:
        member, halflife_us = decayed(name, of, each, where), fading(name, each)[1]
        assert isinstance(member, Expr), "one half-life gives one aggregate"
        members[duration_text(halflife_us)] = member
    if len(members) < len(halflife) or not members:
        raise InvalidDefinition(
            f"`halflife={halflife!r}` of `{name}` needs different half-lives", fix="name each half-life once"
        )
    return Group(members)


def _span(name: str, over: object) -> Span:
    if isinstance(over, Window):
        return over.span
    if isinstance(over, str):
        return Window(over).span
    raise InvalidDefinition(
        f"`over=` of `{name}` takes a duration, not {over!r:.40}",
        fix='write `over="7d"` or `over=Window("7d", step="1h")`',
    )


def node_of(operand: object) -> Node:
    """The node of an expression or of a plain Python constant."""
    if isinstance(operand, Expr):
        return operand.node
    if isinstance(operand, (Group, dict)):
        members = operand.members if isinstance(operand, Group) else operand
        labels = [f'"{label}"' if isinstance(label, str) else repr(label) for label in members]
        raise InvalidDefinition(
            f"a group of {len(labels)} features stands where one value belongs",
            where=f"`{operand!r:.120}`",
            has=[f"[{label}]" for label in labels],
            fix=f"name one of them: `{group_name(members)}[{(labels or ['...'])[0]}]`",
        )
    return literal(operand)


def group_name(members: Mapping[Any, Any]) -> str:
    """The attribute that holds a group, where a view has it."""
    for member in members.values():
        node = getattr(member, "node", None)
        if isinstance(node, FeatureRef):
            specs = (each for each in node.target.features if each.name == node.name)
            return f"{node.view}.{next(specs).attribute}"
    return "group"
