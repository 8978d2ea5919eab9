"""The names that a folder of definitions defines, read from its text alone: nothing is imported, so nothing can run."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

KINDS = ("Entity", "Source", "Request", "FeatureView")
SETS = "FeatureSet"


def written_names(files: Iterable[Path]) -> dict[str, list[str]]:
    """Names of classes and feature sets by kind, as they are written; a file that cannot be read has none.

    A class of a class of the folder is of its kind: a view in another role is a view.
    """
    bases: dict[str, list[str]] = {}
    sets: list[str] = []
    for path in files:
        with suppress(OSError, ValueError, SyntaxError, RecursionError):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                match node:
                    case ast.ClassDef(name=name):
                        bases[name] = [_last_name(base) for base in node.bases]
                    case ast.Call(func=function, args=[ast.Constant(value=str(name)), *_]):
                        sets += [name] if _last_name(function) == SETS else []
    found: dict[str, list[str]] = {kind: [] for kind in (*KINDS, SETS)}
    for name in bases:
        if (kind := _kind(name, bases, set())) is not None:
            found[kind].append(name)
    found[SETS] = list(dict.fromkeys(sets))
    return found


def _kind(name: str, bases: dict[str, list[str]], seen: set[str]) -> str | None:
    if name in KINDS:
        return name
    if name in seen:
        return None
    seen.add(name)
    return next((kind for base in bases.get(name, ()) if (kind := _kind(base, bases, seen)) is not None), None)


def _last_name(node: ast.expr) -> str:
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""
