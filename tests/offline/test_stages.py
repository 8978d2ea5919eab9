"""Stages of a SELECT: kernels become columns of nested SELECTs, beside each other and inside each other."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa

from featurestore import Column, Entity, EventTime, FeatureSet, FeatureView, Source, haversine
from featurestore.offline.dataset import Dataset, build_dataset
from featurestore.offline.scan import History
from featurestore.plan.build import plan_feature_set
from featurestore.semantics.kernels.table import KERNELS

AT = datetime(2024, 5, 1, tzinfo=UTC)
PLACES = [(52.52, 13.405), (48.8566, 2.3522), (-33.8688, 151.2093), (None, 0.0)]
STOPS = pa.table(
    {
        "courier": [1] * len(PLACES),
        "lat": pa.array([lat for lat, _ in PLACES], pa.float64()),
        "lon": pa.array([lon for _, lon in PLACES], pa.float64()),
        "whole": [0, 3, -2, 5],
        "at": [AT] * len(PLACES),
    }
)


class Courier(Entity):
    """Who brings it."""

    courier: Column[int]


class Stop(Source, data=STOPS):
    """Where they were."""

    courier: Column[int]
    lat: Column[float]
    lon: Column[float]
    whole: Column[int]
    at: EventTime


class Travel(FeatureView, entity=Courier, source=Stop):
    """Distances and what is made of them."""

    farthest = haversine(Stop.lat, Stop.lon, 0.0, 0).max()
    felt = haversine(Stop.lat, Stop.lon, 0.0, 0).log1p().max()
    roots = (Stop.whole**2 + 1).log().sum(where=Stop.lat.sin() < 0.9)
    score = (1.0 + (-rate).exp()) ** -1.0 if (rate := Stop.lon.mean()) is not None else rate


def asked() -> Dataset:
    """The view of one courier."""
    spine = [{"courier": 1, "asked_at": datetime(2024, 5, 2, tzinfo=UTC)}]
    return build_dataset(plan_feature_set(FeatureSet("travel", Travel)), spine, "asked_at", History(Path()))


def test_r10_kernels_are_columns_of_the_select() -> None:
    """Nested kernels, of rows and of answers, give the bits of Python."""
    [found] = asked().to_arrow().to_pylist()
    function = {name: kernel.python for name, kernel in KERNELS.items()}
    far = [function["haversine"](lat, lon, 0.0, 0.0) for lat, lon in PLACES if lat is not None]
    logs = [
        function["log"](function["power"](float(whole), 2.0) + 1.0)
        for (lat, _), whole in zip(PLACES, STOPS["whole"].to_pylist(), strict=True)
        if lat is not None and function["sin"](lat) < 0.9
    ]
    rate = math.fsum(lon for _, lon in PLACES) / 4.0
    assert found["travel__farthest"] == max(far)
    assert found["travel__felt"] == max(map(function["log1p"], far))
    assert found["travel__roots"] == math.fsum(logs)
    assert found["travel__score"] == function["power"](1.0 + function["exp"](-rate), -1.0)


def test_a_kernel_is_computed_once_and_calls_no_macro() -> None:
    """The distance that two features need stands once, and the text needs no macro of a kernel."""
    sql = asked().sql
    assert sql.count("12742.0176") == 3  # once in the product, and in its two halves
    assert not any(f"fs_{name}(" in sql for name in KERNELS)
