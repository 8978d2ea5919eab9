"""Records that are odd, broken or of another time: they are left out, told or fitted, and no cause is made up."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from featurestore import FeatureStore
from featurestore.errors import InputError
from featurestore.skew import causes
from tests.skew.bakery import SCHEMA, Bakery, open_bakery


@pytest.fixture
def bakery(tmp_path: Path) -> Iterator[Bakery]:
    """A bakery, open."""
    found = open_bakery(tmp_path)
    yield found
    found.store.close()


def served_files(bakery: Bakery, name: str) -> list[Path]:
    """The files of the serving log of this name."""
    return sorted(bakery.folder.glob(f".featurestore/served/till/**/{name}"))


def rewritten(bakery: Bakery, *changes: tuple[str, str]) -> None:
    """The definitions with some texts replaced, released, and the states built anew."""
    for old, new in changes:
        bakery.redefine(old, new)
    bakery.store.materialize()


def at_once(bakery: Bakery, values: list[float]) -> tuple[Any, pa.Table]:
    """One lookup of ten guests, and the spine of its training rows with these inputs."""
    vectors = bakery.store.lookup("till", [{"guest": guest, "value": 10.0} for guest in range(10)])
    instant = pa.array([vectors.as_of_us] * 10, pa.timestamp("us", "UTC"))
    return vectors, pa.table({"guest": list(range(10)), "value": values, "as_of": instant})


def test_a_file_that_cannot_be_read_is_left_out_and_noted(bakery: Bakery) -> None:
    """A file of records that was cut short costs its own records only; `drift` names it."""
    bakery.serve()
    bakery.skew()
    [path] = served_files(bakery, "*.parquet")
    path.write_bytes(path.read_bytes()[:200])
    bakery.serve()
    report = bakery.skew()
    assert (report.questions, report.differing) == (80, 0)
    assert any("1 files cannot be read" in note and path.name in note for note in report.notes)
    _, spine = at_once(bakery, [1.0] * 10)
    bakery.store.dataset("till", spine, as_of="as_of").write(bakery.folder / "train.parquet")
    with pytest.raises(InputError, match="a file of the serving log cannot be read"):
        bakery.store.drift("till", "train.parquet")


@pytest.mark.parametrize("text", [b"\xff\xfe", b'{"format":99,"plan":{}}', b"[]"], ids=["bytes", "format", "list"])
def test_a_plan_that_cannot_be_read_is_noted_and_not_taken_for_silence(bakery: Bakery, text: bytes) -> None:
    """Where nothing can be asked again, that is said, and not that nothing was served."""
    bakery.serve()
    bakery.skew()
    bakery.redefine('rows(over="7d")', 'rows(over="6d")')
    [path] = served_files(bakery, "plan.json")
    path.write_bytes(text)
    with pytest.raises(InputError, match="can be asked again") as caught:
        bakery.skew()
    assert "its plan or a row function of it is gone" in str(caught.value.has)


def test_an_input_that_is_new_is_null_for_older_records(bakery: Bakery) -> None:
    """Records of a version without an input are compared; what depends on the input differs by definition."""
    bakery.serve()
    bakery.redefine("    value: Column[float]\n", "    value: Column[float]\n    tip: Column[float]\n")
    bakery.redefine("Basket.value - Taste.usual", "Basket.value + Basket.tip - Taste.usual")
    report = bakery.skew()
    assert (report.compute_differing, report.unexplained) == (0, 0)
    assert report.causes == {causes.DEFINITION: 80}


def test_a_request_for_several_keys_finds_the_spine_row_of_each(bakery: Bakery) -> None:
    """With one `request_id` for ten questions, each is held beside the spine's row of its own key."""
    values = [10.0] * 8 + [11.5] * 2
    vectors, spine = at_once(bakery, values)
    report = bakery.skew(spine=spine.append_column("request_id", pa.array([vectors.request_id] * 10)))
    assert (report.causes, report.notes) == ({causes.INPUT: 2}, ())


def test_questions_without_a_row_in_the_spine_are_counted(bakery: Bakery) -> None:
    """A spine that fits nothing does not pass for one that agrees."""
    _, spine = at_once(bakery, [11.5] * 10)
    report = bakery.skew(spine=spine.append_column("request_id", pa.array(["another"] * 10)))
    assert report.notes == ("10 of 10 questions have no row in the spine: their inputs are as logged",)


def test_a_second_file_of_the_same_bytes_is_a_file_more(bakery: Bakery) -> None:
    """Rows without a RowId count twice when their file is copied: the state held them once."""
    rewritten(bakery, ("order: RowId[int]", "order: Column[int]"))
    since = datetime.now(UTC)
    bakery.serve()
    shutil.copy(bakery.folder / "data" / "first.parquet", bakery.folder / "data" / "again.parquet")
    report = bakery.skew(since=since)
    assert report.compute_differing == 0
    assert set(report.causes) <= {causes.LATE_ROW, causes.UNKNOWN}
    assert report.differing > 0


def test_a_file_that_comes_while_a_state_is_built_proves_nothing(
    bakery: Bakery, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A generation whose files were others after it was built has no manifest: its cells are unproven, not wrong."""
    from featurestore import materialize

    look = materialize.seen_files

    def looking(*arguments: Any) -> Any:
        found = look(*arguments)
        bakery.deliver("second.parquet", bakery.orders(100))
        return found

    monkeypatch.setattr(materialize, "seen_files", looking)  # the same work, and a delivery right behind it
    bakery.store.materialize()
    bakery.serve()
    report = bakery.skew()
    assert (report.compute_differing, report.differing, report.unproven) == (0, 0, report.cells)


def test_a_log_that_began_anew_is_not_taken_for_the_old_one(bakery: Bakery) -> None:
    """Positions of a log that is gone say nothing of today's: no difference is called a fault of the product."""
    bakery.store.ingest("Order", bakery.orders(200))
    bakery.serve()
    bakery.store.close()
    shutil.rmtree(bakery.folder / ".featurestore" / "log")
    bakery.store = FeatureStore(bakery.folder)
    bakery.store.materialize()
    bakery.store.ingest("Order", bakery.orders(300))
    report = bakery.skew()
    assert (report.compute_differing, report.unexplained, report.unproven) == (0, 0, report.cells)
    assert set(report.causes) <= {causes.REBUILT, causes.LATE_ROW, causes.UNKNOWN}
    assert any("the log that it followed is gone" in text for text in report.evidence[causes.REBUILT])


def test_a_file_that_is_written_again_proves_nothing_and_differs_in_nothing(bakery: Bakery) -> None:
    """The same rows in other bytes give the same values, which are not proven any more."""
    bakery.serve()
    path = bakery.folder / "data" / "first.parquet"
    pq.write_table(pq.read_table(path, schema=SCHEMA), path, compression="gzip")
    report = bakery.skew()
    assert (report.differing, report.unproven, report.computed) == (0, report.cells, 0)


ROLES = (
    ("Column[int]\n    value", "Column[int]\n    other: Column[int]\n    value"),
    (
        "class AtTill(",
        "class Beside(FeatureView, entity=Guest(guest=Basket.other), source=Order):\n"
        '    theirs = Order.euros.sum(over="30d")\n\n\nclass AtTill(',
    ),
    ("Basket.value - Taste.usual", "Taste.last - Beside.theirs"),
    ('FeatureSet("till", Taste, AtTill)', 'FeatureSet("till", Taste, Beside, AtTill)'),
)


def test_a_key_that_was_unknown_in_one_role_is_known_in_the_other(bakery: Bakery) -> None:
    """Two views of one state for two keys: the key that had no row was unknown, a late row of the other is a late
    row."""
    rewritten(bakery, *ROLES)
    bakery.store.lookup("till", [{"guest": 500, "other": guest, "value": 1.0} for guest in range(5)])
    late = bakery.orders(6)
    bakery.store.ingest(
        "Order", [row | {"guest": guest} for row, guest in zip(late, [500, 0, 1, 2, 3, 4], strict=True)]
    )
    report = bakery.skew()
    by_feature = {each.name: set(each.causes) for each in report.features}
    assert by_feature["beside__theirs"] == {causes.LATE_ROW}
    assert by_feature["taste__spent_7d"] <= {causes.UNKNOWN}
    assert by_feature["taste__last"] == {causes.UNKNOWN}


def test_a_constant_for_one_key_is_no_default(bakery: Bakery) -> None:
    """One guest's old value where training has none shows nothing of a default: it stays unexplained."""
    asked = datetime.now(UTC)
    spine = {"guest": [900, 900, 900], "value": [1.0] * 3}
    instants = pa.array([asked - timedelta(minutes=at) for at in range(3)], pa.timestamp("us", "UTC"))
    table = pa.table({**spine, "as_of": instants, "taste__last": [7.3] * 3})
    pq.write_table(table, bakery.folder / "theirs.parquet")
    assert bakery.store.skew_against("till", "theirs.parquet").causes == {causes.UNEXPLAINED: 3}
    several = table.set_column(0, "guest", pa.array([900, 901, 902]))
    pq.write_table(several, bakery.folder / "theirs.parquet")
    assert bakery.store.skew_against("till", "theirs.parquet").causes == {causes.DEFAULTED: 3}


def test_columns_of_a_file_may_be_called_like_ours(bakery: Bakery) -> None:
    """A column `as_of_us` of timestamps is read as any other; two columns for one feature are refused."""
    _, spine = at_once(bakery, [1.0] * 10)
    table = bakery.store.dataset("till", spine, as_of="as_of").to_arrow()
    pq.write_table(table.rename_columns({"as_of": "as_of_us"}), bakery.folder / "theirs.parquet")
    assert bakery.store.skew_against("till", "theirs.parquet", as_of="as_of_us").differing == 0
    twice = {"taste__last": "taste__orders", "value": "taste__orders"}
    with pytest.raises(InputError, match="several columns are said to be `taste__orders`"):
        bakery.store.skew_against("till", "theirs.parquet", as_of="as_of_us", names=twice)


def test_keys_that_were_at_different_rows_of_the_log_are_tried_apart(bakery: Bakery) -> None:
    """While rows are applied, one key of a question may have them and another not: what is derived from both is no
    fault."""
    rewritten(bakery, *ROLES)
    road = bakery.store.online._road
    before = bakery.store.lookup("till", [{"guest": 1, "other": 2, "value": 1.0}])
    fresh = [row | {"guest": guest} for row, guest in zip(bakery.orders(2, days=0.01), [1, 2], strict=True)]
    bakery.store.ingest("Order", fresh)
    after = bakery.store.lookup("till", [{"guest": 1, "other": 2, "value": 1.0}], as_of=before.as_of)
    names = list(after.names)
    one, two, both = (names.index(name) for name in ("taste__last", "beside__theirs", "at_till__against_usual"))
    mixed = list(before.values[0])
    for place, name in enumerate(names):
        if name.startswith("taste__"):
            mixed[place] = after.values[0][place]
    assert isinstance(mixed[one], float) and isinstance(mixed[two], float), "both guests have orders"
    mixed[both] = mixed[one] - mixed[two]
    positions = tuple(
        replace(held, applying=later.applied) for held, later in zip(before.positions, after.positions, strict=True)
    )
    torn = replace(before, values=(tuple(mixed),), positions=positions, request_id="torn")
    road.answer_canonical = lambda *arguments, **options: torn  # type: ignore[method-assign]  # what a race would give
    bakery.store.lookup("till", [{"guest": 1, "other": 2, "value": 1.0}])
    report = bakery.skew()
    assert report.questions == 3
    assert report.compute_differing == 0
