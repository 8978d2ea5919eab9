"""JSON with one meaning, as bodies, files and arguments bring it."""

from __future__ import annotations

import pytest

from featurestore.semantics.strict_json import DEEPEST, read_json


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "Expecting value"),
        ("{'a': 1}", "property name"),
        ("[NaN]", "NaN is no JSON number"),
        ("[-Infinity]", "-Infinity is no JSON number"),
        ('{"a": 1, "b": {"c": 1, "c": 1}}', "the name 'c' stands twice"),
        ("[" * (DEEPEST + 1) + "]" * (DEEPEST + 1), "nested deeper than 8 levels"),
        ("[" * 100_000, "nested deeper"),
        ("1" * 5_000, "digits"),
    ],
)
def test_a_text_without_one_meaning_is_refused(text: str, says: str) -> None:
    """Whatever could be read in two ways, or not at all, is an error that says why."""
    with pytest.raises(ValueError, match=says):
        read_json(text)


def test_numbers_keep_their_bits() -> None:
    """Integers of any size stay whole, and a float is the nearest to what is written."""
    assert read_json("[9223372036854775807, 0.1, 1e-400]") == [2**63 - 1, 0.1, 0.0]
    assert read_json("[" * DEEPEST + "]" * DEEPEST) is not None
