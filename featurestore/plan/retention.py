"""Which rows of a key an online state keeps (R12): decided by the views on the state and by the key's own progress,
whatever the layout of the state.

A key's progress is the greatest `visible_at` of its rows that the store's clock has reached. Two instants follow from
it: rows that happened before `horizon_us` lie in no window that can be asked for, and views may be asked as of
`since_us` or later. An aggregate over all history that is a selection (`last`, `last_n`, `first`, `last_at`, ...) is
answered from the rows at one end of history. So a state drops one gap of each key: the rows that happened before the
horizon, after what `first` selects as of `since_us`, and before what `last` selects then.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from featurestore.expr.nodes import Aggregate, Node, walk
from featurestore.expr.printing import text_of
from featurestore.plan.nodes import Answer, FoldUse, State, View
from featurestore.semantics.folding.row import Selection
from featurestore.semantics.folds import FOLDS
from featurestore.semantics.instants import duration_text
from featurestore.semantics.windows import RETAINED_US


@dataclass(frozen=True, slots=True)
class Retention:
    """What a state that drops rows can answer: windows that begin at most `longest_us` before the instant, and the
    selections over all history of some folds, given by their index in the state, in views that are read at most
    `lag_us` before the instant.

    Units: microseconds.
    """

    longest_us: int
    lag_us: int = 0
    selections: tuple[int, ...] = ()

    @staticmethod
    def of_json(found: Mapping[str, Any] | None) -> Retention | None:
        """A retention from the JSON values of its fields; None of None."""
        return None if found is None else Retention(**{**found, "selections": tuple(found["selections"])})

    @property
    def kept_us(self) -> int:
        """How far back from its newest row a key keeps every row."""
        return max(self.longest_us, self.lag_us) + RETAINED_US

    @property
    def asked_us(self) -> int:
        """How far back from a key's newest row selections over all history can be asked for."""
        return self.lag_us + RETAINED_US

    def horizon_us(self, newest_us: int) -> int:
        """Before when rows are in no window that can be asked for."""
        return newest_us - self.kept_us

    def since_us(self, newest_us: int) -> int:
        """The first instant as of which selections can be asked for."""
        return newest_us - self.asked_us


def retention_of(state: State, views: Sequence[View]) -> Retention | None:
    """What a state must be able to answer for its views; None where it keeps all rows."""
    if state.scan.event_at is None:
        return None
    longest_us = lag_us = 0
    selections: set[int] = set()
    for view, answer in _answers(state, views):
        span = answer.node.span
        if span.length_us is not None:
            longest_us = max(longest_us, view.reach_us(span))
        elif why_all_rows(state, answer):
            return None
        else:
            lag_us = max(lag_us, view.refresh_us - 1)
            selections.add(answer.fold)
    return Retention(longest_us, lag_us, tuple(sorted(selections)))


def lacks(kept: Retention | None, view: View) -> Aggregate | None:
    """An aggregate of a view that a state cannot answer, since it was built when its views asked for less."""
    if view.state is None:
        return None
    for answer in view.answers:
        if not answers(kept, retention_of(view.state, [replace(view, answers=(answer,))])):
            return answer.node
    return None


def answers(kept: Retention | None, needed: Retention | None) -> bool:
    """Whether a state that keeps this has what is needed; None is all rows."""
    return kept is None or (
        needed is not None
        and needed.longest_us <= kept.longest_us
        and needed.lag_us <= kept.lag_us
        and all(place in kept.selections for place in needed.selections)
    )


def selection_of(use: FoldUse) -> Selection | None:
    """How a fold selects rows at one end of history; None of a fold that needs more."""
    return FOLDS[use.fold].selection if use.by is None else None


def selected(state: State, retention: Retention) -> list[tuple[int, FoldUse, Selection]]:
    """The folds whose selections over all history are kept, with their indexes in the state."""
    found = ((index, state.folds[index], selection_of(state.folds[index])) for index in retention.selections)
    return [(index, use, selection) for index, use, selection in found if selection is not None]


def why_all_rows(state: State, answer: Answer) -> str:
    """Why an aggregate over all history needs all rows; empty where it does not.

    A later delivery of a fact counts in place of an earlier one if it was known before it (R6). Where a source has a
    `KnownTime`, that can happen at any time, and the delivery may not pass the condition that the other one passed: the
    next row counts then, which must be there.
    """
    use = state.folds[answer.fold]
    selection = selection_of(use)
    if selection is None:
        return "counts every row"
    if state.scan.row_id and state.scan.known_at and (use.filter is not None or selection.present):
        return "has a condition, and a row that passes it may come again, known earlier, and not pass it"
    return ""


def kept_text(state: State, views: Sequence[View]) -> str:
    """What a state keeps of each key and why, for a person."""
    if state.scan.event_at is None:
        return "all rows of a static table"
    whole: dict[str, None] = {}
    chosen: dict[str, None] = {}
    for view, answer in _answers(state, views):
        if answer.node.span.length_us is None:
            text, why = f"`{text_of(answer.node)}`", why_all_rows(state, answer)
            if why:
                whole[f"{text} in {', '.join(_features(view, answer.node))} has no over= and {why}"] = None
            else:
                chosen[text] = None
    if whole:
        return f"all rows: {'; '.join(whole)}. Give it over= to bound the state"
    retention = retention_of(state, views)
    assert retention is not None, "only what has a reason keeps all rows"
    rows = f"the rows of {duration_text(retention.kept_us)} up to its newest"
    return f"{rows}, and those that {', '.join(chosen)} may select" if chosen else rows


def _answers(state: State, views: Sequence[View]) -> Iterator[tuple[View, Answer]]:
    for view in views:
        if view.state is not None and view.state.id == state.id:
            for answer in view.answers:
                yield view, answer


def _features(view: View, node: Node) -> list[str]:
    return [f"{view.name}.{each.name}" for each in view.features if node in walk(each.node)]
