"""Training sets in buckets: the bytes of a build in one go, whatever the buckets and wherever it was stopped."""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from featurestore import FeatureStore
from featurestore.errors import DuplicateName, InputError, NotCertified
from featurestore.offline.bounded import Bounds, Progress
from featurestore.offline.buckets import parts_of_plan
from featurestore.offline.dataset import Dataset, build_dataset
from featurestore.offline.scan import History
from featurestore.offline.written import GROUP_ROWS
from featurestore.tables import arrow_column
from tests.offline.trips import push, spine_table
from tests.parity.voices import entered, plan_of, scanned
from tests.strategies import Case, cases

FEWER = settings(max_examples=max(1, settings().max_examples // 5))
LIMIT = "1GB"


class Stopped(Exception):
    """What a build in a test is stopped with."""


def unfinished(store: FeatureStore) -> list[Path]:
    """The work folders that builds have left."""
    return sorted(path for path in (store.config.home / "training").glob("*") if path.is_dir())


def stopping(step: int, stop: BaseException) -> Progress:
    """A progress that stops the build at a step."""

    def progress(_: str, done: int, __: int) -> None:
        if done == step:
            raise stop

    return progress


def built(
    store: FeatureStore,
    spine: object,
    name: str,
    buckets: int | None = None,
    progress: Progress | None = None,
    threads: int | None = None,
    certify: Callable[[str], object] = str,
) -> tuple[bytes, Dataset]:
    """A training set in a file, and the bytes of that."""
    path = store.config.root / f"{name}.parquet"
    dataset = build_dataset(
        store.plan("trips"),
        spine,
        "asked_at",
        store.history,
        statuses=True,
        threads=threads,
        to=path,
        bounds=None if buckets is None else Bounds(LIMIT, store.config.home, buckets),
        certify=certify,
        progress=progress,
    )
    return path.read_bytes(), dataset


@FEWER
@given(case=cases(max_rows=20, max_questions=8), buckets=st.integers(1, 5))
def test_any_plan_gives_the_same_bytes_in_any_number_of_buckets(case: Case, buckets: int) -> None:
    """Whatever is asked, whichever rows there are and however many buckets: value, status and bytes are the same."""
    plan = plan_of(case)
    rows = {name: scanned(source.__spec__, case.rows[name]) for name, source in case.sources.items()}
    at = [each.as_of_us for each in case.questions]
    spine: dict[str, Any] = {"asked at": pa.array(at, pa.timestamp("us", "UTC"))}
    for each in plan.inputs:
        spine[each.name] = arrow_column([entered(asked.inputs[each.name]) for asked in case.questions], each.dtype)
    with TemporaryDirectory(prefix="buckets-") as folder:
        root, found = Path(folder), []
        for bounds in (None, Bounds(LIMIT, root, buckets)):
            path = root / f"{len(found)}.parquet"
            history = History(root, rows=rows)
            dataset = build_dataset(
                plan, pa.table(spine), "asked at", history, statuses=True, threads=2, to=path, bounds=bounds
            )
            found.append((path.read_bytes(), dataset.version, dataset.set_aside))
    assert found[0] == found[1]


@pytest.mark.parametrize("buckets", [1, 2, 7])
def test_buckets_threads_and_kinds_of_spine_do_not_show(store: FeatureStore, buckets: int) -> None:
    """Views by several keys, in two roles, over a log and over a table without time; a spine in memory, in a Parquet
    and in a CSV file and from a SELECT."""
    root, table = store.config.root, spine_table()
    pq.write_table(table, root / "spine.parquet", row_group_size=33)
    plain = table.set_column(0, "label", table.column(0).cast(pa.string()))
    with (root / "spine.csv").open("w", newline="") as file:
        lines = csv.writer(file)
        lines.writerow(plain.column_names)
        lines.writerows(
            [value.isoformat() if isinstance(value, datetime) else value for value in row.values()]
            for row in plain.to_pylist()
        )
    query = "SELECT * EXCLUDE (label), row_number() OVER () AS n FROM 'spine.parquet' WHERE price > 5 ORDER BY price"
    for place, spine in enumerate((table, "spine.parquet", "spine.csv", query)):
        expected, whole = built(store, spine, f"whole{place}")
        found, bucketed = built(store, spine, f"bucketed{place}", buckets, threads=1 + place)
        assert found == expected
        assert bucketed.table.equals(whole.table)
        assert (bucketed.version, bucketed.set_aside) == (whole.version, whole.set_aside)
        assert len(bucketed) == len(whole) > 400
    assert all(each.duplicate for each in bucketed.set_aside["Visit"].states.values())
    assert bucketed.table.column("wet__depth").null_count < 450
    assert f"in {buckets} buckets" in bucketed.explain()
    assert not unfinished(store)


def test_a_table_is_given_where_no_file_is_named(store: FeatureStore) -> None:
    """Without `to` the training set that was built in buckets is a table like any other."""
    bounds = Bounds(LIMIT, store.config.home, 3)
    plan, history = store.plan("trips"), store.history
    whole = build_dataset(plan, spine_table(), "asked_at", history)
    bucketed = build_dataset(plan, spine_table(), "asked_at", history, bounds=bounds)
    assert isinstance(bucketed.held, pa.Table) and bucketed.table.to_pylist() == whole.table.to_pylist()
    assert bucketed.head(3).num_rows == 3
    assert bucketed.table.schema.equals(whole.table.schema)


def test_a_spine_without_rows_has_its_columns(store: FeatureStore) -> None:
    """No question gives a file without rows and with every column, in buckets too."""
    expected, whole = built(store, spine_table(0), "whole")
    found, bucketed = built(store, spine_table(0), "bucketed", 3)
    assert found == expected and len(bucketed) == 0
    assert bucketed.head(5).schema.equals(whole.table.schema)


def test_a_file_has_row_groups_of_one_size(store: FeatureStore) -> None:
    """More rows than are made at once follow each other in the spine's order, in row groups of one size."""
    spine = spine_table(600).select(["user", "origin", "dest", "price", "asked_at"])
    spine = pa.concat_tables([spine] * (1 + 9 * GROUP_ROWS // 600)).append_column(
        "n", pa.array(range(600 * (1 + 9 * GROUP_ROWS // 600)))
    )
    narrow = store.definitions.feature_set("trips")
    plan = replace(store.plan(narrow), outputs=store.plan(narrow).outputs[:1])
    found = []
    for buckets in (None, 2):
        path = store.config.root / f"{buckets}.parquet"
        bounds = None if buckets is None else Bounds(LIMIT, store.config.home, buckets)
        build_dataset(plan, spine, "asked_at", store.history, to=path, bounds=bounds)
        found.append(path.read_bytes())
    assert found[0] == found[1]
    with pq.ParquetFile(path) as file:
        groups = [file.metadata.row_group(place).num_rows for place in range(file.metadata.num_row_groups)]
        assert groups[:-1] == [GROUP_ROWS] * 9 and sum(groups) == spine.num_rows
        assert file.read(["n"]).column(0).to_pylist() == list(range(spine.num_rows))


def test_wherever_a_build_stops_the_next_goes_on(store: FeatureStore) -> None:
    """Stopped at any of its steps, a build leaves no file, and the next uses what it finished and gives the bytes of
    one that nobody stopped."""
    spine = spine_table(200)
    expected, _ = built(store, spine, "whole")
    steps: list[str] = []
    built(store, spine, "bucketed", 2, progress=lambda what, _, __: steps.append(what))
    for step in range(len(steps)):
        path = store.config.root / f"stopped{step}.parquet"
        with pytest.raises(Stopped):
            built(store, spine, path.stem, 2, progress=stopping(step, Stopped()))
        assert not list(store.config.root.glob("stopped*"))
        [folder] = unfinished(store)
        assert not (folder / "spill").exists() and not list(folder.rglob("*.partial"))
        made = {each: each.stat().st_mtime_ns for each in folder.rglob("*.parquet")}
        assert bool(made) == (step > 0)

        def kept(_: str, done: int, total: int) -> None:
            if done == total - 1:
                assert {each: each.stat().st_mtime_ns for each in made} == made  # noqa: B023  # it is called here

        found, _ = built(store, spine, path.stem, 2, progress=kept)
        assert found == expected and not unfinished(store)
        path.unlink()


def test_ctrl_c_says_what_is_kept(store: FeatureStore) -> None:
    """The interrupt that leaves a build names the finished buckets and their folder; the next says what it kept."""
    steps: list[str] = []
    built(store, spine_table(), "whole", 4, progress=lambda what, _, __: steps.append(what))
    third = next(place for place, what in enumerate(steps) if "bucket 3 of 4" in what)
    with pytest.raises(KeyboardInterrupt, match=r"2 of 20 buckets are finished and kept in .*/training/trips-"):
        built(store, spine_table(), "stopped", 4, progress=stopping(third, KeyboardInterrupt()))
    again: list[str] = []
    built(store, spine_table(), "stopped", 4, progress=lambda what, _, __: again.append(what))
    assert again[third].endswith("rows, kept from an earlier build") and "rows/s" in again[third + 1]


def test_another_input_begins_anew(store: FeatureStore) -> None:
    """A build goes on only with what has the same rows, questions, definitions and options; what is left of others is
    removed."""
    root = store.config.root

    def left(spine: object, buckets: int = 2) -> str:
        with pytest.raises(Stopped):
            built(store, spine, "stopped", buckets, progress=stopping(6, Stopped()))
        [folder] = unfinished(store)
        return folder.name

    table = spine_table()
    pq.write_table(table, root / "spine.parquet")
    names = [left("spine.parquet"), left(table), left(table.slice(1))]
    pq.write_table(table.slice(2), root / "spine.parquet")
    names.append(left("spine.parquet"))
    rows = pq.read_table(root / "visits" / "0.parquet")
    pq.write_table(rows.slice(1), root / "visits" / "0.parquet")
    names.append(left("spine.parquet"))
    push(store, 60, 1)
    names.append(left("spine.parquet"))
    assert len(set(names)) == len(names)
    assert left("spine.parquet") == names[-1]
    expected, _ = built(store, "spine.parquet", "whole")
    found, _ = built(store, "spine.parquet", "bucketed", 3)
    assert found == expected and not unfinished(store)


def test_rows_that_are_pushed_during_a_build_are_not_in_it(store: FeatureStore) -> None:
    """The positions of the log are those of the beginning."""
    expected, before = built(store, spine_table(), "whole")

    def progress(_: str, done: int, __: int) -> None:
        if done == 0:
            push(store, 60, 40)

    found, after = built(store, spine_table(), "bucketed", 2, progress=progress)
    assert found == expected and after.set_aside == before.set_aside
    assert built(store, spine_table(), "later", 2)[0] != expected


def test_a_spine_that_changes_during_a_build_is_refused(store: FeatureStore) -> None:
    """The columns of one spine are never written beside the features of another."""
    path = store.config.root / "spine.parquet"
    pq.write_table(spine_table(), path)

    def progress(what: str, _: int, __: int) -> None:
        if what == "writing the file":
            pq.write_table(spine_table().slice(1), path)

    with pytest.raises(InputError, match="was changed while the training set was built"):
        built(store, "spine.parquet", "changed", 2, progress=progress)
    assert not list(store.config.root.glob("changed*"))


def test_two_processes_do_not_build_the_same(store: FeatureStore) -> None:
    """While one builds, another that asks for the same is refused, and one that asks for something else is not."""
    said: list[str] = []

    def progress(_: str, done: int, __: int) -> None:
        if done == 3:
            with pytest.raises(InputError, match="is being built by another process"):
                built(store, spine_table(), "second", 2)
            said.append(built(store, spine_table(50), "other", 2)[1].version)

    found, dataset = built(store, spine_table(), "first", 2, progress=progress)
    assert said == [dataset.version] and found == built(store, spine_table(), "whole")[0]


def test_what_is_refused_leaves_nothing(store: FeatureStore) -> None:
    """A version that may not be trained on, a row function that fails and a column that would stand twice end a build
    before there is a file."""

    def refuse(version: str) -> None:
        raise NotCertified(f"version {version}")

    with pytest.raises(NotCertified):
        built(store, spine_table(), "refused", 2, certify=refuse)
    wrong = spine_table(40)
    wrong = wrong.set_column(4, "price", pa.array([-1.0 if row == 33 else 1.0 for row in range(40)]))
    with pytest.raises(Exception, match="halved") as failed:
        built(store, wrong, "failed", 2)
    assert "row 33 of the spine, user=" in str(failed.value)
    with pytest.raises(DuplicateName):
        built(store, spine_table(4).append_column("asked__half", pa.array([1.0] * 4)), "twice", 2)
    assert not [*store.config.root.glob("*.parquet.partial"), *store.config.root.glob("[rft]*d.parquet")]


def test_rows_and_questions_are_shared_by_key_and_input(store: FeatureStore) -> None:
    """A source is put into buckets once for each key that views have of it, and questions once for each key that is
    asked."""
    rows, parts = parts_of_plan(store.plan("trips"))
    assert sorted(each.told for each in rows) == [
        "Country by place",
        "Rain by place",
        "Visit by place",
        "Visit by user",
    ]
    asked = sorted((part.rows.told, part.inputs, tuple(view.name for view in part.views)) for part in parts)
    assert asked == [
        ("Country by place", ("dest",), ("Land",)),
        ("Rain by place", ("dest",), ("Wet",)),
        ("Visit by place", ("dest",), ("Dest",)),
        ("Visit by place", ("origin",), ("Origin",)),
        ("Visit by user", ("user",), ("Users",)),
    ]
