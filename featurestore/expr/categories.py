"""The categories of `by=`: what stands for those that are null."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from featurestore.errors import InvalidDefinition, TypeMismatch
from featurestore.expr.build import literal
from featurestore.expr.printing import text_of
from featurestore.expr.wrapper import Wrapper
from featurestore.semantics.dtypes import BOOL

if TYPE_CHECKING:
    from featurestore.expr.fluent import Expr


def categories(name: str, by: Expr[Any] | None, null_category: object) -> Expr[Any] | None:
    """The category of each row: `by`, or `null_category` where that is null.

    Raises: InvalidDefinition  when there is no `by`, or each value of its type is a category of its own.
            TypeMismatch       when it is of another type than `by`.
    """
    if null_category is None:
        return by
    if by is None:
        raise InvalidDefinition(
            f"`null_category=` of `{name}` needs `by=`",
            has=f"null_category={null_category!r:.40}",
            fix="write `by=Source.column` too",
        )
    if not isinstance(by, Wrapper):
        return by  # which is refused as what it is
    key = literal(null_category)
    if key.dtype != by.node.dtype:
        raise TypeMismatch(
            f"`null_category=` of `{name}` is {key.dtype}, and its categories are {by.node.dtype}",
            has=[f"by={text_of(by.node)}", f"null_category={text_of(key)}"],
            fix=f"give a constant that is {by.node.dtype}",
        )
    if key.dtype == BOOL:
        raise InvalidDefinition(
            f"`null_category={null_category!r}` of `{name}` is a category already",
            has=f"by={text_of(by.node)}, which is a bool",
            fix='group by three texts: `by=when(column).then("yes").when(~column).then("no").otherwise("unknown")`',
        )
    return by._call("coalesce", null_category)
