"""Certificates over HTTP: what a service says of them, and what it refuses when they are required."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from featurestore.plan.certificates import take_away
from featurestore.store import FeatureStore
from tests import test_static
from tests.serve.shop import environment, materialised, program, question, serving, write_project


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A materialised project without certificates."""
    return materialised(write_project(tmp_path / "shop"))


def certify(root: Path, name: str = "clicks") -> str:
    """Verify a feature set; its version."""
    with FeatureStore(root) as store:
        return store.verify(name, cells=500).version


def until(status: int, ask: Callable[[], httpx.Response]) -> httpx.Response:
    """The first reply of that status."""
    deadline = time.monotonic() + 10
    while (reply := ask()).status_code != status and time.monotonic() < deadline:
        time.sleep(0.1)
    assert reply.status_code == status, reply.text
    return reply


@pytest.mark.parametrize("workers", [1, 2])
def test_a_service_says_what_has_no_certificate(workers: int, project: Path) -> None:
    """One line on stderr for each such feature set names the command to run; readiness tells each; all are answered."""
    certify(project, "lately")
    with serving(project, workers=workers) as served:
        found = served.client.get("/readyz").json()["certificates"]
        assert found["lately"]["certified"] and found["lately"]["cells"] >= 500
        assert found["clicks"] == {"certified": False, "reason": "it was never verified"}
        assert served.lookup([question()]).status_code == 200
        served.process.terminate()
        _, err = served.process.communicate(timeout=20)
    lines = err.splitlines()
    assert [line.split()[0] for line in lines] == ["clicks", "everything"]
    assert all(line.endswith(f"; run `featurestore verify {line.split()[0]}`") for line in lines)


def test_what_must_have_a_certificate_is_refused_without(project: Path) -> None:
    """With the requirement a certified feature set is answered and another is 503 with the reason, in both workers."""
    version = certify(project)
    with serving(project, workers=2, require_certificate=True) as served:
        assert served.client.get("/readyz").status_code == 200
        assert served.lookup([question()]).status_code == 200
        refused = served.lookup([{"user": 7}], "lately")
        assert (refused.status_code, refused.json()["title"]) == (503, "NotCertified")
        assert refused.json()["has"] == "it was never verified"
        assert refused.json()["fix"] == "run `featurestore verify lately`"
        certify(project, "lately")
        until(200, lambda: served.lookup([{"user": 7}], "lately"))
        take_away(project / ".featurestore", "clicks", version, "`skew` found 1 compute differences")
        for _ in range(2):
            take = until(503, lambda: served.lookup([question()]))
            assert take.json()["has"].startswith("`skew` found 1 compute differences, at ")
        assert served.client.get("/readyz").status_code == 200


def test_a_service_that_may_answer_nothing_does_not_start(project: Path) -> None:
    """Where no feature set has the certificate that is required, `serve` ends with code 1 and says what to run."""
    for workers in (1, 2):
        done = subprocess.run(
            program(project, require_certificate=True, workers=workers),
            capture_output=True,
            text=True,
            timeout=60,
            env=environment(),
            check=False,
        )
        assert (done.returncode, done.stdout) == (1, "")
        assert "NotCertified: version" in done.stderr
        assert "fix  run `featurestore verify clicks`" in done.stderr


def test_readiness_ends_with_the_last_certificate(project: Path) -> None:
    """A service whose last certificate is taken away is not ready any more."""
    version = certify(project)
    with serving(project, require_certificate=True) as served:
        assert served.client.get("/readyz").status_code == 200
        take_away(project / ".featurestore", "clicks", version, "`verify` found 3 of 9 cells differing")
        reply = until(503, lambda: served.client.get("/readyz"))
        assert reply.json()["title"] == "NotCertified"


def test_r20_the_certificate_is_of_the_tables_that_are_served(tmp_path: Path) -> None:
    """A static table that is materialised with other rows is another version: refused from that moment on, until it is
    verified."""
    root = tmp_path / "homes"
    (root / "definitions").mkdir(parents=True)
    (root / "data").mkdir()
    (root / "definitions" / "homes.py").write_text(test_static.DEFINITIONS)
    (root / "featurestore.toml").write_text("require_certificate = true\n")
    pq.write_table(pa.table(test_static.ROWS), root / "data" / "a.parquet")
    materialised(root)
    certify(root, "homes")
    with serving(root) as served:

        def ask() -> httpx.Response:
            return served.lookup([{"person": 1}], "homes")

        assert ask().status_code == 200
        pq.write_table(pa.table({"person": [9], "city": ["z"], "rent": [5.0]}), root / "data" / "b.parquet")
        materialised(root)
        assert ask().json()["title"] == "NotCertified"
        certify(root, "homes")
        until(200, ask)
