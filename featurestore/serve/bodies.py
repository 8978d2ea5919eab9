"""Bodies of requests, read with limits."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Generator
from types import coroutine
from typing import Any

from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope

from featurestore.serve.problems import RequestRefused

_BODY_WAIT_S = 30.0
_DRAIN_WAIT_S = 2.0


async def read_body(scope: Scope, receive: Receive, most: int) -> bytes:
    """A JSON request's body.

    Raises: RequestRefused    when it is not declared as JSON (415), is too large (413), or does not arrive (408).
            ClientDisconnect  when nobody is there any more.
    """
    media, length, expects = b"", b"", False
    for name, value in scope["headers"]:
        if name == b"content-type":
            media = value
        elif name == b"content-length":
            length = value
        elif name == b"expect":
            expects = True
    if media.partition(b";")[0].strip().lower() != b"application/json":
        told = media.partition(b";")[0].strip().lower().decode("latin-1")
        raise RequestRefused(
            415,
            "NotJson",
            "the body is not declared as JSON",
            has=f"Content-Type: {told}" if told else "no Content-Type",
            fix="send the header `Content-Type: application/json`",
        )
    too_large = length.isdigit() and int(length) > most
    if too_large and expects:
        raise _too_large(most)
    chunks: list[bytes] = []
    size, more = 0, True

    async def read() -> None:
        nonlocal size, more, too_large
        while more and not too_large:
            chunk, more = await _next(receive)
            size += len(chunk)
            chunks.append(chunk)
            too_large = size > most

    try:
        await _within(_BODY_WAIT_S, read())
    except TimeoutError:
        raise RequestRefused(
            408,
            "BodyTimeout",
            f"the body did not arrive within {_BODY_WAIT_S:.0f} s",
            has=f"{size:,} bytes of it",
            fix="send it again",
        ) from None
    if too_large:
        chunks.clear()
        if more:
            await _drain(receive)
        raise _too_large(most)
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)


async def _within(seconds: float, work: Coroutine[Any, Any, None]) -> None:
    """Work with a deadline, which is set when there is something to wait for: most bodies are there already.

    Raises: TimeoutError  and what the work raises.
    """
    try:
        awaited = work.send(None)
    except StopIteration:
        return
    async with asyncio.timeout(seconds):
        await _going_on(work, awaited)


@coroutine
def _going_on(work: Coroutine[Any, Any, None], awaited: Any) -> Generator[Any, Any, None]:
    """The rest of work that waits for something."""
    while True:
        try:
            value = yield awaited
            resume: Callable[[Any], Any] = work.send
        except BaseException as error:
            value, resume = error, work.throw
        try:
            awaited = resume(value)
        except StopIteration:
            return


async def _next(receive: Receive) -> tuple[bytes, bool]:
    """The next part of a body, and whether there are more."""
    message = await receive()
    if message["type"] == "http.disconnect":
        raise ClientDisconnect
    return message.get("body", b""), message.get("more_body", False)


async def _drain(receive: Receive) -> None:
    """Throw away the rest of a body for a while: a sender that is cut off does not read why."""
    try:
        async with asyncio.timeout(_DRAIN_WAIT_S):
            more = True
            while more:
                _, more = await _next(receive)
    except TimeoutError:
        return


def _too_large(most: int) -> RequestRefused:
    return RequestRefused(
        413, "BodyTooLarge", "the body is too large", has=f"at most {most:,} bytes", fix="send several requests"
    )
