"""Completion in the shell: names of the definitions, found without importing them. It never says an error."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer


def feature_sets(context: typer.Context, incomplete: str) -> list[str]:
    """Names of feature sets that begin so."""
    return _names(context, ("FeatureSet",), incomplete)


def sources(context: typer.Context, incomplete: str) -> list[str]:
    """Names of sources that begin so."""
    return _names(context, ("Source",), incomplete)


def stateful(context: typer.Context, incomplete: str) -> list[str]:
    """Names of feature sets, views and sources that begin so: what `materialize --only` takes."""
    return _names(context, ("FeatureSet", "FeatureView", "Source"), incomplete)


def everything(context: typer.Context, incomplete: str) -> list[str]:
    """All names that begin so."""
    return _names(context, ("FeatureSet", "FeatureView", "Source", "Entity", "Request"), incomplete)


def environments(context: typer.Context, incomplete: str) -> list[str]:
    """Names of environments in featurestore.toml that begin so."""
    return _quietly(
        lambda: [name for name in _settings(context).get("environments", {}) if name.startswith(incomplete)]
    )


def _names(context: typer.Context, kinds: Sequence[str], incomplete: str) -> list[str]:
    from featurestore.define.names import written_names

    def find() -> list[str]:
        root, folder = _folder(context), str(_settings(context).get("definitions", "definitions")).strip("/")
        found = written_names(sorted((root / folder).glob("**/*.py")))
        return [name for kind in kinds for name in found[kind] if name.startswith(incomplete)]

    return _quietly(find)


def _settings(context: typer.Context) -> dict[str, Any]:
    import tomllib

    return tomllib.loads((_folder(context) / "featurestore.toml").read_text(encoding="utf-8"))


def _folder(context: typer.Context) -> Path:
    """The folder of `-C`, which comes before the command."""
    given = context.find_root().params.get("folder")
    return Path(given) if given else Path(".")


def _quietly(find: Callable[[], list[str]]) -> list[str]:
    """What is found, or nothing when it fails: an error must not appear in the middle of a prompt."""
    try:
        return find()
    except Exception:
        return []


FeatureSetName = Annotated[
    str, typer.Argument(metavar="FEATURE_SET", help="A feature set.", autocompletion=feature_sets)
]
SourceName = Annotated[str, typer.Argument(metavar="SOURCE", help="A source.", autocompletion=sources)]
