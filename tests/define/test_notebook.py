"""Definitions in the cells of a notebook, which are run again and in any order."""

from __future__ import annotations

import linecache
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from featurestore import FeatureStore
from featurestore.errors import DuplicateName, FeatureStoreError, InvalidDefinition, TypeMismatch

IMPORTS = """
from datetime import datetime, UTC
from featurestore import *
import pyarrow as pa
NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)
ASKED = [{"user": 1, "at": datetime(2024, 5, 2, tzinfo=UTC)}]
"""
SOURCE = """
class User(Entity):
    user: Column[int]

class Sale(Source, data=pa.table({"user": [1, 1], "amount": [1.0, 2.5], "at": [NOON, NOON]})):
    user: Column[int]
    amount: Column[float]
    at: EventTime
"""
LARGE = "large = Sale.amount > 2"
SALES = """
class Sales(FeatureView, entity=User, source=Sale):
    number = rows(over="7d")
    large = rows(over="7d", where=large)
"""
SHARES = """
class Shares(FeatureView):
    large = Sales.large / Sales.number
"""
SET = 'sold = FeatureSet("sold", Sales.number, Shares)'


class Notebook:
    """Cells in a module without a file, as they are numbered and kept by IPython."""

    def __init__(self) -> None:
        self.module = ModuleType("__main__")
        self.names: dict[str, Any] = vars(self.module)
        self.count = 0

    def run(self, *cells: str) -> None:
        """Run cells, one after the other."""
        for cell in cells:
            self.count += 1
            file = f"<ipython-input-{self.count}-0123456789ab>"
            linecache.cache[file] = (len(cell), None, cell.splitlines(keepends=True), file)
            exec(compile(cell, file, "exec", dont_inherit=True), self.names)

    def fails(self, cell: str, kind: type[FeatureStoreError]) -> str:
        """The place of the error that a cell gives."""
        with pytest.raises(kind) as caught:
            self.run(cell)
        return str(caught.value.where)


@pytest.fixture
def notebook(monkeypatch: pytest.MonkeyPatch) -> Iterator[Notebook]:
    """A notebook whose first cells have been run."""
    found = Notebook()
    monkeypatch.setitem(sys.modules, "__main__", found.module)
    found.run(IMPORTS, SOURCE, LARGE, SALES, SHARES, SET)
    yield found
    for name in [name for name in linecache.cache if name.startswith("<ipython-input-")]:
        del linecache.cache[name]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[FeatureStore]:
    """A project without a folder of definitions."""
    (tmp_path / "featurestore.toml").write_text("")
    with FeatureStore(tmp_path) as store:
        yield store


def answer(notebook: Notebook, store: FeatureStore) -> list[Any]:
    """What the training set says of the one question."""
    return list(store.dataset(notebook.names["sold"], notebook.names["ASKED"], as_of="at").to_pandas().iloc[0, 2:])


def test_a_notebook_trains_and_serves_without_a_folder_of_definitions(notebook: Notebook, store: FeatureStore) -> None:
    """Sources, views and feature sets of cells are all that is needed, for pushed rows too."""
    assert answer(notebook, store) == [2, 0.5]
    store.materialize([notebook.names["Sales"]])
    notebook.run("class Push(Source):\n    user: Column[int]\n    at: EventTime")
    notebook.run("class Pushes(FeatureView, entity=User, source=Push):\n    number = rows()")
    notebook.run('pushed = FeatureSet("pushed", Pushes)')
    store.materialize([notebook.names["Pushes"]])
    store.ingest(notebook.names["Push"], [{"user": 1, "at": notebook.names["NOON"]}])
    assert store.lookup(notebook.names["pushed"], {"user": 1}).to_pylist() == [{"pushes__number": 1}]
    vectors = store.lookup(notebook.names["sold"], {"user": 1}, as_of=notebook.names["NOON"])
    assert vectors.to_pylist() == [{"sales__number": 0, "shares__large": None}]


@pytest.mark.parametrize("again", [[SOURCE], [LARGE], [SALES], [SHARES], [SET], [SOURCE, SALES], [SALES, SET]])
def test_a_cell_that_is_run_again_changes_nothing(again: list[str], notebook: Notebook, store: FeatureStore) -> None:
    """Definitions of one meaning are one, whichever cells were run again and whichever were not."""
    before = store.plan(notebook.names["sold"])
    notebook.run(*again, SET)
    after = store.plan(notebook.names["sold"])
    assert (after.version, after.states) == (before.version, before.states)
    assert answer(notebook, store) == [2, 0.5]


def test_new_data_replaces_old(notebook: Notebook, store: FeatureStore) -> None:
    """A source whose cell ran again with other data is read from there at once, by whatever refers to its name."""
    assert answer(notebook, store) == [2, 0.5]
    notebook.run(SOURCE.replace('"amount": [1.0, 2.5]', '"amount": [3.0, 2.5]'))
    assert answer(notebook, store) == [2, 1.0], "neither the view nor the feature set was made again"
    notebook.run(SALES, SHARES, SET)
    assert answer(notebook, store) == [2, 1.0]


def test_a_source_that_means_something_else_is_never_read_as_before(notebook: Notebook, store: FeatureStore) -> None:
    """A delay, a zone or a column that changed makes what was built on the old class an error, not an old answer."""
    notebook.run(SOURCE.replace('"at": [NOON, NOON]})', '"at": [NOON, NOON]}), delay="1h"'))
    with pytest.raises(DuplicateName, match="two different sources `Sale`") as caught:
        answer(notebook, store)
    assert caught.value.has == "the new one: cell In[7]:5, the old one: cell In[2]:5"
    notebook.run(SALES, SHARES, SET)
    assert answer(notebook, store) == [2, 0.5]


def test_a_view_that_means_something_else_needs_a_new_feature_set(notebook: Notebook, store: FeatureStore) -> None:
    """The cell of a view alone that ran again, with another window: the feature set does not answer by the old one."""
    notebook.run(SALES.replace('over="7d"', 'over="2d"'))
    with pytest.raises(DuplicateName, match="two different views `Sales`, which disagree on"):
        answer(notebook, store)


def test_classes_of_a_function_are_each_their_own(notebook: Notebook, store: FeatureStore) -> None:
    """Two calls of one function define two sources of one name, and each feature set reads its own."""
    body = "".join(f"    {line}\n" for line in f"{SOURCE}{LARGE}{SALES}{SHARES}{SET}\nreturn sold".splitlines())
    notebook.run("def made(amount):\n" + body.replace("[1.0, 2.5]", "[amount, 2.5]"))
    notebook.run("one = made(1.0)\ntwo = made(3.0)")
    for name, share in (("one", 0.5), ("two", 1.0), ("one", 0.5)):
        notebook.run(f"sold = {name}")
        assert answer(notebook, store) == [2, share]


def test_a_changed_view_replaces_the_old_one(notebook: Notebook, store: FeatureStore) -> None:
    """A feature more or another window is taken up, as long as what others refer to means the same."""
    notebook.run(SALES + '    more = Sale.amount.sum(over="1d")\n', 'sold = FeatureSet("sold", Sales, Shares)')
    assert answer(notebook, store) == [2, 1, 3.5, 0.5]


def test_an_old_view_that_means_something_else_is_named_with_both_cells(
    notebook: Notebook, store: FeatureStore
) -> None:
    """Two meanings of one name never mix: the error names the cells of both."""
    notebook.run(SALES.replace('over="7d"', 'over="2d"'), SET)
    with pytest.raises(DuplicateName, match="two different views `Sales`, which disagree on") as caught:
        answer(notebook, store)
    assert caught.value.has == "the new one: cell In[7]:2, the old one: cell In[4]:2"
    assert "run the cells again" in str(caught.value.fix)
    notebook.run(SHARES, SET)
    assert answer(notebook, store) == [2, 0.5]


def test_an_old_source_that_means_something_else_is_named_with_both_cells(
    notebook: Notebook, store: FeatureStore
) -> None:
    """Views over two declarations of one source are not put together."""
    notebook.run(
        SOURCE.replace("at: EventTime", "at: EventTime\n    known: KnownTime"),
        "class Other(FeatureView, entity=User, source=Sale):\n    number = rows()",
        'sold = FeatureSet("sold", Sales, Other)',
    )
    with pytest.raises(DuplicateName, match="two different sources `Sale`") as caught:
        answer(notebook, store)
    assert caught.value.has == "the new one: cell In[7]:5, the old one: cell In[2]:5"


def test_an_expression_over_an_old_column_is_told(notebook: Notebook) -> None:
    """A condition that was written over a column of another type does not slip into a new view."""
    notebook.run(SOURCE.replace("amount: Column[float]", "amount: Column[int]"))
    where = notebook.fails(SALES, InvalidDefinition)
    assert where == "cell In[8]:4, `Sales.large`"


def test_errors_name_the_cell_and_the_line(notebook: Notebook) -> None:
    """The place of a mistake is the cell's number and the line in it."""
    wrong = "\n\nclass Wrong(FeatureView, entity=User, source=Sale):\n    n = rows()\n    text: Feature[str] = rows()\n"
    assert notebook.fails(wrong, TypeMismatch) == "cell In[7]:5, `Wrong.text`"
    assert notebook.fails("class Empty(Entity):\n    pass", InvalidDefinition) == "cell In[8]:1, `Empty`"


def test_a_real_ipython_is_understood(tmp_path: Path) -> None:
    """In IPython itself cells are run again, and an error names In[n]."""
    pytest.importorskip("IPython")
    from IPython.core.interactiveshell import InteractiveShell

    shell = InteractiveShell.instance()
    try:
        for cell in (IMPORTS, SOURCE, LARGE, SALES, SHARES, SALES, SHARES, SET):
            shell.run_cell(cell, store_history=True).raise_error()
        (tmp_path / "featurestore.toml").write_text("")
        with FeatureStore(tmp_path) as store:
            found = store.dataset(shell.user_ns["sold"], shell.user_ns["ASKED"], as_of="at").to_arrow().to_pylist()
        assert found[0]["shares__large"] == 0.5
        failed = shell.run_cell("\n" + SALES.replace("rows(over", "1; x = rows(over", 1), store_history=True)
        assert isinstance(failed.error_in_exec, InvalidDefinition)
        assert failed.error_in_exec.where == "cell In[9]:2, `Sales.number`", (
            "IPython leaves out empty lines at the start"
        )
    finally:
        InteractiveShell.clear_instance()
