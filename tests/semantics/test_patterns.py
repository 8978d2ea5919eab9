"""Patterns: the machine that Python walks, Python's own `re` and DuckDB's RE2 agree on texts of every kind."""

from __future__ import annotations

import re
from random import Random

import duckdb
import pytest

from featurestore import Column, FeatureView, Request
from featurestore.errors import InvalidDefinition
from featurestore.offline.expressions import sql_literal
from featurestore.semantics.dtypes import STRING
from featurestore.semantics.functions.texts import ROWS
from featurestore.semantics.likes import like
from featurestore.semantics.patterns import machine, matches, parse, re2_of
from tests.expr.voices import answers
from tests.reference_texts import like as like_by_re
from tests.reference_texts import matched as matches_by_re

LETTERS = "abAZ_09 \n\t\r\f\v.-$^|\\'é\u0301\u00df\u0130\u017f\u212a\uffff\U0001f600\x00\x1c\x85\u00a0\u0661"
LIKE = next(row for row in ROWS if row.name == "like").sql


def drawn(random: Random, depth: int = 3) -> str:
    """A pattern of the subset, over few letters so that it often matches."""
    if depth == 0:
        some = ["a", "b", "[ab]", "[^a]", ".", r"\d", r"\w", r"\s", r"\S", r"\W", r"\D", r"\.", "é", r"[\d_-]", "A"]
        return random.choice([*some, "[A-\uffff]", r"\n", "^", "$", r"\\", r"\$"])
    match random.randrange(5):
        case 0:
            return "".join(drawn(random, depth - 1) for _ in range(random.randrange(4)))
        case 1:
            return f"({drawn(random, depth - 1)}|{drawn(random, depth - 1)})"
        case 2:
            return f"(?:{drawn(random, depth - 1)}){random.choice(['*', '+', '?', '{2}', '{0,2}', '{1,}'])}"
        case 3:
            return drawn(random, depth - 1) + drawn(random, depth - 1)
    return drawn(random, 0)


def texts(random: Random, number: int) -> list[str]:
    """Texts of few letters, some of them of one."""
    return ["", "\n", "a\n", *("".join(random.choices(LETTERS, k=random.randrange(6))) for _ in range(number))]


def test_r10_three_engines_agree_on_regular_expressions() -> None:
    """Over drawn patterns and texts: borders, line breaks, classes beyond ASCII, empty and nested repetitions."""
    random = Random(5)
    patterns = list(dict.fromkeys(drawn(random) for _ in range(150)))
    some = list(dict.fromkeys(texts(random, 60)))
    connection = duckdb.connect()
    connection.execute("CREATE TABLE t AS SELECT unnest($texts) AS x", {"texts": some})
    columns = ", ".join(f"regexp_matches(x, {sql_literal(re2_of(each), STRING)})" for each in patterns)
    for text, *found in connection.execute(f"SELECT x, {columns} FROM t").fetchall():
        ours = [matches(text, each) for each in patterns]
        assert ours == found == [matches_by_re(text, each) for each in patterns], repr(text)
    connection.close()


def test_r10_three_engines_agree_on_like() -> None:
    """Signs of every kind beside `%`, `_` and the backslash, and letters of several bytes."""
    random = Random(6)
    signs = ["%", "_", "%", "\\%", "\\_", "\\\\", *LETTERS.replace("\\", "").replace("_", "")]
    patterns = ["".join(random.choices(signs, k=random.randrange(1, 6))) for _ in range(150)]
    some = list(dict.fromkeys([*texts(random, 60), "%", "_", "100%", "a_b"]))
    connection = duckdb.connect()
    connection.execute("CREATE TABLE t AS SELECT unnest($texts) AS x", {"texts": some})
    columns = ", ".join(LIKE.format("x", p=sql_literal(each, STRING)) for each in patterns)
    for text, *found in connection.execute(f"SELECT x, {columns} FROM t").fetchall():
        assert [like(text, each) for each in patterns] == found == [like_by_re(text, each) for each in patterns], text
    connection.close()


def test_no_pattern_holds_a_lookup_up() -> None:
    """What takes a backtracking engine 2^n steps is walked once: a state is entered once for each letter."""
    for pattern, text in (("^(a+)+$", "a" * 5000 + "b"), ("(a|a)*b", "a" * 5000), ("a.*a.*a.*a.*b", "a" * 5000)):
        assert not matches(text, pattern)
    assert not like("a" * 2000, "%a" * 40 + "%b")
    assert len(machine("(?:a{10}){10}").letters) < 1000


@pytest.mark.parametrize(
    ("pattern", "what"),
    [
        (r"(a)\1", "a back reference"),
        (r"\bword", "a border"),
        (r"\p{L}", "a class that is none of both roads"),
        ("(?=a)", "a look-around"),
        ("(?i)a", "a group with options"),
        ("(?P<n>a)", "a name"),
        ("a*?", "a lazy"),
        ("a++", "possessive"),
        ("a**", "a repetition of a repetition"),
        ("a{2,1}", "a number of times"),
        ("a{1000}", "a number of times"),
        ("a{x}", "begins no number of times"),
        ("a{", "begins no number of times"),
        ("(a", "nothing closes"),
        ("a)", "nothing opens"),
        ("[a", "nothing closes"),
        ("[]", "a class without letters"),
        ("[z-a]", "in order"),
        (r"[\d-z]", "in order"),
        ("[[:alpha:]]", "a `[` in a class"),
        (r"[\s\S]{3}[^\s\S]", "a class that no letter is in"),
        ("*a", "where nothing is repeated"),
        ("^*", "a repeated `^`"),
        ("a\\", "a back reference"),
        ("((a{100}){100})", "more than 1000 states"),
        ("a" * 1001, "1001 letters"),
    ],
)
def test_a_pattern_outside_the_subset_is_refused(pattern: str, what: str) -> None:
    """The error says what it is, where, and what there is."""
    with pytest.raises(InvalidDefinition, match=re.escape(what)) as caught:
        parse(pattern)
    assert caught.value.has and caught.value.fix


class Ask(Request):
    """A text."""

    text: Column[str]


class Fits(FeatureView, request=Ask):
    """All three."""

    like = Ask.text.like(r"1_0\%%")
    ilike = Ask.text.ilike("%ÄB%")
    plate = Ask.text.matches(r"^[A-Z]{1,3}-\d+$")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        *(("1x0% off", (True, False, False)), ("xÄb", (False, True, False)), ("äb", (False, False, False))),
        *(("AB-12", (False, False, True)), ("AB-12\n", (False, False, False)), (None, (None, None, None))),
    ],
)
def test_patterns_on_all_roads(text: str | None, expected: tuple[bool | None, ...]) -> None:
    """Case is that of ASCII, `$` is the end alone, and null stays null."""
    found = answers(Fits, [], "2024-05-01T00:00:00Z", text=text)
    assert tuple(found[name][0] for name in ("like", "ilike", "plate")) == expected


def test_a_pattern_is_a_constant() -> None:
    """It is checked where it is written."""
    for make in (
        lambda: Ask.text.like(Ask.text),  # type: ignore[arg-type]
        lambda: Ask.text.matches(""),
        lambda: Ask.text.like("50\\%\\"),
        lambda: Ask.text.ilike("a\\b"),
        lambda: Ask.text.matches("a{"),
    ):
        with pytest.raises(InvalidDefinition) as caught:
            make()
        assert caught.value.fix
    assert repr(Ask.text.matches(r"^\d$")) == r"Ask.text.matches('^\\d$')"
