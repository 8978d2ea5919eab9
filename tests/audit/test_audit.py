"""`featurestore audit` beside a real service: what it counts, survives, refuses and says."""

from __future__ import annotations

import json
import socket
import subprocess
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from featurestore.log.served import is_sampled
from featurestore.plan.certificates import standing
from featurestore.store import FeatureStore
from tests.audit.shop import (
    DEFINITIONS,
    FEATURES,
    auditing,
    command,
    lose_state,
    once,
    push_late,
    serve_lookups,
    write_project,
)
from tests.serve.shop import environment


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A materialised project."""
    return write_project(tmp_path / "shop")


def test_what_was_served_is_counted_once_and_faults_are_found(project: Path) -> None:
    """Clean cells count, a late row has its cause, lost state takes the certificate away, and neither a restart of the
    audit nor a new file of the log makes it count anything twice."""
    with FeatureStore(project) as store:
        version = store.verify("spending", cells=500).version
        home = store.config.home
    serve_lookups(project, 20)
    with auditing(project, "--share", "1") as audit:
        assert "featurestore_parity_unexplained_total{" in audit.client.get("/metrics").text, "it counts from 0"
        audit.until(lambda: audit.total("featurestore_parity_cells_total") == 20 * 2 * FEATURES)
        assert audit.metric('featurestore_parity_cells_total{feature="spend__n",feature_set="spending"}') == 40
        assert audit.metric('featurestore_audit_questions_total{feature_set="spending"}') == 40
        for name in ("compute_differing", "unexplained"):
            sample = f'featurestore_parity_{name}_total{{feature="spend__n",feature_set="spending"}}'
            assert audit.metric(sample) == 0
        assert audit.total("featurestore_parity_differing_total") == 0
        assert audit.metric("featurestore_audit_lag_seconds") == 0
        audit.until(lambda: (audit.metric('featurestore_audit_rounds_total{outcome="done"}') or 0) > 2)
        last = audit.metric("featurestore_audit_last_round_timestamp_seconds")
        assert last is not None and abs(time.time() - last) < 10
        assert (audit.metric("featurestore_audit_round_seconds") or 0) > 0
        assert audit.total("featurestore_parity_cells_total") == 20 * 2 * FEATURES

        serve_lookups(project, 10, start=20)
        audit.until(lambda: audit.total("featurestore_parity_cells_total") == 30 * 2 * FEATURES)
        assert audit.total("featurestore_parity_compute_differing_total") == 0
        assert standing(home, "spending", version).certificate is not None
        code, err = audit.stop()
        assert (code, err) == (0, "")

    serve_lookups(project, 10, start=30)
    push_late(project, 35)
    lose_state(project)
    serve_lookups(project, 5, start=40)
    with auditing(project, "--share", "1") as audit:
        audit.until(lambda: audit.total("featurestore_parity_cells_total") == 15 * 2 * FEATURES)
        late = 'featurestore_parity_differing_total{cause="late_row",feature="spend__n",feature_set="spending"}'
        assert audit.metric(late) == 2
        lost = 'featurestore_parity_differing_total{cause="state_lost",feature="spend__n",feature_set="spending"}'
        assert audit.metric(lost) == 10
        compute = 'featurestore_parity_compute_differing_total{feature="spend__n",feature_set="spending"}'
        assert audit.metric(compute) == 10
        code, err = audit.stop()
        assert code == 0
        assert "state_lost" in err
    held = standing(home, "spending", version)
    assert held.certificate is None and held.reason.startswith("`skew` found ")


def test_a_share_is_of_whole_lookups(project: Path) -> None:
    """A lookup is in a share with both of its questions or not at all, and by its name alone."""
    serve_lookups(project, 40)
    chosen = [place for place in range(40) if is_sampled(f"request-{place}", 0.4)]
    assert 5 < len(chosen) < 35
    ran = once(project, "--share", "0.4", "--json")
    assert ran.returncode == 0, ran.stderr
    [report] = json.loads(ran.stdout)
    assert report["questions"] == 2 * len(chosen)
    assert json.loads(once(project, "--share", "0.4", "--json").stdout) == []
    [report] = json.loads(once(project, "--share", "1", "--json").stdout)
    assert report["questions"] == 2 * (40 - len(chosen)), "a larger share compares the others, and these alone"
    assert json.loads(once(project, "--share", "1", "--json").stdout) == []


def test_a_sample_without_any_lookup_says_so_and_keeps_them_new(project: Path) -> None:
    """Where the share took none of the new lookups, that is said, and a larger share compares them."""
    out = next(place for place in range(1_000) if not any(is_sampled(f"request-{place + n}", 0.05) for n in range(3)))
    serve_lookups(project, 3, start=out)
    ran = once(project)
    said = "3 new lookups, 0 in the sample of 5 %: --share 1 compares the others, too\n"
    assert (ran.returncode, ran.stdout) == (0, said)
    assert once(project).stdout == "nothing new in the serving log\n"
    assert "6 questions" in once(project, "--share", "1").stdout


def test_one_look_for_cron(project: Path) -> None:
    """`--once` says what it found and exits with 0, with 1 when something is wrong, and with nothing new it says so."""
    ran = once(project)
    assert (ran.returncode, ran.stdout) == (0, "nothing new in the serving log\n")
    serve_lookups(project, 5)
    ran = once(project, "--share", "1")
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.splitlines()[-1].startswith("spending: 10 questions, 40 cells; 40 computed again, 0 differing")
    lose_state(project)
    serve_lookups(project, 5, start=5)
    ran = once(project, "--share", "1")
    assert ran.returncode == 1
    assert "state_lost: " in ran.stdout
    assert once(project).stdout == "nothing new in the serving log\n"


def test_a_second_look_sees_late_rows(project: Path) -> None:
    """With `--again` each lookup is compared twice; what came in between shows at the second look, apart."""
    serve_lookups(project, 10)
    assert once(project, "--share", "1").returncode == 0
    push_late(project, 3)
    with auditing(project, "--share", "1", "--again", "100ms") as audit:
        again = 'featurestore_parity_again_differing_total{cause="late_row",feature="spend__n",feature_set="spending"}'
        audit.until(lambda: audit.metric(again) == 2)
        assert audit.total("featurestore_parity_again_cells_total") == 10 * 2 * FEATURES
        assert audit.total("featurestore_parity_cells_total") == 0
        assert audit.stop()[0] == 0


def test_what_is_young_waits(project: Path) -> None:
    """With `--after` nothing is compared before its time."""
    serve_lookups(project, 3)
    assert once(project, "--share", "1", "--after", "1h").stdout == "nothing new in the serving log\n"
    assert json.loads(once(project, "--share", "1", "--after", "100ms", "--json").stdout)[0]["questions"] == 6


def test_a_round_that_fails_is_tried_again(project: Path) -> None:
    """While the history of one feature set cannot be read, rounds fail, are counted and logged, and another one is
    looked at; when it can be read, nothing was left out."""
    (project / "more").mkdir()
    rows = pq.read_table(project / "data" / "a.parquet")
    pq.write_table(rows, project / "more" / "a.parquet")
    text = DEFINITIONS.replace("data/*", "more/*").replace("class User(Entity):\n    user: Column[int]\n", "")
    text = (
        text.replace("Buy", "Sale")
        .replace("Spend", "Earn")
        .replace('spending = FeatureSet("spending"', 'a = FeatureSet("a"')
    )
    (project / "definitions" / "more.py").write_text(f"from definitions.shop import User\n{text}")
    with FeatureStore(project) as store:
        store.materialize()
    serve_lookups(project, 5, feature_set="a")
    serve_lookups(project, 5)
    (project / "more" / "a.parquet").rename(project / "away")
    ran = once(project, "--share", "1")
    assert ran.returncode == 1
    assert "InputError: the source `Sale` has no files" in ran.stderr
    assert ran.stdout.splitlines()[-1].startswith("spending: 10 questions, 40 cells; 40 computed again")
    with auditing(project, "--share", "1") as audit:
        audit.until(lambda: (audit.metric('featurestore_audit_rounds_total{outcome="failed"}') or 0) > 1)
        assert (audit.metric("featurestore_audit_lag_seconds") or 0) > 0
        (project / "away").rename(project / "more" / "a.parquet")
        audit.until(lambda: audit.total("featurestore_parity_cells_total") == 5 * 2 * FEATURES)
        assert audit.metric('featurestore_audit_questions_total{feature_set="a"}') == 10
        assert audit.total("featurestore_parity_unproven_total") == 0
        code, err = audit.stop()
    assert code == 0
    assert "a round failed and will be tried again: InputError: the source `Sale` has no files" in err


def test_files_that_say_nothing_are_left_out_and_counted(project: Path) -> None:
    """A broken file, a feature set that is not defined and a version whose plan is gone stop nothing; each is counted
    once."""
    serve_lookups(project, 5)
    folder = project / ".featurestore" / "served"
    [file] = folder.glob("spending/*/*/*.parquet")
    (file.parent / "broken.parquet").write_bytes(file.read_bytes()[:-9])
    for place in ("gone/v1", "spending/v0"):
        (folder / place / file.parent.name).mkdir(parents=True)
        (folder / place / file.parent.name / file.name).write_bytes(file.read_bytes())
    with auditing(project, "--share", "1") as audit:
        audit.until(lambda: audit.total("featurestore_parity_cells_total") == 5 * 2 * FEATURES)
        for name, reason in (("spending", "unreadable"), ("gone", "not_defined"), ("spending", "plan_gone")):
            sample = f'featurestore_audit_left_out_files_total{{feature_set="{name}",reason="{reason}"}}'
            audit.until(lambda sample=sample: audit.metric(sample) == 1)  # type: ignore[misc]
        assert audit.stop()[0] == 0


def test_it_stops_at_once_and_loses_nothing(project: Path) -> None:
    """SIGTERM in the middle of a round ends the audit with 0; what it had not done is done next time."""
    serve_lookups(project, 30)
    with auditing(project, "--share", "1") as audit:
        time.sleep(0.35)
        began = time.monotonic()
        code, err = audit.stop()
        assert (code, err) == (0, "")
        assert time.monotonic() - began < 5
    ran = once(project, "--share", "1", "--json")
    assert ran.returncode == 0, ran.stderr
    assert [each["questions"] for each in json.loads(ran.stdout)] in ([60], [])


def test_what_cannot_be_begun_is_told(project: Path) -> None:
    """A port in use, a second audit, a duration that is none and --json without --once are refused."""

    def refused(*options: str) -> tuple[int, str]:
        done = subprocess.run(
            command(project, *options), capture_output=True, text=True, timeout=30, env=environment(), check=False
        )
        return done.returncode, done.stderr

    with socket.create_server(("127.0.0.1", 0)) as taken:
        code, err = refused("--port", str(taken.getsockname()[1]))
        assert code == 1
        assert err.startswith("ConfigError: the counts cannot be shown there: address already in use")
    assert refused("--every", "soon")[0] == 1
    assert refused("--json")[0] == 2
    with auditing(project):
        code, err = refused("--once")
        assert code == 1
        assert err.startswith("ConfigError: another audit of this project is running")
