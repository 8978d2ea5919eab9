"""A small project and a way to run the command line in it, against one real server for all tests of a process."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import pytest

from featurestore.cli import main, progress
from featurestore.online.server import open_server
from featurestore.store import FeatureStore
from tests.cli.shop import Cli, Ran, write_project


@pytest.fixture(scope="session")
def server_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server of its own."""
    with open_server(tmp_path_factory.mktemp("server")) as server:
        yield server.url


@pytest.fixture
def project(tmp_path: Path, server_url: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project that nobody has used yet, as the working folder."""
    monkeypatch.setenv("FEATURESTORE_REDIS_URL", server_url)
    root = write_project(tmp_path / "shop")
    monkeypatch.chdir(root)
    return root


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Cli:
    """The command line: arguments in, exit code and both outputs out. A slow machine prints no line of progress."""
    monkeypatch.setattr(progress, "SILENT_S", 3600.0)

    def run(*arguments: str, stdin: str = "") -> Ran:
        capsys.readouterr()
        monkeypatch.setattr("sys.stdin", io.StringIO(stdin))
        with pytest.raises(SystemExit) as left:
            main(arguments)
        out, err = capsys.readouterr()
        return Ran(int(left.value.code or 0), out, err)

    return run


@pytest.fixture(scope="session")
def materialised(tmp_path_factory: pytest.TempPathFactory, server_url: str) -> Path:
    """A project with its history materialised, which no test may change."""
    root = write_project(tmp_path_factory.mktemp("materialised") / "shop")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FEATURESTORE_REDIS_URL", server_url)
        with FeatureStore(root) as store:
            store.materialize()
    return root


@pytest.fixture
def filled(materialised: Path, server_url: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The materialised project as the working folder, to be read and not changed."""
    monkeypatch.setenv("FEATURESTORE_REDIS_URL", server_url)
    monkeypatch.chdir(materialised)
    return materialised


@pytest.fixture
def ready(project: Path) -> Path:
    """The project of this test with its history materialised."""
    with FeatureStore(project) as store:
        store.materialize()
    return project
