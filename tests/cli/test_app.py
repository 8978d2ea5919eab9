"""The commands under one name: help, options for all of them, exit codes, and how little is loaded."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.shop import Cli

COMMANDS = (
    *(
        "init",
        "plan",
        "status",
        "describe",
        "dataset",
        "show",
        "materialize",
        "ingest",
        "lookup",
        "serve",
        "quarantine",
    ),
    *("verify", "skew", "audit", "drift", "demo", "list"),
)
HEAVY = ("duckdb", "pyarrow", "pandas", "numpy", "redis", "fastapi", "featurestore.store")
COMMAND = [sys.executable, "-m", "featurestore.cli"]


def test_help_names_every_command(cli: Cli) -> None:
    """`--help` lists all commands, and each has a help of its own; a bare call is wrong usage and shows the same."""
    ran = cli("--help")
    assert ran.code == 0
    assert [line.split()[0] for line in ran.out.split("Commands:\n")[1].splitlines()] == list(COMMANDS)
    for command in COMMANDS:
        assert cli(command, "--help").out.startswith(f"Usage: featurestore {command} ")
    assert cli().code == 2


def test_help_loads_nothing_heavy() -> None:
    """The help of the whole and of each command comes without an engine, a client or a web framework."""
    program = (
        "import sys\nfrom featurestore.cli import main\n"
        f"for arguments in [['--help'], *([each, '--help'] for each in {COMMANDS!r})]:\n"
        "    try: main(arguments)\n"
        "    except SystemExit: pass\n"
        f"print(sorted(set({HEAVY!r}) & set(sys.modules)), file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert done.stderr == "[]\n"


def test_version(cli: Cli) -> None:
    """`--version` names the product."""
    ran = cli("--version")
    assert (ran.code, ran.out.split()[0].rstrip(",")) == (0, "featurestore")


@pytest.mark.parametrize(
    "arguments",
    [
        "lokup",
        "lookup",
        "plan --nope",
        "ingest Visit",
        "dataset visits spine.parquet",
        "dataset visits spine.parquet --as-of asked_at --out train.csv",
        "dataset visits spine.parquet --as-of asked_at --threads 0",
        "lookup visits user",
        "lookup visits user=1 user=2",
        "lookup visits user=1 --inputs spine.parquet",
        "serve --port 70000",
        "verify visits --cells 0",
    ],
)
def test_wrong_usage_is_exit_code_2(arguments: str, project: Path, cli: Cli) -> None:
    """A call that cannot be understood says so on stderr, prints nothing and leaves with 2."""
    ran = cli(*shlex.split(arguments))
    assert (ran.code, ran.out) == (2, "")
    assert "Error: " in ran.err


def test_project_option_works_as_if_started_there(project: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """With `-C` the project is found from elsewhere, and relative paths mean that folder, as with make and git."""
    monkeypatch.chdir(project.parent)
    assert cli("plan").code == 1
    ran = cli("-C", "shop", "dataset", "visits", "spine.parquet", "--as-of", "asked_at", "--out", "new/train.parquet")
    assert ran.code == 0, ran.err
    assert (project / "new" / "train.parquet").is_file()


def test_environment_option_chooses_the_settings(project: Path, cli: Cli) -> None:
    """`--env` takes the settings of that environment, and names those there are when it is unknown."""
    with (project / "featurestore.toml").open("a") as file:
        file.write('[environments.test]\ndefinitions = "elsewhere"\n')
    assert "there are no definitions in `elsewhere`" in cli("--env", "test", "plan").err
    assert "there are no definitions in `elsewhere`" in cli("plan", "--env", "test").err
    assert "there are no definitions in `elsewhere`" in cli("plan", "--env=test", "visits").err
    assert cli("plan", "--env").code == 2
    assert cli("describe", "--", "--env").err.startswith("UnknownFeature: nothing is called `--env`")
    ran = cli("--env", "tset", "plan")
    assert (ran.code, ran.err.splitlines()[-2:]) == (1, ["  has  test", "  fix  write `test`"])


def test_interrupted_work_is_exit_code_130(project: Path) -> None:
    """After a second of work a log says what is being done; Ctrl-C then ends it with 130 and no traceback."""
    waiting = subprocess.Popen(
        [*COMMAND, "ingest", "Visit", "-"], stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ
    )
    assert waiting.stdin is not None and waiting.stderr is not None
    with waiting:
        assert waiting.stderr.readline() == "ingest Visit ...\n"
        waiting.send_signal(signal.SIGINT)
        assert waiting.wait(20) == 130
        assert waiting.stderr.read() == ""
