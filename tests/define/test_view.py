"""What a view takes as a feature: expressions, groups, dicts of expressions, and what is said of them."""

from __future__ import annotations

from typing import Any

import pytest

from featurestore import (
    Column,
    Drift,
    Entity,
    EventTime,
    Feature,
    FeatureSet,
    FeatureView,
    Request,
    Source,
    feature,
    rows,
    time_between,
)
from featurestore.errors import DefinitionError, DuplicateName, InvalidDefinition, TypeMismatch
from featurestore.plan.build import plan_feature_set
from featurestore.testing import value


class User(Entity):
    """Who."""

    user: Column[int]


class Item(Entity):
    """What."""

    item: Column[str]


class Sale(Source):
    """A sale."""

    user: Column[int]
    item: Column[str]
    buyer: Column[int]
    country: Column[str]
    amount: Column[float]
    at: EventTime


class Trip(Request):
    """What the question knows."""

    item: Column[str]
    user: Column[int]
    friend: Column[int]


class Sales(FeatureView, entity=User, source=Sale):
    """Of a user."""

    spent = feature(Sale.amount.sum(over=("1d", "7d")), default=0.0, doc="money", owner="shop", tags=("money",))
    late = feature(rows(over=("1d", "7d")), name="count")
    by = {country: rows(over="7d", where=Sale.country == country) for country in ("fr", "de")}
    top = feature({n: Sale.amount.max(over=f"{n}d") for n in (1, 2)}, default=-1.0, drift=Drift(psi=0.1))


class Friend(Sales, entity=User(user=Trip.friend)):
    """The same of a friend."""


class Compared(FeatureView):
    """Members of groups by their labels."""

    more = Sales.spent["7d"] - Friend.spent["7d"]
    french = Sales.by["fr"] / (Sales.by["fr"] + Sales.by["de"])
    best = Sales.top[2]


NAMES = ["spent_1d", "spent_7d", "count_1d", "count_7d", "by_fr", "by_de", "top_1", "top_2"]


def test_every_member_of_a_group_is_a_feature() -> None:
    """A group has a feature for each window, a dict one for each label; `name=` stands for the attribute."""
    assert [spec.name for spec in Sales.__spec__.features] == NAMES
    assert [spec.name for spec in Friend.__spec__.features] == NAMES


def test_what_is_said_of_a_group_is_said_of_each_member() -> None:
    """Default, description and owner go to every member, in the view and in what refers to it."""
    specs = {spec.name: spec for spec in Sales.__spec__.features}
    assert {(specs[name].doc, specs[name].owner, specs[name].tags) for name in ("spent_1d", "spent_7d")} == {
        ("money", "shop", ("money",))
    }
    assert specs["top_1"].drift == Drift(psi=0.1)
    member = Friend.spent["1d"]
    assert isinstance(member, Feature) and member.doc == "money"
    assert value(Sales.spent["7d"], [], key=1, as_of="2024-05-01T00:00Z") == 0.0
    assert value(Sales.top[1], [], key=1, as_of="2024-05-01T00:00Z") == -1.0


def test_members_are_named_by_other_views_and_feature_sets() -> None:
    """Groups and dicts stay what they are: a feature set takes them whole or in part."""
    plan = plan_feature_set(FeatureSet("some", Sales.by, Sales.spent, Compared, Friend.top[1]))
    assert [output.name for output in plan.outputs][:4] == [
        "sales__by_fr",
        "sales__by_de",
        "sales__spent_1d",
        "sales__spent_7d",
    ]
    sold = [{"country": country, "at": "2024-05-01T00:00Z", "buyer": 1} for country in ("fr", "fr", "de")]
    assert value(Compared.french, sold, key=1, as_of="2024-05-02T00:00Z") == 2 / 3


def test_a_pair_of_entities_is_one_key() -> None:
    """The key of a pair has the columns of both, each asked for by its own name or by a request's column."""

    class Pair(FeatureView, entity=(User, Item), source=Sale):
        number = rows()

    class Gift(FeatureView, entity=(User(user=Trip.friend), Item), source=Sale, key=(Sale.buyer, Sale.item)):
        number = rows()

    sold = [{"user": 1, "buyer": 2, "item": item, "at": "2024-05-01T00:00Z"} for item in "aab"]
    asked: dict[str, Any] = {"as_of": "2024-05-02T00:00Z"}
    assert value(Pair.number, sold, key=(1, "a"), **asked) == 2
    assert value(Pair.number, sold, key=(2, "a"), **asked) == 0
    assert value(Gift.number, sold, key={"item": "b", "friend": 2}, **asked) == 1
    assert Pair.__spec__.key_columns == ("user", "item") and Gift.__spec__.key_columns == ("buyer", "item")


def made(base: type = FeatureView, **body: Any) -> Any:
    """A view with these attributes."""
    options: dict[str, Any] = {"entity": User, "source": Sale} if base is FeatureView else {}
    return type("Made", (base,), {"__module__": __name__, **body}, **options)


@pytest.mark.parametrize(
    ("body", "kind", "what"),
    [
        ({"by": {"a b": rows()}}, InvalidDefinition, "'by_a b' is no name for a feature"),
        ({"by": {"fr": 1}}, InvalidDefinition, r"`Made.by\['fr'\]` is an int, not a feature"),
        ({"by": {}}, InvalidDefinition, "`Made.by` is a dict, not a feature"),
        ({"gap": time_between()}, InvalidDefinition, "`Made.gap` is a TimeBetween, not a feature"),
        ({"by": {"x": Sale.amount}}, InvalidDefinition, "a column of rows, not a value"),
        ({"a": {"b_c": rows()}, "a_b": {"c": rows()}}, DuplicateName, "two features `a_b_c`"),
        ({"a": feature(rows(over=("1d", "2d")), name="b"), "b_1d": rows()}, DuplicateName, "two features `b_1d`"),
        ({"a": {"x": rows(), "X": rows()}}, DuplicateName, "differ only in case"),
    ],
)
def test_labels_make_valid_names(body: dict[str, Any], kind: type[DefinitionError], what: str) -> None:
    """A label that makes no name, or a name that is taken, is refused where it is written."""
    with pytest.raises(kind, match=what) as caught:
        made(**body)
    assert caught.value.fix


def test_a_role_adds_no_dict() -> None:
    """A role reads the same state: what would be another feature is refused."""
    with pytest.raises(InvalidDefinition, match="in another role and cannot change it"):
        type("Other", (Sales,), {"__module__": __name__, "more": {"x": rows()}}, entity=User(user=Trip.friend))


def test_a_default_fits_every_member() -> None:
    """A default of another type is told with the member it does not fit."""
    with pytest.raises(TypeMismatch, match="the default 'none' is no float64"):
        feature({"a": Sale.amount.sum()}, default="none")  # type: ignore[call-overload]


def test_a_key_from_another_feature_is_refused() -> None:
    """It would cost a second trip, so it is refused where it is written, with what to write."""
    with pytest.raises(InvalidDefinition, match=r"the key `User.user` comes from `Sales.count_1d`") as caught:
        User(user=Sales.late["1d"])
    assert "take keys from a request" in str(caught.value.fix)


def test_two_key_columns_of_one_name_are_told_apart() -> None:
    """A pair of the same entity twice needs two inputs."""
    with pytest.raises(DuplicateName, match="asked for by one input `user`") as caught:
        type("Two", (FeatureView,), {"__module__": __name__, "n": rows()}, entity=(User, User), source=Sale)
    assert "User(user=YourRequest.other_user)" in str(caught.value.fix)
