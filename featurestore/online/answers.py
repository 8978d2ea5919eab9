"""From the columns that the views of a lookup give to values and statuses, question by question."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from featurestore.errors import AsOfTooEarly, RowFunctionFailed
from featurestore.online.evaluate import INSTANT
from featurestore.online.questions import Keys, Road
from featurestore.online.tree import trimmed
from featurestore.online.windows import Answered
from featurestore.semantics.dtypes import Value, python_value
from featurestore.semantics.instants import instant_text

FIRST_FEW = 10
"""Questions that an error names one by one."""
Answers = tuple[tuple[tuple[Value, ...], ...], tuple[tuple[int, ...], ...]]
"""Values and statuses, by question and output."""
Places = Mapping[str, Sequence[int]]
"""Where each question's key stands, by view: two roles of one state have the same aggregates, for other keys."""


def answers_of(
    road: Road, questions: Sequence[dict[str, Value]], found: Mapping[str, Answered], places: Places, at_us: int
) -> Answers:
    """Values and statuses of questions whose views have been answered. Raises: RowFunctionFailed."""
    rows = {view: [each.rows.get(place, -1) for place in places[view]] for view, each in found.items()}
    if road.answered is None:
        return _computed(road, questions, found, rows, at_us)
    columns = [(found[view].columns[answer], rows[view]) for view, answer in road.answered]
    values = tuple(zip(*[[held[row] for row in at] for (held, _), at in columns], strict=True))
    return values, tuple(zip(*[[codes[row] for row in at] for (_, codes), at in columns], strict=True))


def _computed(
    road: Road,
    questions: Sequence[dict[str, Value]],
    found: Mapping[str, Answered],
    rows: Mapping[str, Sequence[int]],
    at_us: int,
) -> Answers:
    """The same where features are more than aggregates."""
    values, statuses = [], []
    for place, asked in enumerate(questions):
        known: dict[Any, Any] = dict(asked)
        for view, features in road.features:
            if (answered := found.get(view.name)) is not None:
                row = rows[view.name][place]
                known.update((answer, (held[row], codes[row])) for answer, (held, codes) in answered.columns.items())
            known[INSTANT] = view.instant_us(at_us)
            try:
                features.add(known)
            except RowFunctionFailed as error:
                error.where = f"question {place}, view `{view.name}`"
                raise
        cells = [known[output] for output in road.outputs]
        values.append(tuple([value for value, _ in cells]))
        statuses.append(tuple([status for _, status in cells]))
    return tuple(values), tuple(statuses)


def check_reach(road: Road, keys: Mapping[str, Keys], places: Places, total: int, at_us: int) -> None:
    """Raises: AsOfTooEarly  naming every question, by place and key, whose windows cover rows that were trimmed: all
    or none are answered (R13), and whoever asks has to know which to leave out."""
    early: dict[int, str] = {}
    from_us = at_us
    for view, state, reader in road.readers:
        held = keys[state.id]
        since = {key: reader.too_early_until_us(root, at_us) for key, root in trimmed(held.roots)}
        if not any(since.values()):
            continue
        dtypes = {given.name: given.dtype for given in road.plan.inputs}
        for place, key in enumerate(places[view.name]):
            if (first_us := since.get(key)) is not None:
                names = zip(view.inputs, held.keys[key], strict=True)
                told = ", ".join(f"{name} {python_value(value, dtypes[name])!r}" for name, value in names)
                early.setdefault(place, f"question {place}, `{view.name}` of {told}")
                from_us = max(from_us, first_us)
    if early:
        named = [text for _, text in sorted(early.items())]
        more = f"; and {len(named) - FIRST_FEW} more" if len(named) > FIRST_FEW else ""
        raise AsOfTooEarly(
            f"the state can no longer answer {len(named)} of {total} questions as of {instant_text(at_us)}",
            where="; ".join(named[:FIRST_FEW]) + more,
            has=f"all that they need, as of {instant_text(from_us)} and later",
            fix="ask for such an instant, leave these questions out, or build a training set, which has all history",
        )
