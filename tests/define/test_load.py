"""A folder of definitions is imported whole, and what is wrong with it is said with file, line and near names."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any

import pytest

from featurestore.define.load import load_definitions
from featurestore.errors import ConfigError, DefinitionError, DefinitionErrors

GOOD = '''"""A shop."""
from datetime import datetime
from featurestore import (Column, Csv, Entity, EventTime, Feature, FeatureSet, FeatureView, KnownTime, Order,
                          Parquet, Request, RowId, Source, coalesce, column, feature, rows, when)

class User(Entity):
    user_id: Column[int]

class Visit(Source):
    visit_id: RowId[int]
    user_id: Column[int]
    page: Column[str]
    seconds: Column[float]
    happened_at: EventTime

class Visits(FeatureView, entity=User, source=Visit):
    seconds = Visit.seconds.mean(over=("1d", "7d"))
    pages = Visit.page.distinct_count(over="7d")

visits = FeatureSet("visits", Visits)
'''


def load(folder: Path, **files: str) -> DefinitionError:
    """The error that a folder of definitions gives."""
    (folder / "definitions").mkdir(exist_ok=True)
    for name, text in files.items():
        (folder / "definitions" / f"{name}.py").write_text(text)
    with pytest.raises(DefinitionError) as caught:
        load_definitions(folder, "definitions")
    return caught.value


# what is added to the good definitions, the error, and a part of each of its parts
MISTAKES = {
    "unknown column": (
        "class V(FeatureView, entity=User, source=Visit):\n    s = Visit.second.mean()\n",
        ("UnknownColumn", "`Visit` has no column `second`", "shop.py:23, `V.s`", "page, seconds", "write `seconds`"),
    ),
    "unknown feature": (
        'two = FeatureSet("two", Visits.page)\n',
        ("UnknownFeature", "`Visits` has no feature `page`", "shop.py:22", "pages, seconds", "write `pages`"),
    ),
    "wrong type": (
        "class V(FeatureView, entity=User, source=Visit):\n    s = Visit.page.mean()\n",
        ("TypeMismatch", "`mean` does not take string", "shop.py:23, `V.s`", "float64, int64", "count"),
    ),
    "wrong operand": (
        "class V(FeatureView, entity=User, source=Visit):\n    s = Visit.page.last() + 1\n",
        ("TypeMismatch", "`+` does not take string and int64", "shop.py:23, `V.s`", "int64", "cast"),
    ),
    "a condition with and": (
        "class V(FeatureView, entity=User, source=Visit):\n"
        "    s = rows(where=Visit.seconds > 1 and Visit.seconds < 9)\n",
        ("InvalidDefinition", "no truth value", "shop.py:23, `V.s`", None, "write `&` for `and`"),
    ),
    "a chained comparison": (
        "class V(FeatureView, entity=User, source=Visit):\n    s = rows(where=0 < Visit.seconds < 10)\n",
        ("InvalidDefinition", "no truth value", "shop.py:23, `V.s`", None, "between(0, 10)"),
    ),
    "two features of one name": (
        "class V(FeatureView, entity=User, source=Visit):\n"
        '    a = Visit.seconds.mean(over=("1d", "7d"))\n    a_7d = rows()\n',
        ("DuplicateName", "`V` has two features `a_7d`", "shop.py:24, `V.a_7d`", "`a_7d`, `a`", "rename"),
    ),
    "an attribute given twice": (
        "class V(FeatureView, entity=User, source=Visit):\n    a = rows()\n    a = Visit.seconds.sum()\n",
        ("DuplicateName", "`V.a` is defined twice", "shop.py:24", "line 23", "rename"),
    ),
    "a class given twice": (
        "class User(Entity):\n    user_id: Column[int]\n",
        ("DuplicateName", "`User` is defined twice", "shop.py:22", "line 6", "rename"),
    ),
    "a column that is no feature": (
        "class V(FeatureView, entity=User, source=Visit):\n    s = Visit.seconds\n",
        ("InvalidDefinition", "a column of rows", "shop.py:23, `V.s`", None, "Visit.seconds.last()"),
    ),
    "a method that is not called": (
        "class V(FeatureView, entity=User, source=Visit):\n    s = Visit.seconds.last\n",
        ("InvalidDefinition", "not a feature", "shop.py:23, `V.s`", None, "call it"),
    ),
    "a bad duration": (
        'class V(FeatureView, entity=User, source=Visit):\n    s = rows(over="7 days")\n',
        ("InvalidDefinition", "'7 days' is not a duration", "shop.py:23, `V.s`", "1d, 1h", "7d"),
    ),
    "a source without time": (
        "class S(Source):\n    user_id: Column[int]\n",
        ("InvalidDefinition", "has no event time", "shop.py:22, `S`", None, "EventTime"),
    ),
    "a view without source": (
        "class V(FeatureView, entity=User):\n    s = rows()\n",
        ("InvalidDefinition", "an entity but no source", "shop.py:22, `V`", None, "both"),
    ),
    "a missing key column": (
        "class S(Source):\n    userid: Column[int]\n    at: EventTime\n\n"
        "class V(FeatureView, entity=User, source=S):\n    s = rows()\n",
        ("UnknownColumn", "`S` has no key column `user_id`", "shop.py:26, `V`", "at, userid", "`key=S.userid`"),
    ),
    "a key of another type": (
        "class S(Source):\n    user_id: Column[str]\n    at: EventTime\n\n"
        "class V(FeatureView, entity=User, source=S):\n    s = rows()\n",
        ("TypeMismatch", "`S.user_id` is string", "shop.py:26, `V`", None, "one type"),
    ),
    "another source's column": (
        "class S(Source):\n    user_id: Column[int]\n    x: Column[int]\n    at: EventTime\n\n"
        "class V(FeatureView, entity=User, source=Visit):\n    s = S.x.sum()\n",
        ("InvalidDefinition", "aggregates `S`", "shop.py:28, `V.s`", None, "second view"),
    ),
    "an unknown zone": (
        "class R(Request):\n    at: Column[datetime]\n\nclass V(FeatureView, request=R):\n"
        '    s = R.at.hour(zone="America/NewYork")\n',
        ("InvalidDefinition", "no time zone 'America/NewYork'", "shop.py:26, `V.s`", None, "America/New_York"),
    ),
    "a name that is not there": (
        "x = Usr\n",
        ("InvalidDefinition", "`Usr` is not defined", "shop.py:22", "User, Visit", "write `User`"),
    ),
    "a name that nobody has": (
        "x = Wintergarden\n",
        ("InvalidDefinition", "`Wintergarden` is not defined", "shop.py:22", None, "import it"),
    ),
    "a view that stands below": (
        "class V(FeatureView):\n    s = Later.n + 1\n\n"
        "class Later(FeatureView, entity=User, source=Visit):\n    n = rows()\n",
        ("InvalidDefinition", "`Later` is defined below", "shop.py:23, `V.s`", None, "move it above `V`"),
    ),
    "views that need each other": (
        "class A(FeatureView):\n    s = B.s + 1\n\nclass B(FeatureView):\n    s = C.s + 1\n\n"
        "class C(FeatureView):\n    s = A.s + 1\n",
        ("DefinitionCycle", "need each other: `A` -> `B` -> `C` -> `A`", "shop.py:23, `A.s`", None, "move what both"),
    ),
    "a view that needs itself": (
        "class A(FeatureView):\n    s = A.t + 1\n    t = rows()\n",
        ("DefinitionCycle", "need each other: `A` -> `A`", "shop.py:23, `A.s`", None, "move what both"),
    ),
    "a key from a feature": (
        "class V(FeatureView, entity=User(user_id=Visits.pages), source=Visit):\n    s = rows()\n",
        ("InvalidDefinition", "the key `User.user_id` comes from `Visits.pages`", "shop.py:22", None, "second trip"),
    ),
    "a key that is a text": (
        'class V(FeatureView, entity=User, source=Visit, key="usr_id"):\n    s = rows()\n',
        (
            "UnknownColumn",
            "`Visit` has no key column `'usr_id'`",
            "shop.py:22, `V`",
            "page, seconds",
            "write `user_id`",
        ),
    ),
    "no Python": ("class V(\n", ("InvalidDefinition", "SyntaxError", "shop.py", None, "correct")),
    "a default of another type": (
        'class V(FeatureView, entity=User, source=Visit):\n    s = feature(Visit.seconds.last(), default="none")\n',
        ("TypeMismatch", "the default 'none' is no float64", "shop.py:23, `V.s`", None, "float64"),
    ),
    "a column type that is none": (
        "class S(Source):\n    x: Column[dict]\n    at: EventTime\n",
        ("TypeMismatch", "`S.x` holds `dict`", "shop.py:23, `S.x`", "bool, date, datetime", "Column[str]"),
    ),
    "an aggregate of an aggregate": (
        "class V(FeatureView, entity=User, source=Visit):\n    s = Visit.seconds.mean().max()\n",
        ("InvalidDefinition", "is an aggregate already", "shop.py:23, `V.s`", None, "combine"),
    ),
    "an unknown method": (
        "class V(FeatureView, entity=User, source=Visit):\n    s = Visit.seconds.summ()\n",
        ("InvalidDefinition", "`Visit.seconds` has no method `summ`", "shop.py:23, `V.s`", "mean, median", "`sum`"),
    ),
    "an unknown class keyword": (
        'class V(FeatureView, entity=User, source=Visit, refesh="1h"):\n    s = rows()\n',
        ("InvalidDefinition", "`FeatureView` takes no `refesh=`", "shop.py:22, `V`", "key=, refresh=", "`refresh=`"),
    ),
    "an unknown source keyword": (
        'class S(Source, dely="5m"):\n    at: EventTime\n',
        ("InvalidDefinition", "`Source` takes no `dely=`", "shop.py:22, `S`", "static=, zone=", "write `delay=`"),
    ),
    "an unknown argument of an aggregate": (
        'class V(FeatureView, entity=User, source=Visit):\n    s = Visit.seconds.sum(over="1d", whre=True)\n',
        ("InvalidDefinition", "`sum` takes no `whre=`", "shop.py:23, `V.s`", "over=, where=", "write `where=`"),
    ),
    "an unknown argument of a function": (
        "class V(FeatureView, entity=User, source=Visit):\n    s = feature(rows(), defalt=0)\n",
        ("InvalidDefinition", "`feature` takes no `defalt=`", "shop.py:23, `V.s`", "doc=", "write `default=`"),
    ),
    "a window without its name": (
        'class V(FeatureView, entity=User, source=Visit):\n    s = Visit.seconds.sum("1d")\n',
        ("InvalidDefinition", "`sum` is given too much without a name", "shop.py:23, `V.s`", "where=", "`over=...`"),
    ),
    "plain Python over an expression": (
        "import math\nclass V(FeatureView, entity=User, source=Visit):\n    s = math.log(Visit.seconds.sum())\n",
        ("InvalidDefinition", "plain Python does not take an expression", "shop.py:24, `V.s`", None, "`.log()`"),
    ),
    "a condition without a value": (
        "class V(FeatureView, entity=User, source=Visit):\n    s = when(rows() > 3)\n",
        ("InvalidDefinition", "`V.s` is a When, not a feature", "shop.py:23, `V.s`", None, ".otherwise("),
    ),
    "None in an expression": (
        "class V(FeatureView, entity=User, source=Visit):\n    s = rows(where=Visit.page == None)\n",
        ("TypeMismatch", "None cannot stand in an expression", "shop.py:23, `V.s`", None, "`.is_null()`"),
    ),
    "Python's `in` over an expression": (
        "class V(FeatureView, entity=User, source=Visit):\n    s = rows(where=Visit.page in ('a', 'b'))\n",
        (
            "InvalidDefinition",
            "an expression has no truth value",
            "shop.py:23, `V.s`",
            None,
            "`x.isin([...])` for `in`",
        ),
    ),
    "a set with a source": (
        'two = FeatureSet("two", Visit)\n',
        ("InvalidDefinition", "neither a view nor a feature", "shop.py:22", None, "give a view"),
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_told_in_four_parts(mistake: str, tmp_path: Path) -> None:
    """Each mistake has its error's name, what is wrong, file and line, what there is, and how to fix it."""
    check_mistake(tmp_path, *MISTAKES[mistake])


def check_mistake(folder: Path, text: str, parts: tuple[str, str, str, str | None, str]) -> None:
    """A text after the good definitions gives an error with a part of each of its parts."""
    name, what, where, has, fix = parts
    error = load(folder, shop=f"{GOOD}\n{text}")
    found = error.parts()
    assert error.name == name, str(error)
    assert what in found["what"]
    assert where in found["in"]
    assert has is None or has in found["has"]
    assert fix in found["fix"]


def test_two_files_that_need_each_other_are_named(tmp_path: Path) -> None:
    """A cycle is called one, with the files on it."""
    error = load(tmp_path, a="from definitions.b import x\ny = 1\n", b="from definitions.a import y\nx = 1\n")
    assert "a.py" in str(error) and "b.py" in str(error)
    assert error.name == "DefinitionCycle" and "need each other" in str(error)


def test_two_definitions_of_one_name_are_named_with_both_files(tmp_path: Path) -> None:
    """A name in two files is refused, whichever would have won."""
    error = load(tmp_path, one=GOOD, two=GOOD)
    assert isinstance(error, DefinitionErrors)
    assert "two definitions of the entity `User`" in str(error)
    assert "one.py" in str(error) and "two.py" in str(error)


def test_the_errors_of_all_files_are_told_together(tmp_path: Path) -> None:
    """Mending one file does not uncover the next."""
    error = load(tmp_path, one=f"{GOOD}\nx = Visit.sconds\n", two="from featurestore import rows\nrows(over='x')\n")
    assert isinstance(error, DefinitionErrors) and len(error.errors) == 2
    assert "seconds" in str(error) and "'x' is not a duration" in str(error)


def test_a_cycle_over_files_is_named_however_they_import(tmp_path: Path) -> None:
    """Two files whose views refer to each other are a cycle, also when they import modules and not names."""
    view = "from featurestore import *\nimport definitions.{0} as o\nclass {1}(FeatureView):\n    s = o.{2}.s + 1\n"
    error = load(tmp_path, a=view.format("b", "A", "B"), b=view.format("a", "B", "A"))
    assert error.name == "DefinitionCycle"
    assert re.search(r"a\.py -> .*b\.py -> .*a\.py", error.what)


def test_many_mistakes_are_told_at_once_each_with_its_near_name(tmp_path: Path) -> None:
    """The first error of every file, every name that is given twice, and every near name come in one error."""
    wrong = {
        "column": "class V1(FeatureView, entity=User, source=Visit):\n    a = Visit.secnds.sum()\n",
        "feature": "class V2(FeatureView):\n    a = Visits.pags + 1\n",
        "key": "class K(Entity):\n    usr_id: Column[int]\n\n"
        "class V3(FeatureView, entity=K, source=Visit):\n    a = rows()\n",
        "window": 'class V4(FeatureView, entity=User, source=Visit):\n    a = rows(over=("10d", "7d"))["100d"]\n',
        "zone": 'class S(Source, zone="Europe/Pars"):\n    at: EventTime\n',
        "name": "a = Vists\n",
        "twice": "class V5(FeatureView, entity=User, source=Visit):\n    a = rows()\n    a = rows()\n",
        "clash": "class Visits(FeatureView, entity=User, source=Visit):\n    a = rows()\n",
    }
    error = load(
        tmp_path, shop=GOOD, **{name: f"from definitions.shop import *\n{text}" for name, text in wrong.items()}
    )
    assert isinstance(error, DefinitionErrors)
    fixes = {str(each.where).split(".py")[0].rsplit("/", 1)[-1]: (each.name, each.fix) for each in error.errors}
    assert fixes == {
        "column": ("UnknownColumn", "write `seconds`"),
        "feature": ("UnknownFeature", "write `pages`"),
        "key": (
            "UnknownColumn",
            "write `entity=User`, whose key `Visit` has, or name the column that holds the key: `key=Visit.user_id`",
        ),
        "window": ("InvalidDefinition", "write `10d`"),
        "zone": ("InvalidDefinition", "write `Europe/Paris`"),
        "name": ("InvalidDefinition", "write `Visits`"),
        "twice": ("DuplicateName", "rename one"),
        "shop": ("DuplicateName", "rename one"),
    }


def test_a_folder_without_definitions_is_an_error(tmp_path: Path) -> None:
    """Nothing to load is said, not an empty project."""
    with pytest.raises(ConfigError, match="no definitions"):
        load_definitions(tmp_path, "definitions")


def test_what_is_good_is_found_by_name(tmp_path: Path) -> None:
    """Importing opens no file and no network, and gives every definition by its name."""
    (tmp_path / "definitions").mkdir()
    (tmp_path / "definitions" / "shop.py").write_text(
        GOOD.replace("class Visit(Source)", 'class Visit(Source, data=Parquet("none"))')
    )
    found = load_definitions(tmp_path, "definitions")
    assert list(found.entities) == ["User"] and list(found.views) == ["Visits"] and list(found.sources) == ["Visit"]
    assert [node.name for node in found.feature_set("visits").features] == ["seconds_1d", "seconds_7d", "pages"]


def test_a_file_is_parsed_once_however_wide_its_sources_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lines are looked up when something is wrong, and in a file that was parsed already: loading takes time in
    proportion to columns and views."""
    (tmp_path / "definitions").mkdir()
    columns = "".join(f"    extra_{i}: Column[float]\n" for i in range(40))
    views = "".join(f"class V{i}(FeatureView, entity=User, source=Visit):\n    n = rows()\n" for i in range(40))
    wide = GOOD.replace("    happened_at: EventTime\n", f"    happened_at: EventTime\n{columns}")
    (tmp_path / "definitions" / "shop.py").write_text(wide + views)
    parsed: list[str] = []
    parse = ast.parse

    def counted(source: str, *given: Any, **named: Any) -> ast.AST:
        parsed.append(source)
        return parse(source, *given, **named)

    monkeypatch.setattr(ast, "parse", counted)
    assert len(load_definitions(tmp_path, "definitions").views) == 41
    assert len(parsed) == 1
    twice = "class V(FeatureView, entity=User, source=Visit):\n    n = rows()\n    n = rows()\n"
    (tmp_path / "definitions" / "shop.py").write_text(wide + twice + "    n = 5\n")
    with pytest.raises(DefinitionErrors, match=r"(?s)shop.py:63.*shop.py:64.*shop.py:62"):
        load_definitions(tmp_path, "definitions")
    assert len(parsed) == 2


def test_two_projects_in_one_process_do_not_meet(tmp_path: Path) -> None:
    """A second project's folder of the same name gives its own definitions."""
    for name, over in (("one", "7d"), ("two", "9d")):
        (tmp_path / name / "definitions").mkdir(parents=True)
        (tmp_path / name / "definitions" / "shop.py").write_text(GOOD.replace('over="7d"', f'over="{over}"'))
    texts = [
        repr(load_definitions(tmp_path / name, "definitions").views["Visits"].__spec__.features[-1].node)
        for name in ("one", "two", "one")
    ]
    assert texts[0] == texts[2] != texts[1]
