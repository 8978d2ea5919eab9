"""When the latest and the earliest row happened."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from featurestore.semantics.dtypes import SCALARS, TIMESTAMP, Value
from featurestore.semantics.folding.row import Aggregate, Fold, Rank, Selection, State, either


def _instant(choose: Callable[..., int], every: bool) -> Callable[[Sequence[Value], Sequence[Rank], int], State]:
    def lift(values: Sequence[Value], ranks: Sequence[Rank], _: int) -> State:
        pairs = zip(values, ranks, strict=True)
        return choose((rank[0] for value, rank in pairs if every or value is not None), default=None)

    return lift


def _rows(name: str, choose: Callable[..., int], word: str) -> tuple[tuple[Fold, ...], tuple[Aggregate, ...]]:
    """The folds and aggregates of one end: of all rows, and of rows with a value."""
    end, held = choose.__name__, "CASE WHEN {v} IS NOT NULL THEN event_at_us END"
    merged = (f"{end}({{c}})",)
    folds = (
        Fold(
            f"{name}_row",
            None,
            _instant(choose, True),
            either(choose),
            (("at", f"{end}(event_at_us)"),),
            ordered=True,
            sql_merge=merged,
            selection=Selection(name.removesuffix("_at"), _itself),
        ),
        Fold(
            f"{name}_value",
            None,
            _instant(choose, False),
            either(choose),
            (("at", f"{end}({held})"),),
            ordered=True,
            sql_merge=merged,
            selection=Selection(name.removesuffix("_at"), _itself, present=True),
        ),
    )
    aggregates = (
        Aggregate(name, (), lambda _: TIMESTAMP, folds[0].name, _found, "{f}_at", doc=f"When the {word} row happened."),
        Aggregate(
            name,
            SCALARS,
            lambda _: TIMESTAMP,
            folds[1].name,
            _found,
            "{f}_at",
            doc=f"When the {word} value that is not null happened.",
        ),
    )
    return folds, aggregates


def _itself(state: State, _: int) -> int | None:
    at_us: int | None = state
    return at_us


def _found(state: State) -> tuple[Value, bool]:
    return state, False


_FIRST, _LAST = _rows("first_at", min, "earliest"), _rows("last_at", max, "latest")
FOLDS: Final = (*_FIRST[0], *_LAST[0])
AGGREGATES: Final = (*_FIRST[1], *_LAST[1])
