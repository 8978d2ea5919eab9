"""Every kind of error as application/problem+json."""

from __future__ import annotations

import json

import pytest

from featurestore import errors
from featurestore.errors import FeatureStoreError
from featurestore.serve.problems import Problem, problem_of, status_of

STATUSES = {
    "AsOfTooEarly": 409,
    "AsOfTooLate": 422,
    "InputError": 422,
    "InvalidValue": 422,
    "MissingAsOf": 422,
    "MissingColumn": 422,
    "NaiveTime": 422,
    "NotCertified": 503,
    "ServerNotFound": 503,
    "StoreBehind": 503,
    "StoreEmpty": 503,
    "StoreError": 503,
    "StoreUnavailable": 503,
    "StoreUnsafe": 503,
    "UnknownColumn": 422,
    "UnknownFeature": 404,
}
KINDS = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, FeatureStoreError)]


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind is not errors.DefinitionErrors])
def test_every_error_has_a_status(kind: type[FeatureStoreError]) -> None:
    """What a caller can cause is 4xx, what the store lacks is 503, all else is 500."""
    assert status_of(kind("it broke")) == STATUSES.get(kind.__name__, 500)


def test_a_problem_carries_the_four_parts() -> None:
    """What, where, what there is and the fix are sent under the names that the terminal prints."""
    response = problem_of(errors.MissingColumn("no `a`", where="question 0", has=["c", "b"], fix="send `a`"))
    assert response.headers["content-type"] == "application/problem+json"
    assert json.loads(bytes(response.body)) == {
        "type": "urn:featurestore:error:MissingColumn",
        "title": "MissingColumn",
        "status": 422,
        "detail": "no `a`",
        "in": "question 0",
        "has": "b, c",
        "fix": "send `a`",
    }
    assert Problem.model_validate_json(bytes(response.body)).where == "question 0"


def test_a_store_that_cannot_answer_says_when_to_ask_again() -> None:
    """A 503 has Retry-After."""
    assert problem_of(errors.StoreEmpty("nothing")).headers["retry-after"] == "1"


def test_an_error_of_ours_shows_nothing_of_itself() -> None:
    """A 500 names neither the error nor its parts."""
    body = bytes(problem_of(errors.ConfigError("secret", where="/secret", has="secret")).body).decode()
    assert "InternalError" in body
    assert "secret" not in body
    assert "ConfigError" not in body


def test_a_row_function_that_failed_shows_itself() -> None:
    """A 500 of the definitions' own code is theirs to mend: it has its name and parts."""
    error = errors.RowFunctionFailed("it raised", where="question 0", has="a=1", fix="mend it")
    body = json.loads(bytes(problem_of(error).body))
    assert (body["status"], body["title"], body["has"]) == (500, "RowFunctionFailed", "a=1")
