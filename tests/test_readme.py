"""README.md and the pages in docs/: their examples are run, in their order, and print what the page says.

A `python` block runs in one process a page; one that begins with `# definitions/<file>.py` alone is written to that
file. A `text` block is what the block before it printed. The commands of a `console` block are run, those that take
minutes excepted, and print the lines below them, progress excepted. `...` stands for anything, and versions and
seconds may differ.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from featurestore import errors
from featurestore.check.verify import LEGS
from featurestore.cli.app import app
from featurestore.config import read_config
from featurestore.demo.flights import FlightsReport, write
from featurestore.demo.leaks import naive_join_leaks
from featurestore.expr.fluent import Expr
from featurestore.semantics.aggregates import AGGREGATE_NAMES, AGGREGATES
from featurestore.semantics.statuses import STATUS_NAMES
from featurestore.store import FeatureStore
from tests.serve.shop import serving

ROOT = Path(__file__).resolve().parent.parent
README, DEFINITIONS, SEMANTICS, SERVING_LOG = (
    ROOT / name for name in ("README.md", "docs/definitions.md", "docs/semantics.md", "docs/serving_log.md")
)
EXAMPLES = (ROOT / "docs/examples/fraud.md", ROOT / "docs/examples/recommender.md")
DISTRIBUTION = ROOT / "docs/distribution.md"
PAGES = (README, DEFINITIONS, SEMANTICS, SERVING_LOG, DISTRIBUTION, *EXAMPLES)
MINUTES = ("make", "featurestore demo", "featurestore verify")
"""Commands that are checked to exist and not run; their output is checked below in parts."""
COMMANDS = tuple(command.name or command.callback.__name__ for command in app.registered_commands if command.callback)
INTERPRETER = (
    "import json, sys\n"
    "for line in sys.stdin:\n"
    "    exec(compile(json.loads(line), 'page', 'exec'), globals())\n"
    "    print('\\x1e', flush=True)\n"
)

Block = tuple[str, str]


def blocks(page: Path) -> list[Block]:
    """The fenced blocks of a page as `(kind, text)`."""
    return re.findall(r"^```(\w*)\n(.*?)^```$", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)


def commands(text: str) -> Iterator[tuple[str, str]]:
    """The commands of a console block, each with what it prints."""
    for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
        lines = part.splitlines()
        taken = 1
        while lines[taken - 1].endswith("\\") or "\n".join(lines[:taken]).count("'") % 2:
            taken += 1
        yield "\n".join(lines[:taken]), "\n".join(lines[taken:])


def said_to_print(wanted: str) -> str:
    """What a command prints by the README."""
    [found] = [printed for _, text in blocks(README) for command, printed in commands(text) if command == wanted]
    return found


def assert_prints(printed: str, page: str) -> None:
    """What was printed is what the page says."""
    assert re.fullmatch(_pattern(page), _plain(printed)), f"the page says\n{page}\nprinted was\n{printed}"


def _plain(text: str) -> str:
    """A text without what differs from run to run: versions, seconds, and the space after a line."""
    text = re.sub(r"\b(?=[0-9a-f]*\d)[0-9a-f]{12}\b", "<hash>", text)
    text = re.sub(r"\b\d+\.\d(?= s\b)|(?<=\d  )\d+\.\d$", "<seconds>", text, flags=re.MULTILINE)
    return "\n".join(line.rstrip() for line in text.strip().splitlines())


def _pattern(page: str) -> str:
    return r"[\s\S]*?".join(re.escape(part) for part in _plain(page).split("..."))


class Reader:
    """Somebody who follows a page in a copy of the project, with an interpreter open all the while."""

    def __init__(self, project: Path, stack: ExitStack) -> None:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("FEATURESTORE_")}
        self.project, self.printed = project, ""
        self.environment = kept | {"PYTHONPATH": str(ROOT)}
        self.stack = stack
        # a file, not `-c`: DuckDB takes a process without one for somebody at a prompt, and draws progress bars
        (project / "page.py").write_text(INTERPRETER, encoding="utf-8")
        self.python = self._start(["page.py"], stdin=subprocess.PIPE, stderr=subprocess.STDOUT)
        stack.callback(self.python.communicate, timeout=60)

    def follow(self, page: Path) -> None:
        """Do all that the page does."""
        for kind, text in blocks(page):
            match kind:
                case "python" if named := re.match(r"# (definitions/\w+\.py)\n", text):
                    (self.project / named[1]).write_text(text, encoding="utf-8")
                case "python":
                    self.printed = self._interpreted(text)
                case "text":
                    assert_prints(self.printed, text)
                case "console":
                    for command, printed in commands(text):
                        if not command.startswith(MINUTES):
                            assert_prints(self._run(command), printed)
                case "toml":
                    folder = self.project / "toml"
                    folder.mkdir()
                    (folder / "featurestore.toml").write_text(text, encoding="utf-8")
                    assert read_config(folder, environment="production").redis_url
                case _:
                    raise AssertionError(f"{page.name} has a block of kind {kind!r}, which nobody runs:\n{text}")

    def _start(self, arguments: list[str], *, stdin: int = subprocess.DEVNULL, stderr: int) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, *arguments],
            cwd=self.project,
            env=self.environment,
            text=True,
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=stderr,
        )

    def _interpreted(self, text: str) -> str:
        assert self.python.stdin is not None and self.python.stdout is not None
        self.python.stdin.write(f"{json.dumps(text)}\n")
        self.python.stdin.flush()
        printed: list[str] = []
        for line in self.python.stdout:
            if line == "\x1e\n":
                return "".join(printed)
            printed.append(line)
        raise AssertionError(f"the block\n{text}\nfailed:\n{''.join(printed)}")

    def _run(self, command: str) -> str:
        first, *arguments = shlex.split(command.replace("\\\n", " "))
        if first == "curl":
            return self._asked(*arguments)
        assert first == "featurestore", command
        done = self._start(["-m", "featurestore.cli", *arguments], stderr=subprocess.PIPE)
        out, err = done.communicate(timeout=120)
        # what takes more than a second says so before it says what was wrong
        return out or re.sub(r"\A\w.* \.\.\.\n(?:  \d+/\d+  .*\n)*", "", err)

    def _asked(self, silent: str, address: str, option: str, body: str) -> str:
        assert (silent, option) == ("-s", "--json")
        served = self.stack.enter_context(serving(self.project))
        path = address.removeprefix("localhost:8000")
        if body.startswith("@"):
            body = (self.project / body[1:]).read_text(encoding="utf-8")
        return served.client.post(path, content=body, headers={"Content-Type": "application/json"}).text


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, FlightsReport]:
    """The flights' tables, and what became of their rows."""
    folder = tmp_path_factory.mktemp("flights") / "data"
    return folder, write(folder)


@pytest.mark.parametrize("page", (README, DEFINITIONS, DISTRIBUTION), ids=lambda page: page.stem.lower())
def test_a_page_can_be_followed(page: Path, data: tuple[Path, FlightsReport], tmp_path: Path) -> None:
    """Every example of the page runs in a new copy of the project, one after the other, and prints what is written."""
    shutil.copytree(ROOT / "definitions", tmp_path / "definitions", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(data[0], tmp_path / "data")
    shutil.copy(ROOT / "featurestore.toml", tmp_path)
    with ExitStack() as stack:
        Reader(tmp_path, stack).follow(page)


def test_the_definition_shown_is_that_of_the_flights() -> None:
    """Each line of the README's definition stands in definitions/flights.py, imports and the feature set excepted."""
    shown = blocks(README)[1][1].splitlines()
    real = (ROOT / "definitions" / "flights.py").read_text(encoding="utf-8").splitlines()
    other = [line for line in shown if line not in real]
    assert [line.split("(")[0].split(" import")[0] for line in other] == ["from featurestore"] * 2 + [
        "arrival_delay = FeatureSet"
    ]


def test_commands_that_take_minutes_exist() -> None:
    """Every make target and every command on a page exists, and the pages name all commands."""
    text = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)
    targets = set(re.findall(r"^([a-z]+):.*## ", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE))
    assert {"demo", "test"} <= set(re.findall(r"`?\bmake (\w+)", " ".join(re.findall(r"(?:\$ |`)make \w+", text))))
    assert set(re.findall(r"(?:\$ |`)make (\w+)", text)) <= targets
    assert set(re.findall(r"(?:\$ |`)featurestore (\w+)", text)) == set(COMMANDS)


def test_what_the_demo_says_of_the_data_is_so(data: tuple[Path, FlightsReport]) -> None:
    """The README's counts of rows used and of leaking cells are those of the data."""
    folder, report = data
    leaking, cells = naive_join_leaks(folder)
    told = "\n".join(line.strip() for line in said_to_print("featurestore demo").splitlines())
    assert "\n".join(line.strip() for line in str(report).splitlines()) in told
    assert f"{leaking:,} of {cells:,} training cells would be filled from aircraft still in the air" in told


def test_what_verify_says_adds_up() -> None:
    """The README's parity report is about today's features, all legs, and as many cells as its lines have."""
    printed = said_to_print("featurestore verify arrival_delay")
    plan = FeatureStore(ROOT).plan("arrival_delay")
    dtypes = {output.name: str(output.dtype) for output in plan.outputs}
    found = re.findall(r"^(\w+__\w+) +(\S+) +([\d,]+) +[\d,]+ +[\d,]+ +0$", printed, flags=re.MULTILINE)
    assert found and {name: dtype for name, dtype, _ in found}.items() <= dtypes.items()
    [each] = {int(cells.replace(",", "")) for _, _, cells in found}
    assert f": {each * len(dtypes):,} cells, " in printed
    assert f"legs: {'; '.join(LEGS)}\n" in printed
    assert ", 0 differing, " in printed


def test_the_table_of_aggregates_is_whole() -> None:
    """docs/definitions.md has one line for each aggregate, with the types that it takes and its empty answer."""
    text = DEFINITIONS.read_text(encoding="utf-8")
    lines = re.findall(r"^\| `(\w+)` \| ([\w, ]*) ?\| ([\w ]+) \| (0|null) \|", text, flags=re.MULTILINE)
    takes = {
        name: {str(dtype) for row in AGGREGATES if row.name == name for dtype in row.takes} for name in AGGREGATE_NAMES
    }
    assert {name: set(filter(None, given.strip().split(", "))) for name, given, _, _ in lines} == takes
    assert {name for name, _, _, empty in lines if empty == "0"} == {
        "rows",
        "count",
        "distinct_count",
        "approx_distinct_count",
        "decayed_rows",
    }


def test_every_method_of_expressions_is_told() -> None:
    """docs/definitions.md names every public method of an expression, and every operator."""
    text = DEFINITIONS.read_text(encoding="utf-8")
    methods = [name for name in dir(Expr) if name.islower() and not name.startswith("_") and name != "node"]
    assert len(methods) > 20
    assert [name for name in methods if f".{name}(" not in text and f"| `{name}` |" not in text] == []
    missing = [
        sign
        for sign in ("+", "-", "*", "/", "//", "%", "==", "!=", "<", "<=", ">", ">=", "&", "\\|")
        if f"a {sign} b" not in text
    ]
    assert missing == []


def test_every_error_is_told() -> None:
    """docs/definitions.md has a line for each error of the tree."""
    names = {name for name, each in vars(errors).items() if isinstance(each, type) and issubclass(each, Exception)}
    text = DEFINITIONS.read_text(encoding="utf-8")
    assert set(re.findall(r"^\| `([A-Z]\w+)` \|", text, flags=re.MULTILINE)) >= names - {"FeatureStoreError"}


def test_every_rule_and_status_is_told() -> None:
    """docs/semantics.md has the rules R1 to R20 in their order, and every status."""
    text = SEMANTICS.read_text(encoding="utf-8")
    assert re.findall(r"^\*\*R(\d+) ", text, flags=re.MULTILINE) == [str(number) for number in range(1, 21)]
    assert re.findall(r"^\| `(\w+)` \|", text, flags=re.MULTILINE) == list(STATUS_NAMES)


def test_links_between_pages_lead_somewhere() -> None:
    """Every relative link of a page names a file of the project."""
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).is_file(), f"{page.name}: {target}"
