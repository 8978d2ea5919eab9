"""The house: which room may import which, and what no file may hold. Each check names all that is wrong at once."""

from __future__ import annotations

import ast
import doctest
import importlib
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = "featurestore"

# Low to high. A room imports only rooms of lower layers; rooms of one layer never meet.
LAYERS: tuple[frozenset[str], ...] = (
    frozenset({"errors"}),
    frozenset({"config"}),
    frozenset({"semantics"}),
    frozenset({"expr"}),
    frozenset({"define"}),
    frozenset({"plan"}),
    frozenset({"tables"}),
    frozenset({"log"}),
    frozenset({"offline", "online"}),
    frozenset({"check", "materialize", "serve", "skew"}),
    frozenset({"notebook", "testing"}),
    frozenset({"store"}),
    frozenset({"demo", "audit"}),
    frozenset({"cli"}),
)
LAYER_OF = {room: layer for layer, rooms in enumerate(LAYERS) for room in rooms}
# What a value means depends on no setting: these do not import `config` although it lies lower.
NO_CONFIG = frozenset({"semantics", "expr"})
STDLIB_ONLY = frozenset({"errors", "config", "semantics", "expr", "define", "plan"})
# Data and no code: the pinned table of zone offsets, which is part of what a value means (R1).
DATA_PACKAGES = frozenset({"tzdata"})
# A serving process starts fast and stays small, and can never fall back on the offline road.
SERVING = ("online", "serve")
NOT_WHEN_SERVING = frozenset({"duckdb", "pandas"})

CODE_FOLDERS = (PACKAGE, "tests", "definitions", "benchmarks")
LINES = 400
VAGUE = re.compile(r"(util|helper|common|misc|core|base|manager|handler)s?")
METACLASSES = frozenset({"type", "ABCMeta", "EnumMeta", "EnumType"})
# Data that runs when it is read; a registry of it has cost others four remote-code advisories.
RUNS_WHEN_READ = frozenset({"pickle", "_pickle", "cPickle", "cloudpickle", "dill", "joblib", "marshal", "shelve"})
READS_PICKLES = frozenset({"to_pickle", "read_pickle"})
EVALUATES = frozenset({"eval", "exec"})

Check = Callable[[Path], list[str]]


def python_files(root: Path, *folders: str) -> list[Path]:
    """Every Python file in these folders of the project, in one order."""
    return sorted(path for folder in folders for path in (root / folder).rglob("*.py"))


def parsed(path: Path) -> ast.Module:
    """The syntax tree of a file."""
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def parts_of(root: Path, path: Path) -> list[str]:
    """A module's dotted name in parts; a package's `__init__` keeps that last part."""
    return list(path.relative_to(root).with_suffix("").parts)


def is_module(root: Path, dotted: str) -> bool:
    """Whether the project has a module or a folder of that name."""
    place = root.joinpath(*dotted.split("."))
    return place.is_dir() or place.with_suffix(".py").is_file()


def imports(root: Path, path: Path) -> list[tuple[int, str]]:
    """Line and absolute name of all that a file imports, inside functions and by `import_module("...")` too."""
    found: list[tuple[int, str]] = []
    package = parts_of(root, path)[:-1]
    for node in ast.walk(parsed(path)):
        match node:
            case ast.Import(names=names):
                found += [(node.lineno, alias.name) for alias in names]
            case ast.ImportFrom(module=module, names=names, level=level):
                above = package[: len(package) - level + 1] if level else []
                origin = ".".join([*above, *([module] if module else [])])
                for alias in names:
                    inner = f"{origin}.{alias.name}"
                    found.append((node.lineno, inner if is_module(root, inner) else origin))
            case ast.Call(
                func=ast.Name(id="import_module" | "__import__") | ast.Attribute(attr="import_module"),
                args=[ast.Constant(value=str(name)), *_],
            ):
                found.append((node.lineno, name))
    return sorted(found)


def room_of(dotted: str) -> str:
    """The room a module of the package is in; the package itself is the face, `__init__`."""
    return [*dotted.split("."), "__init__"][1]


def at(root: Path, path: Path, line: int) -> str:
    """A place that an editor can open."""
    return f"{path.relative_to(root)}:{line}"


def may_import(importer: str, imported: str) -> bool:
    """Whether the rules let one room import another."""
    if importer in ("__init__", imported):
        return True
    if imported == "__init__" or (imported == "config" and importer in NO_CONFIG):
        return False
    return LAYER_OF[imported] < LAYER_OF[importer]


def rooms_without_a_place(root: Path) -> list[str]:
    """Rooms that `LAYERS` does not know."""
    rooms = {room_of(".".join(parts_of(root, path))) for path in python_files(root, PACKAGE)}
    return [f"{PACKAGE}/{room}: give it a layer in LAYERS" for room in sorted(rooms - LAYER_OF.keys() - {"__init__"})]


def upward_imports(root: Path) -> list[str]:
    """Imports of a higher room, of a sibling, or of the package's own face."""
    wrong = []
    for path in python_files(root, PACKAGE):
        importer = room_of(".".join(parts_of(root, path)))
        for line, name in imports(root, path):
            if name.split(".")[0] != PACKAGE:
                continue
            imported = room_of(name)
            known = {importer, imported} <= LAYER_OF.keys() | {"__init__"}
            if known and not may_import(importer, imported):
                wrong.append(f"{at(root, path, line)}: {importer} may not import {name}")
    return wrong


def foreign_imports(root: Path) -> list[str]:
    """Third-party imports where only the standard library is allowed, and heavy ones where answers are served."""
    wrong = []
    for path in python_files(root, PACKAGE):
        room = room_of(".".join(parts_of(root, path)))
        for line, name in imports(root, path):
            top = name.split(".")[0]
            foreign = top not in sys.stdlib_module_names | DATA_PACKAGES | {PACKAGE}
            if (room in STDLIB_ONLY and foreign) or (room in SERVING and top in NOT_WHEN_SERVING):
                wrong.append(f"{at(root, path, line)}: {room} may not import {name}")
    return wrong


def long_files(root: Path) -> list[str]:
    """Files longer than a reader keeps in mind."""
    counted = [(path, len(path.read_text(encoding="utf-8").splitlines())) for path in python_files(root, *CODE_FOLDERS)]
    return [f"{path.relative_to(root)}: {lines} lines of {LINES}" for path, lines in counted if lines > LINES]


def modules_without_docstring(root: Path) -> list[str]:
    """Modules that do not say what they are for."""
    files = python_files(root, *CODE_FOLDERS)
    return [f"{path.relative_to(root)}: no docstring" for path in files if not ast.get_docstring(parsed(path))]


def vague_words(name: str) -> list[str]:
    """The words of a snake_case or CamelCase name under which anything could be put."""
    words = re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", name)
    return [word for word in words if VAGUE.fullmatch(word.lower())]


def vague_names(root: Path) -> list[str]:
    """Files, folders, classes and functions with a name under which anything could be put."""
    wrong = []
    for path in python_files(root, *CODE_FOLDERS):
        where = path.relative_to(root)
        wrong += [f"{where}: `{part}` says nothing" for part in parts_of(root, path) if vague_words(part)]
        if where.parts[0] != PACKAGE:
            continue
        for node in ast.walk(parsed(path)):
            if not isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            if vague_words(node.name):
                wrong.append(f"{at(root, path, node.lineno)}: `{node.name}` says nothing")
    return wrong


def metaclasses(root: Path) -> list[str]:
    """Classes with a metaclass, and classes that are one."""
    wrong = []
    for path in python_files(root, PACKAGE):
        for node in ast.walk(parsed(path)):
            if not isinstance(node, ast.ClassDef):
                continue
            above = {ast.unparse(each).rsplit(".", 1)[-1] for each in node.bases}
            if above & METACLASSES or any(keyword.arg == "metaclass" for keyword in node.keywords):
                wrong.append(f"{at(root, path, node.lineno)}: `{node.name}` brings a metaclass")
    return wrong


def code_from_data(root: Path) -> list[str]:
    """Places that could run what they read. A server's own `.eval`, which runs Lua over there, is another thing."""
    wrong = []
    for path in python_files(root, PACKAGE):
        found = [(line, name) for line, name in imports(root, path) if name.split(".")[0] in RUNS_WHEN_READ]
        for node in ast.walk(parsed(path)):
            match node:
                case ast.Name(id=name) if name in EVALUATES:
                    found.append((node.lineno, name))
                case ast.Attribute(value=ast.Name(id="builtins" | "__builtins__"), attr=name) if name in EVALUATES:
                    found.append((node.lineno, name))
                case ast.Attribute(attr=name) if name in READS_PICKLES:
                    found.append((node.lineno, name))
        wrong += [f"{at(root, path, line)}: {name} runs what it reads" for line, name in sorted(found)]
    return wrong


def crowded_face(root: Path) -> list[str]:
    """Whatever the package's `__init__` holds beside a docstring, imports, `__all__` and the late import of the store.

    Definitions and the service import the face, and neither may bring DuckDB along: the store comes when it is named.
    """
    face = root / PACKAGE / "__init__.py"
    wrong = []
    for place, node in enumerate(parsed(face).body if face.is_file() else []):
        match node:
            case ast.Import() | ast.ImportFrom() | ast.Assign(targets=[ast.Name(id="__all__")]):
                continue
            case ast.If(test=ast.Name(id="TYPE_CHECKING")) | ast.FunctionDef(name="__getattr__"):
                continue
            case ast.Expr(value=ast.Constant(value=str())) if place == 0:
                continue
            case _:
                wrong.append(f"{at(root, face, node.lineno)}: `{ast.unparse(node).splitlines()[0]}` belongs in a room")
    return wrong


# The planted breach of each check: a file of a small project, its text, and what the check says of it.
CHECKS: tuple[tuple[Check, str, str, list[str]], ...] = (
    (rooms_without_a_place, "attic/box.py", "", ["featurestore/attic: give it a layer in LAYERS"]),
    (
        upward_imports,
        "plan/nodes.py",
        "def late():\n    from ..offline import sql\nfrom .. import config, define, online\n"
        "from featurestore import FeatureSet\nimport featurestore.errors\nimport_module('featurestore.cli')\n",
        [
            "featurestore/plan/nodes.py:2: plan may not import featurestore.offline",
            "featurestore/plan/nodes.py:3: plan may not import featurestore.online",
            "featurestore/plan/nodes.py:4: plan may not import featurestore",
            "featurestore/plan/nodes.py:6: plan may not import featurestore.cli",
        ],
    ),
    (
        upward_imports,
        "online/lookup.py",
        "from featurestore.offline import sql\nfrom featurestore.online import keys\nimport featurestore.log\n",
        ["featurestore/online/lookup.py:1: online may not import featurestore.offline"],
    ),
    (
        upward_imports,
        "expr/nodes.py",
        "from featurestore.config import Config\n",
        ["featurestore/expr/nodes.py:1: expr may not import featurestore.config"],
    ),
    (
        foreign_imports,
        "define/load.py",
        "import json\nimport featurestore.errors\nimport pyarrow.parquet\n",
        ["featurestore/define/load.py:3: define may not import pyarrow.parquet"],
    ),
    (
        foreign_imports,
        "serve/app.py",
        "import fastapi\ndef frame():\n    from pandas import DataFrame\n",
        ["featurestore/serve/app.py:3: serve may not import pandas"],
    ),
    (long_files, "log/rows.py", "\n" * 401, ["featurestore/log/rows.py: 401 lines of 400"]),
    (modules_without_docstring, "log/rows.py", "ROWS = 1\n", ["featurestore/log/rows.py: no docstring"]),
    (
        vague_names,
        "log/core_rows.py",
        "class HTTPHandler: ...\nclass Database: ...\ndef base_of(): ...\n",
        [
            "featurestore/log/core_rows.py: `core_rows` says nothing",
            "featurestore/log/core_rows.py:1: `HTTPHandler` says nothing",
            "featurestore/log/core_rows.py:3: `base_of` says nothing",
        ],
    ),
    (
        metaclasses,
        "log/rows.py",
        "class A(metaclass=B): ...\nclass C(abc.ABCMeta): ...\nclass D(Enum): ...\n",
        [
            "featurestore/log/rows.py:1: `A` brings a metaclass",
            "featurestore/log/rows.py:2: `C` brings a metaclass",
        ],
    ),
    (
        code_from_data,
        "log/rows.py",
        "import pickle\nclient.eval('return 1')\neval('1')\nframe.to_pickle('x')\n",
        [
            "featurestore/log/rows.py:1: pickle runs what it reads",
            "featurestore/log/rows.py:3: eval runs what it reads",
            "featurestore/log/rows.py:4: to_pickle runs what it reads",
        ],
    ),
    (
        crowded_face,
        "__init__.py",
        '"""Names."""\nfrom featurestore.errors import Wrong\n__all__ = ["Wrong"]\nVERSION = 1\n',
        ["featurestore/__init__.py:4: `VERSION = 1` belongs in a room"],
    ),
)


@pytest.mark.parametrize("check", dict.fromkeys(row[0] for row in CHECKS), ids=lambda check: check.__name__)
def test_the_house_is_in_order(check: Check) -> None:
    """No file of the project breaks a rule of the house."""
    wrong = check(ROOT)
    assert not wrong, "\n".join([f"{check.__doc__}", *wrong])


@pytest.mark.parametrize(
    ("check", "file", "text", "says"), CHECKS, ids=[f"{row[0].__name__}-{row[1]}" for row in CHECKS]
)
def test_a_planted_breach_is_found(check: Check, file: str, text: str, says: list[str], tmp_path: Path) -> None:
    """Each check names every breach planted in a small project, and nothing else."""
    for room in LAYER_OF:
        (tmp_path / PACKAGE / room).mkdir(parents=True)
    planted = tmp_path / PACKAGE / file
    planted.parent.mkdir(exist_ok=True)
    planted.write_text(text, encoding="utf-8")
    assert check(tmp_path) == says


@pytest.mark.parametrize("room", SERVING)
def test_serving_loads_no_offline_engine(room: str) -> None:
    """Importing any module that serves leaves duckdb and pandas out of the process."""
    files = [path for path in python_files(ROOT, f"{PACKAGE}/{room}") if path.stem != "__main__"]
    names = [".".join(parts_of(ROOT, path)).removesuffix(".__init__") for path in files]
    program = (
        "import importlib, sys\n"
        f"for name in {names!r}:\n"
        "    importlib.import_module(name)\n"
        f"    found = sorted({set(NOT_WHEN_SERVING)!r} & sys.modules.keys())\n"
        "    if found: sys.exit(f'{name} loads {found}')\n"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


def test_examples_in_docstrings_hold() -> None:
    """Every example in a docstring of the package prints what it says."""
    wrong: list[str] = []
    for path in python_files(ROOT, PACKAGE):
        if ">>>" in path.read_text(encoding="utf-8"):
            module = importlib.import_module(".".join(parts_of(ROOT, path)).removesuffix(".__init__"))
            runner = doctest.DocTestRunner(verbose=False)
            for example in doctest.DocTestFinder(exclude_empty=True).find(module):
                runner.run(example, out=wrong.append)
    assert not wrong, "".join(wrong)
