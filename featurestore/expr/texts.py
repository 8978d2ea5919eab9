"""Methods of expressions that are texts."""

from __future__ import annotations

from datetime import date, datetime
from typing import TYPE_CHECKING, TypeVar

from featurestore.errors import InvalidDefinition
from featurestore.expr.wrapper import Wrapper
from featurestore.semantics.likes import pieces
from featurestore.semantics.patterns import parse

if TYPE_CHECKING:
    from featurestore.expr.fluent import Expr

T = TypeVar("T")


class TextMethods(Wrapper[T]):
    """Code points, no locale: case and white space are those of ASCII (R10)."""

    __slots__ = ()

    def lower(self: TextMethods[str]) -> Expr[str]:
        """With a to z for A to Z; other letters stay."""
        return self._call("lower")

    def upper(self: TextMethods[str]) -> Expr[str]:
        """With A to Z for a to z; other letters stay."""
        return self._call("upper")

    def strip(self: TextMethods[str]) -> Expr[str]:
        """Without the spaces, tabs and line breaks of ASCII at both ends."""
        return self._call("strip")

    def starts_with(self: TextMethods[str], part: str | Expr[str]) -> Expr[bool]:
        """True when it begins with `part`."""
        return self._call("starts_with", part)

    def ends_with(self: TextMethods[str], part: str | Expr[str]) -> Expr[bool]:
        """True when it ends with `part`."""
        return self._call("ends_with", part)

    def like(self: TextMethods[str], pattern: str) -> Expr[bool]:
        """True when all of it fits a pattern of SQL: `%` for any letters, `_` for one, `\\%` for a percent sign.

        Example: `Sale.product.like("book-%")`
        """
        return self._fits("like", pattern)

    def ilike(self: TextMethods[str], pattern: str) -> Expr[bool]:
        """As `like`, where the letters A to Z are those from a to z; others stay.

        Example: `Sale.product.ilike("%book%")`
        """
        return self._fits("ilike", pattern)

    def matches(self: TextMethods[str], pattern: str) -> Expr[bool]:
        """True when some part of it matches a regular expression of a subset that both roads agree on (R10).

        Example: `Sale.product.matches(r"^[a-z]+-\\d{4}$")`
        """
        return self._fits("matches", pattern)

    def _fits(self, name: str, pattern: object) -> Expr[bool]:
        if not isinstance(pattern, str) or not pattern:
            raise InvalidDefinition(
                f"`{name}` takes a pattern that is written out, not {pattern!r:.60}",
                where=f"`{self!r}`",
                fix=f'write `.{name}("{"^a" if name == "matches" else "a%"}")`; compare with `==` for an empty text, '
                "and with `.contains(...)` for a part that another column holds",
            )
        check = parse if name == "matches" else pieces
        check(pattern)
        return self._call(name, parameter=pattern)

    def replace(self: TextMethods[str], old: str | Expr[str], new: str | Expr[str]) -> Expr[str]:
        """With `new` for every `old`, from the left; an empty `old` changes nothing."""
        return self._call("replace", old, new)

    def substring(self: TextMethods[str], start: int | Expr[int], length: int | Expr[int] | None = None) -> Expr[str]:
        """`length` code points from place `start` on, counted from 0; all that follow without `length`.

        Null where one of them is negative.
        """
        for given in (start, length):
            if type(given) is int and given < 0:
                raise InvalidDefinition(
                    f"`substring` takes a place from 0 on and a length, not {given}",
                    where=f"`{self!r}`",
                    fix="write `.substring(0, 3)`",
                )
        return self._call("substring", start) if length is None else self._call("substring", start, length)

    def split(self: TextMethods[str], separator: str | Expr[str], index: int | Expr[int]) -> Expr[str]:
        """One of the parts between separators, counted from 0, or from the end: -1 is the last. Null where there is
        none, and for an empty separator."""
        if isinstance(separator, str) and not separator:
            raise InvalidDefinition(
                "`split` is given an empty separator", where=f"`{self!r}`", fix='write `.split(",", 0)`'
            )
        return self._call("split", separator, index)

    def to_string(
        self: TextMethods[int] | TextMethods[bool] | TextMethods[date] | TextMethods[datetime],
    ) -> Expr[str]:
        """As text: digits, `true` and `false`, ISO 8601 in UTC."""
        return self._call("to_string")
