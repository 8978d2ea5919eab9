"""Questions that each see other rows of their key, in few layers that DuckDB answers together.

In a layer every row has one instant up to which it is hidden. So the questions of a layer, in the order of their
instants, may begin to see a row and never cease to see it. Late rows, rows in the log that wait to be applied, and
files that a state does not hold are all of this form: most keys have one layer, however many questions they get.

Rows that no question tells apart are one class. Questions are compared with classes, and never with rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa

from featurestore.offline.columns import held
from featurestore.offline.connection import quoted
from featurestore.offline.first_fit import LEFT, first_fit
from featurestore.offline.interrupts import interruptible
from featurestore.offline.windows import instant_of
from featurestore.plan.nodes import State, View
from featurestore.semantics.instants import EARLIEST_US

ROW = "q.row"
HIDDEN = "q.hidden_us"
"""The column of rows that has the last instant as of which they are hidden."""
MOST_PAIRS = 20_000_000
"""Pairs of questions and classes that are compared at once. A key with more has its questions left out."""
NO_KEY, TOO_MANY = -1, -2
SURE = 0
"""Stands for the class of rows that every question sees; others are counted from 1."""
FAR = 2**62
"""Beyond all positions of a log, and all instants."""
VISIBLE = "greatest(r.event_at_us, r.known_at_us)"


@dataclass(frozen=True, slots=True)
class Sees:
    """Whether a question `q` sees a row `r` that is visible to it, as SQL.

    `columns` are those of a row that `sql` reads, with the expressions that stand in for them. Of one in `up` it only
    matters for which columns of the question it is `<=`, of one in `down` for which it is `>=`. `doubtful` is SQL over
    `r`: true for every row that some question does not see.
    """

    sql: str
    columns: Mapping[str, str]
    up: Mapping[str, Sequence[str]] = field(default_factory=dict)
    down: Mapping[str, Sequence[str]] = field(default_factory=dict)
    doubtful: str = "TRUE"

    @property
    def hides(self) -> str:
        """Whether a question does not see a row."""
        return f"NOT coalesce({self.sql}, FALSE)"


EVERYTHING = Sees("TRUE", {}, doubtful="FALSE")


class Layers:
    """The questions of the table `chosen` for one view of several, the one at `place`, and the rows of the table
    `source`, numbered by ROW."""

    def __init__(
        self, connection: duckdb.DuckDBPyConnection, view: View, state: State, source: str, sees: Sees, place: int
    ) -> None:
        self._connection, self._view, self._state, self._sees = connection, view, state, sees
        self.place, self.source, self._source = place, state.scan.source, quoted(source)
        names = ("asked", "members", "classes", "hiding", "tags")
        self._asked, self._members, self._classes, self._hiding, self._tags = (
            quoted(f"layers.{name}.{place}") for name in names
        )
        self._keys = [f"k{i}" for i in range(len(state.key))]
        self._read_questions()
        self._read_classes()

    def met(self, condition: str, joined: str = "") -> str:
        """The FROM and WHERE of questions `q` with the classes `r` that are visible to them."""
        return (
            f"FROM {self._classes} r JOIN {self._asked} a ON a.key = r.key "
            f"JOIN questions q ON q.spine_row = a.spine_row {joined} WHERE r.first_us < a.at_us AND {condition}"
        )

    def lay_out(self) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
        """Put the questions into layers. Those of one key and layer have the same tag.

        Shape: the tag of each chosen question in their order, NO_KEY or TOO_MANY; and of each tag, how many rows it
               takes, or some more.
        """
        self._hide()
        parts = list(self._crossing())
        if parts:
            layers = pa.concat_tables(parts)
            self._connection.register("given", layers)
            self._make(
                self._asked,
                f"SELECT a.* REPLACE (coalesce(g.layer, a.layer) AS layer) "
                f"FROM {self._asked} a LEFT JOIN given g USING (spine_row)",
            )
            self._connection.unregister("given")
            self._hide()
        keys = ", ".join(self._keys)
        self._make(
            self._tags,
            f"SELECT row_number() OVER (ORDER BY key, layer) - 1 AS tag, key, layer, {keys}, min(as_of_us) AS from_us, "
            f"max(at_us) AS upto_us FROM {self._asked} WHERE layer >= 0 GROUP BY key, layer, {keys}",
        )
        tags = self._arrow(
            f"SELECT CASE WHEN a.layer < 0 THEN {TOO_MANY} ELSE coalesce(t.tag, {NO_KEY}) END AS tag\n"
            f"FROM chosen c LEFT JOIN {self._asked} a USING (spine_row)\n"
            f"LEFT JOIN {self._tags} t ON t.key = a.key AND t.layer = a.layer ORDER BY c.spine_row"
        )
        return tags.column(0).to_numpy(), self._sizes()

    def rows(self, tag: str, number: str) -> str:
        """The SELECT of the rows of those tags `g.tag` that the table `taken` has for this place: with HIDDEN, and
        `number`, an expression, as the column `tag`."""
        hidden = f"coalesce(h.hidden_us, {EARLIEST_US})"
        seen_us = f"greatest({VISIBLE}, {hidden})"
        trimmed = ""
        if self._far < FAR:
            # the first row that is seen tells that the key is known
            first = f"row_number() OVER (PARTITION BY g.tag ORDER BY {seen_us}) = 1"
            trimmed = f"\nQUALIFY r.event_at_us >= g.from_us - {self._far} OR {first}"
        return (
            f"SELECT r.*, {hidden} AS {quoted(HIDDEN)}, {number} AS {quoted(tag)}\n"
            f"FROM {self._source} r JOIN {self._tags} g ON {self._same('r', 'g')}\n"
            f"JOIN taken ON taken.place = {self.place} AND taken.tag = g.tag\n"
            f"LEFT JOIN {self._members} m ON m.row = r.{quoted(ROW)}\n"
            f"LEFT JOIN {self._hiding} h ON h.class = m.class AND h.layer = g.layer\n"
            f"WHERE r.usable AND {seen_us} < g.upto_us{trimmed}"
        )

    @property
    def _far(self) -> int:
        return max([0, *(self._view.reach_us(span) for span in self._view.spans)])

    def _read_questions(self) -> None:
        inputs = [quoted(f"i_{name}") for name in self._view.inputs]
        listed = "".join(f", {name} AS {key}" for name, key in zip(inputs, self._keys, strict=True))
        present = "".join(f" AND {name} IS NOT NULL" for name in inputs)
        self._make(
            self._asked,
            f"SELECT spine_row, as_of_us, {instant_of(self._view, 'as_of_us')} AS at_us{listed}, 0 AS layer, "
            f"dense_rank() OVER (ORDER BY {', '.join(inputs)}) AS key\n"
            f"FROM questions WHERE spine_row IN (FROM chosen){present}",
        )

    def _read_classes(self) -> None:
        """The classes of doubtful rows: each has the columns that tell its rows apart, and the instant at which the
        first of them is visible."""
        columns, joins = [], []
        for place, (name, text) in enumerate(self._sees.columns.items()):
            given = self._sees.up.get(name) or self._sees.down.get(name)
            if given is None:
                columns.append(f"{text} AS {quoted(name)}")
                continue
            sign, beyond = ("<=", FAR) if name in self._sees.up else (">=", -FAR)
            bounds = " UNION ".join(
                f"SELECT {quoted(each)} AS bound FROM questions WHERE spine_row IN (FROM chosen)" for each in given
            )
            joins.append(f"ASOF LEFT JOIN ({bounds}) b{place} ON {text} {sign} b{place}.bound")
            columns.append(
                f"CASE WHEN {text} IS NOT NULL THEN coalesce(b{place}.bound, {beyond}) END AS {quoted(name)}"
            )
        names = [quoted(name) for name in self._sees.columns]
        keys = f"SELECT DISTINCT {', '.join(['key', *self._keys])} FROM {self._asked}"
        doubtful = (
            f"SELECT r.*, k.key FROM {self._source} r JOIN ({keys}) k ON {self._same('r', 'k')}\n"
            f"WHERE r.usable AND ({self._sees.doubtful})"
        )
        listed = ", ".join([f"r.{quoted(ROW)} AS row", "r.key", f"{VISIBLE} AS visible_us", *columns])
        self._make(
            self._members,
            f"SELECT *, dense_rank() OVER (ORDER BY {', '.join(['key', *names])}) AS class\n"
            f"FROM (SELECT {listed} FROM ({doubtful}) r {' '.join(joins)})",
        )
        kept = "".join(f", any_value({name}) AS {name}" for name in names)
        self._make(
            self._classes,
            f"SELECT class, key, min(visible_us) AS first_us{kept} FROM {self._members} GROUP BY class, key",
        )

    def _hide(self) -> None:
        self._make(
            self._hiding,
            f"SELECT r.class, a.layer, max(a.at_us) AS hidden_us {self.met(f'a.layer >= 0 AND {self._sees.hides}')} "
            f"GROUP BY r.class, a.layer",
        )

    def _crossing(self) -> Iterator[pa.Table]:
        """The layers of the questions to keys of which one layer is not enough: `spine_row`, `layer`."""
        condition = f"a.at_us <= h.hidden_us AND coalesce({self._sees.sql}, FALSE)"
        met = self.met(condition, f"JOIN {self._hiding} h ON h.class = r.class")
        again = "" if self._state.scan.row_id is None else f"\nUNION\n{self._delivered_apart()}"
        self._make("crossing", f"SELECT DISTINCT a.key {met}{again}")
        counts = self._fetch(
            f"SELECT c.key, a.n, a.n * r.n FROM crossing c\n"
            f"JOIN (SELECT key, count(*) AS n FROM {self._asked} GROUP BY key) a USING (key)\n"
            f"JOIN (SELECT key, count(*) AS n FROM {self._classes} GROUP BY key) r USING (key) ORDER BY c.key"
        )
        if not counts:
            return
        deliveries: dict[int, list[list[int]]] = {}
        for key, classes in [] if self._state.scan.row_id is None else self._fetch(self._deliveries()):
            deliveries.setdefault(key, []).append(classes)
        some, pairs = list[int](), 0
        for key, questions, compared in counts:
            work = compared + questions * len(deliveries.get(key, ()))
            if work > MOST_PAIRS:
                yield from self._left(key)
                continue
            if some and pairs + work > MOST_PAIRS:
                yield from self._layers_of(some, deliveries)
                some, pairs = [], 0
            some.append(key)
            pairs += work
        if some:
            yield from self._layers_of(some, deliveries)

    def _layers_of(self, keys: Sequence[int], deliveries: Mapping[int, Sequence[Sequence[int]]]) -> Iterator[pa.Table]:
        listed = ", ".join(map(str, keys))
        found = self._arrow(
            f"SELECT a.key, a.spine_row, a.at_us, r.class, coalesce({self._sees.sql}, FALSE) AS seen\n"
            f"{self.met(f'a.key IN ({listed})')} ORDER BY a.key"
        )
        names = ("key", "spine_row", "at_us", "class", "seen")
        marks = {name: found.column(name).to_numpy() for name in names}
        edges = np.flatnonzero(np.diff(marks["key"], prepend=-1, append=-1))
        for begin, end in pairwise(edges):
            key, part = int(marks["key"][begin]), {name: marks[name][begin:end] for name in names}
            rows, first, row = np.unique(part["spine_row"], return_index=True, return_inverse=True)
            classes, column = np.unique(part["class"], return_inverse=True)
            seen, hidden = (np.zeros((len(rows), len(classes)), dtype=bool) for _ in range(2))
            seen[row, column], hidden[row, column] = part["seen"], ~part["seen"]
            places = {int(each): place for place, each in enumerate(classes)} | {SURE: -1}
            facts = [[places[each] for each in fact if each in places] for fact in deliveries.get(key, ())]
            layers = first_fit(part["at_us"][first].tolist(), seen, hidden, facts)
            yield pa.table({"spine_row": pa.array(rows, pa.int64()), "layer": pa.array(layers, pa.int64())})

    def _left(self, key: int) -> Iterator[pa.Table]:
        yield self._arrow(f"SELECT spine_row, CAST({LEFT} AS BIGINT) AS layer FROM {self._asked} WHERE key = {key}")

    def _delivered_apart(self) -> str:
        """The keys with a fact of which one delivery is hidden from some questions and not from all, and another is not
        of the same class: which of them counts depends on the question (R6)."""
        return (
            f"SELECT m.key FROM {self._hiding} h JOIN {self._members} m ON m.class = h.class\n"
            f"JOIN (SELECT key, max(at_us) AS last_us FROM {self._asked} GROUP BY key) a ON a.key = m.key\n"
            f"JOIN {self._source} r ON r.{quoted(ROW)} = m.row JOIN {self._source} s ON {self._same_fact()}\n"
            f"LEFT JOIN {self._members} n ON n.row = s.{quoted(ROW)}\n"
            f"WHERE h.hidden_us < a.last_us AND n.class IS DISTINCT FROM m.class"
        )

    def _deliveries(self) -> str:
        """For the facts of crossing keys that came several times: the key, and the classes of the deliveries in the
        order of R6, up to the first that is SURE to be seen."""
        one = f"coalesce(n.class, {SURE})"
        return (
            f"WITH facts AS (SELECT m.key, m.row, list({one} ORDER BY s.known_at_us, s.fingerprint, {one}) AS classes\n"
            f"FROM {self._members} m JOIN crossing USING (key) JOIN {self._source} r ON r.{quoted(ROW)} = m.row\n"
            f"JOIN {self._source} s ON {self._same_fact()} LEFT JOIN {self._members} n ON n.row = s.{quoted(ROW)}\n"
            f"GROUP BY m.key, m.row HAVING count(*) > 1)\n"
            f"SELECT DISTINCT key, CASE WHEN list_contains(classes, {SURE}) "
            f"THEN list_slice(classes, 1, list_position(classes, {SURE})) ELSE classes END FROM facts"
        )

    def _same_fact(self) -> str:
        keys = "".join(f" AND s.{name} = r.{name}" for name in (quoted(held(each)) for each in self._state.key))
        return f"s.usable AND s.row_id = r.row_id AND s.event_at_us = r.event_at_us{keys}"

    def _sizes(self) -> np.ndarray[Any, Any]:
        low = f"from_us - {self._far}" if self._far < FAR else f"from_us * 0 - {FAR}"
        return (
            self._arrow(
                f"WITH counted AS (SELECT k.key, r.event_at_us, sum(count(*)) OVER (PARTITION BY k.key ORDER BY "
                f"r.event_at_us) AS n FROM {self._source} r JOIN (SELECT DISTINCT {', '.join(['key', *self._keys])} "
                f"FROM {self._asked}) k ON {self._same('r', 'k')} WHERE r.usable GROUP BY k.key, r.event_at_us)\n"
                f"SELECT CAST(coalesce(u.n, 0) - coalesce(l.n, 0) + 1 AS BIGINT) AS n "
                f"FROM (SELECT *, {low} AS low_us FROM {self._tags}) t\n"
                f"ASOF LEFT JOIN counted u ON u.key = t.key AND t.upto_us > u.event_at_us\n"
                f"ASOF LEFT JOIN counted l ON l.key = t.key AND t.low_us > l.event_at_us ORDER BY t.tag"
            )
            .column(0)
            .to_numpy()
        )

    def _same(self, rows: str, others: str) -> str:
        pairs = zip(self._state.key, self._keys, strict=True)
        return " AND ".join(f"{rows}.{quoted(held(name))} = {others}.{key}" for name, key in pairs)

    def _make(self, table: str, sql: str) -> None:
        self._fetch(f"CREATE OR REPLACE TEMP TABLE {table} AS {sql}")

    def _fetch(self, sql: str) -> list[Any]:
        return interruptible(self._connection, lambda: self._connection.execute(sql).fetchall())

    def _arrow(self, sql: str) -> pa.Table:
        found: pa.Table = interruptible(self._connection, lambda: self._connection.sql(sql).to_arrow_table())
        return found
