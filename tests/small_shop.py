"""A small shop whose definitions can be broken: projects in a folder, and one of them with purchases and a state."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from featurestore import FeatureStore
from featurestore.define.load import load_definitions

NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)
SHOP = '''"""A shop."""

from datetime import datetime

from featurestore import Column, Entity, EventTime, FeatureSet, FeatureView, KnownTime, Request, RowId, Source, rows


class Customer(Entity):
    customer_id: Column[int]


class Purchase(Source):
    purchase_id: RowId[int]
    customer_id: Column[int]
    country: Column[str]
    amount: Column[float]
    bought_at: EventTime
    known_at: KnownTime


class Basket(Request):
    value: Column[float]
    placed_at: Column[datetime]


class Spending(FeatureView, entity=Customer, source=Purchase):
    amount = Purchase.amount.sum(over=("1d", "30d"))
    number = rows(over="30d")


class AtCheckout(FeatureView, request=Basket):
    against_usual = Basket.value / Spending.amount["30d"]
    hour = Basket.placed_at.hour("Europe/Paris")


checkout = FeatureSet("checkout", Spending, AtCheckout)
'''
IMPORTS = "from definitions.shop import Basket, Customer, Purchase, Spending\nfrom featurestore import *\n\n\n"
VISITS = (
    IMPORTS
    + """class Visit(Source, data={}):
    customer_id: Column[int]
    seen_at: EventTime


class Visits(FeatureView, entity=Customer, source=Visit):
    number = rows()


visits = FeatureSet("visits", Visits)
"""
)


@dataclass
class Shop:
    """A folder for projects, and one project that is there already, with purchases and a state."""

    folder: Path
    store: FeatureStore
    projects: int = 0

    def project(self, toml: str = "", **files: str) -> Path:
        """A new project with the shop's definitions and more files, as the working folder."""
        self.projects += 1
        root = self.folder / f"project{self.projects}"
        (root / "definitions").mkdir(parents=True)
        (root / "featurestore.toml").write_text(toml)
        for name, text in {"shop": SHOP, **files}.items():
            (root / "definitions" / f"{name}.py").write_text(text)
        os.chdir(root)
        return root

    def define(self, body: str, **files: str) -> None:
        """Load definitions with one more file, which begins with the usual imports."""
        load_definitions(self.project(more=f"{IMPORTS}{body}", **files), "definitions")

    def question(self, **other: Any) -> dict[str, Any]:
        """A question that fits."""
        return {"customer_id": 7, "value": 20.0, "placed_at": NOON} | other

    def dataset(self, *rows: dict[str, Any], as_of: str = "asked_at") -> None:
        """A training set over a spine of dicts."""
        self.store.dataset("checkout", list(rows), as_of=as_of)


def purchase(number: int, at: datetime = NOON, **other: Any) -> dict[str, Any]:
    """A row of Purchase."""
    fields = {"purchase_id": number, "customer_id": 7, "country": "FR", "amount": 10.0}
    return {**fields, "bought_at": at, "known_at": at, **other}


@contextmanager
def opened(folder: Path) -> Iterator[Shop]:
    """The shop, open and served."""
    shop = Shop(folder, None)  # type: ignore[arg-type]  # it is opened in the next lines
    with FeatureStore(shop.project("[environments.production]\n")) as store:
        shop.store = store
        store.ingest("Purchase", [purchase(1), purchase(2, NOON + timedelta(days=90))])
        store.materialize()
        yield shop


def view_with(line: str) -> str:
    """A view of purchases with one more line."""
    return f"class More(FeatureView, entity=Customer, source=Purchase):\n    {line}\n"
