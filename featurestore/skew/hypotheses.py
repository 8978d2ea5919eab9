"""What may have made a value another one, tried by asking again: at another instant, over other rows, through a
narrower type.

Of all that is tried, what gives the most of the cells that are still open is believed first, and only for the cells
that it gives to the bit. What agrees with more of the cells that do not differ wins among equals.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import pyarrow as pa

from featurestore.expr.nodes import Aggregate, Node, rewrite
from featurestore.offline.connection import quoted
from featurestore.offline.expressions import sql_type
from featurestore.offline.replay import Replay, placed
from featurestore.offline.scan import STAMPED
from featurestore.plan.nodes import Plan, View
from featurestore.semantics.folds import FOLDS
from featurestore.semantics.instants import duration_text
from featurestore.semantics.windows import Span
from featurestore.skew import causes

MINUTE_US, HOUR_US, DAY_US = 60_000_000, 3_600_000_000, 86_400_000_000
SHIFTS_US = tuple(
    sign * step
    for step in (*(each * HOUR_US for each in range(1, 15)), 30 * MINUTE_US, 330 * MINUTE_US, 345 * MINUTE_US)
    for sign in (1, -1)
)
AGES_US = (
    MINUTE_US,
    5 * MINUTE_US,
    10 * MINUTE_US,
    15 * MINUTE_US,
    HOUR_US,
    6 * HOUR_US,
    12 * HOUR_US,
    DAY_US,
    7 * DAY_US,
)
FAR = 2**40
"""More than there are questions."""
NOBODY = "q.nobody."
"""What an input is called that stands for a key never seen."""
Ask = Callable[[Replay, Plan, Sequence[int]], pa.Table]


@dataclass(frozen=True, slots=True)
class Twist:
    """One thing that may be otherwise: the cause that it would be, what exactly, and how the questions with some
    places are answered then for a plan, which may be of fewer features. `view` is the only one it is for, if it is;
    `of_vectors` says that it is of whole vectors, and not of one feature alone. `instant` is the other instant, as SQL,
    if it is no more than that: such ones are asked together."""

    cause: str
    evidence: str
    ask: Ask
    view: str = ""
    of_vectors: bool = True
    instant: str = ""


@dataclass(frozen=True, slots=True)
class Narrowing:
    """What a value `{a}` may have gone through on its way."""

    cause: str
    evidence: str
    sql: str


AS_IT_IS = Narrowing("", "", "{a}")
NARROWINGS = (
    Narrowing(causes.NARROWED, "float32", "CAST(CAST({a} AS FLOAT) AS DOUBLE)"),
    *(Narrowing(causes.ROUNDED, f"to {places} decimal places", f"round({{a}}, {places})") for places in range(7)),
    # halves are rounded another way where the number is printed
    *(
        Narrowing(causes.ROUNDED, f"to {places} decimal places", f"CAST(printf('%.{places}f', {{a}}) AS DOUBLE)")
        for places in range(7)
    ),
)


def twists(plan: Plan, *, logged: bool) -> Iterator[Twist]:
    """All that is tried, what is simplest first. `logged` says that the vectors are our own, whose state is known: then
    a key that was not found was lost."""
    for view in plan.views:
        if view.state is not None:
            cause = causes.LOST if logged else causes.KEY_TYPE
            yield Twist(cause, f"as if the key of {view.name} had never been seen", _unseen(view), view.name)
    yield _moved(causes.OWN_ROW, "rows of the very instant counted", "as_of_us + 1")
    yield Twist(causes.UNKNOWN_YET, "rows counted from when they happened", _known_at("event_at_us"))
    for shift_us in SHIFTS_US:
        yield _moved(causes.SHIFTED, _shift_text(shift_us), f"as_of_us + {shift_us}")
    for age_us in AGES_US:
        text = duration_text(age_us)
        floored = f"fs_floor_div(as_of_us, {age_us}) * {age_us}"
        yield _moved(causes.STALE, f"the value as of the last full {text}", floored)
        yield _moved(causes.STALE, f"the value as of the last full {text} but one", f"{floored} - {age_us}")
        yield _moved(causes.STALE, f"the value as of {text} before", f"as_of_us - {age_us}")
    for age_us in AGES_US:
        came_at = f"greatest(event_at_us, known_at_us) + {age_us}"
        yield Twist(causes.LAG, f"without the rows of the last {duration_text(age_us)}", _known_at(came_at))
    came_at = f"greatest(known_at_us, coalesce({quoted(STAMPED)}, known_at_us))"
    yield Twist(causes.LATE_ROW, "without rows that came later", _known_at(came_at))
    for label, other in _other_spans(plan):
        yield Twist(causes.WINDOW, label, _windows(other), of_vectors=False)


def _moved(cause: str, evidence: str, instant: str) -> Twist:
    def ask(replay: Replay, plan: Plan, chosen: Sequence[int]) -> pa.Table:
        return replay.answers(_asked_at(instant, chosen), plan=plan)

    return Twist(cause, evidence, ask, instant=instant)


def _asked_at(instant: str, chosen: Sequence[int], ahead: int = 0) -> str:
    columns = f"{instant} AS as_of_us, spine_row + {ahead} AS spine_row"
    return f"SELECT * REPLACE ({columns}) FROM questions WHERE spine_row IN ({listed(chosen)})"


def asked_together(
    replay: Replay, plan: Plan, moved: Sequence[Twist], chosen: Sequence[int]
) -> Iterator[tuple[Twist, pa.Table]]:
    """The answers at several other instants, by one query. `chosen` is sorted."""
    texts = [_asked_at(twist.instant, chosen, place * FAR) for place, twist in enumerate(moved)]
    found = replay.answers("\nUNION ALL ".join(texts), plan=plan)
    places = pa.array(chosen, pa.int64())
    for place, twist in enumerate(moved):
        yield twist, found.slice(place * len(chosen), len(chosen)).set_column(0, "spine_row", places)


def _unseen(view: View) -> Ask:
    """A key of which a part is null is one that was never seen (R11)."""

    def ask(replay: Replay, plan: Plan, chosen: Sequence[int]) -> pa.Table:
        dtypes = {each.name: each.dtype for each in plan.inputs}
        nobody = "".join(
            f", CAST(NULL AS {sql_type(dtypes[name])}) AS {quoted(f'i_{NOBODY}{name}')}" for name in view.inputs
        )
        inputs = tuple(f"{NOBODY}{name}" for name in view.inputs)
        views = tuple(replace(each, inputs=inputs) if each.name == view.name else each for each in plan.views)
        asked = f"SELECT *{nobody} FROM questions WHERE spine_row IN ({listed(chosen)})"
        return replay.answers(asked, plan=replace(plan, views=views))

    return ask


def _known_at(known_at: str) -> Ask:
    """As if the rows had been known at another instant."""

    def ask(replay: Replay, plan: Plan, chosen: Sequence[int]) -> pa.Table:
        rows = {
            state.scan.source: f"SELECT * REPLACE ({known_at} AS known_at_us) FROM {quoted(placed(state.scan.source))}"
            for state in plan.states
        }
        return replay.answers(chosen_questions(chosen), plan=plan, rows=rows)

    return ask


def _windows(other: Callable[[Span], Span]) -> Ask:
    return lambda replay, plan, chosen: replay.answers(chosen_questions(chosen), plan=with_spans(plan, other))


def with_spans(plan: Plan, other: Callable[[Span], Span]) -> Plan:
    """The plan with other windows; aggregates whose fold is made for their window keep it."""

    def change(node: Node, kept: frozenset[Node]) -> Node:
        return replace(node, span=other(node.span)) if isinstance(node, Aggregate) and node not in kept else node

    views = []
    for view in plan.views:
        state = view.state
        kept = frozenset(
            answer.node for answer in view.answers if state and FOLDS[state.folds[answer.fold].fold].sql_block
        )
        features = tuple(
            replace(each, node=rewrite(each.node, lambda node, kept=kept: change(node, kept)))  # type: ignore[misc]
            for each in view.features
        )
        answers = {}
        for answer in view.answers:
            node = change(answer.node, kept)
            assert isinstance(node, Aggregate)
            answers[node] = replace(answer, node=node)
        views.append(replace(view, features=features, answers=tuple(answers.values())))
    return replace(plan, views=tuple(views))


def _other_spans(plan: Plan) -> Iterator[tuple[str, Callable[[Span], Span]]]:
    """Other windows for the same features: a day or an hour more or less, full hours and days, all history, and each of
    the windows that stand in the plan."""

    def longer(by_us: int) -> Callable[[Span], Span]:
        def other(span: Span) -> Span:
            if span.length_us is None or span.length_us + by_us <= 0:
                return span
            return replace(span, length_us=span.length_us + by_us)

        return other

    def stepped(step_us: int) -> Callable[[Span], Span]:
        return lambda span: span if span.length_us is None else replace(span, step_us=step_us)

    def fixed(length_us: int | None) -> Callable[[Span], Span]:
        return lambda span: Span(length_us)

    for text, by_us in (("a day", DAY_US), ("an hour", HOUR_US), ("a minute", MINUTE_US), ("a microsecond", 1)):
        yield f"windows {text} longer", longer(by_us)
        yield f"windows {text} shorter", longer(-by_us)
    yield "windows that begin with the hour", stepped(HOUR_US)
    yield "windows that begin with the day (UTC)", stepped(DAY_US)
    yield (
        "windows that end a day before",
        lambda span: span if span.length_us is None else replace(span, offset_us=DAY_US),
    )
    yield "all history", fixed(None)
    for length_us in sorted({span.length_us for view in plan.views for span in view.spans if span.length_us}):
        yield f"the window {duration_text(length_us)}", fixed(length_us)


def _shift_text(shift_us: int) -> str:
    return f"the value as of {duration_text(abs(shift_us))} {'after' if shift_us > 0 else 'before'}"


def chosen_questions(chosen: Sequence[int]) -> str:
    """The questions with some places, as `Replay.answers` takes them."""
    return f"SELECT * FROM questions WHERE spine_row IN ({listed(chosen)})"


def listed(chosen: Sequence[int]) -> str:
    """Places as SQL."""
    return ", ".join(map(str, chosen)) or "NULL"
