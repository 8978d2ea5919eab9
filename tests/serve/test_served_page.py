"""docs/serving_log.md: its examples run on a served project, and its tables are whole."""

from __future__ import annotations

import contextlib
import io
import re
from pathlib import Path

import duckdb
import pytest

from featurestore.config import Served, read_config
from featurestore.log.served import OUTCOMES
from featurestore.log.served_columns import Shape
from featurestore.store import FeatureStore
from tests.serve.shop import materialised, question, write_project

PAGE = (Path(__file__).parents[2] / "docs" / "serving_log.md").read_text(encoding="utf-8")


def block(kind: str) -> str:
    """The page's example of a kind."""
    [found] = re.findall(rf"^```{kind}\n(.*?)^```$", PAGE, flags=re.MULTILINE | re.DOTALL)
    return str(found)


def test_the_examples_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings are taken as shown, and what was served is read by the page's Python and by its SQL."""
    root = materialised(write_project(tmp_path))
    with FeatureStore(root) as store:
        served = store.lookup("clicks", [question(7), question(8)], request_id="page")
        plan = store.plan("clicks")
    monkeypatch.chdir(root)
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(block("python"), {})
    place = served.names.index("clicks__total")
    lines = [f"page {user} {row[place]} 0" for user, row in zip((7, 8), served.values, strict=True)]
    assert printed.getvalue().splitlines() == ["dict_keys(['clicks'])", *lines]
    assert len(duckdb.connect().sql(block("sql")).fetchall()) == 2
    (root / "featurestore.toml").write_text(block("toml"))
    assert read_config(root).served == Served()
    assert read_config(root, environment="production").served.share == 0.1
    told = [name.split(".")[0] for name in re.findall(r"^\| `([a-z_.<> ]+)` \| \w* ?\|", PAGE, flags=re.MULTILINE)]
    assert set(told) == {field.name.split(".")[0] for field in Shape.of(plan).fields}


def test_the_outcomes_are_told() -> None:
    """Each outcome of /metrics has a line."""
    assert re.findall(r"^\| `(\w+)` \| (?!string|int|bool)", PAGE, flags=re.MULTILINE) == list(OUTCOMES)
