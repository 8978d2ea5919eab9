"""A view's windows over one key's tree: which fields to ask for, and the aggregates that come out."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from featurestore.expr.nodes import Aggregate
from featurestore.online.evaluate import answer_key
from featurestore.online.leaves import EVENT
from featurestore.online.radix import path_names
from featurestore.online.tree import Piece, Tree
from featurestore.plan.nodes import View
from featurestore.semantics.aggregates import Aggregate as AggregateRow
from featurestore.semantics.aggregates import Asked, aggregate_row
from featurestore.semantics.dtypes import Value
from featurestore.semantics.folding.categories import finish_by
from featurestore.semantics.instants import INT64_MIN
from featurestore.semantics.statuses import NOT_FOUND, NULL, OK, OVERFLOW
from featurestore.semantics.windows import Span

Finished = dict[int, tuple[Value, int]]
"""`(value, status)` by `answer_key`."""


Window = tuple[int, int, tuple[int, ...]]
"""The first instant of a window, its place among those of its view, and the folds that it and longer ones need."""


@dataclass(frozen=True, slots=True)
class Moment:
    """The windows of a view as of an instant: those that end together, the shortest first, and what a key without rows
    answers. One for all keys of a lookup."""

    at_us: int
    groups: list[tuple[int, list[Window]]]
    nothing: Finished


class ViewReader:
    """Finishes a view's aggregates from trees. Made once for a view, used for every question."""

    def __init__(self, view: View) -> None:
        state = view.state
        assert state is not None, "a view without a state reads nothing"
        self.view = view
        spans = view.spans
        self._finishers = []
        for answer in view.answers:
            row = aggregate_row(answer.node.function, answer.node.input.dtype if answer.node.input else None)
            assert row is not None, "an aggregate node was checked when it was made"
            place = spans.index(answer.node.span)
            window, empty = (place, answer.fold), Tree(state).empty(answer.fold)
            self._finishers.append((window, answer_key(answer.node), _finisher(row, answer.node), empty))
        self._folds = [
            sorted({fold for (place, fold), *_ in self._finishers if place == each}) for each in range(len(spans))
        ]
        self._spans = spans
        self._reach_us = max(map(view.reach_us, spans), default=0)
        self._needed: dict[tuple[int, ...], list[tuple[int, ...]]] = {}
        self._ends: dict[tuple[int, int], list[tuple[int, Span]]] = {}
        for place, span in enumerate(spans):
            self._ends.setdefault((span.offset_us, span.step_us if span.offset_us else 1), []).append((place, span))

    def moment(self, as_of_us: int) -> Moment:
        """The view's windows as of an instant."""
        at_us = self.view.instant_us(as_of_us)
        groups = []
        for spans in self._ends.values():
            starts = [(INT64_MIN if (start := span.start_us(at_us)) is None else start, place) for place, span in spans]
            starts.sort(reverse=True)
            needed = self._folds_needed(tuple([place for _, place in starts]))
            windows = [(low, place, folds) for (low, place), folds in zip(starts, needed, strict=True)]
            groups.append((spans[0][1].end_us(at_us), windows))
        return Moment(at_us, groups, self._finished({}, at_us, found=False))

    def first_guess(self, moment: Moment, levels: Sequence[int], *, past: bool) -> list[bytes]:
        """The nodes below the root that the view's windows of an instant need, where trees have nodes at these levels.

        A window that ends now needs none at its end, where all rows are visible; one that ended in the `past` does.
        """
        at_us = moment.at_us
        ends = [
            end
            for span in self._spans
            for end in (span.end_us(at_us) if past or span.offset_us else None, span.start_us(at_us))
            if end is not None
        ]
        return list(dict.fromkeys(name for end in ends for name in path_names(end, levels)))

    def too_long(self, kept_us: int | None) -> Span | None:
        """A window that is longer than what a state was trimmed for."""
        if kept_us is None or self._reach_us <= kept_us:
            return None
        return next(span for span in self._spans if self.view.reach_us(span) > kept_us)

    def too_early_until_us(self, tree: Tree, as_of_us: int) -> int | None:
        """None when no window of an instant covers rows that were trimmed, else the first instant of which that is
        so."""
        horizon_us = tree.horizon_us
        if horizon_us is None or as_of_us - self._reach_us >= horizon_us:
            return None
        first_us = max((span.first_as_of_us(horizon_us) for span in self._spans), default=horizon_us)
        first_us = -(-first_us // self.view.refresh_us) * self.view.refresh_us
        return first_us if as_of_us < first_us else None

    def read(self, tree: Tree, moment: Moment, missing: set[bytes]) -> Finished:
        """The answers of every aggregate of the view; empty where `missing` names nodes to fetch first.

        No window covers rows that were trimmed.
        """
        seen_us = tree.seen_us
        if seen_us is None:
            return moment.nothing
        states: dict[tuple[int, int], Any] = {}
        for high, windows in moment.groups:
            self._add_states(states, tree, high, windows, moment.at_us, missing)
        if missing:
            return {}
        return self._finished(states, moment.at_us, found=seen_us < moment.at_us)

    def _finished(self, states: dict[tuple[int, int], Any], at_us: int, *, found: bool) -> Finished:
        finished = {}
        for window, key, finish, empty in self._finishers:
            value, overflow = finish(states.get(window, empty), at_us)
            status = NOT_FOUND if not found else OVERFLOW if overflow else NULL if value is None else OK
            finished[key] = (value, status)
        return finished

    def _add_states(
        self,
        states: dict[tuple[int, int], Any],
        tree: Tree,
        high: int,
        windows: list[Window],
        at_us: int,
        missing: set[bytes],
    ) -> None:
        """Every fold of windows that end together: each is the next shorter one and the piece before it."""
        total: dict[int, Any] = {}
        leaf = tree.visible_leaf(at_us)
        top = 0 if leaf is None else bisect_left(leaf[EVENT], min(high, at_us))
        for low, place, folds in windows:
            pieces: list[Piece] = []
            summaries: list[list[Any]] = []
            if leaf is not None:  # most keys: their rows are one slice after the other
                bottom = bisect_left(leaf[EVENT], low, 0, top)
                if bottom < top:
                    pieces.append((leaf, bottom, top))
                top = bottom
            else:
                tree.collect(low, high, at_us, pieces, summaries, missing)
                high = low
                if missing:
                    continue
            if pieces or summaries:
                for fold in folds:
                    parts = [summary[fold + 1] for summary in summaries]
                    parts += [tree.lift(fold, piece) for piece in pieces]
                    if fold in total:
                        parts.append(total[fold])
                    total[fold] = parts[0] if len(parts) == 1 else tree.merge(fold, parts)
            for fold, state in total.items():
                states[place, fold] = state

    def _folds_needed(self, places: tuple[int, ...]) -> list[tuple[int, ...]]:
        """The folds that a window and those longer than it need, for windows in this order."""
        needed = self._needed.get(places)
        if needed is None:
            needed = self._needed[places] = [
                tuple({fold for later in places[turn:] for fold in self._folds[later]}) for turn in range(len(places))
            ]
        return needed


def _finisher(row: AggregateRow, node: Aggregate) -> Callable[[Any, int], tuple[Value, bool]]:
    """A function from a state and an instant to the value and whether it overflowed."""
    if node.by is None and not row.asked:
        plain = row.finish
        return lambda state, _: plain(state)

    def finish(state: Any, as_of_us: int) -> tuple[Value, bool]:
        asked = Asked(as_of_us, node.n, node.parameter)
        if node.by is not None:
            return finish_by(lambda each: row.finished(each, asked), state)
        return row.finished(state, asked)

    return finish
