"""Who counted which row: by what the state held, by what the cause says, and by the question that was answered."""

from __future__ import annotations

from dataclasses import replace

import pytest

from featurestore import FeatureSet
from featurestore.plan.build import plan_feature_set
from featurestore.skew import causes
from featurestore.skew.hypotheses import twists
from featurestore.skew.report import Example, RowSeen
from featurestore.skew.sight import Sight, answered, asked, sight
from tests.check.test_verify import CardHistory
from tests.skew.reports import example, instant, row

MOVED = "the value as of 1h after"
UNSEEN = replace(row(2, visible=False), known_at=instant(hours=-1))


@pytest.mark.parametrize(
    ("told", "seen", "who"),
    [
        (example(causes.NARROWED), row(2), Sight.BOTH),
        (example(causes.NARROWED), row(25), Sight.OUTSIDE),
        (example(causes.NARROWED), UNSEEN, Sight.NEITHER),
        (example(causes.NARROWED), row(-1, visible=False), Sight.LATER),
        (example(causes.LATE_ROW), row(2, held=False, kind=causes.LATE_ROW), Sight.TRAINING),
        (example(causes.LATE_ROW), row(25, held=False, kind=causes.LATE_ROW), Sight.OUTSIDE),
        (example(causes.LOST), row(2), Sight.TRAINING),
        (example(causes.KEY_TYPE), row(2), Sight.TRAINING),
        (example(causes.OWN_ROW), row(0, known_s=0, visible=False), Sight.SERVED),
        (example(causes.OWN_ROW), row(2), Sight.BOTH),
        (example(causes.UNKNOWN_YET), UNSEEN, Sight.SERVED),
        (example(causes.SHIFTED, evidence=MOVED), row(-0.5, visible=False), Sight.SERVED),
        (example(causes.SHIFTED, evidence=MOVED), row(23.5), Sight.TRAINING),
        (example(causes.SHIFTED, evidence=MOVED), row(2), Sight.BOTH),
        (example(causes.SHIFTED, evidence=MOVED), row(-1.5, visible=False), Sight.LATER),
        (example(causes.WINDOW, evidence="windows a day longer"), row(30), Sight.SERVED),
        (example(causes.WINDOW, evidence="windows an hour shorter"), row(23.5), Sight.TRAINING),
        (example(causes.WINDOW, evidence="the window 6h"), row(7), Sight.TRAINING),
        (example(causes.WINDOW, evidence="all history"), row(1000), Sight.SERVED),
        (example(causes.STALE, evidence="the value as of 6h before"), row(3), Sight.TRAINING),
    ],
)
def test_who_counted_a_row(told: Example, seen: RowSeen, who: Sight) -> None:
    """Each cause gives its rows to the side that counted them."""
    assert sight(seen, told) is who


def test_what_the_answer_is_to_is_read_from_what_is_tried() -> None:
    """Every shifted instant and every window that is a day, an hour or a minute off, or one that stands in the plan, is
    understood in the words of the hypotheses themselves."""
    plan = plan_feature_set(FeatureSet("cards", CardHistory))
    understood = 0
    for each in twists(plan, logged=False):
        told = example(each.cause, evidence=each.evidence)
        theirs = answered(told)
        if each.cause == causes.SHIFTED:
            assert theirs is not None and theirs.as_of != asked(told).as_of
        if each.cause == causes.WINDOW and not each.evidence.startswith(("windows that", "windows a microsecond")):
            assert theirs is not None
            understood += theirs.windows != asked(told).windows
    assert understood > 6


def test_where_the_evidence_is_of_several_cells_nothing_is_read_from_it() -> None:
    """Two texts of evidence may belong to two cells, so none of them is drawn."""
    told = example(causes.SHIFTED, evidence=MOVED)
    assert answered(replace(told, evidence=(MOVED, "the value as of 2h after"))) is None
    assert answered(replace(told, causes=(causes.SHIFTED, causes.NARROWED))) is None
