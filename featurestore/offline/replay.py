"""Sources read once and asked again and again: over all of their rows, or over those of its own for each question.

The second is how a difference is explained: what DuckDB says of the very rows that a state held when it answered, and
what it would have said with one kind of row more or less (R19). Each question carries a tag, which becomes a part of
the key, and so has rows that no other question sees. The SELECT is the one that builds training sets.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import duckdb
import numpy as np
import pyarrow as pa

from featurestore.offline.columns import held
from featurestore.offline.connection import connect, define_macros, define_zone, quoted
from featurestore.offline.content import content_of
from featurestore.offline.interrupts import interruptible
from featurestore.offline.layers import HIDDEN, ROW, TOO_MANY, Layers, Sees
from featurestore.offline.python_functions import calling
from featurestore.offline.scan import History, placed_sql, reading
from featurestore.offline.select import select_sql
from featurestore.offline.states import zones_of
from featurestore.offline.windows import instant_of
from featurestore.plan.nodes import Plan, State, View

TAG = "q.tag"
MOST_AT_ONCE = 2_000_000
"""Rows that are laid out at once for questions which each see rows of their own."""
MOST_ROWS = 20_000_000
"""Rows that are laid out in all for these questions."""
Tags = np.ndarray[Any, Any]


@dataclass(frozen=True, slots=True)
class Limits:
    """What DuckDB may take of the machine: threads, and memory such as `2GB`; None is all that it likes. At most `rows`
    rows are laid out for questions that each see rows of their own."""

    threads: int | None = None
    memory: str | None = None
    rows: int = MOST_ROWS


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
        self.laid_out = 0
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
                    self.run(
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
        hidden: str = "",
    ) -> pa.Table:
        """Canonical values and statuses for questions, over all rows of each source, or those of `rows`; `hidden` is
        their column, if any, with the last instant as of which they are not seen.

        Shape: `spine_row`, then `<feature>` and `<feature>__status` for each output, in the order of `spine_row`.
        """
        plan = plan or self.plan
        texts = {
            state.scan.source: f"SELECT * FROM {quoted(placed(state.scan.source))}" for state in plan.states
        } | dict(rows or {})
        self.run(f"CREATE OR REPLACE TEMP TABLE asked AS {asked}")
        sql = select_sql(plan, texts, statuses=True, canonical=True, hidden=hidden)
        define_macros(self.connection, sql)
        with calling(self.connection, plan):
            found: pa.Table = interruptible(self.connection, lambda: self.connection.sql(sql).to_arrow_table())
        return found

    def seeing(
        self, chosen: Sequence[int], sees: Mapping[str, Sees], *, plan: Plan | None = None, most: int = MOST_ROWS
    ) -> pa.Table:
        """The answers to the questions `chosen` when each sees only the rows that its view's `sees` says, by the view's
        name. `plan` may ask for fewer features.

        Questions that begin to see the same rows one after the other are answered together. Those for which more than
        `most` rows would have to be laid out have no answer: the ones that share the fewest with others. `laid_out`
        counts the rows.
        """
        plan = plan or self.plan
        self.add("chosen", pa.table({"spine_row": pa.array(sorted(chosen), pa.int64())}))
        layers = [
            Layers(self.connection, view, view.state, placed(view.state.scan.source), sees[view.name], place)
            for place, view in enumerate(each for each in plan.views if each.state is not None)
            if view.state is not None
        ]
        found = [each.lay_out() for each in layers]
        tags = np.column_stack([np.zeros(len(chosen), dtype=np.int64), *(each for each, _ in found)])[:, 1:]
        parts = []
        for some in portions(tags, [sizes for _, sizes in found], MOST_AT_ONCE, most):
            taken = zip(found, tags[some].T, strict=True)
            self.laid_out += sum(int(sizes[np.unique(tag[tag >= 0])].sum()) for (_, sizes), tag in taken)
            parts.append(self._seen_in(layers, plan, np.asarray(sorted(chosen))[some], tags[some]))
        if not parts:
            return self.answers("SELECT * FROM questions WHERE FALSE", plan=plan)
        return pa.concat_tables(parts).sort_by("spine_row")

    def unseen(self, sees: Mapping[str, Sees], columns: Mapping[str, str]) -> list[Any]:
        """For each view with state, by its name: the places of the questions that do not see all rows visible to them,
        each with what the view's `columns` gather of the classes `r` of those rows."""
        self.run("CREATE OR REPLACE TEMP TABLE chosen AS SELECT spine_row FROM questions")
        found: list[Any] = []
        for view in self.plan.views:
            if view.state is not None:
                one, source = sees[view.name], placed(view.state.scan.source)
                met = Layers(self.connection, view, view.state, source, one, 0).met(one.hides)
                found += self.run(f"SELECT q.spine_row, {columns[view.name]} {met} GROUP BY q.spine_row").fetchall()
        return found

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

    def _seen_in(self, layers: Sequence[Layers], plan: Plan, rows: np.ndarray[Any, Any], tags: Tags) -> pa.Table:
        """The answers to some questions, each of which sees the rows of its tags."""
        columns: dict[str, Any] = {"spine_row": pa.array(rows, pa.int64())}
        taken = [np.unique(tags[:, place]) for place in range(len(layers))]
        for place in range(len(layers)):
            numbers = tags[:, place] * len(layers) + place
            columns[f"i_{_tag(place)}"] = pa.array(numbers, pa.int64(), mask=tags[:, place] < 0)
        self.add("portion", pa.table(columns))
        places = np.repeat(np.arange(len(layers)), [len(each) for each in taken])
        tagged_rows = pa.array(np.concatenate([np.zeros(0, np.int64), *taken]), pa.int64())
        self.add("taken", pa.table({"place": pa.array(places, pa.int64()), "tag": tagged_rows}))
        tagged = iter(range(len(layers)))
        views = tuple(view if view.state is None else _tagged(view, view.state, next(tagged)) for view in plan.views)
        texts: dict[str, list[str]] = {}
        for each in layers:
            number = f"g.tag * {len(layers)} + {each.place}"
            texts.setdefault(each.source, []).append(each.rows(held(TAG), number))
        return self.answers(
            "SELECT * FROM questions JOIN portion USING (spine_row)",
            plan=replace(plan, views=views),
            rows={source: "\nUNION ALL ".join(parts) for source, parts in texts.items()},
            hidden=HIDDEN,
        )

    def run(self, sql: str) -> duckdb.DuckDBPyConnection:
        """Run a statement, which Ctrl-C ends at once."""
        return interruptible(self.connection, self.connection.execute, sql)


def portions(tags: Tags, sizes: Sequence[Tags], at_once: int, most: int) -> Iterator[Tags]:
    """The places of questions that are answered together: those whose tags take about so many rows at once, and of all
    no more than `most` rows. Questions that share their tags with the fewest others are left out first.

    Shape: `tags` has a row for each question and a column for each view; `sizes` the rows of each tag of a view.
    """
    kinds, kind_of, counts = np.unique(tags, axis=0, return_inverse=True, return_counts=True)
    kind_of = kind_of.reshape(-1)
    sized = [np.append(each, 0) for each in sizes]  # the last is that of NO_KEY

    def added(kind: int, taken: set[tuple[int, int]]) -> tuple[int, set[tuple[int, int]]]:
        new = {(view, int(tag)) for view, tag in enumerate(kinds[kind])} - taken
        return sum(int(sized[view][tag]) for view, tag in new), new

    known, kept, rows = set[tuple[int, int]](), [], 0
    for kind in np.argsort(-counts, kind="stable"):
        more, new = added(int(kind), known)
        if (kinds[kind] != TOO_MANY).all() and rows + more <= most:
            kept.append(int(kind))
            known |= new
            rows += more
    portion, known, rows, first = list[int](), set(), 0, 0
    for kind in sorted(kept):  # neighbours share tags
        more, new = added(kind, known)
        if portion and rows + more > max(at_once, 2 * first):
            yield np.flatnonzero(np.isin(kind_of, portion))
            portion, known, rows = [], set(), 0
            more, new = added(kind, known)
        first = first if portion else more
        portion.append(kind)
        known |= new
        rows += more
    if portion:
        yield np.flatnonzero(np.isin(kind_of, portion))


def placed(source: str) -> str:
    """The table of a source's rows with their places."""
    return f"{source}.placed"


def visible(view: View) -> str:
    """Whether a row `r` is visible to a question `q` of a view (R3)."""
    return f"r.usable AND greatest(r.event_at_us, r.known_at_us) < {instant_of(view, 'q.as_of_us')}"


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
