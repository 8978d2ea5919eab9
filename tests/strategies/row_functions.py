"""Row functions of every type, over what is drawn: with and without nulls, and giving what has to be normalised."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from hypothesis import strategies as st

from featurestore import row_function
from featurestore.expr.fluent import Expr
from featurestore.expr.nodes import Literal, Node
from featurestore.expr.python_functions import RowFunction
from featurestore.semantics.dtypes import DType
from tests.strategies.expressions import Leaves, draw_scalar, reachable
from tests.strategies.values import pick

LIMIT = 2**63


@row_function
def ratio(number: float, whole: int) -> float:
    """Infinite, not a number or -0.0 now and then."""
    try:
        return number / whole if whole else number * float("inf")
    except OverflowError:
        return float("-inf")


@row_function
def known(text: str | None, flag: bool | None) -> bool:
    """About nulls."""
    return text is not None and flag is not False


@row_function
def doubled(whole: int | None) -> int | None:
    """Null where there is none, or none that int64 holds."""
    return None if whole is None or not -LIMIT <= 2 * whole < LIMIT else 2 * whole


@row_function
def marked(text: str, number: float | None) -> str:
    """A text of both."""
    return f"{text}|{'' if number is None else number.hex()}"


@row_function
def later(moment: datetime, whole: int) -> datetime | None:
    """Null beyond the calendar."""
    try:
        return moment + timedelta(seconds=whole % 1000)
    except OverflowError:
        return None


@row_function
def day_of(moment: datetime, day: date | None) -> date:
    """The later of two days."""
    own = moment.astimezone(UTC).date()
    return own if day is None else max(own, day)


@row_function
def as_float(whole: int) -> float:
    """An int for a float, where it is exact."""
    return whole % 1000


@row_function
def averaged(numbers: list[float], otherwise: float | None) -> float | None:
    """It changes its list, and divides by zero items."""
    numbers.sort()
    return sum(numbers) / len(numbers) if numbers else otherwise


@row_function
def turned(texts: list[str | None] | None) -> list[str | None]:
    """Null items both ways."""
    return [None if text is None else text[::-1] for text in reversed(texts or ["", None])]


@row_function
def scaled(whole: int, numbers: list[float | None]) -> list[float]:
    """Infinite now and then, which is null among items."""
    return [whole if number is None else number * 1e300 for number in numbers]


@row_function
def halved(counts: dict[str, int]) -> dict[str, float]:
    """A map of floats, one of which may be an int, in another order."""
    return {key: 0 if count == 1 else count / 2 for key, count in reversed(counts.items())}


@row_function
def by_day(moments: list[datetime | None], counts: dict[int, int | None] | None) -> dict[date, int | None]:
    """Dates as keys; the map that it takes may be missing."""
    return {moment.date(): len(counts or {}) or None for moment in moments if moment is not None}


@row_function
def earliest(days: list[date], sizes: dict[bool, float]) -> list[date]:
    """At most two."""
    return sorted(days)[: 1 + len(sizes)]


ROW_FUNCTIONS: tuple[RowFunction[object], ...] = (  # type: ignore[assignment]
    *(ratio, known, doubled, marked, later, day_of, as_float),
    *(averaged, turned, scaled, halved, by_day, earliest),
)


def _signature(function: RowFunction[object]) -> tuple[DType, ...]:
    return tuple(each.dtype for each in function.function.parameters)


def draw_row_call(draw: st.DrawFn, leaves: Leaves) -> Node | None:
    """A call of one of them over drawn expressions, at least one of which is no constant."""
    function = pick(draw, [each for each in ROW_FUNCTIONS if reachable(leaves, _signature(each))])
    nodes = [draw_scalar(draw, leaves, each.dtype, 1) for each in function.function.parameters]
    if all(isinstance(node, Literal) for node in nodes):
        return None
    made: Expr[object] = function(*(Expr(node) for node in nodes))
    return made.node
