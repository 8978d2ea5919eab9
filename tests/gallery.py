"""Situations that raise, at least one for each error of the tree: told in a sentence, and brought about for real."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from featurestore import FeatureStore
from featurestore.cli.given import pairs_of
from featurestore.config import read_config
from featurestore.demo.run import FEATURE_SET, _compare, _Screen
from featurestore.errors import (
    AsOfTooEarly,
    AsOfTooLate,
    ConfigError,
    DefinitionCycle,
    DefinitionErrors,
    DuplicateName,
    FeatureStoreError,
    InputError,
    InvalidDefinition,
    InvalidValue,
    MissingAsOf,
    MissingColumn,
    NaiveTime,
    NotCertified,
    OutOfMemory,
    ParityError,
    RowFunctionFailed,
    ServerNotFound,
    StoreBehind,
    StoreEmpty,
    StoreUnavailable,
    StoreUnsafe,
    TypeMismatch,
    UnknownColumn,
    UnknownFeature,
)
from featurestore.offline.connection import connect as connect_duckdb
from featurestore.offline.memory import memory_told
from featurestore.online.server import _find_binary, check_safe, connect
from tests.serve.shop import serving
from tests.small_shop import IMPORTS, NOON, Shop, purchase, view_with


@dataclass(frozen=True, slots=True)
class Situation:
    """What somebody does, and what is raised."""

    error: type[FeatureStoreError]
    told: str
    act: Callable[[Shop], object]


def _wrong_training_row(shop: Shop) -> None:
    """The demo's comparison, held against a training row that was changed by hand."""
    names = {"tailnum": "str", "origin": "str", "dest": "str"}
    columns = "\n".join(f"    {name}: Column[{kind}]" for name, kind in names.items())
    text = f"from featurestore import *\n\n\nclass Trip(Request):\n{columns}\n\n\n"
    text += "class Leg(FeatureView, request=Trip):\n    home = Trip.dest == Trip.origin\n\n\n"
    root = shop.project(flights=f'{text}{FEATURE_SET} = FeatureSet("{FEATURE_SET}", Leg)\n')
    trip = {"tailnum": "N14228", "origin": "EWR", "dest": "IAH", "scheduled_at": NOON}
    with FeatureStore(root) as store, serving(root) as served:
        trained = store.dataset(FEATURE_SET, [trip], as_of="scheduled_at")
        [row] = trained.to_arrow().to_pylist()
        changed = row | {"leg__home": not row["leg__home"]}
        _compare(str(served.client.base_url), store.plan(FEATURE_SET), trained.version, [changed], _Screen())


def _evicting(shop: Shop) -> None:
    client = shop.store.online.writer
    client.config_set("maxmemory", "100mb")
    client.config_set("maxmemory-policy", "allkeys-lru")
    try:
        check_safe(client)
    finally:
        client.config_set("maxmemory", "0")
        client.config_set("maxmemory-policy", "noeviction")


def _no_server(_: Shop) -> None:
    path, os.environ["PATH"] = os.environ["PATH"], "/nowhere"
    try:
        _find_binary(wheel="no_such_wheel")
    finally:
        os.environ["PATH"] = path


def _another_log(shop: Shop) -> None:
    root = shop.project()
    with FeatureStore(root) as store:
        store.ingest("Purchase", purchase(1))
        store.materialize()
    shutil.move(root / ".featurestore" / "log", root / "old_log")
    with FeatureStore(root) as store:
        store.lookup("checkout", shop.question())


def _never_built(shop: Shop) -> None:
    with FeatureStore(shop.project()) as store:
        store.lookup("checkout", shop.question())


def _nobody_listens(shop: Shop) -> None:
    with FeatureStore(shop.project('redis = "redis://127.0.0.1:1/0"\n')) as store:
        store.lookup("checkout", shop.question())


def _naive_csv(shop: Shop) -> None:
    text = (
        f"{IMPORTS}class Visit(Source, data=Csv('visits.csv')):\n    customer_id: Column[int]\n    seen_at: EventTime\n"
    )
    text += "\n\nclass Visits(FeatureView, entity=Customer, source=Visit):\n    number = rows()\n\n\n"
    root = shop.project(visits=f'{text}visits = FeatureSet("visits", Visits)\n')
    (root / "visits.csv").write_text("customer_id,seen_at\n7,2024-05-01 12:00:00\n")
    with FeatureStore(root) as store:
        store.dataset("visits", [{"customer_id": 7, "at": NOON}], as_of="at")


def _crowded(_: Shop) -> None:
    """What a training set is built with, and a query that needs more than it gets."""
    connection = connect_duckdb([], memory_limit="100MB", threads=1)
    with memory_told("100MB"):
        connection.execute("SELECT list(range ORDER BY -range) FROM range(20_000_000)").fetchall()


def _missing_data(shop: Shop) -> None:
    text = f"{IMPORTS}class Visit(Source, data=Parquet('visits/*.parquet')):\n    customer_id: Column[int]\n"
    text += (
        "    seen_at: EventTime\n\n\nclass Visits(FeatureView, entity=Customer, source=Visit):\n    number = rows()\n"
    )
    root = shop.project(visits=f'{text}\n\nvisits = FeatureSet("visits", Visits)\n')
    with FeatureStore(root) as store:
        store.dataset("visits", [{"customer_id": 7, "at": NOON}], as_of="at")


def _failing_function(shop: Shop) -> None:
    text = f"{IMPORTS}@row_function\ndef share(part: float, whole: float) -> float:\n    if not whole:\n"
    text += "        raise ValueError('nothing to share')\n    return part / whole\n\n\n"
    text += "class Share(FeatureView, request=Basket):\n    share = share(Basket.value, Basket.value - 20.0)\n\n\n"
    with FeatureStore(shop.project(shares=f'{text}shares = FeatureSet("shares", Share)\n')) as store:
        store.lookup("shares", {"value": 20.0})


BROKEN = "from featurestore import *\n\n\nclass {0}(Source):\n    amount: Column[complex]\n    at: EventTime\n"
NEEDS = "from definitions.{0} import {1}\nfrom featurestore import *\n\n\nclass {2}(Entity):\n    id: Column[int]\n"

SITUATIONS: tuple[Situation, ...] = (
    Situation(ConfigError, "A setting is mistyped.", lambda shop: read_config(shop.project('redsi = "redis://a"\n'))),
    Situation(
        ConfigError,
        "An environment is named that featurestore.toml does not have.",
        lambda shop: read_config(shop.project("[environments.production]\n"), environment="prodution"),
    ),
    Situation(ConfigError, "The folder is no project.", lambda shop: read_config(shop.folder)),
    Situation(ConfigError, "The server's address is malformed.", lambda _: connect("redis:/localhost")),
    Situation(
        UnknownColumn, "A column is mistyped.", lambda shop: shop.define(view_with("last = Purchase.amuont.last()"))
    ),
    Situation(
        UnknownColumn,
        "A pushed row has a column that was not declared.",
        lambda shop: shop.store.ingest("Purchase", [purchase(3) | {"contry": "FR"}]),
    ),
    Situation(
        UnknownColumn,
        "An input is mistyped on the command line.",
        lambda shop: pairs_of(
            ["custmer_id=7"],
            {each.name: each.dtype for each in shop.store.plan("checkout").inputs},
            "the feature set `checkout`",
        ),
    ),
    Situation(UnknownFeature, "A feature set is mistyped.", lambda shop: shop.store.plan("chekout")),
    Situation(UnknownFeature, "A source is mistyped.", lambda shop: shop.store.ingest("Purchases", [])),
    Situation(
        UnknownFeature,
        "A feature of another view is mistyped.",
        lambda shop: shop.define("class More(FeatureView):\n    twice = Spending.numbers * 2\n"),
    ),
    Situation(
        TypeMismatch,
        "A number meets a text.",
        lambda shop: shop.define(view_with('more = Purchase.amount.last() + "1"')),
    ),
    Situation(
        TypeMismatch,
        "A key's column has another type.",
        lambda shop: shop.define(
            "class More(FeatureView, entity=Customer, source=Purchase, key=Purchase.country):\n    number = rows()\n"
        ),
    ),
    Situation(
        TypeMismatch,
        "A default is of another type.",
        lambda shop: shop.define(view_with('last = feature(Purchase.amount.last(), default="none")')),
    ),
    Situation(
        DuplicateName,
        "A feature is written twice.",
        lambda shop: shop.define(view_with("number = rows()\n    number = rows(over='1d')")),
    ),
    Situation(
        DuplicateName,
        "A column of the spine has the name of a feature.",
        lambda shop: shop.dataset(shop.question(asked_at=NOON, spending__number=1)),
    ),
    Situation(
        DefinitionCycle,
        "Two files import each other.",
        lambda shop: shop.define(
            "", one=NEEDS.format("two", "Second", "First"), two=NEEDS.format("one", "First", "Second")
        ),
    ),
    Situation(
        InvalidDefinition,
        "`and` is written between expressions.",
        lambda shop: shop.define(view_with('large = rows(where=Purchase.amount > 5 and Purchase.country == "FR")')),
    ),
    Situation(
        InvalidDefinition,
        "A window is no duration.",
        lambda shop: shop.define(view_with('number = rows(over="7 days")')),
    ),
    Situation(
        InvalidDefinition,
        "A group has no such window.",
        lambda shop: shop.define('class More(FeatureView):\n    twice = Spending.amount["31d"] * 2\n'),
    ),
    Situation(
        InvalidDefinition,
        "A time zone is mistyped.",
        lambda shop: shop.define(
            'class More(FeatureView, request=Basket):\n    hour = Basket.placed_at.hour("Europe/Pari")\n'
        ),
    ),
    Situation(
        InvalidDefinition,
        "A column is taken for a value.",
        lambda shop: shop.define(view_with("amount = Purchase.amount")),
    ),
    Situation(
        DefinitionErrors,
        "Several files are wrong.",
        lambda shop: shop.define("", one=BROKEN.format("One"), two=BROKEN.format("Two")),
    ),
    Situation(
        InputError,
        "The spine's file is not there.",
        lambda shop: shop.store.dataset("checkout", "spine.csv", as_of="at"),
    ),
    Situation(InputError, "A source's data is not there.", _missing_data),
    Situation(
        MissingColumn,
        "A question lacks an input, and has one that is called much the same.",
        lambda shop: shop.store.lookup("checkout", {"customerid": 7, "value": 20.0, "placed_at": NOON}),
    ),
    Situation(
        MissingColumn,
        "A question lacks several inputs.",
        lambda shop: shop.store.lookup("checkout", {"customer_id": 7}),
    ),
    Situation(
        MissingColumn,
        "A spine lacks an input.",
        lambda shop: shop.dataset({"customer_id": 7, "placed_at": NOON, "asked_at": NOON}),
    ),
    Situation(
        MissingAsOf,
        "The spine's column of instants is mistyped.",
        lambda shop: shop.dataset(shop.question(asked_at=NOON), as_of="askd_at"),
    ),
    Situation(
        MissingAsOf,
        "A row of the spine has no instant.",
        lambda shop: shop.dataset(shop.question(asked_at=NOON), shop.question(asked_at=None)),
    ),
    Situation(
        NaiveTime,
        "A question has a time without a zone.",
        lambda shop: shop.store.lookup("checkout", shop.question(placed_at=datetime(2024, 5, 1, 12))),
    ),
    Situation(NaiveTime, "A CSV has times without a zone.", _naive_csv),
    Situation(
        InvalidValue,
        "A key is sent as a text.",
        lambda shop: shop.store.lookup("checkout", shop.question(customer_id="7")),
    ),
    Situation(
        InvalidValue,
        "A value of the spine does not fit its type.",
        lambda shop: shop.dataset(
            shop.question(asked_at=NOON, value=20), shop.question(asked_at=NOON, value=2**53 + 1)
        ),
    ),
    Situation(
        AsOfTooEarly,
        "A lookup asks for an instant whose rows were trimmed.",
        lambda shop: shop.store.lookup("checkout", shop.question(), as_of=NOON + timedelta(days=1)),
    ),
    Situation(
        AsOfTooLate,
        "A lookup asks for the future.",
        lambda shop: shop.store.lookup("checkout", shop.question(), as_of=datetime(2200, 1, 1, tzinfo=UTC)),
    ),
    Situation(ServerNotFound, "No server is installed, and none is named.", _no_server),
    Situation(StoreUnavailable, "Nobody listens at the server's address.", _nobody_listens),
    Situation(StoreEmpty, "Nothing was materialized yet.", _never_built),
    Situation(StoreBehind, "The log was replaced under the state.", _another_log),
    Situation(StoreUnsafe, "The server drops keys when its memory is full.", _evicting),
    Situation(OutOfMemory, "A training set needs more memory than its limit gives.", _crowded),
    Situation(
        NotCertified,
        "A training set that must have a certificate is built of a version that was never verified.",
        lambda shop: shop.store.dataset(
            "checkout", [shop.question(asked_at=NOON)], as_of="asked_at", require_certificate=True
        ),
    ),
    Situation(RowFunctionFailed, "A row function raises.", _failing_function),
    Situation(
        ParityError, "A served vector is held against a training row that was changed by hand.", _wrong_training_row
    ),
)
