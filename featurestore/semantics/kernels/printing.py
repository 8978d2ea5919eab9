"""A recorded kernel as DuckDB text, which has no local names: values that are used again are kept in steps.

There are two forms. In a query of our own each step is a SELECT over the one before, and a kept value is a column:
that is as fast as DuckDB computes. A macro can stand anywhere; it maps a list of one struct step by step, which takes
several times as long.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from featurestore.semantics.kernels.machine import Machine
from featurestore.semantics.kernels.recording import Kernel, Recorder, Term

COPIED_IN_SELECT: Final = 1
COPIED_IN_MACRO: Final = 6
"""A value is written out again where it is used, not kept, while that adds no more operations than this: measured."""


@dataclass(frozen=True, slots=True)
class Columns:
    """A kernel as columns: in every text `{p}` stands for a prefix of names that is the call's own, and `{0}`, `{1}`,
    ... for its arguments, which only the first step names."""

    steps: tuple[tuple[tuple[str, str], ...], ...]
    """Of each SELECT from the innermost out: name and text of its columns."""
    answer: str
    """The value, over the columns of all steps."""


def columns_text(kernel: Kernel, arguments: int) -> Columns:
    """A kernel as columns of nested SELECTs."""
    steps = _Steps(kernel, [f"{{{place}}}" for place in range(arguments)], COPIED_IN_SELECT)
    names = {term: f"{{p}}{place}" for place, term in enumerate(steps.of)}
    listed = [
        tuple((names[term], steps.printed(term, names, whole=True)) for term in steps.at(step))
        for step in range(steps.last + 1)
    ]
    return Columns(tuple(listed), steps.printed(steps.answer, names))


def macro_text(kernel: Kernel, parameters: Sequence[str]) -> str:
    """A kernel as the body of a macro with these parameters; none of them may be called `s`."""
    steps = _Steps(kernel, parameters, COPIED_IN_MACRO)
    names = {term: f"v{place}" for place, term in enumerate(steps.of)}
    within = {term: f"s.{name}" for term, name in names.items()}
    text = "[" + _struct((names[term], term.form) for term in steps.at(0)) + "]"
    for step in range(1, steps.last + 1):
        texts = {term: steps.printed(term, within, whole=steps.of[term] == step) for term in steps.needed_after(step)}
        text = f"list_transform({text}, lambda s: {_struct((names[term], texts[term]) for term in texts)})"
    return f"list_transform({text}, lambda s: {steps.printed(steps.answer, within)})[1]"


def _struct(fields: Iterable[tuple[str, str]]) -> str:
    return "{" + ", ".join(f"{name}: {text}" for name, text in fields) + "}"


class _Steps:
    """The terms of a kernel, and which of them are kept in which step; the arguments are step 0."""

    def __init__(self, kernel: Kernel, arguments: Sequence[str], copied: int) -> None:
        recorder = Recorder()
        machine: Machine = recorder
        given = [recorder.term(each) for each in arguments]
        # a null argument gives null, whatever the kernel would choose
        present = recorder.term(" AND ".join(["{} IS NOT NULL"] * len(given)), *given)
        self.answer = recorder.term("CASE WHEN {} THEN {} END", present, kernel(machine, *given))
        order: dict[Term, None] = {}
        _visit(self.answer, order)
        uses = Counter(part for term in order for part in term.parts)
        self.of: dict[Term, int] = dict.fromkeys(given, 0)
        reach: dict[Term, int] = {}
        cost: dict[Term, int] = {}
        for term in order:
            reach[term] = max((reach[part] for part in term.parts), default=0)
            cost[term] = 1 + sum(cost[part] for part in term.parts) if term.parts else 0
            if term not in self.of and cost[term] * (uses[term] - 1) > copied:
                self.of[term] = reach[term] = reach[term] + 1
                cost[term] = 0
        self.last = reach[self.answer]

    def at(self, step: int) -> list[Term]:
        """The terms kept in a step."""
        return [term for term, place in self.of.items() if place == step]

    def needed_after(self, step: int) -> dict[Term, None]:
        """The terms kept up to a step that later steps or the answer read."""
        readers = [self.answer, *(term for term, place in self.of.items() if place > step)]
        return {term: None for reader in readers for term in self._kept_below(reader) if self.of[term] <= step}

    def printed(self, term: Term, names: Mapping[Term, str], *, whole: bool = False) -> str:
        """A term's text with kept ones by name; `whole` spells out the term itself though it is kept."""
        if term in names and not whole:
            return names[term]
        return term.form.format(*(self.printed(part, names) for part in term.parts)) if term.parts else term.form

    def _kept_below(self, term: Term) -> dict[Term, None]:
        found: dict[Term, None] = {}
        for part in term.parts:
            found |= {part: None} if part in self.of else self._kept_below(part)
        return found


def _visit(term: Term, order: dict[Term, None]) -> None:
    """Put a term after all that it is made of."""
    if term not in order:
        for part in term.parts:
            _visit(part, order)
        order[term] = None
