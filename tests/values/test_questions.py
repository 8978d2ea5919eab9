"""What a question lacks is named at once, and a reply says the types of its values."""

from __future__ import annotations

import json
from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from featurestore import Column, Entity, EventTime, FeatureSet, FeatureStore, FeatureView, Request, Source, column, rows
from featurestore.cli.serving import _reply
from featurestore.errors import FeatureStoreError, MissingColumn
from featurestore.serve.wire import LookupReply, lookup_json
from featurestore.testing import value

HISTORY = pa.table({"k": [1], "zone": ["a"], "at": [pd.Timestamp("2024-01-01", tz="UTC")]})


class Pair(Entity):
    """A key of two parts."""

    k: Column[int]
    zone: Column[str]


class Ask(Request):
    """Inputs."""

    amount: Column[float]
    price: Column[Decimal] = column(precision=12, scale=2)
    moment: Column[datetime]


class Event(Source, data=HISTORY):
    """Rows of a key."""

    k: Column[int]
    zone: Column[str]
    at: EventTime


class Known(FeatureView, entity=Pair, source=Event):
    """Of the key."""

    n = rows()
    last = Event.at.last()
    zones = Event.zone.last_n(2)


class Asked(FeatureView, request=Ask):
    """Of the request."""

    twice = Ask.amount * 2
    price = Ask.price + Decimal("0.01")
    hour = Ask.moment.hour()


FEATURES = FeatureSet("asked", Known, Asked)


def test_all_missing_inputs_are_named_with_a_whole_question(store: FeatureStore) -> None:
    """The error names each input with its type, and its example is a question that is answered."""
    store.materialize([Known])
    with pytest.raises(MissingColumn) as caught:
        store.lookup(FEATURES, [{"k": 1, "zone": "a", "amount": 1.0, "price": 1, "moment": None}, {"k": 1, "tip": 2}])
    assert caught.value.what == "question 1 lacks the inputs `zone`, `amount`, `price`, `moment`"
    fix = caught.value.fix or ""
    assert "`zone` (string), `amount` (float64), `price` (decimal(12,2)), `moment` (timestamp)" in fix
    example = json.loads(fix.split("A whole question: ")[1])
    assert len(store.lookup(FEATURES, example)) == 1
    with pytest.raises(MissingColumn, match="lacks the input `moment`") as one:
        store.lookup(FEATURES, {"k": 1, "zone": "a", "amount": 1.0, "price": 1, "momnt": None})
    assert one.value.fix == "rename `momnt` to `moment`"


def test_a_reply_says_the_type_of_each_feature(store: FeatureStore) -> None:
    """Once for a reply, in the order of the names, over HTTP and on the command line: a null has a type too."""
    store.materialize([Known])
    vectors = store.lookup(FEATURES, {"k": 2, "zone": "b", "amount": None, "price": None, "moment": None})
    reply = json.loads(lookup_json(vectors))
    types = ["int64", "timestamp", "list<string>", "float64", "decimal(18,2)", "int64"]
    assert reply["types"] == types == _reply(vectors)["types"]
    assert msgspec.convert(reply["names"], list[str]) == list(vectors.names)
    assert LookupReply.model_validate(reply).types == types


FOREIGN: list[tuple[str, Any, Any]] = [
    ("amount", np.float32(0.1), float(np.float32(0.1))),
    ("amount", np.int64(3), 3.0),
    ("amount", np.datetime64("2024-01-01"), FeatureStoreError),
    ("amount", pd.NA, None),
    ("amount", pd.NaT, None),
    ("price", np.int16(3), Decimal("3.00")),
    ("price", np.str_("3.5"), Decimal("3.50")),
    ("price", 3.5, FeatureStoreError),
    ("moment", np.datetime64("2024-01-01T05", "ns"), FeatureStoreError),
    ("moment", np.datetime64("2024-01-01"), FeatureStoreError),
    ("moment", np.datetime64("NaT"), None),
    ("moment", pd.Timestamp("2024-01-01T05:00Z"), 5),
    ("moment", pd.Timestamp(np.datetime64("20240-01-01", "s"), tz="UTC"), FeatureStoreError),
    ("moment", np.timedelta64(5, "s"), FeatureStoreError),
    ("zone", np.str_("a"), 1),
    ("zone", np.bytes_(b"a"), FeatureStoreError),
    ("k", np.int8(1), 1),
    ("k", np.float64(1.0), 1),
    ("k", np.float32(2**24), FeatureStoreError),
    ("k", np.bool_(True), FeatureStoreError),
    ("k", Decimal(1), 1),
    ("k", Decimal("1.5"), FeatureStoreError),
    ("k", pd.NA, 0),
    ("k", np.longdouble(1), FeatureStoreError),
]
FEATURE_OF = {"amount": "twice", "price": "price", "moment": "hour", "zone": "n", "k": "n"}


@pytest.mark.parametrize(("name", "given", "expected"), FOREIGN, ids=lambda each: f"{type(each).__name__}")
def test_p_values_of_numpy_and_pandas_are_exact_or_refused_at_every_entrance(
    store: FeatureStore, name: str, given: Any, expected: Any
) -> None:
    """In a lookup, a spine of dicts and `testing.value`: one value, or an error of ours in four parts."""
    store.materialize([Known])
    row = {"k": 1, "zone": "a", "amount": None, "price": None, "moment": None, name: given}
    entity = FEATURE_OF[name] == "n"
    feature = getattr(Known if entity else Asked, FEATURE_OF[name])
    full = f"{'known' if entity else 'asked'}__{FEATURE_OF[name]}"
    key = ("k", "zone") if entity else ()
    history = [{"k": 1, "zone": "a", "at": "2024-01-01T00:00:00Z"}] if entity else []
    spine = [{**row, "t": pd.Timestamp("2024-06-01T00Z")}]
    roads: list[Any] = [
        lambda: store.lookup(FEATURES, row).to_pylist()[0][full],
        lambda: store.dataset(FEATURES, spine, as_of="t").to_arrow().to_pylist()[0][full],
        lambda: value(
            feature,
            history,
            key=tuple(row[each] for each in key) or None,
            request=None if entity else {name: given},
            as_of="2024-06-01T00:00:00Z",
        ),
    ]
    if name == "k" and isinstance(given, (float, Decimal)) and expected == 1:
        del roads[1]
    if name == "price":
        expected = expected if expected is FeatureStoreError else expected + Decimal("0.01")
    if name == "amount" and expected not in (None, FeatureStoreError):
        expected = expected * 2
    for road in roads:
        if expected is FeatureStoreError:
            with pytest.raises(FeatureStoreError) as caught:
                road()
            assert caught.value.fix
        else:
            assert road() == expected
