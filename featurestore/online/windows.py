"""A view's windows over the trees of many keys: which nodes to ask for, and the aggregates that come out."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import chain

from featurestore.expr.nodes import Aggregate
from featurestore.online.evaluate import answer_key
from featurestore.online.folding import Folding
from featurestore.online.leaves import EVENT, Columns, Node
from featurestore.online.radix import path_names
from featurestore.online.tree import Tree, sorted_out
from featurestore.plan.nodes import View
from featurestore.plan.retention import Retention, answers, lacks, retention_of
from featurestore.semantics.aggregates import Aggregate as AggregateRow
from featurestore.semantics.aggregates import Asked, aggregate_row
from featurestore.semantics.dtypes import Value
from featurestore.semantics.folding.categories import finish_by
from featurestore.semantics.folds import State as FoldState
from featurestore.semantics.instants import INT64_MIN
from featurestore.semantics.statuses import NOT_FOUND, NULL, OK, OVERFLOW
from featurestore.semantics.windows import Span

Column = tuple[list[Value], list[int]]
"""The values and statuses of one aggregate, by key."""
Window = tuple[int, int, tuple[int, ...]]
"""The first instant of a window, its place among those of its view, and the folds that it and longer ones need."""
Group = tuple[int, list[Window]]
"""Windows that end together, the shortest first, and the first instant after them."""
_States = dict[tuple[int, int], list[FoldState]]
"""By window and fold: the state of each key."""


@dataclass(frozen=True, slots=True)
class Moment:
    """The windows of a view as of an instant, one for all keys of a lookup."""

    at_us: int
    groups: list[Group]


@dataclass(frozen=True, slots=True)
class Answered:
    """The aggregates of a view by `answer_key`, in columns. `rows` says where in them a key stands; the last place is
    that of all keys without rows."""

    rows: dict[int, int]
    columns: dict[int, Column]


class ViewReader:
    """Finishes a view's aggregates from roots and trees. Made once for a view, used for every lookup."""

    def __init__(self, view: View) -> None:
        state = view.state
        assert state is not None, "a view without a state reads nothing"
        self.view, self.folding = view, Folding(state)
        spans = view.spans
        self._finishers = []
        for answer in view.answers:
            row = aggregate_row(answer.node.function, answer.node.input.dtype if answer.node.input else None)
            assert row is not None, "an aggregate node was checked when it was made"
            window, empty = (spans.index(answer.node.span), answer.fold), self.folding.empties[answer.fold]
            self._finishers.append((window, answer_key(answer.node), _finisher(row, answer.node), empty))
        self._folds = [
            sorted({fold for (place, fold), *_ in self._finishers if place == each}) for each in range(len(spans))
        ]
        self._spans = spans
        self._needed_rows = retention_of(state, [view])
        finite = [span for span in spans if span.length_us is not None]
        self._reach_us = max([view.refresh_us - 1, *map(view.reach_us, finite)])
        self._selects = len(finite) < len(spans)
        self._needed: dict[tuple[int, ...], list[tuple[int, ...]]] = {}
        ends: dict[tuple[int, int], list[tuple[int, Span]]] = {}
        for place, span in enumerate(spans):
            ends.setdefault((span.offset_us, span.step_us if span.offset_us else 1), []).append((place, span))
        self._groups = [self._grouped(each) for each in ends.values()]

    def moment(self, as_of_us: int) -> Moment:
        """The view's windows as of an instant."""
        at_us = self.view.instant_us(as_of_us)
        return Moment(at_us, [group(at_us) for group in self._groups])

    def _grouped(self, spans: Sequence[tuple[int, Span]]) -> Callable[[int], Group]:
        """A function from an instant to the windows of spans that end together."""

        def group(at_us: int) -> Group:
            starts = [(INT64_MIN if (start := span.start_us(at_us)) is None else start, place) for place, span in spans]
            starts.sort(reverse=True)
            needed = self._folds_needed(tuple([place for _, place in starts]))
            windows = [(low, place, folds) for (low, place), folds in zip(starts, needed, strict=True)]
            return spans[0][1].end_us(at_us), windows

        if any(span.length_us is not None or span.offset_us for _, span in spans):
            return group
        _, always = group(0)  # all history, whenever it is asked for
        return lambda at_us: (at_us, always)

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

    def lacks(self, kept: Retention | None) -> Aggregate | None:
        """An aggregate that a state cannot answer which keeps this; None where there is none (R12)."""
        return None if answers(kept, self._needed_rows) else lacks(kept, self.view)

    def too_early_until_us(self, root: Node, as_of_us: int) -> int | None:
        """None when an instant needs none of the rows that were dropped from a key, else the first instant of which
        that is so (R12)."""
        horizon_us, since_us = root["horizon"], root.get("since", INT64_MIN)
        if as_of_us - self._reach_us >= max(horizon_us, since_us if self._selects else INT64_MIN):
            return None
        ends = [span.first_as_of_us(horizon_us) for span in self._spans if span.length_us is not None]
        first_us = max([*ends, *([since_us] if self._selects else [])], default=INT64_MIN)
        first_us = -(-first_us // self.view.refresh_us) * self.view.refresh_us
        return first_us if as_of_us < first_us else None

    def read(
        self,
        keys: Iterable[int],
        roots: Sequence[Node | None],
        tree_of: Callable[[int], Tree],
        moment: Moment,
        missing: dict[int, set[bytes]],
    ) -> Answered | None:
        """The answers of every aggregate of the view for some keys; None where `missing` names nodes to fetch first.

        No window covers rows that were trimmed.
        """
        at_us = moment.at_us
        found, large = sorted_out(roots, keys, at_us)
        leaves = list(found.values())
        states: _States = {}
        for high, windows in moment.groups:
            if leaves:
                self._add_leaves(states, leaves, min(high, at_us), windows)
            for key in large:
                self._add_tree(states, tree_of(key), high, windows, at_us, missing.setdefault(key, set()))
        if large and any(missing.values()):
            return None
        rows = {key: place for place, key in enumerate(chain(found, large))}
        return Answered(rows, self._finished(states, at_us))

    def _finished(self, states: _States, at_us: int) -> dict[int, Column]:
        columns = {}
        for window, key, finisher, empty in self._finishers:
            finish = finisher(at_us)
            found = [finish(state) for state in states.get(window, ())]
            values = [value for value, _ in found]
            codes = [OVERFLOW if overflow else NULL if value is None else OK for value, overflow in found]
            values.append(finish(empty)[0])
            codes.append(NOT_FOUND)
            columns[key] = values, codes
        return columns

    def _add_leaves(self, states: _States, leaves: Sequence[Columns], high: int, windows: list[Window]) -> None:
        """Every fold of windows that end together, for keys whose rows are one leaf: each is the next shorter one and
        the slice before it."""
        folding = self.folding
        total: dict[int, list[FoldState]] = {}
        events = [leaf[EVENT] for leaf in leaves]
        tops = [bisect_left(each, high) for each in events]
        for low, place, folds in windows:
            if low == INT64_MIN:
                bottoms = [0] * len(tops)
            else:
                bottoms = [bisect_left(each, low, 0, top) for each, top in zip(events, tops, strict=True)]
            for fold in folds:
                lift, empty, merge = folding.lifts[fold], folding.empties[fold], folding.merges[fold]
                slices = list(zip(leaves, bottoms, tops, strict=True))
                if fold not in total:
                    total[fold] = [lift(*each) if each[1] < each[2] else empty for each in slices]
                    continue
                pairs = zip(slices, total[fold], strict=True)
                if folding.last[fold]:
                    total[fold] = [lift(*each) if each[1] < each[2] and old is empty else old for each, old in pairs]
                else:
                    total[fold] = [merge((lift(*each), old)) if each[1] < each[2] else old for each, old in pairs]
            for fold, column in total.items():
                states[place, fold] = [*column]
            tops = bottoms

    def _add_tree(
        self, states: _States, tree: Tree, high: int, windows: list[Window], at_us: int, missing: set[bytes]
    ) -> None:
        """The same for a key of several nodes, or with rows that are not visible yet: pieces of leaves, and summaries
        of what lies between."""
        bounds = [low for low, _, _ in reversed(windows)]
        bounds.append(high)
        parts = tree.collect(bounds, at_us, missing)
        if missing:
            return
        folding = self.folding
        total = {fold: folding.empties[fold] for fold in windows[0][2]}
        for (_, place, folds), (pieces, summaries) in zip(windows, reversed(parts), strict=True):
            if pieces or summaries:
                by_fold = list(zip(*summaries, strict=True))
                for fold in folds:
                    lift, known = folding.lifts[fold], total[fold]
                    if folding.last[fold] and known is not None:
                        continue
                    found = [*by_fold[fold + 1]] if by_fold else []
                    found += [lift(*piece) for piece in pieces]
                    if known is not folding.empties[fold]:
                        found.append(known)
                    total[fold] = found[0] if len(found) == 1 else folding.merges[fold](found)
            for fold, state in total.items():
                states.setdefault((place, fold), []).append(state)

    def _folds_needed(self, places: tuple[int, ...]) -> list[tuple[int, ...]]:
        """The folds that a window and those longer than it need, for windows in this order."""
        needed = self._needed.get(places)
        if needed is None:
            needed = self._needed[places] = [
                tuple({fold for later in places[turn:] for fold in self._folds[later]}) for turn in range(len(places))
            ]
        return needed


def _finisher(row: AggregateRow, node: Aggregate) -> Callable[[int], Callable[[FoldState], tuple[Value, bool]]]:
    """A function from an instant to one from a state to the value and whether it overflowed."""
    if node.by is None and not row.asked:
        return lambda _: row.finish

    def at(as_of_us: int) -> Callable[[FoldState], tuple[Value, bool]]:
        asked = Asked(as_of_us, node.n, node.parameter)
        if node.by is not None:
            return lambda state: finish_by(lambda each: row.finished(each, asked), state)
        return lambda state: row.finished(state, asked)

    return at
