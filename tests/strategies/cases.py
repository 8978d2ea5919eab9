"""A whole case: definitions, the rows of their sources, and questions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from hypothesis import strategies as st

from featurestore import FeatureSet, Source
from tests.strategies.definitions import View, definitions
from tests.strategies.histories import Rows, histories
from tests.strategies.questions import Question, questions


@dataclass(frozen=True, slots=True)
class Case:
    """Views with those they refer to first, rows by source name, and what is asked."""

    views: tuple[View, ...]
    rows: Mapping[str, Rows]
    questions: tuple[Question, ...]

    @property
    def feature_set(self) -> FeatureSet:
        """All features of all views."""
        return FeatureSet("drawn", *self.views)

    @property
    def sources(self) -> dict[str, type[Source]]:
        """The sources that the views read, by name."""
        return {view.__spec__.source.__name__: view.__spec__.source for view in self.views if view.__spec__.source}


@st.composite
def cases(draw: st.DrawFn, max_rows: int = 12, max_questions: int = 4, pushed: bool | None = None) -> Case:
    """A case; `pushed` says whether rows come through the log, None leaves it to chance."""
    views = draw(definitions())
    sources = Case(views, {}, ()).sources
    rows = {name: draw(histories(source, max_rows, pushed)) for name, source in sources.items()}
    asked = draw(st.lists(questions(views, rows), min_size=1, max_size=max_questions))
    return Case(views, rows, tuple(asked))
