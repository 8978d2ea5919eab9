"""Row functions as definitions: what is taken, what is refused, and what their version stands for (R17, R20)."""

from __future__ import annotations

import importlib
import linecache
import math
import re
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from featurestore import row_function
from featurestore.errors import DefinitionError, InvalidDefinition, TypeMismatch
from featurestore.expr.fluent import Expr
from featurestore.expr.nodes import Call, ColumnRef, Literal, PythonCall, RequestRef
from featurestore.plan.version import meaning_of_node
from featurestore.semantics.dtypes import BOOL, FLOAT64, INT64, STRING
from featurestore.semantics.python_functions import Parameter

LIMIT = 3
PAIR = (1, frozenset({"b", "a"}), UTC)
CHANGING = {"a": 1}
number: Expr[float] = Expr(RequestRef("Ask", "number", FLOAT64))
whole: Expr[int] = Expr(RequestRef("Ask", "whole", INT64))
column: Expr[float] = Expr(ColumnRef("S", "number", FLOAT64))


def helper(value: float) -> float:
    """What a row function of this file calls."""
    return math.floor(value) + LIMIT


@row_function
def risk(value: float, name: str | None) -> bool | None:
    """Reads a helper, a constant and a module."""
    return helper(value) > PAIR[0] and bool(name)


def test_annotations_give_the_types() -> None:
    """A parameter has a type, and says whether it takes None; the answer has a type."""
    assert risk.function.parameters == (Parameter("value", FLOAT64, False), Parameter("name", STRING, True))
    assert risk.function.gives == BOOL
    assert risk.function.name == f"{__name__}.risk"
    assert risk.__doc__ == "Reads a helper, a constant and a module."


def test_it_is_called_with_expressions() -> None:
    """The call is a typed node that prints as written; an int is made a float where a float is wanted."""
    made = risk(whole, "a")
    assert isinstance(made.node, PythonCall)
    assert made.node.dtype == BOOL
    assert made.node.arguments == (Call("to_float", (whole.node,), FLOAT64), Literal("a", STRING))
    assert repr(made) == "risk(Ask.whole, 'a')"
    assert made.node == risk(whole, "a").node
    assert hash(made.node) == hash(risk(whole, "a").node)


def test_the_plain_function_stays() -> None:
    """An author tests it with plain values."""
    assert risk.python(5.0, "a") is True


def refuse(make: Callable[[], object], error: type[DefinitionError] = InvalidDefinition) -> DefinitionError:
    """The error of what cannot be a row function."""
    with pytest.raises(error) as caught:
        make()
    assert type(caught.value) is error
    assert caught.value.fix
    return caught.value


@pytest.mark.parametrize(
    ("make", "error", "what"),
    [
        (lambda: risk(number), InvalidDefinition, "takes 2 values, not 1"),
        (lambda: risk(number, number), TypeMismatch, "`name` of"),
        (lambda: risk(1.0, "a"), InvalidDefinition, "is given no expression"),
        (lambda: risk(column, "a").sum(), InvalidDefinition, "a row function cannot stand below an aggregate"),
        (lambda: column.sum(where=risk(column, "a")), InvalidDefinition, "cannot stand below an aggregate"),
    ],
    ids=lambda each: each if isinstance(each, str) else "",
)
def test_a_call_that_cannot_be_meant_is_refused(
    make: Callable[[], object], error: type[DefinitionError], what: str
) -> None:
    """Too few values, values of other types, constants alone, and rows below an aggregate."""
    assert what in refuse(make, error).what


def _with_default(value: float = 1.0) -> float:
    return value


def _with_rest(*values: float) -> float:
    return values[0]


def _by_name(*, value: float) -> float:
    return value


def _untyped(value):  # type: ignore[no-untyped-def]
    return value


def _of_lists(value: list[list[float]]) -> float:
    return value[0][0]


def _by_floats(value: dict[float, int]) -> int:
    return len(value)


def _of_several(value: dict[str, list[int]]) -> int:
    return len(value)


def _of_either(value: int | float) -> float:
    return value


def _gives_nothing(value: float) -> None:
    return None


def _misspelled(value: flaot) -> float:  # type: ignore[name-defined]  # noqa: F821
    return value  # type: ignore[no-any-return]


async def _coming(value: float) -> float:
    return value


def _several(value: float) -> Iterator[float]:
    yield value


async def _several_coming(value: float) -> AsyncIterator[float]:
    yield value


def _changing(value: float) -> float:
    return CHANGING["a"] * value


def _changing_below(value: float) -> float:
    return sum(_changing(each) for each in (value,))


def _too_early(value: float) -> float:
    return defined_later(value)  # type: ignore[no-any-return,name-defined]  # noqa: F821


@pytest.mark.parametrize(
    ("python", "error", "what"),
    [
        (lambda value: value, InvalidDefinition, "is no function with a name"),
        (abs, InvalidDefinition, "is no function with a name"),
        (_with_default, InvalidDefinition, "can be left out"),
        (_with_rest, InvalidDefinition, "can be left out"),
        (_by_name, InvalidDefinition, "by name only"),
        (_untyped, TypeMismatch, "the parameter `value`"),
        (_of_lists, TypeMismatch, "the parameter `value`"),
        (_by_floats, TypeMismatch, "the parameter `value`"),
        (_of_several, TypeMismatch, "the parameter `value`"),
        (_of_either, TypeMismatch, "the parameter `value`"),
        (_gives_nothing, TypeMismatch, "what it returns"),
        (_misspelled, InvalidDefinition, "`flaot`, which is not defined"),
        (_coming, InvalidDefinition, "does not return its value"),
        (_several, InvalidDefinition, "does not return its value"),
        (_several_coming, InvalidDefinition, "does not return its value"),
        (_changing, InvalidDefinition, "reads `CHANGING`, a dict, which can change"),
        (_changing_below, InvalidDefinition, "reads `CHANGING`, a dict, which can change"),
        (_too_early, InvalidDefinition, "reads `defined_later`, which is not defined yet"),
    ],
    ids=lambda each: getattr(each, "__name__", ""),
)
def test_what_can_be_no_row_function_is_refused(python: Any, error: type[DefinitionError], what: str) -> None:
    """Lambdas, parameters that can be left out, types that are none, and globals that can change."""
    assert what in refuse(lambda: row_function(python), error).what


def test_a_closure_is_refused() -> None:
    """What a function around it holds is no part of its source."""
    factor = len(sys.argv)

    def scaled(value: float) -> float:
        return value * factor

    error = refuse(lambda: row_function(scaled))
    assert "reads variables of the function around it" in error.what
    assert error.has == "factor"


def test_code_without_a_source_is_refused() -> None:
    """A version that stands for nothing would let two functions pass for one."""
    known: dict[str, Any] = {"__name__": "nowhere"}
    exec("def made(value: float) -> float:\n    return value\n", known)
    assert "cannot be read" in refuse(lambda: row_function(known["made"])).what


FILE = '''
from datetime import UTC
from featurestore import row_function
from math import floor

RATE = {rate}


def {helper}(value: float) -> float:
    return floor(value){helped}


@row_function
def scored(value: float) -> float:
    """{doc}"""
    return {helper}(value) * RATE + UTC.utcoffset(None).seconds
'''


def digest_of(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The digest of the row function `scored` in a file of that text."""
    (tmp_path / "scoring.py").write_text(text, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    sys.modules.pop("scoring", None)
    importlib.invalidate_caches()
    linecache.checkcache()
    try:
        found: str = importlib.import_module("scoring").scored.function.digest
        return found
    finally:
        sys.modules.pop("scoring", None)


def digest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, **changed: Any) -> str:
    """The digest of the row function in a file."""
    text = FILE.format(**({"rate": "2", "helper": "below", "helped": "", "doc": "A score."} | changed))
    return digest_of(text, tmp_path, monkeypatch)


@pytest.mark.parametrize(
    "changed", [{"rate": "3"}, {"rate": "2.0"}, {"rate": "(2, 3)[0]"}, {"helped": " + 1"}, {"doc": "Another."}], ids=str
)
def test_r20_its_source_and_what_it_reads_are_its_version(
    changed: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A constant, a function of its package that it calls, and its own text count; the same text counts the same."""
    before, again = (digest(tmp_path, monkeypatch) for _ in range(2))
    assert before == again
    same = changed == {"rate": "(2, 3)[0]"}
    assert (digest(tmp_path, monkeypatch, **changed) == before) is same


SCORED = (
    "from featurestore import row_function\n\n{above}\n\n@row_function\ndef scored(x: float) -> float:\n    {body}\n"
)


@pytest.mark.parametrize(
    ("above", "changed"),
    [
        ("a = lambda x: x * 2\nb = lambda x: x * 3", "a = lambda x: x * 2\nb = lambda x: x * 4"),
        ("K = 1.0\ndef a(x, k=K): return x * k\nb = abs", "K = 2.0\ndef a(x, k=K): return x * k\nb = abs"),
    ],
    ids=["lambdas", "a default"],
)
def test_r20_what_a_function_of_its_package_does_counts(
    above: str, changed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Functions without a name of their own are told apart, and a default that is computed is part of its function."""
    made = [
        digest_of(SCORED.format(above=each, body="return a(x) + b(x)"), tmp_path, monkeypatch)
        for each in (above, changed, above)
    ]
    assert made[0] == made[2] != made[1]


@pytest.mark.parametrize(
    ("above", "body", "what"),
    [
        ("import scoring", "return scoring.rate(x)", "`scoring`, a module of its package"),
        ("class Rates:\n    high = 2.0", "return x * Rates.high", "`Rates`, a class of its package"),
        ("def times(k):\n    return lambda x: x * k\n\ntwice = times(2)", "return twice(x)", "reads variables of"),
        ("", "from scoring import rate; return rate(x)", "`scoring`, which it imports"),
        ("", "from . import rates; return rates.of(x)", "which it imports"),
    ],
    ids=["module", "class", "closure", "import", "relative import"],
)
def test_r20_what_could_change_without_another_version_is_refused(
    above: str, body: str, what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What cannot be followed is no part of the version, so a row function may not read it."""
    with pytest.raises(InvalidDefinition, match=re.escape(what)) as caught:
        digest_of(SCORED.format(above=above, body=body), tmp_path, monkeypatch)
    assert caught.value.has and caught.value.fix


def test_r20_the_version_of_a_view_has_its_row_functions() -> None:
    """Two functions of one name and another text give two meanings."""
    node = risk(number, "a").node
    assert isinstance(node, PythonCall)
    meaning = meaning_of_node(node)
    assert risk.function.digest in meaning
    assert risk.function.name in meaning


def test_times_of_constants_are_fixed() -> None:
    """A frozenset counts by what it holds, whatever the order in which Python keeps it."""

    @row_function
    def early(value: datetime) -> bool:
        return value.tzinfo is PAIR[2] and "a" in PAIR[1]

    assert early.function.digest == row_function(early.python).function.digest
