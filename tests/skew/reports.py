"""Skew reports written by hand: one in which every cause has a part, and one where nothing differs."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from featurestore.skew.causes import CAUSES, LATE_ROW, SHIFTED, WINDOW
from featurestore.skew.report import Bucket, Example, FeatureSkew, RowSeen, Size, SkewReport

AS_OF = datetime(2026, 11, 21, 12, 0, 0, 250_000, tzinfo=UTC)
BEGIN = AS_OF - timedelta(days=1)


def instant(**before: float) -> str:
    """The text of an instant so long before the one of the examples."""
    return (AS_OF - timedelta(**before)).isoformat().replace("+00:00", "Z")


def row(hours: float, *, known_s: float = 30, held: bool = True, visible: bool = True, kind: str = "") -> RowSeen:
    """A row that happened so many hours before the instant."""
    known = instant(seconds=hours * 3_600 - known_s)
    committed = instant(seconds=-2) if kind == LATE_ROW else None
    place = "log, position 7" if committed else "/data/orders.parquet"
    return RowSeen(place, instant(hours=hours), known, committed, held, visible, kind, {"guest": 7, "euros": 12.5})


def example(cause: str, *rows: RowSeen, feature: str = "taste__spent_1d", evidence: str = "") -> Example:
    """A cell of a feature over one day that differs for one cause."""
    return Example(
        feature,
        (cause,),
        "c45a579bce255d05",
        {"guest": 7},
        instant(),
        instant(seconds=-0.003),
        "12.5 (ok)",
        "25.0 (ok)",
        "12.5 (ok)",
        (evidence,) if evidence else (),
        ((instant(days=1), instant()),),
        rows,
    )


def everything() -> SkewReport:
    """A report in which every cause has a part."""
    ordinary = (row(30), row(20), row(3), row(0.5), row(0.1, known_s=7_200, visible=False), row(-2, visible=False))
    examples = []
    for cause in CAUSES:
        evidence = {SHIFTED: "the value as of 1h after", WINDOW: "windows a day longer"}.get(cause, "")
        rows = (*ordinary, row(4, held=False, kind=LATE_ROW)) if cause == LATE_ROW else ordinary
        examples.append(example(cause, *rows, evidence=evidence))
    counts = {cause: 5 * place for place, cause in enumerate(CAUSES, start=1)}
    sizes = Size(300, 0.25, 40.0, 1_234_567.0, ((0.0, 3), (1e-12, 7), (0.2, 200), (20.0, 80), (1_000_000.0, 10)))
    features = [
        FeatureSkew(
            "taste__spent_1d",
            "float64",
            1_200_000,
            sum(counts.values()),
            3,
            counts,
            (({"guest": "7"}, 12), ({"guest": "8", "device": "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"}, 1)),
            instant(hours=20),
            instant(hours=1),
            sizes,
        ),
        FeatureSkew("taste__last_at", "timestamp", 1_200_000, 0, 0, {}),
        FeatureSkew("taste__named", "string", 0, 0, 0, {}),
    ]
    buckets = [
        Bucket(
            (BEGIN + timedelta(minutes=30 * place)).isoformat().replace("+00:00", "Z"),
            0 if place == 9 else 2_500 * (1 + place % 3),
            0 if place % 4 or place == 9 else 900,
            {} if place % 4 or place == 9 else counts,
        )
        for place in range(48)
    ]
    return SkewReport(
        "till",
        "1310ad1e9f85",
        ("8f39c1309235", "1310ad1e9f85"),
        instant(days=1),
        instant(),
        None,
        400_000,
        1_150_000,
        50_000,
        tuple(features),
        tuple(buckets),
        tuple(examples),
        {LATE_ROW: ["the log, position 7", "the log, position 9"]},
        ("2 requests were not logged",),
        12.5,
    )


def nothing() -> SkewReport:
    """A report in which nothing differs."""
    found = everything()
    features = [replace(each, differing=0, compute_differing=0, causes={}) for each in found.features]
    features = [replace(each, worst_keys=(), first_seen=None, last_seen=None, size=None) for each in features]
    buckets = [replace(each, differing=0, causes={}) for each in found.buckets]
    return replace(
        found, unproven=0, features=tuple(features), buckets=tuple(buckets), examples=(), evidence={}, notes=()
    )
