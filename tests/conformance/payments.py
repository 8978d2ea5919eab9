"""The rows that most stories are about, where nothing about the rows themselves is the point."""

from __future__ import annotations

from typing import Any

from featurestore import Column, Entity, EventTime, KnownTime, Source
from tests.conformance.roads import at


class Account(Entity):
    """Whose payments they are."""

    account: Column[int]


class Payment(Source):
    """A payment, which says itself when it was known, so that the past can be told."""

    account: Column[int]
    amount: Column[float]
    paid_at: EventTime
    known_at: KnownTime


def paid(amount: float | None, clock: str, *, known: str | None = None, day: int = 1, **other: Any) -> dict[str, Any]:
    """A payment of account 1, known when it happened unless said otherwise."""
    return {"account": 1, "amount": amount, "paid_at": at(clock, day), "known_at": at(known or clock, day)} | other
