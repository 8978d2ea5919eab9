"""featurestore.toml and the environment: where a project keeps what."""

from __future__ import annotations

import os
import re
import tomllib
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from featurestore.errors import ConfigError, did_you_mean

FILE = "featurestore.toml"
_KEYS = ("project", "definitions", "home", "redis", "served", "require_certificate", "memory_limit")


@dataclass(frozen=True, slots=True)
class Served:
    """What the serving log keeps: the share of lookups, how many days and how many bytes."""

    share: float = 1.0
    days: int = 14
    bytes: int = 10 * 2**30


@dataclass(frozen=True, slots=True)
class Config:
    """A project's settings. Paths are absolute; `redis_url` is None when the project starts a server of its own.

    With `require_certificate`, a version that has no certificate is neither trained on nor served. `memory_limit` is
    what a training set may take while it is built, such as `4GB`.
    """

    root: Path
    project: str
    definitions: str
    home: Path
    redis_url: str | None
    served: Served = field(default_factory=Served)
    require_certificate: bool = False
    memory_limit: str | None = None


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
    environments = _checked_environments(settings.pop("environments", {}), path)
    chosen = environment or os.environ.get("FEATURESTORE_ENV")
    if chosen and chosen not in environments:
        raise ConfigError(
            f"there is no environment `{chosen}`",
            where=str(path),
            has=list(environments),
            fix=did_you_mean(chosen, list(environments), f"add `[environments.{chosen}]`"),
        )
    _check(settings, (*_KEYS, "environments"), str(path))
    served = settings.pop("served", {})
    settings |= environments.get(chosen or "", {})
    served |= settings.get("served", {})
    project = settings.get("project", folder.name)
    if not re.fullmatch(r"[A-Za-z0-9_.-]+", project):
        raise ConfigError(
            f"{project!r} is no name for a project", where=str(path), fix="use letters, digits, `_`, `-` and `.`"
        )
    state = home or os.environ.get("FEATURESTORE_HOME") or settings.get("home", ".featurestore")
    url = os.environ.get("FEATURESTORE_REDIS_URL") or settings.get("redis")
    return Config(
        folder,
        project,
        settings.get("definitions", "definitions").strip("/"),
        (folder / state).resolve(),
        url,
        Served(**served),
        settings.get("require_certificate", False),
        settings.get("memory_limit"),
    )


def scratch_config(home: Path) -> Config:
    """The settings of a project that has no featurestore.toml: the working folder for relative paths, its state in
    `home`, and a server of its own."""
    return Config(Path.cwd().resolve(), "scratch", "definitions", home.resolve(), None)


def _checked_environments(environments: object, path: Path) -> dict[str, dict[str, Any]]:
    """The environments, all of them in order: a mistake in one is told before it is used."""
    if not isinstance(environments, dict):
        raise ConfigError(
            "`environments` must be a table", where=str(path), has=repr(environments), fix="write `[environments.name]`"
        )
    for name, settings in environments.items():
        where = f"{path}, environment `{name}`"
        if not isinstance(settings, dict):
            raise ConfigError(
                f"`{name}` is no environment", where=where, has=repr(settings), fix=f"write `[environments.{name}]`"
            )
        _check(settings, _KEYS, where)
    return environments


def _check(settings: dict[str, Any], known: tuple[str, ...], where: str) -> None:
    for key, value in settings.items():
        if key not in known:
            raise ConfigError(
                f"`{key}` is no setting",
                where=where,
                has=list(known),
                fix=did_you_mean(key, known, "take the line away"),
            )
        if key == "served":
            _check_served(value, where)
        elif key == "require_certificate":
            if not isinstance(value, bool):
                raise ConfigError(
                    f"`{key}` must be true or false", where=where, has=repr(value), fix=f"write `{key} = true`"
                )
        elif not isinstance(value, str) or not value:
            raise ConfigError(f"`{key}` must be a text", where=where, has=repr(value), fix=f'write `{key} = "..."`')


def _check_served(table: object, where: str) -> None:
    if not isinstance(table, dict):
        raise ConfigError(
            "`served` must be a table", where=where, has=repr(table), fix="write `[served]` and its settings below it"
        )
    known = [each.name for each in fields(Served)]
    for key, value in table.items():
        if key not in known:
            raise ConfigError(
                f"`{key}` is no setting of the serving log",
                where=f"{where}, `served`",
                has=known,
                fix=did_you_mean(key, known, "take the line away"),
            )
        if key == "share":
            fits = type(value) in (int, float) and 0 <= value <= 1
            wanted, example = "a number from 0 to 1", "0.1"
        else:
            fits = type(value) is int and value >= 1
            wanted, example = "a whole number from 1 on", str(getattr(Served(), key))
        if not fits:
            raise ConfigError(
                f"`{key}` must be {wanted}",
                where=f"{where}, `served`",
                has=repr(value),
                fix=f"write `{key} = {example}`",
            )
