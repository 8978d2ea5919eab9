"""Both roads, asked the same: a training set, and lookups in a state that ingest kept and in one built anew."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import duckdb
import pytest

from featurestore import FeatureSet, FeatureStore, FeatureView, Source
from featurestore.errors import FeatureStoreError
from featurestore.online.online_store import IngestReport
from featurestore.online.vectors import Vectors
from featurestore.semantics.statuses import STATUS_NAMES

OK, NULL, NOT_FOUND, OVERFLOW = STATUS_NAMES
Test = TypeVar("Test", bound=Callable[..., None])
Question = Mapping[str, Any]
View = type[FeatureView]


@dataclass(frozen=True, slots=True)
class Seen:
    """Where a situation was met: at which peer, in which version and place; and the rule that settles it here."""

    peer: str
    version: str
    place: str
    rule: str


def seen(peer: str, version: str, place: str, rule: str) -> Callable[[Test], Test]:
    """Note on a test where its situation was met. Its docstring says what parts there and, after "; here", what holds
    here."""

    def noted(test: Test) -> Test:
        test.__seen__ = Seen(peer, version, place, rule)  # type: ignore[attr-defined]  # read by test_page.py
        return test

    return noted


def at(clock: str, day: int = 1) -> datetime:
    """A time of a day of May 2024, UTC."""
    return datetime.fromisoformat(f"2024-05-{day:02}T{clock}").replace(tzinfo=UTC)


def just_after(moment: datetime) -> datetime:
    """A microsecond later: the first instant at which what happened at a moment is seen."""
    return moment + timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Said:
    """What both roads said: `said["feature"]` are its values, `said.status["feature"]` its statuses, by instant and
    then by question. `instants` are those that were asked."""

    values: dict[str, list[Any]]
    status: dict[str, list[str]]
    instants: list[datetime]

    def __getitem__(self, feature: str) -> list[Any]:
        return self.values[feature]


def plain(query: str) -> list[tuple[Any, ...]]:
    """What DuckDB says when nobody has told it anything."""
    with duckdb.connect() as connection:
        return connection.execute(query).fetchall()


class Roads:
    """The two roads of one store."""

    def __init__(self, store: FeatureStore) -> None:
        self.store = store
        self._served: set[View] = set()

    def push(self, source: type[Source], rows: object, *views: View) -> IngestReport:
        """Rows that come in while the views are served."""
        fresh = [view for view in views if view not in self._served]
        if fresh:
            self._serve(fresh)
        return self.store.ingest(source, rows)

    def ask(self, views: View | Sequence[View], questions: Question | Sequence[Question], *instants: datetime) -> Said:
        """What both roads say, once it is known to be the same: types, bits and statuses (R18).

        Lookups are asked twice: of the state as it was kept by ingest, if there is one, and of one built anew from
        history. Without instants the question is asked now, and the training set as of the instant that this was.
        """
        chosen = [views] if isinstance(views, type) else list(views)
        rows = [questions] if isinstance(questions, Mapping) else list(questions)
        asked = FeatureSet("asked", *chosen)
        kept: list[Vectors] = []
        moments = list(instants)
        with_state = [view for view in chosen if view.__spec__.source is not None]
        if self._served.issuperset(with_state):
            kept = self._served_vectors(asked, rows, moments)
            moments = [each.as_of for each in kept]
        if with_state:
            self._serve(with_state)
        built = self._served_vectors(asked, rows, moments)
        moments = [each.as_of for each in built]
        spine = [{**row, "asked_at": moment} for moment in moments for row in rows]
        dataset = self.store.dataset(asked, spine, as_of="asked_at", statuses=True)
        table = dataset.to_arrow()
        names = built[0].names
        trained = [
            {name: (row[name], row[f"{name}__status"]) for name in names}
            for row in table.select(_both(names)).to_pylist()
        ]
        for vectors in (kept, built):
            if vectors:
                assert _bits(_cells(vectors)) == _bits(trained)
        served_types = {field.name: field.type for field in built[0].to_arrow().schema}
        assert {name: table.schema.field(name).type for name in names} == served_types
        assert {each.version for each in (*kept, *built)} == {dataset.version}
        short = {name: name.split("__", 1)[1] for name in names}
        return Said(
            {short[name]: [row[name][0] for row in trained] for name in names},
            {short[name]: [row[name][1] for row in trained] for name in names},
            moments,
        )

    def refused(self, view: View, question: Question, moment: datetime) -> list[str]:
        """The errors by which lookup and training set refuse a question."""
        asked = FeatureSet("asked", view)
        names = []
        for road in (
            lambda: self.store.lookup(asked, question, as_of=moment),
            lambda: self.store.dataset(asked, [{**question, "asked_at": moment}], as_of="asked_at"),
        ):
            with pytest.raises(FeatureStoreError) as caught:
                road()
            names.append(caught.value.name)
        return names

    def _serve(self, views: Sequence[View]) -> None:
        self.store.materialize(views)
        self._served.update(views)

    def _served_vectors(self, asked: FeatureSet, rows: list[Question], moments: list[datetime]) -> list[Vectors]:
        if not moments:
            return [self.store.lookup(asked, rows)]
        return [self.store.lookup(asked, rows, as_of=moment) for moment in moments]


def _both(names: Iterable[str]) -> list[str]:
    return [each for name in names for each in (name, f"{name}__status")]


def _cells(vectors: Sequence[Vectors]) -> list[dict[str, tuple[Any, str]]]:
    return [
        {name: (row[name], status[name]) for name in each.names}
        for each in vectors
        for row, status in zip(each.to_pylist(), each.status, strict=True)
    ]


def _bits(cells: list[dict[str, tuple[Any, str]]]) -> list[dict[str, tuple[Any, str]]]:
    return [{name: (bits(value), status) for name, (value, status) in row.items()} for row in cells]


def bits(value: Any) -> Any:
    """A value in a form that is equal only where type and bits are; lists element by element."""
    if isinstance(value, list):
        return [bits(each) for each in value]
    return (type(value).__name__, struct.pack(">d", value) if isinstance(value, float) else value)
