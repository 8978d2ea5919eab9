"""Sources read once and asked again and again: over all of their rows, or over those of its own for each question.

The second is how a difference is explained: what DuckDB says of the very rows that a state held when it answered, and
what it would have said with one kind of row more or less (R19). Each question carries a tag, which becomes a part of
the key, and so has rows that no other question sees. The SELECT is the one that builds training sets.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Self

import pyarrow as pa

from featurestore.offline.columns import held
from featurestore.offline.connection import connect, define_macros, define_zone, quoted
from featurestore.offline.content import content_of
from featurestore.offline.python_functions import calling
from featurestore.offline.scan import History, placed_sql, reading
from featurestore.offline.select import select_sql
from featurestore.offline.states import zones_of
from featurestore.offline.windows import instant_of
from featurestore.plan.nodes import Plan, State, View

ROW, TAG = "q.row", "q.tag"
MOST_PAIRS = 4_000_000
"""Rows with questions that are laid out at once."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What DuckDB may take of the machine: threads, and memory such as `2GB`; None is all that it likes."""

    threads: int | None = None
    memory: str | None = None


class Replay:
    """One plan's sources, and the questions that are asked of them.

    Shape: `questions` has `spine_row` (0, 1, ..), `as_of_us`, `i_<input>`, and whatever conditions on rows read.
    With `only_asked`, rows of other keys than theirs are left where they are, so later questions must have the same.
    Also a context manager. Raises: as a scan does.
    """

    def __init__(
        self,
        plan: Plan,
        history: History,
        questions: pa.Table,
        *,
        only_asked: bool = False,
        limits: Limits | None = None,
    ) -> None:
        self.plan = plan
        limits = limits or Limits()
        scans = plan.scans
        folders = [folder for scan in scans.values() for folder in history.folders(scan)]
        self.connection = connect(folders or [history.root], threads=limits.threads, memory_limit=limits.memory)
        try:
            for zone in sorted(zones_of(plan.expressions)):
                define_zone(self.connection, zone)
            self.add("questions", questions)
            for source, scan in scans.items():
                rows = placed_sql(self.connection, scan, history)
                chosen = _asked(plan, source) if only_asked and scan.event_at is not None else "TRUE"
                with reading(scan):
                    self.connection.execute(
                        f"CREATE TEMP TABLE {quoted(placed(source))} AS "
                        f"SELECT row_number() OVER () AS {quoted(ROW)}, * FROM ({rows}) r WHERE {chosen}"
                    )
        except BaseException:
            self.close()
            raise

    def add(self, name: str, table: pa.Table) -> None:
        """Make a table known under a name, in place of one that had it."""
        self.connection.register("given", table)
        self.connection.execute(f"CREATE OR REPLACE TEMP TABLE {quoted(name)} AS SELECT * FROM given")
        self.connection.unregister("given")

    def version(self) -> str:
        """The version of the answers: the plan's, with the content of its static tables (R20)."""
        contents = [
            (state.scan.source, content_of(self.connection, state.scan, quoted(placed(state.scan.source))))
            for state in self.plan.states
            if state.scan.event_at is None
        ]
        return self.plan.version_with(contents)

    def columns(self, table: str) -> list[str]:
        """The names of a table's columns."""
        return [str(name) for name, *_ in self.connection.execute(f"DESCRIBE {quoted(table)}").fetchall()]

    def answers(
        self,
        asked: str = "SELECT * FROM questions",
        *,
        plan: Plan | None = None,
        rows: Mapping[str, str] | None = None,
    ) -> pa.Table:
        """Canonical values and statuses for questions, over all rows of each source, or those of `rows`.

        Shape: `spine_row`, then `<feature>` and `<feature>__status` for each output, in the order of `spine_row`.
        """
        plan = plan or self.plan
        texts = {
            state.scan.source: f"SELECT * FROM {quoted(placed(state.scan.source))}" for state in plan.states
        } | dict(rows or {})
        self.connection.execute(f"CREATE OR REPLACE TEMP TABLE asked AS {asked}")
        sql = select_sql(plan, texts, statuses=True, canonical=True)
        define_macros(self.connection, sql)
        with calling(self.connection, plan):
            found: pa.Table = self.connection.sql(sql).to_arrow_table()
        return found

    def seeing(self, chosen: Sequence[int], conditions: Mapping[str, str], *, plan: Plan | None = None) -> pa.Table:
        """The answers to the questions `chosen` when each sees only the rows that meet the condition of the view.

        A condition, by the view's name, is SQL over a row `r` and a question `q`. `plan` may ask for fewer features.
        """
        plan = plan or self.plan
        parts = [self._seen_by(some, conditions, plan) for some in self._portions(chosen, plan)]
        return pa.concat_tables(parts) if parts else self.answers("SELECT * FROM questions WHERE FALSE", plan=plan)

    def met(self, state: State, view: View, condition: str) -> str:
        """The FROM and WHERE of a state's rows `r` with the questions `q` of a view that ask for their key."""
        same = " AND ".join(
            f"r.{quoted(held(name))} = q.{quoted(f'i_{given}')}"
            for name, given in zip(state.key, view.inputs, strict=True)
        )
        return f"FROM {quoted(placed(state.scan.source))} r JOIN questions q ON {same} WHERE {condition}"

    def close(self) -> None:
        """Let go of the rows."""
        self.connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _seen_by(self, chosen: Sequence[int], conditions: Mapping[str, str], plan: Plan) -> pa.Table:
        self.add("chosen", pa.table({"spine_row": pa.array(chosen, pa.int64())}))
        keeping = [view for view in plan.views if view.state is not None]
        places = {view.name: place for place, view in enumerate(keeping)}
        views = tuple(
            view if view.state is None else _tagged(view, view.state, places[view.name]) for view in plan.views
        )
        tags = "".join(
            f", spine_row * {len(keeping)} + {place} AS {quoted(f'i_{_tag(place)}')}" for place in places.values()
        )
        rows: dict[str, list[str]] = {}
        for view in keeping:
            assert view.state is not None
            tag = f"q.spine_row * {len(keeping)} + {places[view.name]}"
            met = self.met(view.state, view, f"q.spine_row IN (FROM chosen) AND ({conditions[view.name]})")
            rows.setdefault(view.state.scan.source, []).append(
                f"SELECT r.*, {tag} AS {quoted(held(TAG))} {_needed(view, met, tag)}"
            )
        return self.answers(
            f"SELECT *{tags} FROM questions WHERE spine_row IN (FROM chosen)",
            plan=replace(plan, views=views),
            rows={source: "\nUNION ALL ".join(parts) for source, parts in rows.items()},
        )

    def _portions(self, chosen: Sequence[int], plan: Plan) -> Iterator[Sequence[int]]:
        """The questions in portions of so many rows together: one that meets a busy key may be a portion of its own."""
        self.add("chosen", pa.table({"spine_row": pa.array(chosen, pa.int64())}))
        counts: dict[int, int] = dict.fromkeys(chosen, 0)
        for view in plan.views:
            if view.state is not None:
                met = self.met(view.state, view, "q.spine_row IN (FROM chosen)")
                found = self.connection.execute(f"SELECT q.spine_row, count(*) {met} GROUP BY 1").fetchall()
                for spine_row, count in found:
                    counts[spine_row] += count
        portion: list[int] = []
        pairs = 0
        for spine_row, count in counts.items():
            if portion and pairs + count > MOST_PAIRS:
                yield portion
                portion, pairs = [], 0
            portion.append(spine_row)
            pairs += count
        if portion:
            yield portion


def placed(source: str) -> str:
    """The table of a source's rows with their places."""
    return f"{source}.placed"


def visible(view: View) -> str:
    """Whether a row `r` is visible to a question `q` of a view (R3)."""
    return f"r.usable AND greatest(r.event_at_us, r.known_at_us) < {instant_of(view, 'q.as_of_us')}"


def _needed(view: View, met: str, tag: str) -> str:
    """The rows that are met and can be in an answer: those that some window reaches, and the first that is visible,
    which tells that the key is known."""
    far = max([0, *(view.reach_us(span) for span in view.spans)])
    if far >= 2**63:
        return met
    seen_at = f"CASE WHEN {visible(view)} THEN greatest(r.event_at_us, r.known_at_us) END"
    first = f"row_number() OVER (PARTITION BY {tag} ORDER BY {seen_at} NULLS LAST) = 1"
    return f"{met}\nQUALIFY r.event_at_us >= q.as_of_us - {far} OR {first}"


def _asked(plan: Plan, source: str) -> str:
    """Whether a row `r` of a source has a key that a question asks for. Of a static table every row is part of the
    version (R20)."""
    tests = []
    for view in plan.views:
        if view.state is not None and view.state.scan.source == source:
            pairs = zip(view.state.key, view.inputs, strict=True)
            same = " AND ".join(f"r.{quoted(held(name))} = q.{quoted(f'i_{given}')}" for name, given in pairs)
            tests.append(f"EXISTS (SELECT 1 FROM questions q WHERE {same})")
    return " OR ".join(dict.fromkeys(tests))


def _tag(place: int) -> str:
    return f"{TAG}{place}"


def _tagged(view: View, state: State, place: int) -> View:
    tagged = replace(state, key=(*state.key, TAG))
    return replace(view, state=tagged, inputs=(*view.inputs, _tag(place)))
