"""What else may have made the values of cells that no row explains: tried on a sample, applied to all.

What gives the most of the open cells is believed first, and only for the cells that it gives to the bit. Chance is kept
out: what is said of a whole vector has to fit most of it, and a constant has to stand for more than one key.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from featurestore.offline.replay import Replay
from featurestore.plan.nodes import Output, Plan
from featurestore.plan.pruned import pruned
from featurestore.skew import causes
from featurestore.skew.causes import CAUSES
from featurestore.skew.cells import Mask, same_cells
from featurestore.skew.hypotheses import (
    AS_IT_IS,
    NARROWINGS,
    Narrowing,
    Twist,
    asked_together,
    chosen_questions,
    twists,
)

BIT = {name: 1 << place for place, name in enumerate(CAUSES)}
Labels = npt.NDArray[np.int64]
"""Shape: one row a question, one column a feature; each cell the sum of the bits of its causes."""
SAMPLE = 300
"""Questions on which hypotheses are tried before they are applied to all."""
FEW = 2
"""Features of each view that are tried first: a fault seldom has one alone."""
MOST_OF_IT = 0.5
"""Of the vectors that a hypothesis has a part in, how much it has to give, if it is one of whole vectors."""
Note = Callable[[str, Sequence[str]], None]


def causes_of(label: int) -> list[str]:
    """The names of the causes in a label."""
    return [name for name, bit in BIT.items() if label & bit]


class Trials:
    """Hypotheses about some vectors, `served`, which `then` has as its questions. `note` takes the evidence."""

    def __init__(self, then: Replay, served: pa.Table, training: pa.Table, *, own: bool, note: Note) -> None:
        self.then, self.served, self.training, self.note = then, served, training, note
        self.outputs = then.plan.outputs
        self.twists = list(twists(then.plan, logged=own))

    def label(self, open_cells: Mask, labels: Labels, same: Mask, comparable: Sequence[int]) -> None:
        """Label cells by what else gives their value: the hypothesis first that gives the most of them. `comparable`
        are the places of the features that training has as well."""
        most = FEW
        for _ in range(len(CAUSES)):
            left = open_cells & (labels == 0)
            rows = np.flatnonzero(left.any(axis=1))
            if not len(rows):
                return
            sample = _sample(rows)
            places = self._places(left[sample], most)
            best = self._best(left, same, sample, places)
            filled, texts = self._filled(left, comparable)
            if filled.any() and (best is None or best[0] < int(filled[sample][:, places].sum())):
                labels[filled] = BIT[causes.DEFAULTED]
                self.note(causes.DEFAULTED, texts)
            elif best is not None:
                self._apply(best[1], best[2], left, labels, [int(row) for row in rows])
            elif len(places) < left[sample].any(axis=0).sum():
                most = len(self.outputs)
            else:
                return

    def _places(self, wanted: Mask, most: int) -> list[int]:
        """The features that have most open cells, so many of each view."""
        counts = wanted.sum(axis=0)
        chosen: dict[str, list[int]] = {}
        for place in sorted(np.flatnonzero(counts), key=lambda place: -int(counts[place])):
            chosen.setdefault(self.outputs[place].view, []).append(int(place))
        return sorted(place for places in chosen.values() for place in places[:most])

    def _best(
        self, left: Mask, same: Mask, sample: Sequence[int], places: Sequence[int]
    ) -> tuple[int, Twist | None, Narrowing] | None:
        """The hypothesis that gives the most cells of some features in a sample, and how many."""
        agreeing, wanted = same[sample], np.zeros((len(sample), len(self.outputs)), dtype=bool)
        wanted[:, places] = left[sample][:, places]
        best, score = None, (0, 0, 0)
        for order, (twist, narrowing, answers) in enumerate(self._asked(sample, places)):
            given = self._given(narrowing, answers, places)
            gives = given & wanted
            if gives.any() and self._believed(twist, narrowing, gives, given, wanted, agreeing, sample):
                touched = gives.any(axis=0)
                found = (int(gives.sum()), int((given & agreeing)[:, touched].sum()), -order)
                if found > score:
                    best, score = (found[0], twist, narrowing), found
                if found[:2] == (wanted.sum(), agreeing[:, touched].sum()):
                    break  # nothing can give more
        return best

    def _asked(
        self, sample: Sequence[int], places: Sequence[int]
    ) -> Iterator[tuple[Twist | None, Narrowing, pa.Table]]:
        """Each hypothesis with its answers for some features: a narrower type alone, each twist, and both together."""
        plan = self._plan_of(places)
        plain = self.then.answers(chosen_questions(sample), plan=plan)
        for narrowing in NARROWINGS:
            yield None, narrowing, plain
        views = {"", *(view.name for view in plan.views)}
        for moved, some in groupby(
            (each for each in self.twists if each.view in views), lambda each: each.instant != ""
        ):
            twists = list(some)
            answered = (
                asked_together(self.then, plan, twists, sample)
                if moved
                else ((twist, twist.ask(self.then, plan, sample)) for twist in twists)
            )
            for twist, answers in answered:
                yield twist, AS_IT_IS, answers
                yield twist, NARROWINGS[0], answers

    def _plan_of(self, places: Sequence[int]) -> Plan:
        return pruned(self.then.plan, {self.outputs[place].name for place in places})

    def _given(self, narrowing: Narrowing, answers: pa.Table, places: Sequence[int]) -> Mask:
        """Where answers for some features are what was served."""
        if narrowing is not AS_IT_IS:
            places = [place for place in places if self.outputs[place].dtype.kind == "float64"]
        found = np.zeros((answers.num_rows, len(self.outputs)), dtype=bool)
        outputs = [self.outputs[place] for place in places]
        found[:, list(places)] = same_cells(self.then, outputs, answers, narrowing.sql)
        return found

    def _believed(
        self,
        twist: Twist | None,
        narrowing: Narrowing,
        gives: Mask,
        given: Mask,
        wanted: Mask,
        agreeing: Mask,
        sample: Sequence[int],
    ) -> bool:
        """Whether what a hypothesis gives could not be chance alone."""
        if twist is not None and twist.view:
            return self._whole(twist, gives, wanted)
        if twist is not None and twist.of_vectors and narrowing is AS_IT_IS:
            touched, asked = gives.any(axis=1), wanted | agreeing
            asked[:, ~wanted.any(axis=0)] = False
            if (given & asked)[touched].sum() < MOST_OF_IT * asked[touched].sum():
                return False
        return self._telling(gives, sample)

    def _whole(self, twist: Twist, gives: Mask, wanted: Mask) -> bool:
        """Whether a view's vectors are given whole: a key that was not found gives the same few values every time."""
        mine = [place for place, output in enumerate(self.outputs) if output.view == twist.view]
        rows = gives[:, mine].any(axis=1)
        return bool(rows.any() and (gives[rows][:, mine] == wanted[rows][:, mine]).all())

    def _telling(self, gives: Mask, sample: Sequence[int]) -> bool:
        """Whether there are several different values, or all there are."""
        for place in np.flatnonzero(gives.any(axis=0)):
            column = self.served.column(f"v.{self.outputs[place].name}")
            values = {str(column[sample[row]].as_py()) for row in np.flatnonzero(gives[:, place])[:50]}
            if len(values) > 1 or values - {"None", "0", "0.0"} or gives[:, place].sum() == gives.sum():
                return True
        return False

    def _apply(
        self, twist: Twist | None, narrowing: Narrowing, left: Mask, labels: Labels, rows: Sequence[int]
    ) -> None:
        places = [int(place) for place in np.flatnonzero(left.any(axis=0))]
        plan = self._plan_of(places)
        plain = chosen_questions(rows)
        answers = self.then.answers(plain, plan=plan) if twist is None else twist.ask(self.then, plan, rows)
        cells = np.zeros_like(left)
        cells[rows] = self._given(narrowing, answers, places)
        parts = [part for part in (twist, narrowing) if part is not None and part.cause]
        for part in parts:
            self.note(part.cause, [part.evidence])
        labels[cells & left] = sum(BIT[part.cause] for part in parts)

    def _filled(self, left: Mask, comparable: Sequence[int]) -> tuple[Mask, list[str]]:
        """The cells where one side has no value and the other always the same one, for more than one key; and what that
        is."""
        found, texts = np.zeros_like(left), list[str]()
        for place in comparable:
            output, rows = self.outputs[place], np.flatnonzero(left[:, place])
            if not len(rows):
                continue
            served = self.served.column(f"v.{output.name}").take(rows)
            trained = self.training.column(output.name).take(rows)
            for one, other, whose in ((served, trained, "served"), (trained, served, "trained on")):
                filled = np.flatnonzero(pc.and_(pc.is_valid(one), pc.is_null(other)).to_numpy())
                values = one.take(filled)
                if _is_constant(values) and self._of_several_keys(output, rows[filled]):
                    found[rows[filled], place] = True
                    texts.append(f"{output.name}: {values[0].as_py()!r} {whose} where there is no value")
        return found, texts

    def _of_several_keys(self, output: Output, rows: npt.NDArray[np.int64]) -> bool:
        view = next(view for view in self.then.plan.views if view.name == output.view)
        names = [f"i_{name}" for name in view.inputs] or ["spine_row"]
        first = self.served.select(names).slice(int(rows[0]), 1).to_pylist()
        asked = self.served.select(names)
        return any(asked.slice(int(row), 1).to_pylist() != first for row in rows[1:])


def _is_constant(values: pa.ChunkedArray[Any]) -> bool:
    """Whether there are at least two values, and all are the same."""
    if len(values) < 2 or any(values[at] != values[0] for at in range(1, min(len(values), 100))):
        return False
    try:
        return len(pc.unique(values)) == 1
    except (pa.ArrowNotImplementedError, pa.ArrowInvalid):  # lists and maps
        return all(each == values[0] for each in values)


def _sample(rows: npt.NDArray[np.int64]) -> list[int]:
    """So many rows at most, spread over all."""
    return [int(row) for row in rows[np.linspace(0, len(rows) - 1, min(SAMPLE, len(rows))).astype(int)]]
