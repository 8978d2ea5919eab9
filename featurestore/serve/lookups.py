"""The lookup route, as plain ASGI before all others: what it costs beside the lookup itself is what a client waits for.

Small lookups as of now are answered on the event loop: those of a feature set that come while a trip to the store is
under way share the next one. All others have threads of their own.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from starlette.types import ASGIApp, Receive, Scope, Send

from featurestore.errors import FeatureStoreError
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
_MOST_TOGETHER = 32
"""Requests that share a trip: their answers are made at one go, which nobody else should wait for long."""
_Request = tuple[Sequence[Mapping[str, Any]], str]


class Lookups:
    """The route, and a way past it for all other requests."""

    path = PATH

    def __init__(self, app: ASGIApp, service: Service, metrics: Metrics, max_body_bytes: int) -> None:
        self._app, self._service, self._metrics, self._most = app, service, metrics, max_body_bytes
        self._places = Places("lookups", _THREADS)
        self._quick = {name: not _calls_python(plan) for name, plan in service.plans.items()}
        self._waiting: dict[str, deque[tuple[_Request, asyncio.Future[Vectors]]]] = {}
        self._working: dict[str, asyncio.Task[None]] = {}

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
        if len(data) <= _SMALL_BYTES and self._quick[plan.name]:
            questions, as_of_us = service.read_lookup(plan, data)
            if as_of_us is None and len(questions) <= _SMALL_QUESTIONS:
                if behind := service.online.behind(plan):
                    await self._places.run(partial(service.online.catch_up, behind))
                return service.reply(plan, await self._together(plan, (questions, request_id)), self._metrics)
        return await self._places.run(partial(service.lookup, plan, data, self._metrics, request_id))

    def _together(self, plan: Plan, request: _Request) -> asyncio.Future[Vectors]:
        """Have a request answered with all others of its feature set that wait for the next trip."""
        future: asyncio.Future[Vectors] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(plan.name, deque()).append((request, future))
        if plan.name not in self._working:
            self._working[plan.name] = asyncio.create_task(self._work(plan))
        return future

    async def _work(self, plan: Plan) -> None:
        """Answer what waits for a feature set, trip after trip, until nothing does."""
        waiting = self._waiting[plan.name]
        try:
            while waiting:
                await self._answer(plan, [waiting.popleft() for _ in range(min(len(waiting), _MOST_TOGETHER))])
        finally:
            del self._working[plan.name]

    async def _answer(self, plan: Plan, some: Sequence[tuple[_Request, asyncio.Future[Vectors]]]) -> None:
        service = self._service
        try:
            answers: Sequence[Vectors | Exception] = await service.online.lookup_together(
                plan, [request for request, _ in some], service.trips
            )
        except Exception as error:
            answers = [error] * len(some)
        for (_, future), answer in zip(some, answers, strict=True):
            if future.done():  # nobody waits for it any more
                continue
            if isinstance(answer, Vectors):
                future.set_result(answer)
            else:
                future.set_exception(answer)


def _calls_python(plan: Plan) -> bool:
    """Whether features are computed by functions of an author, which may take any time."""
    tops = (feature.node for view in plan.views for feature in view.features)
    return any(isinstance(node, PythonCall) for top in tops for node in walk(top))
