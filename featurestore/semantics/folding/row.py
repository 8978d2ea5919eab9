"""What a row of the table of folds is, and what a row of the table of aggregates."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from featurestore.semantics.dtypes import DType, Value

State = Any
Rank = tuple[int, Any, int]
"""`(event_at, order column, known_at)` of a row; the aggregated value itself breaks what ties remain."""
Finished = tuple[Value, bool]
ADDED, COUNTED = "sum({c})", "CAST(sum({c}) AS BIGINT)"
"""How sums and counts of disjoint sets of rows are merged in DuckDB."""


@dataclass(frozen=True, slots=True)
class Selection:
    """A fold that depends only on the rows at one end of history, however many others there are.

    `end` is "first" or "last". `farthest` gives the `event_at` of the row of a state that is farthest from that end, or
    None while rows farther away may still count. With `present`, rows whose input is null do not count.
    """

    end: str
    farthest: Callable[[State, int], int | None]
    present: bool = False


@dataclass(frozen=True, slots=True)
class Fold:
    """One kind of state. `lift` makes it of rows, and `merge` of the states of one set of rows or more.

    `sql_derive` and `sql_collect` are pairs of column suffix and text; `cost` is bytes of state by rows. `ordered`
    folds take the ranks of rows. What is not `running` would cost too much as a running total in DuckDB, which then
    collects it anew for each question. `sql_elements` is collected for each element `{i}` of a vector, whose length is
    the fold's number. With `sql_block`, DuckDB collects the rows of each block `{n}` of time apart, and `{f}_blocks` is
    the list of them in their order, with a field for each suffix, those with no `n` left out.

    `sql_merge` merges what was collected of disjoint sets of rows: a text for each of `sql_collect` in its order, of
    the collected column `{c}`; those of elements are added. Without it DuckDB collects a window from its rows alone.

    With `near`, "first" or "last", only the rows that happened first or last count, as many as the fold's number, and
    what happened together with them. `one` is then what `lift` makes of one row, if it is to be had faster. With
    `selection`, an online state needs only the rows at one end of history (R12).

    A fold of `pairs` is given the value and that of a second column, as tuples, and may skip those that lack one.

    States of a `sequential` fold can be merged only where rows of one do not happen between rows of another.

    `{v}` is the value, `{n}` the fold's number, in suffixes too. `{u}` is the value of the second column, and `{d}` the
    prefix of what is derived, which is `{v}` where there is none.
    """

    name: str
    empty: State
    lift: Callable[[Sequence[Value], Sequence[Rank], int], State]
    merge: Callable[[Sequence[State], int], State]
    sql_collect: tuple[tuple[str, str], ...]
    sql_derive: tuple[tuple[str, str], ...] = ()
    ordered: bool = False
    cost: str = "bounded"
    running: bool = True
    sql_elements: tuple[tuple[str, str], ...] = ()
    sql_block: str = ""
    sql_merge: tuple[str, ...] = ()
    near: str = ""
    one: Callable[[Value, Any, Any, int], State] | None = None
    selection: Selection | None = None
    pairs: bool = False
    sequential: bool = False


@dataclass(frozen=True, slots=True)
class Asked:
    """What a finisher may need beside the state: the instant, the fold's number, the aggregate's parameter."""

    as_of_us: int
    n: int = 0
    parameter: str = ""


@dataclass(frozen=True, slots=True)
class Aggregate:
    """One aggregate for one family of input types.

    `takes` is empty when there is no input; `gives` maps the input type to the result type; `sql` and `sql_overflow`
    finish in DuckDB. With `asked`, `finish` takes an `Asked` beside the state. `source` is where a method comes from.
    `typed`, where there is one, makes the row of one type of the family. `second` has the types of the second column
    of an aggregate of two.
    """

    name: str
    takes: tuple[DType, ...]
    gives: Callable[[DType], DType]
    fold: str
    finish: Callable[..., Finished]
    sql: str
    sql_overflow: str = "FALSE"
    doc: str = ""
    asked: bool = False
    source: str = ""
    typed: Callable[[Aggregate, DType], Aggregate] | None = None
    second: tuple[DType, ...] = ()

    def finished(self, state: State, asked: Asked) -> Finished:
        """The value of a state, and whether it overflowed."""
        return self.finish(state, asked) if self.asked else self.finish(state)


def rank_key(entry: Sequence[Any]) -> tuple[Any, ...]:
    """What sorts `[event_at, order, known_at, value]` in the order of R5: nulls first, lists item by item."""
    event_at, order, known_at, value = entry
    return (event_at, order is not None, order, known_at, value is not None, _sortable(value))


def _sortable(value: Value) -> Any:
    return [(item is not None, item) for item in value] if isinstance(value, (list, tuple)) else value


def present(values: Sequence[Value]) -> list[Value]:
    """The values that are not null."""
    return [value for value in values if value is not None]


def either(choose: Callable[[Sequence[State]], State]) -> Callable[[Sequence[State], int], State]:
    """A merge of states that may be None, by a choice among those that are not."""

    def merge(states: Sequence[State], _: int) -> State:
        found = [state for state in states if state is not None]
        return choose(found) if found else None

    return merge
