"""What a notebook shows: errors of cells, progress, what a cell ends with; and a store without a project."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from featurestore import FeatureStore
from featurestore import notebook as notebook_room
from featurestore.errors import ConfigError

pytest.importorskip("IPython")
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output

TRIPS = """
from datetime import UTC, datetime
import pandas as pd
from featurestore import *

class Rider(Entity):
    rider: Column[int]

at = [datetime(2024, 5, 1, tzinfo=UTC)] * 2

class Trip(Source, data=pd.DataFrame({"rider": [1, 1], "fare": [5.0, 7.5], "at": at})):
    rider: Column[int]
    fare: Column[float]
    at: EventTime

class Riding(FeatureView, entity=Rider, source=Trip):
    paid = Trip.fare.sum(over="7d")
    trips = rows()

riding = FeatureSet("riding", Riding)
asked = [{"rider": 1, "t": datetime(2024, 5, 2, tzinfo=UTC)}]
store = FeatureStore()
"""


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[InteractiveShell]:
    """A shell of IPython in an empty folder, whose first cell defines features and opens a store."""
    monkeypatch.chdir(tmp_path)
    found = InteractiveShell.instance()
    found.run_cell(TRIPS, store_history=True).raise_error()
    yield found
    found.user_ns["store"].close()
    InteractiveShell.clear_instance()


def said(shell: InteractiveShell, cell: str) -> str:
    """What a cell that fails prints."""
    with capture_output() as shown:
        assert not shell.run_cell(cell, store_history=True).success
    return f"{shown.stdout}{shown.stderr}"


def test_a_store_needs_no_project_in_a_notebook(shell: InteractiveShell, tmp_path: Path) -> None:
    """Training, materialize and lookup work in an empty folder, which stays empty; `close` removes the state."""
    store: FeatureStore = shell.user_ns["store"]
    home = store.config.home
    names: Any = shell.user_ns
    assert store.dataset(names["riding"], names["asked"], as_of="t").to_arrow()["riding__paid"].to_pylist() == [12.5]
    store.materialize([names["Riding"]])
    assert store.lookup(names["riding"], {"rider": 1}).to_pylist()[0]["riding__trips"] == 2
    assert home.exists() and not list(tmp_path.iterdir())
    store.close()
    assert not home.exists()
    with pytest.raises(ConfigError, match=r"there is no featurestore\.toml here"):
        FeatureStore(".")


def test_a_typo_in_a_cell_names_the_nearest(shell: InteractiveShell) -> None:
    """A misspelled column, feature or method is the error that a file of definitions would give, with its cell."""
    assert said(shell, "Trip.faer").splitlines() == [
        "UnknownColumn: `Trip` has no column `faer`",
        "  in   cell In[2]:1",
        "  has  at, fare, rider",
        "  fix  write `fare`",
    ]
    assert "UnknownFeature: `Riding` has no feature `payed`" in said(shell, "Riding.payed")
    assert "InvalidDefinition: the expression `Trip.fare` has no method `maen`" in said(shell, "Trip.fare.maen()")
    assert "AttributeError" in said(shell, "pd.faer"), "what is not ours is shown as always"


def test_an_error_is_its_four_parts_without_our_frames(shell: InteractiveShell) -> None:
    """A notebook shows what, in, has and fix, and no line of our code."""
    text = said(shell, 'store.dataset(riding, [{"t": asked[0]["t"]}], as_of="t")')
    assert text.splitlines()[0] == "MissingColumn: the spine lacks `rider`"
    assert "  fix  " in text and "featurestore/" not in text and "Traceback" not in text


def test_what_a_cell_ends_with_says_something(shell: InteractiveShell, tmp_path: Path) -> None:
    """A store, a feature set, a plan and a training set, in memory and in a file, are shown by what is in them."""
    names: Any = shell.user_ns
    store: FeatureStore = names["store"]
    assert repr(store).startswith("<FeatureStore scratch: without a project file")
    assert "feature sets: none; no server in use>" in repr(store) and store.feature_sets == {}
    assert repr(names["riding"]) == "<FeatureSet riding: 2 features: Riding.paid, Riding.trips>"
    plan = store.plan(names["riding"])
    assert repr(plan).splitlines() == [
        f"feature set riding, version {plan.version}, inputs: rider (int64)",
        'riding__paid   float64  Trip.fare.sum(over="7d")',
        "riding__trips  int64    rows()",
    ]
    assert "<td>riding__paid</td>" in plan._repr_html_()
    for to in (None, tmp_path / "train.parquet"):
        train = store.dataset(names["riding"], names["asked"], as_of="t", to=to)
        assert repr(train) == f"<Dataset: 1 rows of 4 columns, version {plan.version}>"
        assert "riding__paid" in train._repr_html_() and train.head().num_rows == 1


def test_progress_of_any_build_reaches_the_caller(shell: InteractiveShell) -> None:
    """`progress=` is called with the step that begins, how many are done, and of how many, without a limit too."""
    seen: list[tuple[str, int, int]] = []
    names: Any = shell.user_ns
    names["store"].dataset(names["riding"], names["asked"], as_of="t", progress=lambda *each: seen.append(each))
    assert seen == [("spine", 0, 3), ("sources", 1, 3), ("features", 2, 3), ("done", 3, 3)]


def test_long_work_shows_one_line_in_a_notebook(shell: InteractiveShell, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a kernel runs the shell and the caller gave no progress, a line is shown and rewritten; short work shows
    none."""
    monkeypatch.setattr(shell, "kernel", object(), raising=False)
    cell = 'store.dataset(riding, asked, as_of="t"); None'
    for silent_s, lines in ((0.0, True), (3600.0, False)):
        monkeypatch.setattr(notebook_room, "SILENT_S", silent_s)
        with capture_output() as shown:
            shell.run_cell(cell).raise_error()
        texts = [each.data["text/plain"] for each in shown.outputs]
        assert bool(texts) is lines
        if lines:
            assert texts[0].startswith("training set riding: spine (0 of 3)")
            assert texts[-1].startswith("training set riding: done")
