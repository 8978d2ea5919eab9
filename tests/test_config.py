"""featurestore.toml: what it may say, and what is said of a mistake in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from featurestore.config import Served, read_config
from featurestore.errors import ConfigError

VARIABLES = ("FEATURESTORE_ENV", "FEATURESTORE_REDIS_URL", "FEATURESTORE_HOME")


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch) -> None:
    """No variable of the test's own environment counts."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


def write(folder: Path, text: str) -> Path:
    """A project's folder with this text."""
    (folder / "featurestore.toml").write_text(text)
    return folder


def test_what_is_left_out_has_a_default(tmp_path: Path) -> None:
    """An empty file is a project of the folder's name with a server of its own."""
    config = read_config(write(tmp_path, ""))
    assert (config.project, config.definitions, config.redis_url) == (tmp_path.name, "definitions", None)
    assert config.home == tmp_path / ".featurestore" and config.memory_limit is None


def test_an_environment_overrides_and_a_variable_overrides_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file, then the environment in it, then the variables."""
    text = 'redis = "redis://a"\nhome = "one"\nmemory_limit = "4GB"\n'
    text += '[environments.live]\nredis = "redis://b"\nhome = "/two"\nmemory_limit = "16GB"\n'
    root = write(tmp_path, text)
    assert read_config(root).redis_url == "redis://a" and read_config(root).memory_limit == "4GB"
    assert read_config(root, environment="live").memory_limit == "16GB"
    assert read_config(root, environment="live").redis_url == "redis://b"
    monkeypatch.setenv("FEATURESTORE_ENV", "live")
    assert read_config(root).home == Path("/two")
    monkeypatch.setenv("FEATURESTORE_REDIS_URL", "redis://c")
    monkeypatch.setenv("FEATURESTORE_HOME", "three")
    config = read_config(root)
    assert (config.redis_url, config.home) == ("redis://c", root / "three")
    assert read_config(root, home="four").home == root / "four"


@pytest.mark.parametrize(
    ("text", "what", "fix"),
    [
        ('projct = "a"', "`projct` is no setting", "write `project`"),
        ('colour = "red"', "`colour` is no setting", "take the line away"),
        ("redis = 6379", "`redis` must be a text", 'write `redis = "..."`'),
        ('home = ""', "`home` must be a text", 'write `home = "..."`'),
        ('project = "a b"', "'a b' is no name for a project", "use letters"),
        ("project = ", "cannot be read", "mend the TOML"),
        ('environments = "live"', "`environments` must be a table", "write `[environments.name]`"),
        ('[environments]\nlive = "x"', "`live` is no environment", "write `[environments.live]`"),
        ('[environments.live]\nredi = "x"', "`redi` is no setting", "write `redis`"),
        ("[environments.live.environments]", "`environments` is no setting", "take the line away"),
        ("served = 1", "`served` must be a table", "write `[served]`"),
        ("[served]\nshares = 1", "`shares` is no setting of the serving log", "write `share`"),
        ("[served]\nshare = 1.5", "`share` must be a number from 0 to 1", "write `share = 0.1`"),
        ("[served]\nshare = nan", "`share` must be a number from 0 to 1", "write `share = 0.1`"),
        ("[served]\nshare = true", "`share` must be a number from 0 to 1", "write `share = 0.1`"),
        ('[served]\nshare = "1"', "`share` must be a number from 0 to 1", "write `share = 0.1`"),
        ("[served]\ndays = 0", "`days` must be a whole number from 1 on", "write `days = 14`"),
        ("[served]\nbytes = 1e9", "`bytes` must be a whole number from 1 on", "write `bytes = 10737418240`"),
        ("[environments.live.served]\nday = 1", "`day` is no setting of the serving log", "write `days`"),
    ],
)
def test_a_mistake_is_told_with_what_to_write(text: str, what: str, fix: str, tmp_path: Path) -> None:
    """Unknown settings, other types and mistakes in environments that nobody uses yet are refused at once."""
    with pytest.raises(ConfigError) as caught:
        read_config(write(tmp_path, text))
    assert what in caught.value.what and fix in str(caught.value.fix)
    assert "featurestore.toml" in str(caught.value.where)


def test_the_serving_log_is_set_by_the_file_and_by_its_environments(tmp_path: Path) -> None:
    """Each setting of `[served]` has a default, and an environment overrides those that it names."""
    root = write(tmp_path, "")
    assert read_config(root).served == Served(share=1.0, days=14, bytes=10 * 2**30)
    root = write(tmp_path, "[served]\nshare = 0.5\nbytes = 1_000\n[environments.live.served]\nshare = 0\ndays = 3\n")
    assert read_config(root).served == Served(0.5, 14, 1_000)
    assert read_config(root, environment="live").served == Served(0, 3, 1_000)


def test_an_unknown_environment_names_the_others(tmp_path: Path) -> None:
    """A misspelled environment is told with the near name."""
    with pytest.raises(ConfigError, match="no environment `prod`") as caught:
        read_config(write(tmp_path, '[environments.product]\nredis = "x"'), environment="prod")
    assert (caught.value.has, caught.value.fix) == ("product", "write `product`")
    with pytest.raises(ConfigError, match=r"there is no featurestore.toml here"):
        read_config(tmp_path / "nowhere")
