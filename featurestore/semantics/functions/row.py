"""What a row of the table of scalar functions is, and the type rules that rows share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from featurestore.semantics.dtypes import DType, Value, finite
from featurestore.semantics.instants import INT64_MAX, INT64_MIN

Rule = Callable[[tuple[DType, ...]], DType | None]


@dataclass(frozen=True, slots=True)
class Scalar:
    """One function: `rule` gives the result type or None; `{0}`, `{1}`, ... are arguments in `sql`, `{all}` all of
    them, `{rest}` all but the first, `{p}` and `{l}` the macros of its zone: offsets by instant, and by local time.

    `pattern` makes of the parameter of a call the text that `{p}` stands for, where it is no zone.

    `carries` are the places of arguments that may come as they were computed, where `sql` is `fs_finite(...)`: what is
    not finite in them makes what is not finite of the result, and the sign of a zero no more than that of a zero. So
    only the outermost of such calls need be made finite (R7).

    `typed`, where there is one, gives text and Python for the arguments' types. `written` is how an author writes it,
    where that is no method of the first argument: `least({all})`.
    """

    name: str
    rule: Rule
    sql: str
    python: Callable[..., Value]
    symbol: str = ""
    nullable: bool = False
    parameter: bool = False
    typed: Callable[[tuple[DType, ...]], tuple[str, Callable[..., Value]]] | None = None
    written: str = ""
    pattern: Callable[[str], str] | None = None
    carries: tuple[int, ...] = ()

    @property
    def computed(self) -> str:
        """`sql` before the result is made finite, where arguments may come so."""
        return self.sql.removeprefix("fs_finite(").removesuffix(")")


def takes(*signatures: tuple[tuple[DType, ...], DType]) -> Rule:
    """The rule of a function with a fixed list of signatures."""
    table = dict(signatures)
    return table.get


def same(*accepted: DType, gives: DType | None = None, arguments: int = 2) -> Rule:
    """The rule of a function whose arguments all have one type, which it gives unless `gives` is another."""

    def rule(given: tuple[DType, ...]) -> DType | None:
        fits = len(given) == arguments and given[0] in accepted and len(set(given)) == 1
        return (gives or given[0]) if fits else None

    return rule


def int64(value: int) -> int | None:
    """An integer, or null where int64 cannot hold it."""
    return value if INT64_MIN <= value <= INT64_MAX else None


def number(compute: Callable[..., Any]) -> Callable[..., Value]:
    """A computation whose integer leaves null outside int64 and whose float leaves null when not finite."""

    def python(*values: Any) -> Value:
        result = compute(*values)
        return finite(result) if isinstance(result, float) else int64(result)

    return python
