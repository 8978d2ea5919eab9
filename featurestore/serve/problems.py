"""Errors over HTTP: the four parts as application/problem+json (RFC 9457)."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping, Sequence

from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field

from featurestore.errors import (
    AsOfTooEarly,
    FeatureStoreError,
    InputError,
    NotCertified,
    RowFunctionFailed,
    StoreError,
    UnknownColumn,
    UnknownFeature,
)

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_S = 1
_logger = logging.getLogger(__name__)
# The first kind that fits; what fits none is ours to mend and shows nothing of itself.
_STATUS: tuple[tuple[type[FeatureStoreError], int], ...] = (
    (UnknownFeature, 404),
    (AsOfTooEarly, 409),
    (UnknownColumn, 422),
    (InputError, 422),
    (StoreError, 503),
    (NotCertified, 503),
    (RowFunctionFailed, 500),
)


class Problem(BaseModel):
    """What every answer other than 200 holds: which error, in which place, what there is, and how to mend it."""

    model_config = ConfigDict(populate_by_name=True)

    type: str = Field(examples=["urn:featurestore:error:MissingColumn"])
    title: str = Field(description="the error's name", examples=["MissingColumn"])
    status: int = Field(examples=[422])
    detail: str = Field(description="what happened", examples=["question 0 lacks the input `user`"])
    where: str | None = Field(None, alias="in", description="in which place", examples=["feature set `clicks`"])
    has: str | None = Field(None, description="what there is instead", examples=["usr"])
    fix: str | None = Field(None, description="how to mend it", examples=["write `user`"])


class RequestRefused(FeatureStoreError):
    """A request that is refused for its form, before its meaning is looked at. `status` is the HTTP status."""

    def __init__(
        self,
        status: int,
        title: str,
        what: str,
        *,
        where: str | None = None,
        has: Sequence[str] | str | None = None,
        fix: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(what, where=where, has=has, fix=fix)
        self.status, self.title, self.headers = status, title, dict(headers or {})

    @property
    def name(self) -> str:
        """The title: one class stands for all refusals."""
        return self.title


def status_of(error: FeatureStoreError) -> int:
    """The HTTP status of an error; 500 for one that no caller can cause."""
    if isinstance(error, RequestRefused):
        return error.status
    return next((status for kind, status in _STATUS if isinstance(error, kind)), 500)


def is_ours(error: FeatureStoreError) -> bool:
    """Whether an error is for us to mend: neither the caller nor the definitions can."""
    return not isinstance(error, (RequestRefused, *(kind for kind, _ in _STATUS)))


def problem_of(error: FeatureStoreError) -> Response:
    """An error as a response; one of ours says nothing of itself."""
    status = status_of(error)
    if is_ours(error):
        return internal_problem()
    headers = dict(error.headers) if isinstance(error, RequestRefused) else {}
    if status == 503:
        headers["Retry-After"] = str(RETRY_AFTER_S)
    parts = error.parts()
    return _response(error.name, status, parts.pop("what"), parts, headers)


def told(error: FeatureStoreError, count: Callable[[str], None]) -> Response:
    """An error as its caller sees it, counted by its name. Raises: FeatureStoreError  when it is one of ours."""
    if is_ours(error):
        raise error
    if isinstance(error, RowFunctionFailed):
        _logger.error("%s", error, exc_info=error)
    count(error.name)
    return problem_of(error)


def internal_problem() -> Response:
    """What a caller sees of an error of ours: nothing but that there was one."""
    return _response("InternalError", 500, "something went wrong in the service", {"fix": "see the service's log"}, {})


def _response(title: str, status: int, detail: str, parts: Mapping[str, str], headers: Mapping[str, str]) -> Response:
    body = {"type": f"urn:featurestore:error:{title}", "title": title, "status": status, "detail": detail, **parts}
    # ASCII: a name that is quoted from a request may hold a lone surrogate, which UTF-8 cannot write.
    return Response(json.dumps(body), status_code=status, media_type=MEDIA_TYPE, headers=dict(headers))
