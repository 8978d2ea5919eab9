"""The lookup route, as plain ASGI before all others: what it costs beside the lookup itself is what a client waits for.

Small lookups as of now are answered on the event loop: those of a feature set that came at the same time share one trip
to the store, whose deadline is short. All others have threads of their own.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from starlette.types import ASGIApp, Receive, Scope, Send

from featurestore.errors import FeatureStoreError, StoreUnavailable
from featurestore.expr.nodes import PythonCall, walk
from featurestore.online.vectors import Vectors
from featurestore.plan.nodes import Plan
from featurestore.serve.bodies import read_body
from featurestore.serve.metrics import Metrics
from featurestore.serve.places import Places
from featurestore.serve.problems import told
from featurestore.serve.service import Service

PATH = "/v1/lookup/{feature_set}"
_PREFIX = "/v1/lookup/"
_THREADS = 32
_SMALL_BYTES = 4_096
_SMALL_QUESTIONS = 10
_TROUBLE_S = 1.0
"""How long lookups stay off the event loop when the store did not answer: nothing else is to wait for it."""
_Request = tuple[Sequence[Mapping[str, Any]], str]


class Lookups:
    """The route, and a way past it for all other requests."""

    path = PATH

    def __init__(self, app: ASGIApp, service: Service, metrics: Metrics, max_body_bytes: int) -> None:
        self._app, self._service, self._metrics, self._most = app, service, metrics, max_body_bytes
        self._places = Places("lookups", _THREADS)
        self._quick = {name: not _calls_python(plan) for name, plan in service.plans.items()}
        self._trouble_until = 0.0
        self._waiting: dict[str, list[tuple[_Request, asyncio.Future[Vectors]]]] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request for a feature set that there is; all others are for the routes."""
        path = scope.get("path", "")
        plan = self._service.plans.get(path[len(_PREFIX) :]) if path.startswith(_PREFIX) else None
        if plan is None or scope["type"] != "http" or scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        scope["route"] = self
        try:
            data = await read_body(scope, receive, self._most)
            reply = await self._reply(plan, data, scope["state"]["request_id"])
        except FeatureStoreError as error:
            await told(error, self._metrics.error)(scope, receive, send)
            return
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(reply))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": reply})

    async def _reply(self, plan: Plan, data: bytes, request_id: str) -> bytes:
        service = self._service
        if len(data) <= _SMALL_BYTES and self._quick[plan.name] and time.monotonic() >= self._trouble_until:
            questions, as_of_us = service.read_lookup(plan, data)
            if as_of_us is None and len(questions) <= _SMALL_QUESTIONS:
                if behind := service.online.behind(plan):
                    await self._places.run(partial(service.online.catch_up, behind))
                return service.reply(plan, await self._together(plan, (questions, request_id)), self._metrics)
        return await self._places.run(partial(service.lookup, plan, data, self._metrics, request_id))

    def _together(self, plan: Plan, request: _Request) -> asyncio.Future[Vectors]:
        """Have a request answered with all others of its feature set that are ready when the loop turns."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Vectors] = loop.create_future()
        waiting = self._waiting.get(plan.name)
        if waiting is None:
            waiting = self._waiting[plan.name] = []
            loop.call_soon(self._answer, plan)
        waiting.append((request, future))
        return future

    def _answer(self, plan: Plan) -> None:
        waiting = self._waiting.pop(plan.name)
        try:
            answers = self._service.online.lookup_together(plan, [request for request, _ in waiting])
        except Exception as error:
            for _, future in waiting:
                if not future.done():
                    future.set_exception(error)
            return
        for (_, future), answer in zip(waiting, answers, strict=True):
            if future.done():  # nobody waits for it any more
                continue
            if isinstance(answer, StoreUnavailable):
                self._trouble_until = time.monotonic() + _TROUBLE_S
            if isinstance(answer, FeatureStoreError):
                future.set_exception(answer)
            else:
                future.set_result(answer)


def _calls_python(plan: Plan) -> bool:
    """Whether features are computed by functions of an author, which may take any time."""
    tops = (feature.node for view in plan.views for feature in view.features)
    return any(isinstance(node, PythonCall) for top in tops for node in walk(top))
