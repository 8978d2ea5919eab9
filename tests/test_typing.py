"""mypy and pyright, both strict: clean on good definitions, and each mistake is refused on its own line."""

from __future__ import annotations

import fcntl
import importlib.util
import inspect
import json
import operator
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from featurestore.errors import FeatureStoreError
from featurestore.expr.fluent import Expr
from featurestore.expr.nodes import ColumnRef
from featurestore.semantics.dtypes import (
    BOOL,
    DATE,
    FLOAT64,
    INT64,
    STRING,
    TIMESTAMP,
    DType,
    decimal_of,
    list_of,
    vector_of,
)

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "tests" / "typed"
BAD = (FOLDER / "bad.py").read_text(encoding="utf-8").splitlines()
MISTAKES = {BAD[place - 1].strip(" #"): place + 1 for place, line in enumerate(BAD) if line.endswith("# refused")}
CHECKERS = ("mypy", "pyright")
Found = dict[str, dict[str, list[int]]]
"""For each checker, the lines of each file that it refuses."""

# what an author annotates, and what it is in the product
TYPES: dict[str, DType] = {
    "int": INT64,
    "float": FLOAT64,
    "bool": BOOL,
    "str": STRING,
    "datetime": TIMESTAMP,
    "date": DATE,
    "Decimal": decimal_of(12, 2),
    "Vector": vector_of(2),
    "list[int]": list_of(INT64),
    "list[float]": list_of(FLOAT64),
    "list[str]": list_of(STRING),
}
BINARY: dict[str, Callable[[Any, Any], Any]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "**": operator.pow,
    "//": operator.floordiv,
    "%": operator.mod,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "&": operator.and_,
    "|": operator.or_,
}
UNARY: dict[str, Callable[[Any], Any]] = {"-": operator.neg, "~": operator.invert}
METHODS = tuple(
    name
    for name, method in inspect.getmembers(Expr, inspect.isfunction)
    if not name.startswith("_")
    and all(
        each.default is not each.empty or each.name == "self" for each in inspect.signature(method).parameters.values()
    )
)

NEARLY_ALL = ("approx_distinct_count", "clip", "distinct_count", "first_at", "last_at", "mode", "entropy", "mode_count")
"""Methods that take nearly every type: the others are refused when they are run. `clip` without a bound always is."""


def matrix() -> str:
    """A file with every operator between columns of all types, each with what it gives when it is run, or refused."""
    columns = {name: Expr[Any](ColumnRef("S", name, dtype)) for name, dtype in TYPES.items()}
    cells: list[tuple[str, Callable[[], Any]]] = []
    for (left, one), (right, other) in product(columns.items(), columns.items()):
        for symbol, compute in BINARY.items():
            cells.append(
                (f"{_attribute(left)} {symbol} {_attribute(right)}", lambda c=compute, a=one, b=other: c(a, b))
            )
    for name, each in columns.items():
        cells += [(f"{symbol}{_attribute(name)}", lambda c=compute, a=each: c(a)) for symbol, compute in UNARY.items()]
        cells += [(f"{_attribute(name)}.{method}()", lambda m=method, a=each: getattr(a, m)()) for method in METHODS]
    lines = [
        '"""Every operator between columns of all types."""',
        "from datetime import date, datetime",
        "from decimal import Decimal",
        "from typing import assert_type",
        "from featurestore import Column, Vector",
        "from featurestore.expr.fluent import Expr",
        "class S:",
        '    """Columns."""',
        *(f"    {_attribute(name).removeprefix('S.')}: Column[{name}]" for name in TYPES),
    ]
    for text, run in cells:
        try:
            lines.append(f"assert_type({text}, Expr[{_python_type(run().node.dtype)}])")
        except FeatureStoreError:
            if not text.endswith(tuple(f".{name}()" for name in NEARLY_ALL)):
                lines.append(f"{text}  # refused")
    return "\n".join([*lines, ""])


def _attribute(name: str) -> str:
    return f"S.of_{re.sub(r'[^a-z]', '', name.lower())}"


def _python_type(dtype: DType) -> str:
    known = {"decimal": "Decimal", "vector": "Vector"}
    return known.get(dtype.kind) or next(name for name, each in TYPES.items() if each == dtype)


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Found:
    """What both checkers say: asked once, whichever worker comes first."""
    shared = tmp_path_factory.getbasetemp() if worker_id == "master" else tmp_path_factory.getbasetemp().parent
    with (shared / "typed.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        answer = shared / "typed.json"
        if not answer.is_file():
            folder = shared / "typed"
            shutil.copytree(FOLDER, folder)
            shutil.copytree(ROOT / "definitions", folder / "definitions", ignore=shutil.ignore_patterns("__pycache__"))
            (folder / "matrix.py").write_text(matrix(), encoding="utf-8")
            answer.write_text(json.dumps({"mypy": _mypy(folder), "pyright": _pyright(folder)}))
        return json.loads(answer.read_text())  # type: ignore[no-any-return]  # written two lines above


def _mypy(folder: Path) -> dict[str, list[int]]:
    command = [sys.executable, "-m", "mypy", "--strict", "--no-error-summary", "--hide-error-context", "--no-pretty"]
    command += ["--cache-dir", str(ROOT / ".mypy_cache"), "--config-file", "", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode in (0, 1) and not done.stderr, done.stdout + done.stderr
    return _by_file(re.findall(r"^(?:.*/)?([\w/]+\.py):(\d+): error:", done.stdout, flags=re.MULTILINE))


def _pyright(folder: Path) -> dict[str, list[int]]:
    rules = {"reportUnusedExpression": False, "reportUnusedClass": False}
    config = {"include": ["."], "extraPaths": [str(ROOT)], "typeCheckingMode": "strict", **rules}
    (folder / "pyrightconfig.json").write_text(json.dumps(config))
    command = [sys.executable, "-m", "pyright", "--outputjson", "--pythonpath", sys.executable, "-p", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode in (0, 1), done.stdout + done.stderr
    said = json.loads(done.stdout)["generalDiagnostics"]
    errors = [each for each in said if each["severity"] == "error"]
    return _by_file([(Path(each["file"]).name, each["range"]["start"]["line"] + 1) for each in errors])


def _by_file(places: list[Any]) -> dict[str, list[int]]:
    lines: dict[str, set[int]] = {}
    for file, line in places:
        lines.setdefault(Path(file).name, set()).add(int(line))
    return {file: sorted(numbers) for file, numbers in lines.items()}


@pytest.mark.parametrize("checker", CHECKERS)
@pytest.mark.parametrize("file", ["good.py", "flights.py"])
def test_good_definitions_are_clean(checker: str, file: str, found: Found) -> None:
    """Nothing is refused in what uses every part of the language, nor in the flights; every type is known."""
    assert found[checker].get(file, []) == []


@pytest.mark.parametrize("checker", CHECKERS)
@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_refused_where_it_stands(mistake: str, checker: str, found: Found) -> None:
    """Each mistake is an error in the editor, before anything is run."""
    assert MISTAKES[mistake] in found[checker]["bad.py"]


@pytest.mark.parametrize("checker", CHECKERS)
def test_nothing_else_is_refused(checker: str, found: Found) -> None:
    """Lines beside the mistakes are clean, so that a mistake is refused for what it is."""
    assert set(found[checker]["bad.py"]) - set(MISTAKES.values()) == set()


@pytest.mark.parametrize("checker", CHECKERS)
def test_operators_and_methods_take_what_they_take_when_run(checker: str, found: Found) -> None:
    """For every type, and every pair of them, a checker agrees with the product: what is refused, and the type of what
    is not."""
    lines = matrix().splitlines()
    wanted = [number for number, line in enumerate(lines, start=1) if line.endswith("# refused")]
    assert 300 < len(wanted) < len(lines) - 50
    told = found[checker].get("matrix.py", [])
    assert [lines[number - 1] for number in sorted(set(told) ^ set(wanted))] == []


def test_the_good_definitions_are_good_when_run() -> None:
    """The file that the checkers find nothing in is also one that defines something."""
    spec = importlib.util.spec_from_file_location("good", FOLDER / "good.py")
    assert spec is not None and spec.loader is not None
    good = importlib.util.module_from_spec(spec)
    sys.modules["good"] = good
    try:
        spec.loader.exec_module(good)
        assert len(good.everything.features) > 50
        assert good.tested() == (0, "not_found")
    finally:
        del sys.modules["good"]
