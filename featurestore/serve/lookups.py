"""The lookup route, as plain ASGI before all others: what it costs beside the lookup itself is what a client waits for.

Lookups as of now that take a moment are answered on the event loop: those of a feature set that come while a trip to
the store is under way share the next one. All others have threads of their own.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from starlette.types import ASGIApp, Receive, Scope, Send

from featurestore.errors import FeatureStoreError
from featurestore.expr.nodes import PythonCall, walk
from featurestore.online.trips import Command
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
_SMALL_BYTES = 16_384
_MOMENT_S = 0.002
"""How long answering a lookup may keep everybody else on the event loop waiting, by what its kind has taken lately."""
_MOST_TOGETHER_S = 0.004
"""The same for lookups that share a trip."""
_TRIP_S = 0.0001
"""What a trip takes whatever it asks for."""
_FIRST_GUESS_S = 0.0001
_LEAST_S = 0.000_002
"""Of one question."""
_Request = tuple[Sequence[Mapping[str, Any]], str]


class Lookups:
    """The route, and a way past it for all other requests."""

    path = PATH

    def __init__(self, app: ASGIApp, service: Service, metrics: Metrics, max_body_bytes: int) -> None:
        self._app, self._service, self._metrics, self._most = app, service, metrics, max_body_bytes
        self._places = Places("lookups", _THREADS)
        self._quick = {name: not _calls_python(plan) for name, plan in service.plans.items()}
        self._question_s = dict.fromkeys(service.plans, _FIRST_GUESS_S)
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
            if as_of_us is None and len(questions) * self._question_s[plan.name] <= _MOMENT_S:
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
                some, room_s = [waiting.popleft()], _MOST_TOGETHER_S
                while waiting and (room_s := room_s - len(some[-1][0][0]) * self._question_s[plan.name]) > 0:
                    some.append(waiting.popleft())
                await self._answer(plan, some)
        finally:
            del self._working[plan.name]

    async def _answer(self, plan: Plan, some: Sequence[tuple[_Request, asyncio.Future[Vectors]]]) -> None:
        service, began, waited_s = self._service, time.perf_counter(), 0.0

        async def exchange(commands: Sequence[Command]) -> list[Any]:
            nonlocal waited_s
            sent = time.perf_counter()
            try:
                return await service.trips(commands)
            finally:
                waited_s += time.perf_counter() - sent

        requests = [request for request, _ in some]
        try:
            answers: Sequence[Vectors | Exception]
            answers = await service.online.lookup_together(plan, requests, exchange)
        except Exception as error:
            answers = [error] * len(some)
        self._learn(plan, sum(len(inputs) for inputs, _ in requests), time.perf_counter() - began - waited_s)
        for (_, future), answer in zip(some, answers, strict=True):
            if future.done():  # nobody waits for it any more
                continue
            if isinstance(answer, Vectors):
                future.set_result(answer)
            else:
                future.set_exception(answer)

    def _learn(self, plan: Plan, questions: int, seconds: float) -> None:
        """Learn what a question takes: the more there were, the more their time says."""
        if questions:
            known_s, found_s = self._question_s[plan.name], max(_LEAST_S, (seconds - _TRIP_S) / questions)
            self._question_s[plan.name] = known_s + (found_s - known_s) * questions / (questions + 50)


def _calls_python(plan: Plan) -> bool:
    """Whether features are computed by functions of an author, which may take any time."""
    tops = (feature.node for view in plan.views for feature in view.features)
    return any(isinstance(node, PythonCall) for top in tops for node in walk(top))
