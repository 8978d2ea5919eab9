"""The work of a plan in buckets of its keys: which rows and which questions belong together, as DuckDB text.

A row and the questions that ask for its key are in one bucket, by the MD5 of the key, so a bucket is answered alone by
the SELECT that answers all of them at once. Views of one source by one key share its rows, and those that the same
inputs ask share the questions too. What aggregates give goes into a file for each bucket, and the features of some
spine rows are made of these.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from featurestore.offline.choices import NO_CHOICES, Choices
from featurestore.offline.columns import held
from featurestore.offline.connection import quoted
from featurestore.offline.files import file_list
from featurestore.offline.select import select_sql
from featurestore.plan.nodes import Output, Plan, PlannedFeature, Scan, State, View

BUCKET = "bucket"
ANSWER_GROUP_ROWS = 8_192
"""Rows of a row group of answers: what is made of some spine rows reads few others."""


@dataclass(frozen=True, slots=True)
class KeyedRows:
    """The rows of a source in buckets of one of its keys, for the states that have that key."""

    name: str
    scan: Scan
    key: tuple[str, ...]
    states: tuple[State, ...]

    @property
    def told(self) -> str:
        """What it is called to people."""
        return f"{self.scan.source} by {', '.join(self.key)}"


@dataclass(frozen=True, slots=True)
class Part:
    """Views over the same rows that are asked by the same inputs: what is answered bucket by bucket."""

    name: str
    rows: KeyedRows
    inputs: tuple[str, ...]
    views: tuple[View, ...]

    def plan(self, whole: Plan) -> Plan:
        """The plan whose features are the part's aggregates as they are."""
        views, outputs = [], []
        for view in self.views:
            features = tuple(PlannedFeature(f"a{place}", answer.node) for place, answer in enumerate(view.answers))
            views.append(replace(view, features=features))
            outputs += [Output(_column(view, each.name), view.name, each.name, each.node.dtype) for each in features]
        inputs = tuple(given for given in whole.inputs if given.name in self.inputs)
        return Plan(whole.name, inputs, tuple(views), tuple(outputs), whole.version)


def parts_of_plan(plan: Plan) -> tuple[list[KeyedRows], list[Part]]:
    """The rows that a plan needs, and the parts of its work."""
    states: dict[tuple[str, tuple[str, ...]], list[State]] = {}
    for state in plan.states:
        states.setdefault((state.scan.source, state.key), []).append(state)
    rows = {
        (source, key): KeyedRows(f"rows/{place}", each[0].scan, key, tuple(each))
        for place, ((source, key), each) in enumerate(states.items())
    }
    views: dict[tuple[str, tuple[str, ...], tuple[str, ...]], list[View]] = {}
    for view in plan.views:
        if view.state is not None and view.answers:
            views.setdefault((view.state.scan.source, view.state.key, view.inputs), []).append(view)
    parts = [
        Part(str(place), rows[source, key], inputs, tuple(each))
        for place, ((source, key, inputs), each) in enumerate(views.items())
    ]
    return list(rows.values()), parts


def bucketed_sql(text: str, columns: Sequence[str], buckets: int) -> str:
    """Rows with their bucket: by the MD5 of the columns of their key, and 0 where one of them is null."""
    key = " || '|' || ".join(f"CAST({quoted(column)} AS VARCHAR)" for column in columns)
    chosen = f"coalesce(CAST(md5_number_lower({key}) % {buckets} AS INTEGER), 0)"
    return f"SELECT *, {chosen} AS {BUCKET} FROM (\n{text}\n)"


def bucketed_rows(text: str, rows: KeyedRows, buckets: int) -> str:
    """The rows of a source with their bucket."""
    return bucketed_sql(text, [held(name) for name in rows.key], buckets)


def bucketed_questions(part: Part, buckets: int) -> str:
    """What a part needs of the questions, with their bucket."""
    names = [f"i_{name}" for name in part.inputs]
    columns = ", ".join(["spine_row", "as_of_us", *(quoted(name) for name in dict.fromkeys(names))])
    return bucketed_sql(f"SELECT {columns} FROM asked", names, buckets)


def rows_of_bucket(folder: Path, bucket: int) -> str:
    """A SELECT of one bucket, of a folder that was written by bucket."""
    return read_sql([folder / EMPTY, *sorted((folder / f"{BUCKET}={bucket}").glob("*.parquet"))])


def rows_of_all(folder: Path) -> str:
    """A SELECT of all buckets."""
    return read_sql([folder / EMPTY, *sorted(folder.glob(f"{BUCKET}=*/*.parquet"))])


EMPTY = "empty.parquet"
"""A file without rows beside the buckets, for those that have none."""


def read_sql(files: Sequence[Path]) -> str:
    """A SELECT of all rows of some files of ours."""
    return f"SELECT * FROM read_parquet({file_list(files)}, hive_partitioning = false)"


def answers_sql(part: Part, plan: Plan, rows: str, choices: Choices = NO_CHOICES) -> str:
    """The SELECT of a part's answers over a table `asked` and a SELECT of the rows."""
    return select_sql(part.plan(plan), {part.rows.scan.source: rows}, choices, statuses=True, canonical=True)


def features_sql(plan: Plan, parts: Sequence[Part], answers: dict[str, str], *, statuses: bool) -> str:
    """The SELECT of all features over a table `asked`; `answers` has a SELECT of those of each part, by its name."""
    answered = {}
    for part in parts:
        for view in part.views:
            names = [f"a{place}" for place in range(len(view.answers))]
            columns = ["spine_row"]
            for place, name in enumerate(names):
                column = _column(view, name)
                columns += [f"{quoted(column)} AS {name}", f"{quoted(f'{column}__status')} AS s{place}"]
            answered[view.name] = f"SELECT {', '.join(columns)} FROM ({answers[part.name]})"
    return select_sql(plan, {}, statuses=statuses, answered=answered)


def _column(view: View, name: str) -> str:
    return f"{view.name}.{name}"
