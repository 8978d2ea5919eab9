"""Questions of one key in layers: first fit is right, and portions are bounded."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from featurestore.offline.first_fit import LEFT, first_fit
from featurestore.offline.replay import TOO_MANY, portions

FEWER = settings(max_examples=max(1, settings().max_examples // 10))
SIGHTS = st.sampled_from(["seen", "hidden", "invisible"])


@FEWER
@given(
    questions=st.lists(st.tuples(st.integers(0, 6), st.lists(SIGHTS, min_size=4, max_size=4)), min_size=1, max_size=12),
    facts=st.lists(st.lists(st.sampled_from([0, 1, 2, 3, -1]), min_size=2, max_size=3, unique=True), max_size=2),
)
def test_in_a_layer_one_instant_says_who_sees_a_row(
    questions: list[tuple[int, list[str]]], facts: list[list[int]]
) -> None:
    """Of two questions of a layer, neither sees a class that is hidden from the other at the same or a later instant,
    and both count the same delivery of a fact; questions that all agree have one layer."""
    at = [each for each, _ in questions]
    seen, hidden = (np.array([[one == what for one in row] for _, row in questions]) for what in ("seen", "hidden"))
    layers = first_fit(at, seen, hidden, facts)
    assert LEFT not in layers

    def counted(place: int, fact: list[int]) -> int | None:
        return next((each for each in fact if each == -1 or seen[place, each]), None)

    for one, layer in enumerate(layers):
        for other in (place for place, each in enumerate(layers) if each == layer and at[place] >= at[one]):
            assert not (seen[one] & hidden[other]).any()
            for fact in facts:
                assert None in (a := counted(one, fact), b := counted(other, fact)) or a == b
    if not hidden.any() and not facts:
        assert set(layers) == {0}


def test_ten_thousand_questions_that_miss_the_same_rows_are_one_layer() -> None:
    """Rows that arrive one after the other, and are hidden only until then, need one layer."""
    at = list(range(1_000))
    seen = np.array([[row < place for row in range(500)] for place in at])
    assert set(first_fit(at, seen, ~seen)) == {0}


@FEWER
@given(
    tags=st.lists(st.tuples(st.integers(-2, 4), st.integers(-1, 2)), min_size=1, max_size=20),
    at_once=st.integers(1, 60),
    most=st.integers(0, 80),
)
def test_portions_are_bounded_and_disjoint(tags: list[tuple[int, int]], at_once: int, most: int) -> None:
    """Every question is in one portion at most; the tags of all portions together have no more rows than are allowed,
    and nothing is left out where everything fits."""
    sizes = [np.array([7, 1, 20, 3, 9]), np.array([5, 2, 11])]
    found = [portion.tolist() for portion in portions(np.array(tags), sizes, at_once, most)]
    places = [place for portion in found for place in portion]
    assert len(places) == len(set(places))
    assert all(TOO_MANY not in tags[place] for place in places)

    def rows(some: list[int]) -> int:
        taken = {(view, tag) for place in some for view, tag in enumerate(tags[place]) if tag >= 0}
        return int(sum(sizes[view][tag] for view, tag in taken))

    assert rows(places) <= most
    possible = [place for place, each in enumerate(tags) if TOO_MANY not in each]
    assert rows(possible) > most or sorted(places) == possible
