"""A view's windows over one key's tree: which fields to ask for, and the aggregates that come out."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from featurestore.errors import AsOfTooEarly
from featurestore.expr.nodes import Aggregate
from featurestore.online.tree import ROOT, Row, Tree, path_names
from featurestore.plan.nodes import View
from featurestore.semantics.aggregates import aggregate_row
from featurestore.semantics.dtypes import Value
from featurestore.semantics.instants import INT64_MIN, instant_text
from featurestore.semantics.statuses import NOT_FOUND, NULL, OK, OVERFLOW
from featurestore.semantics.windows import Span


def first_guess(spans: Iterable[Span], as_of_us: int) -> list[bytes]:
    """The fields that windows ending at an instant most likely need."""
    starts = [span.start_us(as_of_us) for span in spans]
    ends = [as_of_us, *(start for start in starts if start is not None)]
    return [ROOT, *dict.fromkeys(name for end in ends for name in path_names(end))]


Finished = dict[Aggregate, tuple[Value, int]]


class ViewReader:
    """Finishes a view's aggregates from trees. Made once for a view, used for every question."""

    def __init__(self, view: View) -> None:
        self.view = view
        self._finishers = []
        for answer in view.answers:
            row = aggregate_row(answer.node.function, answer.node.input.dtype if answer.node.input else None)
            assert row is not None, "an aggregate node was checked when it was made"
            self._finishers.append((answer, row.finish))
        self._spans = view.spans
        self._folds = {
            span: sorted({answer.fold for answer in view.answers if answer.node.span == span}) for span in self._spans
        }

    def read(self, tree: Tree, as_of_us: int, missing: set[bytes]) -> Finished:
        """`aggregate -> (value, status)` for every aggregate of the view; empty where `missing` names nodes to fetch
        first.

        Raises: AsOfTooEarly  when rows that a window would cover were trimmed.
        """
        found = tree.seen_us is not None and tree.seen_us < as_of_us
        states = self._states(tree, as_of_us, missing)
        if missing:
            return {}
        finished = {}
        for answer, finish in self._finishers:
            value, overflow = finish(states[answer.node.span][answer.fold])
            status = NOT_FOUND if not found else OVERFLOW if overflow else NULL if value is None else OK
            finished[answer.node] = (value, status)
        return finished

    def _states(self, tree: Tree, as_of_us: int, missing: set[bytes]) -> dict[Span, dict[int, Any]]:
        """Every fold of every window. Windows share an end, so each is the next shorter one and the piece before it."""
        total: dict[int, Any] = {}
        states: dict[Span, dict[int, Any]] = {}
        high = as_of_us
        for place, span in enumerate(self._spans):
            start = span.start_us(as_of_us)
            low = INT64_MIN if start is None else start
            if tree.horizon_us is not None and low < tree.horizon_us:
                raise AsOfTooEarly(
                    f"the state of `{self.view.name}` can no longer answer as of {instant_text(as_of_us)}",
                    has=f"rows from {instant_text(tree.horizon_us)} on for this key, and a window of {span.label}",
                    fix="ask for a later instant, or build a training set, which has all history",
                )
            rows: list[Row] = []
            summaries: list[list[Any]] = []
            tree.collect(low, high, as_of_us, rows, summaries, missing)
            high = low
            if missing:
                continue
            for fold in {fold for later in self._spans[place:] for fold in self._folds[later]}:
                piece = tree.lift(fold, rows) if rows else tree.empty(fold)
                for summary in summaries:
                    piece = tree.merge(fold, piece, summary[fold + 1])
                total[fold] = tree.merge(fold, total[fold], piece) if fold in total else piece
            states[span] = {fold: total[fold] for fold in self._folds[span]}
        return states
