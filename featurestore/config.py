"""featurestore.toml and the environment: where a project keeps what."""

from __future__ import annotations

import os
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path

from featurestore.errors import ConfigError, did_you_mean

FILE = "featurestore.toml"
_KEYS = ("project", "definitions", "home", "redis", "environments")


@dataclass(frozen=True, slots=True)
class Config:
    """A project's settings. Paths are absolute; `redis_url` is None when the project starts a server of its own."""

    root: Path
    project: str
    definitions: str
    home: Path
    redis_url: str | None


def read_config(root: str | Path, *, environment: str | None = None, home: str | Path | None = None) -> Config:
    """The settings of the project in a folder: featurestore.toml, then `[environments.<name>]` in it, then the
    environment's variables.

    FEATURESTORE_ENV names the environment, FEATURESTORE_REDIS_URL the server, FEATURESTORE_HOME the state folder.
    Raises: ConfigError  when the file is missing or says something that is not understood.
    """
    folder = Path(root).resolve()
    path = folder / FILE
    if not path.is_file():
        raise ConfigError(
            f"there is no {FILE} here", where=str(folder), fix="run `featurestore init`, or name the project's folder"
        )
    try:
        settings = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{FILE} cannot be read: {error}", where=str(path), fix="mend the TOML") from None
    environments = settings.pop("environments", {})
    chosen = environment or os.environ.get("FEATURESTORE_ENV")
    if chosen:
        if chosen not in environments:
            raise ConfigError(
                f"there is no environment `{chosen}`",
                where=str(path),
                has=list(environments),
                fix=did_you_mean(chosen, list(environments), f"add `[environments.{chosen}]`"),
            )
        settings |= environments[chosen]
    for key, value in settings.items():
        if key not in _KEYS:
            raise ConfigError(
                f"`{key}` is no setting",
                where=str(path),
                has=list(_KEYS),
                fix=did_you_mean(key, _KEYS, "take the line away"),
            )
        if not isinstance(value, str) or not value:
            raise ConfigError(f"`{key}` must be a text", where=str(path), has=repr(value), fix=f'write `{key} = "..."`')
    project = settings.get("project", folder.name)
    if not re.fullmatch(r"[A-Za-z0-9_.-]+", project):
        raise ConfigError(
            f"{project!r} is no name for a project", where=str(path), fix="use letters, digits, `_`, `-` and `.`"
        )
    state = home or os.environ.get("FEATURESTORE_HOME") or settings.get("home", ".featurestore")
    url = os.environ.get("FEATURESTORE_REDIS_URL") or settings.get("redis")
    return Config(
        folder, project, settings.get("definitions", "definitions").strip("/"), (folder / state).resolve(), url
    )
