"""Files of definitions that were edited since this process imported them: forgotten, so that they are imported anew.

Python keeps a module for as long as a process lives. A notebook that edits a file and opens its project again would go
on with the old definitions and be told nothing.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import suppress
from importlib.util import cache_from_source
from pathlib import Path
from types import ModuleType
from typing import Any
from weakref import WeakKeyDictionary

from featurestore.define.feature_set import FeatureSet

_texts: WeakKeyDictionary[ModuleType, str | None] = WeakKeyDictionary()
"""What the file of each module said when it was met first."""
_replaced: dict[int, object] = {}
"""Feature sets, and specs of views and sources, of modules that were forgotten, by their id."""


def forget_edited(root: Path, folder: str) -> None:
    """Forget the modules of `root/folder` if any of their files has changed, and modules of that name that are another
    project's. What is imported for the first time is taken to be what its file says."""
    ours: list[str] = []
    edited = False
    for name, module in list(_modules(folder)):
        file = getattr(module, "__file__", None)
        if file is None or not Path(file).is_relative_to(root):
            del sys.modules[name]
        else:
            ours.append(name)
            text = _text_of(file)
            edited = _texts.setdefault(module, text) != text or edited
    for name in ours if edited else ():
        _forget(name, sys.modules.pop(name))


def is_replaced(definition: object) -> bool:
    """Whether a feature set, or the spec of a view or source, is of a file that was edited after it was imported."""
    return id(definition) in _replaced


def _modules(folder: str) -> Iterator[tuple[str, ModuleType]]:
    package = folder.replace("/", ".")
    for name, module in list(sys.modules.items()):
        if name == package or name.startswith(f"{package}."):
            yield name, module


def _forget(name: str, module: ModuleType) -> None:
    for value in vars(module).values():
        if isinstance(value, FeatureSet):
            _replaced[id(value)] = value
        elif isinstance(value, type) and value.__module__ == name and hasattr(value, "__spec__"):
            spec: Any = value.__spec__
            _replaced[id(spec)] = spec
    with suppress(OSError):  # Python tells compiled files by size and second, which an edit may leave as they are
        Path(cache_from_source(str(module.__file__))).unlink(missing_ok=True)


def _text_of(file: str) -> str | None:
    try:
        return Path(file).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
