"""Kernels as text: what is used again is kept once, and what cannot be recorded is refused."""

from __future__ import annotations

import duckdb
import pytest

from featurestore.semantics.kernels.machine import FLOATS, Machine, Operand
from featurestore.semantics.kernels.printing import columns_text, macro_text


def twice(machine: Machine, x: Operand, y: Operand) -> Operand:
    """A sum that is used three times."""
    total = x * y + 0.5
    return machine.choose(total > 1.0, total * total, -abs(x))


def test_a_value_used_again_is_a_column() -> None:
    """Arguments are the first step, what is computed once the next; the answer reads both."""
    columns = columns_text(twice, 2)
    assert columns.steps == ((("{p}0", "{0}"), ("{p}1", "{1}")), (("{p}2", "(({p}0 * {p}1) + 0.5e0)"),))
    assert columns.answer == (
        "CASE WHEN {p}0 IS NOT NULL AND {p}1 IS NOT NULL THEN "
        "CASE WHEN ({p}2 > 1.0e0) THEN ({p}2 * {p}2) ELSE (-abs({p}0)) END END"
    )


@pytest.mark.parametrize(("x", "y"), [(2.0, 3.0), (-2.0, 3.0), (0.1, 0.2)])
def test_a_macro_stands_anywhere(x: float, y: float) -> None:
    """The body of a macro gives what Python gives, inside another expression and a lambda too."""
    with duckdb.connect() as connection:
        connection.execute(f"CREATE TEMP MACRO chosen(x, y) AS {macro_text(twice, ('x', 'y'))}")
        sql = f"SELECT chosen({x}e0, {y}e0) + 1e0, list_transform([{x}e0], lambda s: chosen(s, {y}e0))[1]"
        [found] = connection.execute(sql).fetchall()
    assert found == (twice(FLOATS, x, y) + 1.0, twice(FLOATS, x, y))


def test_a_kernel_cannot_decide_while_it_is_recorded() -> None:
    """An `if` over what is not known yet is an error that says what to write."""
    with pytest.raises(TypeError, match=r"machine\.choose"):
        columns_text(lambda _, x: x if x > 0.0 else -x, 1)
