"""How far back the views on a state can look: what it was trimmed for."""

from __future__ import annotations

from collections.abc import Sequence

from featurestore.plan.nodes import View


def longest_reaches(views: Sequence[View]) -> dict[str, int | None]:
    """For each state, how far back the views on it can look; None when one looks at all history."""
    longest: dict[str, int | None] = {}
    for view in views:
        if view.state is not None:
            reaches = [view.reach_us(span) for span in view.spans]
            known = longest.get(view.state.id, 0)
            far = max([known, *reaches]) if known is not None else 2**63
            longest[view.state.id] = None if far >= 2**63 else far
    return longest
