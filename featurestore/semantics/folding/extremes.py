"""What stands at an extreme: the value of one column where another is greatest or least, and the n greatest values."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import Any, Final

from featurestore.semantics.dtypes import DECIMAL, LIST, ORDERED, SCALARS, VECTOR, Value, list_of
from featurestore.semantics.folding.row import Aggregate, Finished, Fold, Rank, State, either, present, rank_key

_FLAT: Final = "flatten(list({c}) FILTER (WHERE {c} IS NOT NULL))"


def _at(least: bool) -> tuple[Fold, Aggregate]:
    """The fold and the aggregate of one end. State: `[other, event_at, order, known_at, value]` of one row."""
    choose, end = (min, "arg_min") if least else (max, "arg_max")
    name, word = ("min_by", "least") if least else ("max_by", "greatest")

    def outermost(entries: Sequence[list[Any]]) -> State:
        other = choose((entry[0] for entry in entries), default=None)
        return max(
            (entry for entry in entries if entry[0] == other), key=lambda entry: rank_key(entry[1:]), default=None
        )

    def lift(pairs: Sequence[tuple[Value, Value]], ranks: Sequence[Rank], _: int) -> State:
        return outermost(
            [
                [other, *rank, list(value) if type(value) is tuple else value]  # a list as JSON has it
                for (value, other), rank in zip(pairs, ranks, strict=True)
                if other is not None
            ]
        )

    def sql_key(other: str, rank: str) -> str:
        # of equal ones the latest row, whichever end is looked for
        return f"{{{{'y': {other}, 'r': {'-' if least else ''}{rank}}}}}"

    found = f"CASE WHEN {{u}} IS NOT NULL THEN {sql_key('{u}', '{rank}')} END"
    fold = Fold(
        name,
        None,
        lift,
        either(outermost),
        (("e", f"{end}({{{{'y': {{u}}, 'r': {{rank}}, 'v': {{v}}}}}}, {found})"),),
        ordered=True,
        sql_merge=(f"{end}({{c}}, {sql_key('{c}.y', '{c}.r')})",),
        pairs=True,
    )
    aggregate = Aggregate(
        name,
        (*SCALARS, DECIMAL, LIST, VECTOR),
        lambda dtype: dtype,
        name,
        _value,
        "{f}_e.v",
        doc=f"Value of the row in which the second column is {word}, even when null; of several the latest.",
        second=(*ORDERED, DECIMAL),
    )
    return fold, aggregate


def _value(state: State) -> Finished:
    value = None if state is None else state[-1]
    return (tuple(value) if isinstance(value, list) else value), False


def _several(least: bool) -> tuple[Fold, Aggregate]:
    """The fold and the aggregate of the n values at one end, the outermost first. State: the list of them."""
    name, word = ("bottom_values", "least") if least else ("top_values", "greatest")

    def outermost(values: Sequence[Value], n: int) -> State:
        return sorted(values, reverse=not least)[:n]

    sort, end = ("list_sort", "min") if least else ("list_reverse_sort", "max")
    fold = Fold(
        name,
        [],
        lambda values, _, n: outermost(present(values), n),
        lambda states, n: outermost(list(chain.from_iterable(states)), n),
        (("l", f"{end}({{v}}, {{n}})"),),
        sql_merge=(f"list_slice({sort}({_FLAT}), 1, {{n}})",),
        cost=f"O(n of {name})",
    )
    aggregate = Aggregate(
        name,
        (*ORDERED, DECIMAL),
        list_of,
        name,
        lambda state: (tuple(state) or None, False),
        "{f}_l",
        doc=f"The n {word} values, the {word} first; equal ones are several.",
    )
    return fold, aggregate


_PAIRS: Final[tuple[tuple[Fold, Aggregate], ...]] = tuple(
    make(least) for make in (_at, _several) for least in (False, True)
)
FOLDS: Final = tuple(fold for fold, _ in _PAIRS)
AGGREGATES: Final = tuple(aggregate for _, aggregate in _PAIRS)
