"""The process that serves: how it starts, what it survives, how it stops."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from featurestore.define.load import load_definitions
from featurestore.errors import ConfigError, FeatureStoreError
from featurestore.log.event_log import EventLog
from featurestore.online.events import check_events, encode
from featurestore.plan.scan import plan_scan
from featurestore.serve.run import run
from tests.serve.shop import (
    DEFINITIONS,
    Served,
    click,
    environment,
    materialised,
    program,
    question,
    serving,
    write_project,
)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project of which nothing was materialised."""
    return write_project(tmp_path / "shop")


def until_answered(served: Served, status: int, path: str = "/readyz", *, wait_s: float = 10.0) -> httpx.Response:
    """The first reply with that status."""
    deadline = time.monotonic() + wait_s
    while True:
        reply = served.client.get(path)
        if reply.status_code == status or time.monotonic() > deadline:
            assert reply.status_code == status, reply.text
            return reply
        time.sleep(0.02)


def test_a_store_that_is_empty_is_not_ready_until_it_is_filled(project: Path) -> None:
    """Before `materialize` health is 200, readiness and lookups are 503 with the reason; after it all are 200."""
    with serving(project) as served:
        assert served.client.get("/healthz").status_code == 200
        for reply in (served.client.get("/readyz"), served.lookup([question()])):
            assert reply.status_code == 503
            assert reply.json()["title"] == "StoreEmpty"
            assert reply.json()["fix"] == "run `featurestore materialize --missing`"
            assert reply.headers["retry-after"] == "1"
        materialised(project)
        assert served.client.get("/readyz").status_code == 200
        assert served.lookup([question()]).status_code == 200


def test_a_server_that_stops_or_dies_is_503_and_comes_back(project: Path) -> None:
    """A frozen server costs a hundred callers one timeout and a dead one none; one of our own is started again."""
    with serving(materialised(project)) as served:
        known = served.lookup([question()]).json()["rows"]
        os.kill(served.server_pid(), signal.SIGSTOP)
        try:
            began = time.monotonic()
            with ThreadPoolExecutor(100) as callers:
                replies = list(callers.map(lambda _: served.lookup([question()]), range(100)))
            assert {reply.status_code for reply in replies} == {503}
            assert {reply.json()["title"] for reply in replies} == {"StoreUnavailable"}
            assert time.monotonic() - began < 3
            assert served.client.get("/readyz").status_code == 503
            assert served.client.get("/healthz").status_code == 200
        finally:
            os.kill(served.server_pid(), signal.SIGCONT)
        until_answered(served, 200)
        os.kill(served.server_pid(), signal.SIGKILL)
        began = time.monotonic()
        reply = served.lookup([question()])
        assert (reply.status_code, reply.json()["title"]) == (503, "StoreUnavailable")
        assert time.monotonic() - began < 1
        until_answered(served, 200)
        assert served.lookup([question()]).json()["rows"] == known
        assert served.metric('featurestore_errors_total{kind="StoreUnavailable"}') >= 101


def test_rows_of_a_dead_writer_are_applied(served: Served) -> None:
    """Rows that were committed and not applied are in the state soon after, without anybody pushing."""

    def seen() -> int:
        return int(served.lookup([question(32)]).json()["rows"][0]["values"][0])

    scan = plan_scan(load_definitions(served.root, "definitions").source("Click"))
    row = check_events(scan, [click(9_000, user=32)]).rows[0]
    applied = 'featurestore_recoveries_total{outcome="applied"}'
    known, before, log = served.metric(applied), seen(), EventLog(served.root / ".featurestore" / "log")
    with log.turn("Click"):
        log.append("Click", encode([row], scan), int(time.time() * 1_000_000))
    log.close()
    deadline = time.monotonic() + 10
    # a lookup would apply the rows itself, so nothing is asked until they are in
    while served.metric(applied) == known and time.monotonic() < deadline:
        time.sleep(0.05)
    assert seen() == before + 1
    assert served.metric(applied) == known + 1


def test_a_request_in_flight_is_finished_before_stopping(project: Path) -> None:
    """A large lookup that began before the signal is answered whole; then process and server end."""
    with serving(materialised(project)) as served:
        pid = served.server_pid()
        with ThreadPoolExecutor(1) as caller:
            answer = caller.submit(served.lookup, {"user": list(range(10_000)), "price": 1.0, "asked_at": None})
            time.sleep(0.05)
            assert not answer.done()
            served.process.send_signal(signal.SIGTERM)
            reply = answer.result()
        assert reply.status_code == 200
        assert len(reply.json()["rows"]) == 10_000
        out, err = served.process.communicate(timeout=15)
        assert (served.process.returncode, out) == (0, "")
        assert [line for line in err.splitlines() if "has no certificate: it was never verified" not in line] == []
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_a_serving_process_has_neither_duckdb_nor_pandas(served: Served) -> None:
    """After lookups and pushes neither library is in the process: none of their files is mapped."""
    assert served.events([click(9_100)]).status_code == 200
    assert served.lookup([question()]).status_code == 200
    mapped = Path(f"/proc/{served.process.pid}/maps")
    if not mapped.exists():
        pytest.skip("this system does not say what a process has mapped")
    text = mapped.read_text()
    assert "/pyarrow/" in text
    assert "/duckdb" not in text
    assert "/pandas/" not in text


def test_several_workers_count_together(project: Path) -> None:
    """Any of two workers answers, /metrics adds up what both did until a second ago, and Ctrl-C stops them all."""
    with serving(materialised(project), workers=2) as served:
        address, answered = served.client.base_url.join("/v1/lookup/clicks"), 0
        while answered < 20:
            # a connection of its own may be answered by either worker
            reply = httpx.post(address, json={"inputs": [question()]}, timeout=30)
            # a server that a busy machine leaves waiting is 503, and is asked again as the reply says
            assert reply.status_code == 200 or reply.headers["retry-after"], reply.text
            answered += reply.status_code == 200
        assert served.events([click(1)]).status_code == 200
        until = time.monotonic() + 10
        while (counted := served.metric('featurestore_lookup_rows_total{feature_set="clicks"}')) < 20:
            assert time.monotonic() < until, f"{counted} of 20 are counted"
            time.sleep(0.1)
        assert counted == 20
        pid = served.server_pid()
        served.process.send_signal(signal.SIGINT)
        out, err = served.process.communicate(timeout=20)
        assert (served.process.returncode, out) == (0, "")
        assert [line for line in err.splitlines() if "has no certificate: it was never verified" not in line] == []
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_an_address_that_cannot_be_taken_is_told(project: Path) -> None:
    """A port in use, a port that is none and a host that is none are errors in four parts."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError, match=f"the port {port} is in use") as caught:
            run(project, port=port)
    assert caught.value.where == f"127.0.0.1:{port}"
    for host, port, says in (
        ("no such host", 0, "is no host"),
        ("203.0.113.1", 0, "is no address of this machine"),
        ("127.0.0.1", 65_536, "is no port"),
    ):
        with pytest.raises(ConfigError, match=says):
            run(project, host=host, port=port)
    with pytest.raises(ConfigError, match="0 workers"):
        run(project, workers=0)


def test_a_project_that_is_not_in_order_does_not_start(project: Path) -> None:
    """A mistake in the definitions and a server that is not there come out as they are, before anything is served."""
    with pytest.raises(FeatureStoreError, match=r"there is no featurestore\.toml"):
        run(project / "definitions", port=0)
    (project / "featurestore.toml").write_text('project = "shop"\nredis = "redis://127.0.0.1:1/0"\n')
    done = subprocess.run(program(project), capture_output=True, text=True, timeout=30, env=environment(), check=False)
    assert done.returncode == 1
    assert done.stdout == ""
    assert "StoreUnavailable: the server does not answer" in done.stderr
    (project / "definitions" / "shop.py").write_text(DEFINITIONS.replace("Click.seconds.sum()", "Click.second.sum()"))
    with pytest.raises(FeatureStoreError, match="`Click` has no column `second`"):
        run(project, port=0)
