"""Windows: where they begin (R4), and how groups name them."""

from __future__ import annotations

from featurestore.semantics.windows import Span


def test_r4_a_window_begins_its_length_before_the_instant() -> None:
    """The first instant covered is t - W; all history has none."""
    assert Span(86_400_000_000).start_us(0) == -86_400_000_000
    assert Span().start_us(0) is None


def test_a_window_is_named_by_its_length() -> None:
    """Equal lengths have one name, whatever they were written as."""
    assert [Span(each).label for each in (86_400_000_000, 5_400_000_000, 1, None)] == ["1d", "90m", "1us", "all"]
