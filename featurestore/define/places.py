"""Where a definition stands: file and line, for error messages and for `plan`."""

from __future__ import annotations

import ast
import linecache
import os
import re
import sys
from types import FrameType
from typing import Any


def place(cls: type, attribute: str | None = None) -> str:
    """`definitions/flights.py:31, `PlaneHistory.delay``: the line of a class, or of one of its attributes."""
    name = f"`{cls.__name__}.{attribute}`" if attribute else f"`{cls.__name__}`"
    file, line = _written(cls)
    if file is None:
        return name
    line = _line(file, cls.__qualname__, attribute) or line
    return f"{shown_file(file)}{f':{line}' if line else ''}, {name}"


def origin(cls: type) -> str:
    """`definitions/flights.py:31`, or `cell In[3]:5`: where a class is being defined."""
    file, line = _written(cls)
    return "" if file is None else f"{shown_file(file)}{f':{line}' if line else ''}"


def _written(cls: type) -> tuple[str | None, int | None]:
    """The file and line of a class: those of the code that makes it right now, for the cells of a notebook are no
    file of their module."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        if frame.f_globals.get("__name__") == cls.__module__:
            return frame.f_code.co_filename, frame.f_lineno
        frame = frame.f_back
    return getattr(sys.modules.get(cls.__module__), "__file__", None), None


def shown_file(file: str) -> str:
    """A file as an error names it: the cell of a notebook by its number, a path as short as it can be."""
    shell: Any = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    name_cell = getattr(getattr(shell, "compile", None), "format_code_name", lambda _: None)
    named = name_cell(file)
    if named is not None:  # such as ("Cell", "In[3]")
        return " ".join([str(named[0]).lower(), *map(str, named[1:])])
    if numbered := re.fullmatch(r"<ipython-input-(\d+)-\w+>", file):
        return f"cell In[{numbered[1]}]"
    return short_path(file)


def short_path(file: str) -> str:
    """A path relative to the working folder where that is shorter."""
    relative = os.path.relpath(file)
    return relative if len(relative) < len(file) else file


def attribute_at(file: str, line: int) -> str | None:
    """`PlaneHistory.delay`: the class attribute, or the class, that a line of a file belongs to."""
    for node in _tree(file).body:
        if isinstance(node, ast.ClassDef) and node.lineno <= line <= (node.end_lineno or line):
            for statement in node.body:
                if statement.lineno <= line <= (statement.end_lineno or line):
                    names = _names(statement)
                    return f"{node.name}.{names[0]}" if names else node.name
            return node.name
    return None


def needed_names(file: str) -> dict[str, set[str]]:
    """The names that a file defines or imports, each with the names that its definition needs."""
    found: dict[str, set[str]] = {}
    for statement in _tree(file).body:
        names = _names(statement)
        if isinstance(statement, (ast.Import, ast.ImportFrom)):
            names = [(alias.asname or alias.name).partition(".")[0] for alias in statement.names]
        needs = {
            node.id for node in ast.walk(statement) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)
        }
        found.update(dict.fromkeys(names, needs))
    return found


def repeated_names(file: str) -> list[tuple[str, int, int]]:
    """Names that a file gives twice, as `(name, first line, second line)`: classes, and attributes of one class.

    Python keeps the last and says nothing; a definition that vanishes in silence is the worst kind of wrong number.
    """
    found = []
    tree = _tree(file)
    bodies: list[tuple[str, list[ast.stmt]]] = [("", [node for node in tree.body if isinstance(node, ast.ClassDef)])]
    bodies += [(f"{node.name}.", node.body) for node in tree.body if isinstance(node, ast.ClassDef)]
    for prefix, body in bodies:
        seen: dict[str, int] = {}
        for statement in body:
            for name in _names(statement):
                if name in seen:
                    found.append((prefix + name, seen[name], statement.lineno))
                seen.setdefault(name, statement.lineno)
    return found


def _line(file: str, qualified: str, attribute: str | None) -> int | None:
    body = _tree(file).body
    line = None
    for name in qualified.split("."):
        for node in body:
            if isinstance(node, (ast.ClassDef, ast.FunctionDef)) and node.name == name:
                body, line = node.body, node.lineno
    for statement in body:
        if attribute is not None and attribute in _names(statement):
            return statement.lineno
    return line


def _names(statement: ast.stmt) -> list[str]:
    match statement:
        case ast.ClassDef(name=name):
            return [name]
        case ast.AnnAssign(target=ast.Name(id=name)):
            return [name]
        case ast.Assign(targets=targets):
            return [target.id for target in targets if isinstance(target, ast.Name)]
        case _:
            return []


_PARSED: dict[str, tuple[list[str], ast.Module]] = {}
"""The files that were parsed last, with the lines that `linecache` held of them."""
_MOST_PARSED = 16


def _tree(file: str) -> ast.Module:
    """A file as it is now, parsed once for as long as it stays so."""
    linecache.checkcache(file)
    lines = linecache.getlines(file)
    if file in _PARSED and _PARSED[file][0] is lines:
        return _PARSED[file][1]
    try:
        tree = ast.parse("".join(lines))
    except SyntaxError:
        tree = ast.Module(body=[], type_ignores=[])
    while len(_PARSED) >= _MOST_PARSED:
        del _PARSED[next(iter(_PARSED))]
    _PARSED[file] = lines, tree
    return tree
