"""The bare engine of a service: ASGI without a framework, JSON in, one MGET of as many bytes as a lookup reads, their
number out."""

from __future__ import annotations

import json
import os
from typing import Any

import redis.asyncio

_client = redis.asyncio.Redis.from_url(os.environ["BARE_URL"])


async def app(scope: Any, receive: Any, send: Any) -> None:
    """The application."""
    if scope["type"] != "http":
        return
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    question = scope["path"].rsplit("/", 1)[1]
    inputs = json.loads(body)["inputs"]
    found = await _client.mget([f"bare:{question}:{row['user_id']}" for row in inputs])
    answer = json.dumps({"rows": [len(each) for each in found]}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(answer)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": answer})
