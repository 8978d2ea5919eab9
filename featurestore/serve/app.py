"""The application: routes, what a request may be, and how long it may wait."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

from anyio.to_thread import run_sync
from fastapi import FastAPI, Request
from fastapi.responses import RedirectResponse, Response
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from featurestore.errors import FeatureStoreError, InputError
from featurestore.online.request_id import checked_request_id, new_request_id
from featurestore.serve.bodies import read_body
from featurestore.serve.catalog import feature_set_json, feature_sets_json
from featurestore.serve.describe import describe
from featurestore.serve.lookups import PATH, Lookups
from featurestore.serve.metrics import MEDIA_TYPE, Metrics
from featurestore.serve.page import POLICY, docs_page
from featurestore.serve.places import Places
from featurestore.serve.problems import RequestRefused, internal_problem, problem_of, told
from featurestore.serve.service import Service

MOST_BYTES = 16 * 1024 * 1024
_INGEST_THREADS = 8
_RECOVER_EVERY_S = 1.0
_REQUEST_ID = b"x-request-id"
_logger = logging.getLogger(__name__)


def create_app(
    root: str | Path,
    *,
    environment: str | None = None,
    home: str | Path | None = None,
    max_body_bytes: int = MOST_BYTES,
    require_certificate: bool = False,
) -> FastAPI:
    """The service of the project in a folder. Its server and log are open while it runs.

    With `require_certificate`, here or in featurestore.toml, a feature set without a certificate is refused with 503.

    Raises: ConfigError, DefinitionError  when the project is not in order.
    """
    service = Service(root, environment=environment, home=home, require_certificate=require_certificate)
    metrics = Metrics()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        await run_sync(service.open)
        try:
            await run_sync(service.recover, metrics)
            recovering = asyncio.create_task(_keep_recovering(service, metrics))
            try:
                yield
            finally:
                recovering.cancel()
                await asyncio.wait([recovering])
                service.bring_in(metrics)
                await service.trips.close()
        finally:
            await run_sync(service.close)

    app = _App(
        title=f"featurestore: {service.config.project}",
        version="1",
        lifespan=lifespan,
        docs_url=None,  # FastAPI's page loads its scripts from elsewhere
        redoc_url=None,
        redirect_slashes=False,
    )
    app.state.service = service
    _add_routes(app, service, metrics, max_body_bytes)
    _add_errors(app, metrics)
    app.front = _Observed(Lookups(app.routed, service, metrics, max_body_bytes), metrics)
    plain = app.openapi()
    sets = [(service.definitions.feature_sets[name], plan) for name, plan in service.plans.items()]
    sources = [(service.definitions.sources[name], scan) for name, scan in service.scans.items()]
    document = describe(plain, sets, sources)
    app.openapi = lambda: document  # type: ignore[method-assign]  # FastAPI's own way to say more than its routes do
    _add_page(app, docs_page(document))
    return app


def _add_page(app: FastAPI, page: str) -> None:
    @app.get("/docs", include_in_schema=False)
    async def docs() -> Response:
        return Response(page, media_type="text/html", headers={"Content-Security-Policy": POLICY})

    @app.get("/", include_in_schema=False)
    async def front() -> Response:
        return RedirectResponse("docs")


def _add_routes(app: FastAPI, service: Service, metrics: Metrics, max_body_bytes: int) -> None:
    ingests = Places("calls with events", _INGEST_THREADS)

    @app.post(PATH, include_in_schema=False)
    async def unknown(feature_set: str) -> None:
        service.plan(feature_set)  # those that are known are answered before any route is looked for

    @app.post("/v1/events/{source}", include_in_schema=False)
    async def events(source: str, request: Request) -> Response:
        scan = service.scan(source)
        data = await read_body(request.scope, request.receive, max_body_bytes)
        return _json(await ingests.run(partial(service.ingest, scan, data, metrics)))

    @app.get("/v1/feature_sets", tags=["lookup"], summary="The feature sets that are served")
    async def feature_sets() -> Response:
        return _json(feature_sets_json(service))

    @app.get("/v1/feature_sets/{feature_set}", tags=["lookup"], summary="The inputs and features of a feature set")
    async def one_feature_set(feature_set: str) -> Response:
        return _json(feature_set_json(service, feature_set))

    @app.get("/healthz", tags=["health"], summary="Whether the process is alive")
    async def healthz() -> dict[str, str]:
        return {"status": "alive"}

    @app.get("/readyz", tags=["health"], summary="Whether every feature set can be answered rightly; else 503")
    async def readyz() -> Response:
        return _json(await run_sync(service.ready))

    @app.get("/metrics", tags=["health"], summary="Counts and latencies, as Prometheus reads them")
    async def scrape() -> Response:
        service.bring_in(metrics)
        return Response(await run_sync(metrics.text), headers={"Content-Type": MEDIA_TYPE})


def _add_errors(app: FastAPI, metrics: Metrics) -> None:
    async def ours(_: Request, error: Exception) -> Response:
        assert isinstance(error, FeatureStoreError)
        return told(error, metrics.error)

    async def routing(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        place = f"{request.method} {request.url.path}"
        if error.status_code == 405:
            allowed = dict(error.headers or {})
            methods = allowed.get("Allow")
            refused = RequestRefused(
                405,
                "MethodNotAllowed",
                "this route does not take this method",
                where=place,
                has=methods,
                fix=f"send it as {methods}" if methods else "see /docs",
            )
            refused.headers = allowed
        elif error.status_code == 404:
            known = sorted({str(path) for path in app.openapi()["paths"]})
            refused = RequestRefused(404, "NotFound", "there is no such route", where=place, has=known, fix="see /docs")
        else:
            refused = RequestRefused(
                error.status_code, "RequestRefused", str(error.detail), where=place, fix="see /docs"
            )
        metrics.error(refused.name)
        return problem_of(refused)

    app.add_exception_handler(FeatureStoreError, ours)
    app.add_exception_handler(HTTPException, routing)


class _App(FastAPI):
    """An application with a front that every request goes through: what it does not answer itself is for the routes."""

    front: ASGIApp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        await self.front(scope, receive, send)

    async def routed(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request by its route."""
        await super().__call__(scope, receive, send)


class _Observed:
    """Names and measures every request, and answers for errors that nobody expected."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app, self._metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started, status = time.perf_counter(), 0

        request_id, refused = _request_id(scope)
        scope.setdefault("state", {})["request_id"] = request_id

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", ()), (_REQUEST_ID, request_id.encode())]
            await send(message)

        try:
            if refused is not None:
                self._metrics.error(refused.name)
                await problem_of(refused)(scope, receive, noting)
            else:
                await self._app(scope, receive, noting)
        except ClientDisconnect:
            status = 499  # nobody is there to be answered
        except Exception as error:
            _logger.error("%s %s failed", scope["method"], scope["path"], exc_info=error)
            self._metrics.error("InternalError")
            if status:
                raise
            await internal_problem()(scope, receive, noting)
        finally:
            # The template, never the path itself: whoever asks for made-up paths must not fill the registry.
            route = getattr(scope.get("route"), "path", "none")
            method = scope["method"] if scope["method"] in ("GET", "POST") else "other"
            self._metrics.request(route, method, status, time.perf_counter() - started)


def _request_id(scope: Scope) -> tuple[str, RequestRefused | None]:
    """A request's name: the one it brings, or a new one; and what is wrong with the one it brings."""
    given = [value for name, value in scope["headers"] if name == _REQUEST_ID]
    try:
        return checked_request_id(b", ".join(given).decode("latin-1")) if given else new_request_id(), None
    except InputError as error:
        where = "the header `X-Request-ID`"
        return new_request_id(), RequestRefused(
            400, "BadRequestId", error.what, where=where, has=error.has, fix=error.fix
        )


async def _keep_recovering(service: Service, metrics: Metrics) -> None:
    while True:
        await asyncio.sleep(_RECOVER_EVERY_S)
        service.bring_in(metrics)  # another worker may be asked for the counts of all
        await run_sync(service.recover, metrics)


def _json(data: bytes) -> Response:
    return Response(data, media_type="application/json")
