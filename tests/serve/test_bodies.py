"""Bodies: read whole however they come, and not waited for without end."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from starlette.requests import ClientDisconnect
from starlette.types import Message

from featurestore.serve import bodies
from featurestore.serve.bodies import read_body
from featurestore.serve.problems import RequestRefused

SCOPE: dict[str, Any] = {"headers": [(b"content-type", b"application/json")]}


class Sender:
    """Sends parts of a body, each after so many seconds."""

    def __init__(self, parts: Sequence[tuple[float, Message]]) -> None:
        self._parts = iter(parts)

    async def __call__(self) -> Message:
        """The next part."""
        seconds, message = next(self._parts)
        if seconds:
            await asyncio.sleep(seconds)
        return message


def part(data: bytes, *, more: bool) -> Message:
    """A part of a body."""
    return {"type": "http.request", "body": data, "more_body": more}


def read(parts: Sequence[tuple[float, Message]], most: int = 100) -> bytes:
    """The body that these parts make."""
    return asyncio.run(read_body(SCOPE, Sender(parts), most))


@pytest.mark.parametrize("pauses", [(0, 0, 0), (0.01, 0, 0), (0, 0.01, 0.01), (0.01, 0.01, 0.01)])
def test_a_body_in_parts_is_read_whole(pauses: tuple[float, ...]) -> None:
    """Whether its parts are there already or have to be waited for."""
    parts = [part(b"[1,", more=True), part(b"2", more=True), part(b"]", more=False)]
    assert read(list(zip(pauses, parts, strict=True))) == b"[1,2]"


@pytest.mark.parametrize("before", [[], [(0.0, part(b"[1,", more=True))], [(0.01, part(b"[1,", more=True))]])
def test_a_body_that_does_not_come_is_given_up(
    before: list[tuple[float, Message]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a while, and the error says how much of it had come."""
    monkeypatch.setattr(bodies, "_BODY_WAIT_S", 0.1)
    with pytest.raises(RequestRefused) as caught:
        read([*before, (60, part(b"2]", more=False))])
    assert (caught.value.status, caught.value.name) == (408, "BodyTimeout")
    assert caught.value.has == f"{3 * len(before)} bytes of it"


@pytest.mark.parametrize("pause", [0, 0.01])
def test_a_body_that_is_too_large_is_refused(pause: float) -> None:
    """At the part that is too much."""
    with pytest.raises(RequestRefused) as caught:
        read([(pause, part(b"x" * 60, more=True)), (pause, part(b"x" * 60, more=False))])
    assert caught.value.status == 413


@pytest.mark.parametrize("pause", [0, 0.01])
def test_whoever_goes_away_is_noticed(pause: float) -> None:
    """Before the body is whole."""
    with pytest.raises(ClientDisconnect):
        read([(pause, part(b"[1", more=True)), (pause, {"type": "http.disconnect"})])


def test_reading_can_be_cancelled() -> None:
    """As any work on the event loop can."""

    async def run() -> None:
        reading = asyncio.create_task(read_body(SCOPE, Sender([(60, part(b"", more=False))]), 100))
        await asyncio.sleep(0.01)
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading

    asyncio.run(run())
