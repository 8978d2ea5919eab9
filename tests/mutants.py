"""A mutation check: small faults planted one by one where values are decided, and whether the tests notice each.

    python tests/mutants.py --count 200 --seed 1 --jobs 2

A mutant changes one operator, comparison, constant or boolean of `semantics/`, of one of the compilers or of the
online state, in Python or inside the SQL text. The tests that decide are the fast ones, on real servers. Survivors are
listed at the end, each with its line, and are either tests that are missing or changes that change nothing.
"""

from __future__ import annotations

import argparse
import ast
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from queue import Queue

ROOT = Path(__file__).resolve().parents[1]
PLACES = (
    "semantics",
    "offline/select.py",
    "offline/states.py",
    "offline/stages.py",
    "offline/expressions.py",
    "offline/columns.py",
    "offline/scan.py",
    "offline/materialize.py",
    "online/evaluate.py",
    "online/tree.py",
    "online/windows.py",
    "online/events.py",
)
TESTS = (
    "tests/parity/test_rules.py tests/parity/test_three_voices.py",
    "tests/parity tests/rules",
    "tests/semantics tests/expr tests/plan tests/online tests/offline",
    "tests/check tests/test_answers.py tests/test_store.py tests/conformance",
)
"""After the tests that mirror the file: those first that notice most."""
TIMEOUT_S = 600
COMPARED = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
COMPUTED = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Add,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.FloorDiv,
    ast.LShift: ast.RShift,
    ast.RShift: ast.LShift,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
}
SQL = (
    (r"(?<![<>=!])<(?![<>=])", "<="),
    (r"(?<![<>=!])>(?![<>=])", ">="),
    (r"<=", "<"),
    (r">=", ">"),
    (r"\bAND\b", "OR"),
    (r"\bOR\b", "AND"),
    (r"\bNOT\b ", ""),
    (r"(?<= )\+(?= )", "-"),
    (r"(?<= )-(?= )", "+"),
    (r"(?<= )\*(?= )", "+"),
    (r"\bmin\(", "max("),
    (r"\bmax\(", "min("),
    (r"\barg_min\(", "arg_max("),
    (r"\barg_max\(", "arg_min("),
    (r"NULLS FIRST", "NULLS LAST"),
    (r"IS NOT NULL", "IS NULL"),
    (r"\b(\d+)\b(?=::| END|\))", "+1"),
)
LOOKS_LIKE_SQL = re.compile(r"CASE|SELECT|CAST\(|::|\{[0fvp]\}|\bOVER\b|WHERE|count\(|sum\(|fs_")


@dataclass(frozen=True, slots=True)
class Mutant:
    """One changed line of one file."""

    path: Path
    line: int
    before: str
    after: str
    text: str

    def __str__(self) -> str:
        return f"{self.path.relative_to(ROOT)}:{self.line}  {self.before}  ->  {self.after}"


def mutants_of(path: Path) -> Iterator[Mutant]:
    """Every mutant of a file."""
    source = path.read_text(encoding="utf-8")
    tree = ast.parse(source)
    lines = source.splitlines(keepends=True)
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line.encode()))
    data = source.encode()
    docs = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    types = {id(part) for top in _annotations(tree) for part in ast.walk(top)}

    def changed(node: ast.expr, after: str) -> Mutant:
        low = starts[node.lineno - 1] + node.col_offset
        high = starts[(node.end_lineno or 0) - 1] + (node.end_col_offset or 0)
        text = (data[:low] + after.encode() + data[high:]).decode()
        return Mutant(
            path, node.lineno, " ".join(data[low:high].decode().split())[:110], " ".join(after.split())[:110], text
        )

    for node in ast.walk(tree):
        if id(node) in types:
            continue
        match node:
            case ast.Compare(ops=[op]) if type(op) in COMPARED:
                yield changed(node, ast.unparse(ast.Compare(node.left, [COMPARED[type(op)]()], node.comparators)))
            case ast.BinOp() if type(node.op) in COMPUTED and not isinstance(node.left, ast.Constant | ast.JoinedStr):
                yield changed(node, ast.unparse(ast.BinOp(node.left, COMPUTED[type(node.op)](), node.right)))
            case ast.BoolOp():
                other = ast.And() if isinstance(node.op, ast.Or) else ast.Or()
                yield changed(node, f"({ast.unparse(ast.BoolOp(other, node.values))})")
            case ast.UnaryOp(op=ast.Not()):
                yield changed(node, f"({ast.unparse(node.operand)})")
            case ast.Constant(value=bool() as value):
                yield changed(node, str(not value))
            case ast.Constant(value=int() as value) if abs(value) < 2**70:
                yield changed(node, f"({value + 1})")
            case ast.JoinedStr():
                low = starts[node.lineno - 1] + node.col_offset
                high = starts[(node.end_lineno or 0) - 1] + (node.end_col_offset or 0)
                for after in _formatted(data, low, high):
                    yield Mutant(
                        path,
                        node.lineno,
                        _short(data[low:high].decode()),
                        _short(after),
                        (data[:low] + after.encode() + data[high:]).decode(),
                    )
            case ast.Constant(value=str() as value) if id(node) not in docs and LOOKS_LIKE_SQL.search(value):
                original = data[starts[node.lineno - 1] + node.col_offset :][:1]
                if original in b"\"'":  # a part of an f-string has no place of its own
                    yield from (changed(node, f"({after!r})") for after in _sql_mutants(value))


def _annotations(tree: ast.Module) -> Iterator[ast.expr]:
    """What says types only, and runs never."""
    for node in ast.walk(tree):
        match node:
            case ast.arg(annotation=ast.expr() as found) | ast.AnnAssign(annotation=found):
                yield found
            case ast.FunctionDef(returns=ast.expr() as found):
                yield found


def _formatted(data: bytes, low: int, high: int) -> Iterator[str]:
    """An f-string that holds SQL, as written, with one change."""
    text = data[low:high].decode()
    if LOOKS_LIKE_SQL.search(text):
        yield from _sql_mutants(text, braced=True)


def _files(place: Path) -> list[Path]:
    return [place] if place.suffix else list(place.rglob("*.py"))


def _short(text: str) -> str:
    return " ".join(text.split())[:110]


def _sql_mutants(text: str, *, braced: bool = False) -> Iterator[str]:
    """SQL with one change; what stands in braces of an f-string is Python and stays."""
    inside = [found.span() for found in re.finditer(r"\{[^{}]*\}", text)] if braced else []
    for pattern, replacement in SQL:
        for found in re.finditer(pattern, text):
            if any(low <= found.start() < high for low, high in inside):
                continue
            new = str(int(found.group(1)) + 1) if replacement == "+1" else replacement
            yield text[: found.start()] + new + text[found.end() :]


def noticed_by(mutant: Mutant, tree: Path) -> str:
    """Which tests noticed a mutant, written into a copy of the tree; empty when none did."""
    target = tree / mutant.path.relative_to(ROOT)
    before = target.read_text(encoding="utf-8")
    target.write_text(mutant.text, encoding="utf-8")
    try:
        return failing(tree, (mirrored(mutant.path, tree), *TESTS))
    finally:
        target.write_text(before, encoding="utf-8")


def mirrored(path: Path, tree: Path) -> str:
    """The tests of the same name as a file, or of its folder; empty where there are none."""
    place = Path("tests") / path.relative_to(ROOT / "featurestore")
    for test in (place.with_name(f"test_{place.name}"), place.parent):
        if (tree / test).exists() and test != Path("tests/offline"):
            return str(test)
    return ""


def failing(tree: Path, groups: Sequence[str] = TESTS) -> str:
    """The first group of tests that fails in a tree; empty when all pass."""
    environment = {**os.environ, "PYTHONPATH": str(tree), "PYTHONDONTWRITEBYTECODE": "1"}
    for tests in filter(None, groups):
        options = ["-x", "-q", "-p", "no:cacheprovider", "--hypothesis-profile=quick"]
        command = [sys.executable, "-m", "pytest", *options, *tests.split()]
        try:
            done = subprocess.run(command, cwd=tree, env=environment, capture_output=True, timeout=TIMEOUT_S)
        except subprocess.TimeoutExpired:
            return f"{tests} (no end in {TIMEOUT_S} s)"
        if done.returncode:
            return tests
    return ""


def main() -> int:
    """Plant a sample of all mutants, and list those that no test noticed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--count", type=int, default=100, help="how many mutants, drawn from all")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=2)
    given = parser.parse_args()
    files = sorted(path for place in PLACES for path in _files(ROOT / "featurestore" / place))
    found = [mutant for path in files for mutant in mutants_of(path)]
    chosen = random.Random(given.seed).sample(found, min(given.count, len(found)))
    print(f"{len(found)} mutants of {len(files)} files; {len(chosen)} are planted", flush=True)
    survivors = []
    with tempfile.TemporaryDirectory() as folder:
        trees: Queue[Path] = Queue()
        for job in range(given.jobs):
            tree = Path(folder) / str(job)
            shutil.copytree(
                ROOT, tree, ignore=shutil.ignore_patterns(".venv", ".git", ".hypothesis", "__pycache__", ".mypy_cache")
            )
            trees.put(tree)
        if broken := failing(tree):
            print(f"these fail without any mutant: {broken}", file=sys.stderr)
            return 1

        def tried(mutant: Mutant) -> tuple[Mutant, str]:
            tree = trees.get()
            try:
                return mutant, noticed_by(mutant, tree)
            finally:
                trees.put(tree)

        with ThreadPoolExecutor(given.jobs) as pool:
            for done, (mutant, noticed) in enumerate(pool.map(tried, chosen), start=1):
                print(f"{done:4d}  {'noticed ' if noticed else 'SURVIVED'}  {mutant}", flush=True)
                if not noticed:
                    survivors.append(mutant)
    print(f"\n{len(chosen) - len(survivors)} of {len(chosen)} mutants were noticed")
    for mutant in survivors:
        print(f"survived: {mutant}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
