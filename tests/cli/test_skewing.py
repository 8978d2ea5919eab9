"""`featurestore skew` and `drift` on the command line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.shop import Cli
from tests.skew.bakery import Bakery, open_bakery


@pytest.fixture
def bakery(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bakery]:
    """A bakery that has served, as the working folder."""
    found = open_bakery(tmp_path)
    monkeypatch.chdir(tmp_path)
    found.serve()
    yield found
    found.store.close()


def test_skew_prints_causes_and_ends_well(bakery: Bakery, cli: Cli) -> None:
    """Differences with causes are no failure; the page and the JUnit file are written."""
    bakery.store.ingest("Order", bakery.orders(25))
    bakery.store.close()
    ran = cli("skew", "till", "--since", "1h", "--html", "out/skew.html", "--junit", "out/skew.xml")
    assert ran.code == 0, ran.err
    assert "late_row" in ran.out and "0 differing bits" in ran.out and "0 unexplained" in ran.out
    lines = ran.out.splitlines()
    assert "wrote out/skew.html" in lines and "wrote out/skew.xml" in lines
    assert "1 of 6 features have no difference; --all lists them" in lines
    assert "at_till__against_usual" in ran.out or "0.00%" not in ran.out
    assert "<html" in (bakery.folder / "out/skew.html").read_text(encoding="utf-8")
    assert "<testsuite" in (bakery.folder / "out/skew.xml").read_text(encoding="utf-8")


def test_skew_ends_with_one_on_a_fault_of_ours(bakery: Bakery, cli: Cli) -> None:
    """A key that the server lost is a compute difference."""
    writer = bakery.store.online.writer
    writer.delete(*sorted(writer.scan_iter("bakery:rows:*"))[:10])
    bakery.serve()
    bakery.store.online.served.flush()  # type: ignore[union-attr]  # it has one
    ran = cli("skew", "till", "--json")
    found = json.loads(ran.out)
    assert ran.code == 1
    assert found["compute_differing"] > 0 and found["unexplained"] == 0
    assert set(found["causes"]) == {"state_lost"}


def test_skew_of_nothing_says_so(bakery: Bakery, cli: Cli) -> None:
    """A period in which nothing was served is an error with a fix."""
    ran = cli("skew", "till", "--since", "2019-01-01T00:00:00Z", "--until", "2020-01-01T00:00:00Z")
    assert ran.code == 1
    assert "nothing of `till` was served between 2019-01-01" in ran.err and "--since" in ran.err


@pytest.mark.parametrize(
    "options",
    [
        ("--name", "a=b"),
        ("--zone", "UTC"),
        ("--against", "x.parquet", "--since", "1h"),
        ("--against", "x", "--spine", "y"),
    ],
)
def test_options_that_do_not_go_together_are_refused(bakery: Bakery, cli: Cli, options: tuple[str, ...]) -> None:
    """An option that would be passed over is wrong usage."""
    ran = cli("skew", "till", *options)
    assert ran.code == 2
    assert "it goes with" in ran.err


def test_drift_compares_with_a_training_set(bakery: Bakery, cli: Cli) -> None:
    """The served values of a moment ago are like a training set of the same guests."""
    spine = bakery.folder / "spine.csv"
    lines = [f"{guest},1.5,2099-01-01T00:00:00Z" for guest in range(32)]
    spine.write_text("\n".join(["guest,value,as_of", *lines]), encoding="utf-8")
    bakery.store.close()
    wrote = cli("dataset", "till", "spine.csv", "--as-of", "as_of", "--out", "train.parquet")
    assert wrote.code == 0, wrote.err
    ran = cli("drift", "till", "train.parquet")
    assert ran.code in (0, 1)
    assert "32 training rows, 80 served, 6 features" in ran.out
