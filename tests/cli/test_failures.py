"""What an error looks like: four parts for a person, JSON for a program."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from featurestore.cli.failures import report
from featurestore.cli.session import Session
from featurestore.errors import InputError
from tests.cli.shop import Cli


def test_a_project_without_settings_is_told_what_to_do(
    tmp_path: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where there is no featurestore.toml every command says so, on stderr and with `--json` on stdout too."""
    monkeypatch.chdir(tmp_path)
    ran = cli("lookup", "visits", "user=1", "--json")
    assert ran.code == 1
    assert ran.err == (
        f"ConfigError: there is no featurestore.toml here\n  in   {tmp_path}\n"
        "  fix  run `featurestore init`, or name the project's folder\n"
    )
    assert ran.json == {
        "error": {
            "name": "ConfigError",
            "what": "there is no featurestore.toml here",
            "in": str(tmp_path),
            "fix": "run `featurestore init`, or name the project's folder",
        }
    }


def test_debug_adds_the_traceback(project: Path, cli: Cli) -> None:
    """Without `--debug` there is no traceback, with it there is one before the four parts."""
    assert "Traceback" not in cli("plan", "nothing").err
    ran = cli("--debug", "plan", "nothing")
    assert ran.code == 1
    assert ran.err.startswith("Traceback") and ran.err.endswith("  fix  define a feature set of that name\n")


def test_an_unforeseen_error_is_called_our_bug(capsys: pytest.CaptureFixture[str]) -> None:
    """What nobody foresaw is one line that says so and what to run, and exit code 70."""
    assert report(KeyError("x"), Session(as_json=True), ["plan", "a b"]) == 70
    out, err = capsys.readouterr()
    assert err == (
        "InternalError: KeyError: 'x': a bug of ours; "
        "please report it with what `featurestore --debug plan 'a b'` prints\n"
    )
    assert json.loads(out)["error"]["name"] == "InternalError"


def test_what_the_system_refuses_is_no_bug(project: Path, cli: Cli) -> None:
    """A file that the system will not give is named under the system's own name for the error."""
    ran = cli("-C", "nowhere", "plan")
    assert (ran.code, ran.err.splitlines()[:2]) == (
        1,
        ["FileNotFoundError: no such file or directory", "  in   nowhere"],
    )


def test_nobodys_text_steers_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """Markup and control characters that stand in somebody's data are printed as they are written."""
    assert report(InputError("[red]\x1b[2J", where="[/]"), Session(), []) == 1
    assert capsys.readouterr().err == "InputError: [red]\\x1b[2J\n  in   [/]\n"


def test_what_ctrl_c_breaks_is_no_bug(capsys: pytest.CaptureFixture[str]) -> None:
    """An error that an engine makes of Ctrl-C is not reported, and the exit code is 130."""
    assert report(RuntimeError("Query interrupted"), Session(interrupted=True), ["dataset"]) == 130
    assert capsys.readouterr() == ("", "")
