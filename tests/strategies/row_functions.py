"""Row functions of every type, over what is drawn: with and without nulls, and giving what has to be normalised."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from hypothesis import strategies as st

from featurestore import row_function
from featurestore.expr.fluent import Expr
from featurestore.expr.nodes import Literal, Node
from featurestore.expr.python_functions import RowFunction
from tests.strategies.expressions import Leaves, draw_scalar
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


ROW_FUNCTIONS: tuple[RowFunction[object], ...] = (ratio, known, doubled, marked, later, day_of, as_float)  # type: ignore[assignment]


def draw_row_call(draw: st.DrawFn, leaves: Leaves) -> Node | None:
    """A call of one of them over drawn expressions, at least one of which is no constant."""
    function = pick(draw, ROW_FUNCTIONS)
    nodes = [draw_scalar(draw, leaves, each.dtype, 1) for each in function.function.parameters]
    if all(isinstance(node, Literal) for node in nodes):
        return None
    made: Expr[object] = function(*(Expr(node) for node in nodes))
    return made.node
