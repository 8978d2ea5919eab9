"""Served vectors beside both roads: where they differ, and what shows why (R19).

Two questions are answered apart. *Compute parity*: DuckDB over the very rows that the state held, by the definition of
that time. *Availability parity*: DuckDB over all rows that are known today, by today's definition. Where the second
differs, one kind of reason after the other is taken away, until the same bits come out: what had to be taken away is
the cause.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from featurestore.expr.nodes import FeatureRef, walk
from featurestore.offline.replay import Replay
from featurestore.plan.nodes import Output, Plan
from featurestore.plan.pruned import pruned
from featurestore.semantics.statuses import NOT_FOUND
from featurestore.skew import causes
from featurestore.skew.causes import CAUSES, DEFINITION, INPUT
from featurestore.skew.cells import Mask, same_cells
from featurestore.skew.held import CLASSES, Held, unheld_sql
from featurestore.skew.hypotheses import AS_IT_IS, NARROWINGS, Narrowing, Twist, chosen_questions, twists

BIT = {name: 1 << place for place, name in enumerate(CAUSES)}
Labels = npt.NDArray[np.int64]
"""Shape: one row a question, one column a feature; each cell the sum of the bits of its causes."""
SAMPLE = 2_000
"""Questions on which hypotheses are tried before they are applied to all."""
MOST_STEPS = 60
"""Rows of one key that were being applied while a lookup read it, of which each may have been in already."""


@dataclass(slots=True)
class Examined:
    """What was found of some questions.

    Shape: the masks have one row a question and one column an output of the version that was served.
    `compared` are the cells that today's definition has as well; `proven` those whose rows could be had again.
    """

    outputs: tuple[Output, ...]
    computed_alike: Mask
    proven: Mask
    compared: Mask
    same: Mask
    labels: Labels
    training: pa.Table
    replayed: pa.Table
    evidence: dict[str, list[str]] = field(default_factory=dict)


def examine(
    now: Replay, then: Replay, held: Mapping[str, Held] | None, training_inputs: pa.Table | None = None
) -> Examined:
    """Compare the questions of both replays, which are the same, with what was served.

    `then` is the plan that served, `now` today's: the same object where nothing changed. Without `held`, the vectors
    are another system's, of whose state nothing is known. `training_inputs` stands in for the inputs as logged.
    """
    return _Examination(now, then, held, training_inputs).run()


class _Examination:
    def __init__(
        self, now: Replay, then: Replay, held: Mapping[str, Held] | None, training_inputs: pa.Table | None
    ) -> None:
        self.now, self.then, self.held = now, then, held
        self.outputs = then.plan.outputs
        self.count = int(then.connection.execute("SELECT count(*) FROM questions").fetchall()[0][0])
        self.logged = then.connection.sql("SELECT * FROM questions ORDER BY spine_row").to_arrow_table()
        self.training_inputs = training_inputs
        today = {output.name: output.dtype for output in now.plan.outputs}
        self.common = [place for place, each in enumerate(self.outputs) if today.get(each.name) == each.dtype]
        self.evidence: dict[str, list[str]] = {}

    def run(self) -> Examined:
        whole = self.then.answers()
        alike = same_cells(self.then, self.outputs, whole)
        kinds, steps = self._unheld()
        replayed = whole
        if kinds:
            chosen = sorted(kinds)
            assert self.held is not None
            conditions = {state: each.condition() for state, each in self.held.items()}
            answers = self.then.seeing(chosen, conditions)
            alike[chosen] = same_cells(self.then, self.outputs, answers)
            replayed = _replaced(whole, chosen, answers)
            self._try_steps(alike, steps)
        proven = self._proven()
        unchanged = self.now is self.then and self.training_inputs is None
        training = whole if unchanged else self._answered((), list(range(self.count)))
        compared = np.zeros_like(alike)
        compared[:, self.common] = True
        same = alike | ~compared
        same[:, self.common] = self._same(self.now, training)[:, self.common]
        labels: Labels = np.zeros(alike.shape, dtype=np.int64)
        open_cells = compared & ~same
        self._take_away(open_cells, labels, kinds)
        gone = open_cells & (labels == 0) & ~proven
        labels[gone] = BIT[causes.REBUILT]
        wrong = ~alike & proven
        self._suppose((open_cells | wrong) & (labels == 0), labels, same, training)
        self._name_unknown(labels, training)
        labels[(open_cells | wrong) & (labels == 0)] = BIT[causes.UNEXPLAINED]
        return Examined(
            self.outputs, alike | ~proven, proven, compared, same, labels, training, replayed, self.evidence
        )

    # What the state held

    def _unheld(self) -> tuple[dict[int, set[str]], dict[int, list[int]]]:
        """For each question that can see rows which its state did not hold: their kinds, and the positions of those
        that were being applied just then."""
        kinds: dict[int, set[str]] = {}
        steps: dict[int, list[int]] = {}
        if self.held is None:
            return kinds, steps
        found = self.then.connection.execute(unheld_sql(self.then, self.held)).fetchall()
        upto = {state: self.logged.column(f"u.{state}").to_pylist() for state in self.held}
        for spine_row, kind, state, _, position in found:
            kinds.setdefault(spine_row, set()).add(kind)
            if position is not None and position <= (upto[state][spine_row] or 0):
                steps.setdefault(spine_row, []).append(position)
        return kinds, {row: sorted(set(found)) for row, found in steps.items()}

    def _try_steps(self, alike: Mask, steps: dict[int, list[int]]) -> None:
        """A key that was read while rows were being applied had the first of them, or more, or all: each is tried."""
        assert self.held is not None
        for step in range(MOST_STEPS):
            chosen = [row for row, found in sorted(steps.items()) if step < len(found) and not alike[row].all()]
            if not chosen:
                return
            reached = {row: steps[row][step] for row in chosen}
            questions = self.logged
            for state in self.held:
                applied = questions.column(f"a.{state}").to_pylist()
                upto = [max(reached.get(row, at), at) for row, at in enumerate(applied)]
                questions = questions.append_column(f"x.{state}", pa.array(upto, pa.int64()))
            self.then.add("questions", questions)
            answers = self.then.seeing(chosen, {state: each.condition("x") for state, each in self.held.items()})
            alike[chosen] |= same_cells(self.then, self.outputs, answers)
        self.then.add("questions", self.logged)

    def _proven(self) -> Mask:
        """Where what the state held can be had again: all files of its generation are what they were."""
        proven = np.ones((self.count, len(self.outputs)), dtype=bool)
        if self.held is None:
            return proven
        for state, each in self.held.items():
            if each.gone:
                generations = self.logged.column(f"g.{state}").to_pylist()
                lost = np.array([generation in each.gone for generation in generations], dtype=bool)
                touched = np.array([state in _states(self.then.plan, output) for output in self.outputs], dtype=bool)
                proven[np.outer(lost, touched)] = False
                self._note(causes.REBUILT, [f"{state}: {text}" for text in each.gone.values()])
        return proven

    # What training says

    def _same(self, replay: Replay, answers: pa.Table, narrowing: Narrowing = AS_IT_IS) -> Mask:
        """Where answers by either plan are what was served; the cells of a feature that the plan lacks are not."""
        here = {output.name: output for output in replay.plan.outputs}
        shared = [here[self.outputs[place].name] for place in self.common]
        found = np.zeros((answers.num_rows, len(self.outputs)), dtype=bool)
        for place, output in zip(self.common, shared, strict=True):
            if narrowing is AS_IT_IS or output.dtype.kind == "float64":
                found[:, [place]] = same_cells(replay, [output], answers.select(_columns(output)), narrowing.sql)
        return found

    def _answered(self, taken: Sequence[str], chosen: Sequence[int]) -> pa.Table:
        """The answers when some reasons are taken away, and the others stay."""
        replay = self.then if DEFINITION in taken else self.now
        questions = self.logged if INPUT in taken or self.training_inputs is None else self._with_training_inputs()
        replay.add("questions", questions)
        rows = [kind for kind in taken if kind in CLASSES]
        if rows and self.held is not None:
            by_source = {each.state.scan.source: each for each in self.held.values()}
            conditions = {}
            for state in replay.plan.states:
                held = self.held.get(state.id) or by_source.get(state.scan.source)
                conditions[state.id] = held.without(rows) if held else "TRUE"
            answers = replay.seeing(chosen, conditions)
        else:
            answers = replay.answers(chosen_questions(chosen))
        replay.add("questions", self.logged)
        return answers

    def _with_training_inputs(self) -> pa.Table:
        assert self.training_inputs is not None
        table: pa.Table = self.logged
        for name in self.training_inputs.column_names:
            if name in table.column_names:
                table = table.set_column(table.column_names.index(name), name, self.training_inputs.column(name))
        return table

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
                if chosen:
                    replay = self.then if DEFINITION in taken else self.now
                    found = self._same(replay, self._answered(taken, chosen))
                    cells = np.zeros_like(open_cells)
                    cells[chosen] = found
                    labels[cells & open_cells & (labels == 0)] = sum(BIT[each] for each in taken)

    def _suppose(self, open_cells: Mask, labels: Labels, same: Mask, training: pa.Table) -> None:
        """Label cells by what else gives their value: the hypothesis first that gives the most of them."""
        tried = list(twists(self.then.plan, logged=self.held is not None))
        for _ in range(len(CAUSES)):
            left = open_cells & (labels == 0)
            rows = np.flatnonzero(left.any(axis=1))
            best = self._best(left, same, rows, tried) if len(rows) else None
            filled, texts = self._filled(left, training)
            if filled.any() and (best is None or best[0] < _among(filled, rows, SAMPLE)):
                labels[filled] = BIT[causes.DEFAULTED]
                self._note(causes.DEFAULTED, texts)
            elif best is not None:
                self._apply(best[1], best[2], left, labels, [int(row) for row in rows])
            else:
                return

    def _best(
        self, left: Mask, same: Mask, rows: npt.NDArray[np.int64], tried: Sequence[Twist]
    ) -> tuple[int, Twist | None, Narrowing] | None:
        """The hypothesis that gives the most cells of a sample, and how many."""
        sample = _sample(rows, SAMPLE)
        wanted, agreeing = left[sample], same[sample]
        places = [int(place) for place in np.flatnonzero(wanted.any(axis=0))]
        best, score = None, (0, 0, 0)
        for order, (twist, narrowing, answers) in enumerate(self._asked(sample, places, tried)):
            given = self._given(narrowing, answers, places)
            gives = given & wanted
            if gives.any() and (self._whole(twist, gives, wanted) or self._telling(gives, sample)):
                touched = gives.any(axis=0)
                found = (int(gives.sum()), int((given & agreeing)[:, touched].sum()), -order)
                if found > score:
                    best, score = (found[0], twist, narrowing), found
                if found[:2] == (wanted.sum(), agreeing[:, touched].sum()):
                    break  # nothing can give more
        return best

    def _asked(
        self, sample: Sequence[int], places: Sequence[int], tried: Sequence[Twist]
    ) -> Iterator[tuple[Twist | None, Narrowing, pa.Table]]:
        """Each hypothesis with its answers for some features: a narrower type alone, each twist, and both together."""
        plan = self._plan_of(places)
        plain = self.then.answers(chosen_questions(sample), plan=plan)
        for narrowing in NARROWINGS:
            yield None, narrowing, plain
        for twist in tried:
            answers = twist.ask(self.then, plan, sample)
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

    def _whole(self, twist: Twist | None, gives: Mask, wanted: Mask) -> bool:
        """Whether a view's vectors are given whole: a key that was not found gives the same few values every time."""
        if twist is None or not twist.view:
            return False
        mine = [place for place, output in enumerate(self.outputs) if output.view == twist.view]
        rows = gives[:, mine].any(axis=1)
        return bool((gives[rows][:, mine] == wanted[rows][:, mine]).all())

    def _telling(self, gives: Mask, sample: Sequence[int]) -> bool:
        """Whether what a hypothesis gives could not be chance alone: several different values, or all there are."""
        for place in np.flatnonzero(gives.any(axis=0)):
            column = self.logged.column(f"v.{self.outputs[place].name}")
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
            self._note(part.cause, [part.evidence])
        labels[cells & left] = sum(BIT[part.cause] for part in parts)

    def _filled(self, left: Mask, training: pa.Table) -> tuple[Mask, list[str]]:
        """The cells where one side has no value and the other always the same one, and what that is."""
        found, texts = np.zeros_like(left), list[str]()
        for place in self.common:
            output, rows = self.outputs[place], np.flatnonzero(left[:, place])
            served = self.logged.column(f"v.{output.name}").take(rows).to_pylist()
            trained = training.column(output.name).take(rows).to_pylist()
            for one, other, whose in ((served, trained, "served"), (trained, served, "trained on")):
                filled = [at for at, (mine, theirs) in enumerate(zip(one, other, strict=True)) if theirs is None]
                values = {repr(one[at]) for at in filled}
                if len(values) == 1 and None not in (one[at] for at in filled):
                    found[rows[filled], place] = True
                    texts.append(f"{output.name}: {values.pop()} {whose} where there is no value")
        return found, texts

    def _name_unknown(self, labels: Labels, training: pa.Table) -> None:
        """A key that had no row when the answer was given is told as that: late rows are why, and say less."""
        views = {view.name: view.state for view in self.then.plan.views}
        unknown: dict[str, npt.NDArray[np.bool_]] = {}
        for output in self.outputs:
            state, served = views[output.view], f"s.{output.name}"
            trained = f"{output.name}__status"
            if state and served in self.logged.column_names and trained in training.column_names:
                came = self.logged.column(served).to_numpy() == NOT_FOUND
                came &= training.column(trained).to_numpy() != NOT_FOUND
                unknown[state.id] = unknown.get(state.id, np.zeros(self.count, dtype=bool)) | came
        for place, output in enumerate(self.outputs):
            for state_id in _states(self.then.plan, output) & unknown.keys():
                rows = np.isin(labels[:, place], [BIT[kind] for kind in CLASSES]) & unknown[state_id]
                labels[rows, place] = BIT[causes.UNKNOWN]

    def _note(self, cause: str, texts: Sequence[str]) -> None:
        known = self.evidence.setdefault(cause, [])
        known += [text for text in texts if text not in known]


def causes_of(label: int) -> list[str]:
    """The names of the causes in a label."""
    return [name for name, bit in BIT.items() if label & bit]


def _columns(output: Output) -> list[str]:
    return ["spine_row", output.name, f"{output.name}__status"]


def _states(plan: Plan, output: Output) -> set[str]:
    """The states that a feature depends on, by way of others too."""
    views = {view.name: view for view in plan.views}
    todo, seen = [output.view], set[str]()
    while todo:
        name = todo.pop()
        if name not in seen:
            seen.add(name)
            nodes = [node for each in views[name].features for node in walk(each.node)]
            todo += [node.view for node in nodes if isinstance(node, FeatureRef)]
    return {state.id for name in seen if (state := views[name].state) is not None}


def _sample(rows: npt.NDArray[np.int64], most: int) -> list[int]:
    """So many rows at most, spread over all."""
    return [int(row) for row in rows[np.linspace(0, len(rows) - 1, min(most, len(rows))).astype(int)]]


def _among(cells: Mask, rows: npt.NDArray[np.int64], most: int) -> int:
    """How many cells there are in a sample of rows."""
    return int(cells[_sample(rows, most)].sum())


def _replaced(whole: pa.Table, chosen: Sequence[int], answers: pa.Table) -> pa.Table:
    """The answers with those of some questions in place of theirs."""
    places = np.arange(whole.num_rows)
    places[list(chosen)] = whole.num_rows + np.arange(answers.num_rows)
    return pa.concat_tables([whole, answers.select(whole.column_names)]).take(places)
