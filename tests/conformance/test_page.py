"""docs/conformance.md is written from the conformance tests: `python -m tests.conformance.test_page` rewrites it."""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

from tests.conformance.roads import Seen

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "conformance.md"
SUBJECTS = ("known", "instants", "windows", "keys", "values", "questions", "training_sets", "stores")
HEAD = """# What can differ elsewhere, and why it cannot here

Training and serving part in many ways, and most of them have happened to somebody. Each line of these tables is one
such way, where it was met, and the test that tells the same story to both roads here: a training set from DuckDB, and
lookups in a state that ingest kept and in one that was built anew. The test compares types, bits and statuses, and
has the right value written out by hand. It lies in `tests/conformance/`.

A peer is named with the version and the place where this is documented or can be read. That is no judgement of the
peer: some of these are choices that it states, some have been mended since, and another version may do otherwise.
Engines and libraries are among the peers, since two roads are mostly built from two of them; what is said of DuckDB,
pandas, NumPy and Python is checked in the tests themselves wherever it can be. The rules are those of
[semantics.md](semantics.md).
"""
COLUMNS = "| met at | there | here | rule | test |\n|---|---|---|---|---|\n"
FOOT = """
This page is written from the tests, by `python -m tests.conformance.test_page`.
"""

Test = Callable[..., None]


def modules() -> Iterator[ModuleType]:
    """The modules of stories, in the order of the page."""
    for subject in SUBJECTS:
        yield importlib.import_module(f"tests.conformance.test_{subject}")


def stories(module: ModuleType) -> list[tuple[str, Test]]:
    """The tests of a module, as they stand there."""
    found = [(name, each) for name, each in vars(module).items() if name.startswith("test_")]
    return sorted(found, key=lambda pair: inspect.getsourcelines(pair[1])[1])


def halves(test: Test) -> tuple[str, str]:
    """What parts elsewhere, and what holds here: the two halves of a test's docstring."""
    there, here = " ".join(inspect.getdoc(test).split()).split("; here ")  # type: ignore[union-attr]  # checked below
    return there, here.removesuffix(".")


def page() -> str:
    """The page as it should be."""
    parts = [HEAD]
    for module in modules():
        parts.append(f"\n## {(module.__doc__ or '').rstrip('.')}\n\n{COLUMNS}")
        for name, test in stories(module):
            seen: Seen = test.__seen__  # type: ignore[attr-defined]  # put there by `seen`
            there, here = (text[0].upper() + text[1:] for text in halves(test))
            cells = [f"{seen.peer}, [{seen.version}]({seen.place})", there, here, seen.rule, f"`{name}`"]
            parts.append(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |\n")
    return "".join([*parts, FOOT])


def test_the_page_is_what_the_tests_say() -> None:
    """docs/conformance.md has one line for each test, in the test's own words."""
    assert PAGE.read_text(encoding="utf-8") == page(), "run `python -m tests.conformance.test_page`"


def test_no_module_is_left_out() -> None:
    """Every file of stories is on the page."""
    files = {path.stem.removeprefix("test_") for path in Path(__file__).parent.glob("test_*.py")}
    assert files - {"page"} == set(SUBJECTS)


@pytest.mark.parametrize("subject", SUBJECTS)
def test_every_story_says_where_it_was_met_and_what_holds(subject: str) -> None:
    """A story has a peer, a version, a place, a rule that exists, and a sentence with the two halves; its name begins
    with the peer's."""
    module = importlib.import_module(f"tests.conformance.test_{subject}")
    for name, test in stories(module):
        seen: Seen = test.__seen__  # type: ignore[attr-defined]  # put there by `seen`
        there, here = halves(test)
        assert there.startswith(("In ", "With ")) and here, name
        assert seen.version and seen.place.startswith("https://"), name
        assert re.fullmatch(r"R([1-9]|1\d|20)", seen.rule), name
        assert name.startswith(f"test_{seen.peer.split()[0].lower()}_"), name


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
