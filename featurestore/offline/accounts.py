"""A source read once, into a table of the connection, and the account of its rows (R16): what does not count, and why.

Both the features and the account are computed from that table, so a file is read once however many states need it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import duckdb

from featurestore.errors import InputError
from featurestore.expr.nodes import ColumnRef, walk
from featurestore.offline.columns import held
from featurestore.offline.connection import quoted
from featurestore.offline.interrupts import interruptible
from featurestore.offline.queries import where_of
from featurestore.offline.scan import History, bad, reading, scanned
from featurestore.plan.nodes import Scan, State
from featurestore.plan.outcomes import KNOWN, ROW_ID, Counts, SetAside, reason_text


def read_source(
    connection: duckdb.DuckDBPyConnection,
    scan: Scan,
    history: History,
    states: Sequence[State],
    table: str,
    *,
    identity: bool = True,
) -> str:
    """Read a source into `table`, with the `identity` of rows or without. Gives the statement that did it."""
    text, _ = counted_sql(connection, scan, history, states, identity=identity)
    statement = f"CREATE TEMP TABLE {quoted(table)} AS\n{text}"
    with reading(scan):
        interruptible(connection, connection.execute, statement)
    return statement


def counted_sql(
    connection: duckdb.DuckDBPyConnection,
    scan: Scan,
    history: History,
    states: Sequence[State],
    *,
    once: bool = False,
    identity: bool = True,
) -> tuple[str, Tally]:
    """A SELECT of a source's rows, and what is counted of them: the columns that its states need, and what the account
    needs; all columns of a static source, whose content is part of a version. `once` as `scanned` has it;
    `identity` may be left out where rows have no RowId."""
    text, told = scanned(connection, scan, history, once=once)
    needed = {name for state in states for name in columns_read(state)}
    unused = [quoted(held(each.name)) for each in scan.columns if each.name not in needed and scan.event_at is not None]
    unused += [] if identity else ["row_id", "fingerprint"]
    rest = f" EXCLUDE ({', '.join(unused)})" if unused else ""
    return f"SELECT *{rest} FROM (\n    {text}\n)", Tally(scan, tuple(states), tuple(told))


def keyed(state: State) -> str:
    """Whether a row has a key."""
    return " AND ".join(f"{quoted(held(name))} IS NOT NULL" for name in state.key)


@dataclass(frozen=True, slots=True)
class Tally:
    """What is counted of a source's rows in one look at them; `told` are the columns whose bad values can be told."""

    scan: Scan
    states: tuple[State, ...]
    told: tuple[str, ...]

    @property
    def counts(self) -> str:
        """One value over the rows of `counted_sql`, a list of numbers: of rows, of usable ones, of those that have no
        key in each state, of those among them with a bad value in it, and of the bad values of each column."""
        counts = [
            "count(*)",
            "count(*) FILTER (WHERE usable)",
            *(f"count(*) FILTER (WHERE usable AND NOT ({keyed(state)}))" for state in self.states),
            *(f"count(*) FILTER (WHERE usable AND ({self._misfit(state)}))" for state in self.states),
            # DuckDB plans a thousand counts with FILTER in a time that grows with their square
            *(f"count(CASE WHEN {quoted(bad(name))} THEN 1 END)" for name in self.told),
        ]
        return f"[{', '.join(counts)}]"

    @property
    def reasons(self) -> str:
        """One more: the number of rows that are set aside, for each code of a reason that there is without a RowId."""
        codes = range(ROW_ID if self.scan.known_at or self.scan.delay_us else KNOWN)
        return f"[{', '.join(f'count(*) FILTER (WHERE reason = {code})' for code in codes)}]"

    def _misfit(self, state: State) -> str:
        """Whether a row has a bad value in the key of a state."""
        return " OR ".join(quoted(bad(name)) for name in state.key if name in self.told) or "FALSE"

    def account(
        self, counts: Sequence[int], reasons: Iterable[tuple[int, int]], history: History, facts: Mapping[str, int]
    ) -> SetAside:
        """The account, from the counts, and the number of rows of each reason; `facts` of the states in which rows were
        delivered more than once."""
        rows, usable, *rest = counts
        n = len(self.states)
        keyless, misfit_keys, misfits = rest[:n], rest[n : 2 * n], rest[2 * n :]
        quarantined: dict[str, int] = {}
        for code, count in reasons:
            text = reason_text(self.scan, code)
            quarantined[text] = quarantined.get(text, 0) + count
        by_state = {}
        for state, without, misfit in zip(self.states, keyless, misfit_keys, strict=True):
            distinct = facts.get(state.id, usable - without)
            duplicate = usable - without - distinct
            by_state[state.id] = Counts(distinct, duplicate, without - misfit, rows - usable + misfit)
        return SetAside(
            self.scan.source,
            rows,
            quarantined,
            {name: count for name, count in zip(self.told, misfits, strict=True) if count},
            history.quarantine.count(self.scan.source) if history.quarantine else 0,
            by_state,
        )


def account_of(
    connection: duckdb.DuckDBPyConnection,
    scan: Scan,
    history: History,
    states: Sequence[State],
    table: str,
    facts: int | None = None,
) -> SetAside:
    """The account of a source that was read into `table`; `facts` of a single state, if they were counted already."""
    described = connection.execute(f"DESCRIBE {quoted(table)}").fetchall()
    columns = {str(name) for name, *_ in described}
    tally = Tally(scan, tuple(states), tuple(each.name for each in scan.columns if bad(each.name) in columns))
    [(counts,)] = connection.execute(f"SELECT {tally.counts} FROM {quoted(table)}").fetchall()
    rows, usable, *_ = counts
    if facts is not None:
        distinct = {state.id: facts for state in states}
    elif _repeated(connection, scan, table, usable):
        distinct = {state.id: _facts(connection, state, table) for state in states}
    else:
        distinct = {}
    return tally.account(counts, _reasons(connection, table) if rows > usable else (), history, distinct)


def check_usable(account: SetAside, scan: Scan) -> None:
    """Refuse data of which no row can be used: features would be those of keys never seen. Rows that were pushed are
    there for good, whatever is declared later. Raises: InputError."""
    if scan.data is not None and account.rows and account.unusable == account.rows:
        raise InputError(
            f"no row of `{account.source}` can be used: {', '.join(account.quarantined)}",
            where=where_of(scan.data),
            has=f"{account.rows:,} rows, all of them quarantined",
            fix=f"fix the data or the definition; `featurestore quarantine {account.source}` shows the rows",
        )
    for state, counts in account.states.items():
        if scan.data is not None and account.rows and counts.quarantined == account.rows:
            raise InputError(
                f"no row of `{account.source}` can be used in {state}: its key holds no value of its type",
                where=where_of(scan.data),
                has=f"{account.rows:,} rows, bad values of {', '.join(account.bad_values) or 'the key'}",
                fix=f"fix the data or the definition; `featurestore quarantine {account.source}` shows the rows",
            )


def columns_read(state: State) -> set[str]:
    """The columns of its source that a state is made of."""
    nodes = (node for top in (*state.inputs, *state.filters) for node in walk(top))
    read = {node.name for node in nodes if isinstance(node, ColumnRef)}
    return read | set(state.key) | ({state.scan.order} if state.scan.order else set())


def _repeated(connection: duckdb.DuckDBPyConnection, scan: Scan, table: str, usable: int) -> bool:
    """Whether any RowId is there twice: most histories have none, and need not be looked at state by state."""
    if scan.row_id is None:
        return False
    found = connection.execute(f"SELECT count(DISTINCT row_id) FROM {quoted(table)} WHERE usable").fetchall()
    return bool(found[0][0] < usable)


def _facts(connection: duckdb.DuckDBPyConnection, state: State, table: str) -> int:
    names = ", ".join(quoted(held(name)) for name in state.key)
    distinct = f"SELECT DISTINCT {names}, event_at_us, row_id FROM {quoted(table)} WHERE usable AND {keyed(state)}"
    return int(connection.execute(f"SELECT count(*) FROM ({distinct})").fetchall()[0][0])


def _reasons(connection: duckdb.DuckDBPyConnection, table: str) -> list[tuple[int, int]]:
    return connection.execute(
        f"SELECT reason, count(*) FROM {quoted(table)} WHERE NOT usable GROUP BY reason ORDER BY reason"
    ).fetchall()
