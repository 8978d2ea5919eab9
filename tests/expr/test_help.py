"""What `help()` says of an aggregate: every argument, and an example that runs."""

from __future__ import annotations

import inspect
import re

import pytest

from featurestore import Column, EventTime, Source
from featurestore.expr.aggregations import AggregateMethods
from featurestore.expr.decays import DecayMethods
from featurestore.expr.fluent import Expr, Group
from featurestore.expr.pairs import PairMethods
from featurestore.expr.spreads import SpreadMethods
from featurestore.expr.tallies import TallyMethods
from featurestore.expr.texts import TextMethods


class Sale(Source):
    """What the examples are about."""

    amount: Column[float]
    pieces: Column[int]
    paid: Column[bool]
    country: Column[str]
    coupon: Column[str]
    product: Column[str]
    at: EventTime


METHODS = {
    name: method
    for kind in (AggregateMethods, TallyMethods, DecayMethods, PairMethods, SpreadMethods)
    for name, method in vars(kind).items()
    if inspect.isfunction(method) and not name.startswith("_")
}
PATTERNS = {name: vars(TextMethods)[name] for name in ("like", "ilike", "matches")}


@pytest.mark.parametrize("name", METHODS)
def test_help_says_how_each_argument_is_written(name: str) -> None:
    """`help(Sale.amount.mean)` names `over=`, `where=` and the others."""
    said = inspect.getdoc(METHODS[name]) or ""
    parameters = inspect.signature(METHODS[name]).parameters.values()
    optional = [each.name for each in parameters if each.kind is each.KEYWORD_ONLY]
    assert optional and [each for each in optional if f"{each}=" not in said and f"`{each}`" not in said] == []


@pytest.mark.parametrize("name", [*METHODS, *PATTERNS])
def test_examples_of_help_run(name: str) -> None:
    """Each example is an expression, or a group of them, as an author writes it."""
    said = inspect.getdoc({**METHODS, **PATTERNS}[name]) or ""
    examples = re.findall("`(Sale[.][^`]+)`", said.partition("Example:")[2])
    assert examples
    for example in examples:
        assert isinstance(eval(example, {"Sale": Sale}), (Expr, Group))
