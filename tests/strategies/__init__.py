"""Hypothesis strategies: histories, definitions and questions, so drawn that boundaries collide."""

from tests.strategies.cases import Case, cases
from tests.strategies.definitions import View, definitions, feature_views, features, make_view
from tests.strategies.expressions import aggregates, scalars
from tests.strategies.histories import histories
from tests.strategies.questions import Question, keys, questions
from tests.strategies.sources import SOURCES, Ask, make_source, source_classes
from tests.strategies.values import instants, values

__all__ = [
    "SOURCES",
    "Ask",
    "Case",
    "Question",
    "View",
    "aggregates",
    "cases",
    "definitions",
    "feature_views",
    "features",
    "histories",
    "instants",
    "keys",
    "make_source",
    "make_view",
    "questions",
    "scalars",
    "source_classes",
    "values",
]
