"""How a training set is computed: chosen by what is counted of its rows and questions, never by a guess. Every choice
gives the same bits; only the time differs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import duckdb

from featurestore.define.data import Frame, Parquet
from featurestore.offline.columns import held
from featurestore.offline.connection import quoted
from featurestore.offline.states import key_names
from featurestore.offline.tiles import Tiling, widths_for
from featurestore.offline.windows import instant_of
from featurestore.plan.nodes import Answer, Plan, State, View
from featurestore.plan.outcomes import SetAside
from featurestore.semantics.dtypes import INT64
from featurestore.semantics.folds import FOLDS
from featurestore.semantics.instants import LATEST_US
from featurestore.semantics.windows import Span

BUSY_ROWS = 64
"""A window of a key is worth tiles when it holds more rows than this. Measured, meeting them one by one and merging
tiles cost the same at about 30."""
TILE_ROWS = 8
"""So many rows of the busiest key are in one of the least tiles, on average."""
MANY_ROWS, FEW = 100_000, 50
"""Rows of keys that nobody asks for are left out first when there are so many rows, and so many times as many as
questions."""
LAG = "greatest(known_at_us, event_at_us) - 1 - event_at_us"
"""How long after it happens a row becomes visible, less one: the greatest lag is one more than an integer holds."""
BEFORE = "greatest(known_at_us, event_at_us) - 1 - known_at_us"
MOST_US = 1 << 60
"""No tile is wider: what is found by cells of some of its widths must be an integer still."""
SHARES = (0.5, 0.9, 0.99, 0.999)
"""Shares of the rows that may be on time where rows become visible differently long after they happen."""

ASKED = "fs_asked"
"""The variable of DuckDB that says what is asked: how many questions, and their bounds."""


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a state's rows.

    `lag_us` is how long after it happens every row becomes visible, None where that differs. `alike` says that
    `known_at` tells no two rows of an instant apart, `once` that no fact was delivered twice, and `few` that
    the questions ask for so few keys that rows of others are better left out first.
    """

    lag_us: int | None = None
    alike: bool = False
    once: bool = False
    few: bool = False


NOTHING = Known()


@dataclass(frozen=True, slots=True)
class Choices:
    """What was chosen: `known` by state, `tilings` by view; why, by view; and statements that made tables for it.

    `seen` has tests by state, which every row passes that some question sees.
    """

    known: Mapping[str, Known] = field(default_factory=dict)
    tilings: Mapping[str, Tiling] = field(default_factory=dict)
    why: Mapping[str, str] = field(default_factory=dict)
    made: tuple[str, ...] = ()
    seen: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def known_of(self, state: State) -> Known:
        """What is known of the rows of a state."""
        return self.known.get(state.id, NOTHING)

    def tiling_of(self, view: View) -> Tiling | None:
        """The tiles of a view's busy keys, if it has any."""
        return self.tilings.get(view.name)


NO_CHOICES = Choices()


def is_latest(state: State, answer: Answer, known: Known) -> bool:
    """Whether an answer is the latest row before its instant, and rows become visible in order."""
    use = state.folds[answer.fold]
    return use.fold == "last" and use.by is None and not answer.node.span.offset_us and known.lag_us is not None


def straight_sources(plan: Plan, lags: Mapping[str, int]) -> set[str]:
    """The sources whose rows can go straight into the answers, since nothing must be counted of them first: those of
    which only the latest row is asked, and where the declaration says when rows become visible. `lags` has these.

    Of rows with a RowId it is counted whether any was delivered twice, and what a static source holds is hashed; a file
    of text would be read twice to count its rows.
    """
    found = {
        source
        for source, scan in plan.scans.items()
        if source in lags
        and isinstance(scan.data, (Parquet, Frame))
        and scan.event_at is not None
        and scan.row_id is None
    }
    for view in plan.views:
        if view.state is not None and view.state.scan.source in found:
            known = Known(lags[view.state.scan.source])
            if not all(is_latest(view.state, answer, known) for answer in view.answers):
                found.discard(view.state.scan.source)
    return found


def choose(
    connection: duckdb.DuckDBPyConnection,
    plan: Plan,
    tables: Mapping[str, str],
    accounts: Mapping[str, SetAside] | None = None,
    declared: Mapping[str, tuple[int, int]] | None = None,
) -> Choices:
    """Count and choose, for the questions in `asked` and the rows in a table for each source.

    `accounts` tell where nothing was delivered twice. A source that is `declared`, with the number of its rows and how
    long after they happen all become visible, is not looked at for that; one that is read straight has no table.
    """
    found: dict[str, tuple[int, int | None, bool]] = {
        source: (rows, lag_us, True) for source, (rows, lag_us) in (declared or {}).items()
    }
    found |= {source: _known(connection, table) for source, table in tables.items() if source not in found}
    asked, seen, bounds = _asked(connection, plan)
    known = {}
    for state in plan.states:
        rows, lag_us, alike = found[state.scan.source]
        account = (accounts or {}).get(state.scan.source)
        once = account is not None and not account.states[state.id].duplicate
        known[state.id] = Known(lag_us, alike, once, rows >= MANY_ROWS and asked * FEW <= rows)
    tilings, why, made = {}, {}, [bounds]
    for view in plan.views:
        if view.state is not None and _spans(view, view.state, known[view.state.id]):
            tiled = _tiling(connection, view, view.state, tables[view.state.scan.source], known[view.state.id])
            if tiled:
                tilings[view.name], statement, why[view.name] = tiled
                made.append(statement)
            else:
                why[view.name] = f"row by row: no key has {BUSY_ROWS} rows and enough questions for tiles to pay"
    return Choices(known, tilings, why, tuple(made), seen)


def _asked(connection: duckdb.DuckDBPyConnection, plan: Plan) -> tuple[int, dict[str, tuple[str, ...]], str]:
    """How many questions there are, what they leave out of each state, and the statement that found it: rows that
    happen at the last instant asked for or later, which no question sees (R3) nor another delivery of them, and keys
    before the first and after the last that is asked for.

    The bounds are in a variable, which is a constant to DuckDB's planner, so the text of the SELECT fits all questions.
    """
    whole = {given.name for given in plan.inputs if given.dtype == INT64}
    fields = {"questions": "count(*)", "last_us": "max(as_of_us)"}
    seen: dict[str, tuple[str, ...]] = {}
    for state in plan.states:
        tests = [f"event_at_us < {_bound('last_us')}"]
        for place, name in enumerate(state.key):
            asking = dict.fromkeys(view.inputs[place] for view in plan.views if view.state == state)
            if whole.issuperset(asking):
                inputs = [quoted(f"i_{each}") for each in asking]
                low, high = f"low_{len(fields)}", f"high_{len(fields)}"
                fields[low] = f"least({', '.join(f'min({each})' for each in inputs)})"
                fields[high] = f"greatest({', '.join(f'max({each})' for each in inputs)})"
                tests.append(f"{quoted(held(name))} BETWEEN {_bound(low)} AND {_bound(high)}")
        seen[state.id] = tuple(tests)
    listed = ", ".join(f"'{name}': {text}" for name, text in fields.items())
    statement = f"SET VARIABLE {ASKED} = (SELECT {{{listed}}} FROM asked)"
    connection.execute(statement)
    [(count,)] = connection.execute(f"SELECT {_bound('questions')}").fetchall()
    return count, seen, statement


def _bound(name: str) -> str:
    return f"getvariable('{ASKED}').{name}"


def _known(connection: duckdb.DuckDBPyConnection, table: str) -> tuple[int, int | None, bool]:
    """How many rows there are, how long after they happen all become visible, and whether `known_at` tells none of an
    instant apart."""
    [(rows, least, most, before, longest_before)] = connection.execute(
        f"SELECT count(*), min({LAG}), max({LAG}), min({BEFORE}), max({BEFORE}) FROM {quoted(table)} WHERE usable"
    ).fetchall()
    if not rows:
        return 0, 0, True
    if least < most or most >= LATEST_US:
        return rows, None, False
    return rows, least + 1, least >= 0 or before == longest_before


def _tiling(
    connection: duckdb.DuckDBPyConnection, view: View, state: State, table: str, known: Known
) -> tuple[Tiling, str, str] | None:
    """The tiles of a view, the statement that made the table of its busy keys, and why it has them: where keys have so
    many questions and rows that meeting them one by one would cost more."""
    lengths = [span.length_us for span in _spans(view, state, known)]
    keys, busy = key_names(state), f"{view.name}.busy"
    columns = ", ".join(f"{quoted(held(name))} AS {key}" for name, key in zip(state.key, keys, strict=True))
    inputs = ", ".join(f"{quoted(f'i_{name}')} AS {key}" for name, key in zip(view.inputs, keys, strict=True))
    met = " + ".join("n" if length is None else f"n * least(1.0, {length} / lasted)" for length in lengths)
    statement = (
        f"CREATE OR REPLACE TEMP TABLE {quoted(busy)} AS\n"
        "WITH\n"
        "  -- the rows of each key\n"
        f"  held AS (SELECT {columns}, count(*) AS n, min(event_at_us) AS first_us, max(event_at_us) AS last_us,\n"
        "    greatest(CAST(last_us AS DOUBLE) - first_us, 1.0) AS lasted\n"
        f"    FROM {quoted(table)} WHERE usable GROUP BY ALL HAVING count(*) >= {BUSY_ROWS}),\n"
        "  -- the questions to each key\n"
        f"  wanted AS (SELECT {inputs}, count(DISTINCT {instant_of(view, 'as_of_us')}) AS q FROM asked GROUP BY ALL)\n"
        f"SELECT *, {met} AS met FROM held JOIN wanted USING ({', '.join(keys)})\n"
        # tiles cost what so many rows of each window do, and what the key's own rows do a few times over
        f"WHERE q * ({met}) > q * {len(lengths) * BUSY_ROWS} + 8 * n"
    )
    connection.execute(statement)
    [(count, rows, asked, first_us, last_us, dense_us, lasted, average)] = connection.execute(
        "SELECT count(*), sum(n), sum(q), min(first_us), max(last_us), min(lasted / n), max(lasted), "
        f"sum(q * met) / sum(q) FROM {quoted(busy)}"
    ).fetchall()
    if not count:
        return None
    longest = min(lasted, MOST_US, *([] if None in lengths else [max(length or 0 for length in lengths)]))
    late_us, late, soon = known.lag_us or 0, False, False
    if known.lag_us is None:
        late_us, late = _late(connection, state, table, busy, longest)
        soon = True
    widths = widths_for(int(dense_us * TILE_ROWS), longest, min(late_us, MOST_US) if soon else 0)
    whose = "1 busy key, which has" if count == 1 else f"{count:,} busy keys, which have"
    told = (
        f"{whose} {rows:,} rows and {asked:,} questions that would meet {average:,.0f} rows each, in tiles of "
        f"{widths[0] / 1e6:.3g} s to {widths[-1] / 1e6:.3g} s"
    )
    if late:
        told += f"; rows visible more than {late_us / 1e6:.3g} s after they happen are met one by one"
    return Tiling(quoted(busy), widths, first_us, last_us, late_us, late, soon), statement, told


def _spans(view: View, state: State, known: Known) -> list[Span]:
    """The windows that could be collected from tiles."""
    found: dict[Span, None] = {}
    for answer in view.answers:
        use = state.folds[answer.fold]
        fold, span = FOLDS[use.fold], answer.node.span
        running = span.length_us is None and use.by is None and fold.running and not fold.sql_block
        if fold.sql_merge and not running and not is_latest(state, answer, known):
            found[span] = None
    return list(found)


def _late(
    connection: duckdb.DuckDBPyConnection, state: State, table: str, busy: str, longest: float
) -> tuple[int, bool]:
    """After how long a row is late, and whether any is: so that a question meets few rows that are late, and few that
    happened so recently that they might be."""
    same = " AND ".join(
        f"r.{quoted(held(name))} = h.{key}" for name, key in zip(state.key, key_names(state), strict=True)
    )
    [(lags, most, rate)] = connection.execute(
        f"SELECT quantile_disc({LAG}, {list(SHARES)}), max({LAG}), max(h.n / h.lasted)\n"
        f"FROM {quoted(table)} r JOIN {quoted(busy)} h ON {same} WHERE r.usable"
    ).fetchall()
    pairs = [*zip(lags, SHARES, strict=True), (most, 1.0)]
    lag, _ = min(pairs, key=lambda pair: pair[0] * rate + (1 - pair[1]) * rate * longest)
    late_us = min(lag + 1, LATEST_US)
    return late_us, late_us < most + 1
