"""Served vectors beside both roads: where they differ, and what shows why (R19).

Two questions are answered apart. *Compute parity*: DuckDB over the very rows that the state held, by the definition of
that time. *Availability parity*: DuckDB over all rows that are known today, by today's definition. Where the second
differs, one kind of reason after the other is taken away, until the same bits come out: what had to be taken away is
the cause.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, combinations, product
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from featurestore.expr.nodes import FeatureRef, walk
from featurestore.offline.layers import EVERYTHING, Sees
from featurestore.offline.replay import MOST_ROWS, Replay
from featurestore.plan.nodes import Output, Plan, View
from featurestore.semantics.statuses import NOT_FOUND
from featurestore.skew import causes
from featurestore.skew.causes import DEFINITION, INPUT
from featurestore.skew.cells import Mask, same_cells
from featurestore.skew.held import CLASSES, Held, unheld
from featurestore.skew.hypotheses import chosen_questions
from featurestore.skew.trials import BIT, Labels, Trials
from featurestore.tables import storage_type

STEPS = 6
MOST_STEPS = 60
"""Ways in which rows that were being applied may have been in already when a lookup read their keys."""


@dataclass(slots=True)
class Examined:
    """What was found of some questions.

    Shape: the masks have one row a question and one column an output of the version that was served.
    `compared` are the cells that today's definition has as well; `proven` those whose rows could be had again.
    `left` are the questions that were not computed again, since too many rows would have to be laid out.
    """

    outputs: tuple[Output, ...]
    computed_alike: Mask
    proven: Mask
    compared: Mask
    same: Mask
    labels: Labels
    training: pa.Table
    replayed: pa.Table
    left: npt.NDArray[np.bool_]
    evidence: dict[str, list[str]] = field(default_factory=dict)


def examine(
    now: Replay,
    then: Replay,
    held: Mapping[str, Held] | None,
    training_inputs: pa.Table | None = None,
    *,
    begin: Callable[[str], object] = str,
    most_rows: int = MOST_ROWS,
) -> Examined:
    """Compare the questions of both replays, which are the same, with what was served.

    `then` is the plan that served, `now` today's: the same object where nothing changed. Without `held`, the vectors
    are another system's, of whose state nothing is known. `training_inputs` stands in for the inputs as logged. `begin`
    is called with each step, at most STEPS times. At most `most_rows` rows are laid out for questions that see other
    rows than training does.
    """
    return _Examination(now, then, held, training_inputs, begin, most_rows).run()


class _Examination:
    def __init__(
        self,
        now: Replay,
        then: Replay,
        held: Mapping[str, Held] | None,
        training_inputs: pa.Table | None,
        begin: Callable[[str], object],
        most_rows: int,
    ) -> None:
        self.now, self.then, self.held, self.begin = now, then, held, begin
        self.outputs = then.plan.outputs
        self.count = int(then.connection.execute("SELECT count(*) FROM questions").fetchall()[0][0])
        self.logged = then.connection.sql("SELECT * FROM questions ORDER BY spine_row").to_arrow_table()
        self.training_inputs = training_inputs
        today = {output.name: output.dtype for output in now.plan.outputs}
        self.common = [place for place, each in enumerate(self.outputs) if today.get(each.name) == each.dtype]
        self.evidence: dict[str, list[str]] = {}
        self.left = np.zeros(self.count, dtype=bool)
        self.most_rows = most_rows + self._laid_out()

    def run(self) -> Examined:
        self.begin("values from all rows known today")
        whole = self.then.answers()
        alike = same_cells(self.then, self.outputs, whole)
        # where the served value comes from all rows, and from those that the state held
        self.whole_same, self.held_same = alike.copy(), alike.copy()
        self.begin("rows that the state did not hold")
        kinds, steps = unheld(self.then, self.held) if self.held else ({}, {})
        replayed = whole
        if self.held and kinds:
            self.begin(f"values from the rows that the state held, for {len(kinds):,} questions")
            sees = {view.name: self.held[view.state.id].sees() for view in self.then.plan.views if view.state}
            answered, answers = self._seeing(self.then, sorted(kinds), sees)
            self.held_same[answered] = alike[answered] = same_cells(self.then, self.outputs, answers)
            replayed = _replaced(whole, answered.tolist(), answers)
            self._try_steps(alike, steps)
        proven = self._proven()
        self.begin("training values")
        unchanged = self.now is self.then and self.training_inputs is None
        training = whole if unchanged else self._answered((), list(range(self.count)))
        compared = np.zeros_like(alike)
        compared[:, self.common] = True
        same = alike | ~compared
        same[:, self.common] = self._same(self.now, training)[:, self.common]
        labels: Labels = np.zeros(alike.shape, dtype=np.int64)
        open_cells = compared & ~same
        self.begin(f"causes of {int(open_cells.sum()):,} differing values, by kind of row")
        self._take_away(open_cells, labels, kinds)
        labels[open_cells & (labels == 0) & self.left[:, None]] = BIT[causes.NOT_EXAMINED]
        gone = open_cells & (labels == 0) & ~proven
        labels[gone] = BIT[causes.REBUILT]
        proven &= ~self.left[:, None]
        wrong = ~alike & proven
        trials = Trials(self.then, self.logged, training, own=self.held is not None, note=self._note)
        self.begin("other instants, windows and types")
        trials.label((open_cells | wrong) & (labels == 0), labels, same, self.common)
        self._name_unknown(labels, training)
        labels[(open_cells | wrong) & (labels == 0)] = BIT[causes.UNEXPLAINED]
        return Examined(
            self.outputs, alike | ~proven, proven, compared, same, labels, training, replayed, self.left, self.evidence
        )

    # What the state held

    def _seeing(
        self, replay: Replay, chosen: Sequence[int], sees: Mapping[str, Sees]
    ) -> tuple[npt.NDArray[np.int64], pa.Table]:
        """The questions that could be answered, and their answers; the others are noted as left."""
        answers = replay.seeing(chosen, sees, most=max(0, self.most_rows - self._laid_out()))
        answered: npt.NDArray[np.int64] = answers.column("spine_row").to_numpy()
        self.left[np.setdiff1d(chosen, answered)] = True
        return answered, answers

    def _laid_out(self) -> int:
        return sum(replay.laid_out for replay in {id(each): each for each in (self.now, self.then)}.values())

    def _try_steps(self, alike: Mask, steps: dict[int, dict[str, list[int]]]) -> None:
        """A key that was read while rows were being applied had none of them, the first, or more, or all: each is
        tried, and each combined with each of another key."""
        assert self.held is not None
        ways = {row: _ways(found) for row, found in steps.items() if not self.left[row]}
        sees = {view.name: self._held_by(view) for view in self.then.plan.views if view.state}
        while chosen := sorted(row for row in ways if not alike[row].all()):
            reached = {row: next(ways[row], None) for row in chosen}
            ways = {row: ways[row] for row in chosen if reached[row] is not None}
            if not ways:
                break
            questions = self.logged
            for view in self.then.plan.views:
                if view.state:
                    applied = questions.column(f"a.{view.state.id}").to_numpy().copy()
                    for row in ways:
                        applied[row] = max((reached[row] or {}).get(view.name, 0), applied[row])
                    questions = questions.append_column(f"x.{view.name}", pa.array(applied, pa.int64()))
            self.then.add("questions", questions)
            answered, answers = self._seeing(self.then, sorted(ways), sees)
            alike[answered] |= same_cells(self.then, self.outputs, answers)
            ways = {row: ways[row] for row in answered.tolist()}
        self.then.add("questions", self.logged)

    def _held_by(self, view: View) -> Sees:
        """The rows that were held for a view, up to the position that is tried for it."""
        assert self.held is not None and view.state is not None
        return self.held[view.state.id].sees(f"x.{view.name}")

    def _proven(self) -> Mask:
        """Where what the state held can be had again: all files of its generation are what they were."""
        proven = np.ones((self.count, len(self.outputs)), dtype=bool)
        if self.held is None:
            return proven
        for state, each in self.held.items():
            if each.gone:
                generations = self.logged.column(f"g.{state}").to_pylist()
                lost = np.array([generation in each.gone for generation in generations], dtype=bool)
                reading = {view.name for view in self.then.plan.views if view.state and view.state.id == state}
                touched = np.array([bool(reading & _views(self.then.plan, each)) for each in self.outputs], dtype=bool)
                proven[np.outer(lost, touched)] = False
                self._note(causes.REBUILT, [f"{state}: {text}" for text in each.gone.values()])
        return proven

    # What training says

    def _same(self, replay: Replay, answers: pa.Table) -> Mask:
        """Where answers by either plan are what was served; the cells of a feature that the plan lacks are not."""
        found = np.zeros((answers.num_rows, len(self.outputs)), dtype=bool)
        found[:, self.common] = same_cells(replay, [self.outputs[place] for place in self.common], answers)
        return found

    def _answered(self, taken: Sequence[str], chosen: Sequence[int]) -> pa.Table:
        """The answers when some reasons are taken away, and the others stay; of the questions that are not left."""
        replay = self.then if DEFINITION in taken else self.now
        questions = self.logged
        if self.training_inputs is not None and INPUT not in taken:
            for name in self.training_inputs.column_names:
                if name in questions.column_names:
                    questions = questions.drop_columns([name])
                questions = questions.append_column(name, self.training_inputs.column(name))
        replay.add("questions", fitted(questions, replay.plan))
        rows = [kind for kind in taken if kind in CLASSES]
        if rows and self.held is not None:
            by_source = {each.state.scan.source: each for each in self.held.values()}
            sees = {}
            for view in replay.plan.views:
                if view.state:
                    held = self.held.get(view.state.id) or by_source.get(view.state.scan.source)
                    sees[view.name] = held.without(rows) if held else EVERYTHING
            _, answers = self._seeing(replay, chosen, sees)
        else:
            answers = replay.answers(chosen_questions(chosen))
        replay.add("questions", self.logged)
        return answers

    # Why they differ

    def _take_away(self, open_cells: Mask, labels: Labels, kinds: Mapping[int, set[str]]) -> None:
        """Label cells by the least set of reasons without which the answers are what was served."""
        reasons = [*([DEFINITION] if self.now is not self.then else [])]
        reasons += [INPUT] if self.training_inputs is not None else []
        reasons += [kind for kind in CLASSES if any(kind in found for found in kinds.values())]
        for size in range(1, len(reasons) + 1):
            for taken in combinations(reasons, size):
                rows = [kind for kind in taken if kind in CLASSES]
                left = np.flatnonzero((open_cells & (labels == 0)).any(axis=1))
                chosen = [int(row) for row in left if set(rows) <= kinds.get(int(row), set())]
                cells = np.zeros_like(open_cells)
                known, todo = self._known(taken, rows, chosen, kinds)
                cells[known] = (self.held_same if rows else self.whole_same)[known]
                if todo:
                    replay = self.then if DEFINITION in taken else self.now
                    answers = self._answered(taken, todo)
                    cells[answers.column("spine_row").to_numpy()] = self._same(replay, answers)
                labels[cells & open_cells & (labels == 0)] = sum(BIT[each] for each in taken)

    def _known(
        self, taken: Sequence[str], rows: Sequence[str], chosen: Sequence[int], kinds: Mapping[int, set[str]]
    ) -> tuple[list[int], list[int]]:
        """Of some questions, those whose answers without these reasons were computed already, from all rows or from
        those that the state held; and the others."""
        other_plan = self.now is not self.then and DEFINITION not in taken
        if other_plan or (self.training_inputs is not None and INPUT not in taken):
            return [], list(chosen)
        known = [row for row in chosen if not rows or (kinds[row] <= set(rows) and not self.left[row])]
        return known, sorted(set(chosen) - set(known))

    def _name_unknown(self, labels: Labels, training: pa.Table) -> None:
        """A key that had no row when the answer was given is told as that: late rows are why, and say less."""
        views = {view.name: view.state for view in self.then.plan.views}
        unknown: dict[str, npt.NDArray[np.bool_]] = {}
        for output in self.outputs:
            served, trained = f"s.{output.name}", f"{output.name}__status"
            if views[output.view] and served in self.logged.column_names and trained in training.column_names:
                came = self.logged.column(served).to_numpy() == NOT_FOUND
                came &= training.column(trained).to_numpy() != NOT_FOUND
                unknown[output.view] = unknown.get(output.view, np.zeros(self.count, dtype=bool)) | came
        for place, output in enumerate(self.outputs):
            for name in _views(self.then.plan, output) & unknown.keys():
                rows = np.isin(labels[:, place], [BIT[kind] for kind in CLASSES]) & unknown[name]
                labels[rows, place] = BIT[causes.UNKNOWN]

    def _note(self, cause: str, texts: Sequence[str]) -> None:
        known = self.evidence.setdefault(cause, [])
        known += [text for text in texts if text not in known]


def _views(plan: Plan, output: Output) -> set[str]:
    """The views that a feature depends on, by way of others too."""
    views = {view.name: view for view in plan.views}
    todo, seen = [output.view], set[str]()
    while todo:
        name = todo.pop()
        if name not in seen:
            seen.add(name)
            nodes = [node for each in views[name].features for node in walk(each.node)]
            todo += [node.view for node in nodes if isinstance(node, FeatureRef)]
    return seen


def _replaced(whole: pa.Table, chosen: Sequence[int], answers: pa.Table) -> pa.Table:
    """The answers with those of some questions in place of theirs."""
    places = np.arange(whole.num_rows)
    places[list(chosen)] = whole.num_rows + np.arange(answers.num_rows)
    return pa.concat_tables([whole, answers.select(whole.column_names)]).take(places)


def _ways(steps: Mapping[str, Sequence[int]]) -> Iterator[dict[str, int]]:
    """How far the keys of a question's views may have been: first all to the end, then all to the
    same position."""
    together = sorted({position for found in steps.values() for position in found})
    ways = [
        {view: max([each for each in found if each <= at], default=0) for view, found in steps.items()}
        for at in together
    ]
    apart = (dict(zip(steps, each, strict=True)) for each in product(*([0, *found] for found in steps.values())))
    tried = list[dict[str, int]]()
    for way in chain(ways[-1:], ways, apart if len(steps) > 1 else ()):
        if way not in tried and any(way.values()):
            if len(tried) == MOST_STEPS:
                return
            tried.append(way)
            yield way


def fitted(questions: pa.Table, plan: Plan) -> pa.Table:
    """Questions that were asked of another version as this plan asks them: an input that they lack, or that cannot be
    of the plan's type, is null."""
    for each in plan.inputs:
        name, dtype = f"i_{each.name}", storage_type(each.dtype)
        nothing: Any = pa.array([None] * questions.num_rows, dtype)
        if name not in questions.column_names:
            questions = questions.append_column(name, nothing)
        elif questions.schema.field(name).type != dtype:
            try:
                column: Any = questions.column(name).cast(dtype)
            except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
                column = nothing
            questions = questions.set_column(questions.column_names.index(name), name, column)
    return questions
