"""Where a definition stands: file and line, for error messages and for `plan`."""

from __future__ import annotations

import ast
import linecache
import os
import sys


def place(cls: type, attribute: str | None = None) -> str:
    """`definitions/flights.py:31, feature `PlaneHistory.delay``: the line of a class, or of one of its attributes."""
    name = f"`{cls.__name__}.{attribute}`" if attribute else f"`{cls.__name__}`"
    file = getattr(sys.modules.get(cls.__module__), "__file__", None)
    if file is None:
        return name
    line = _line(file, cls.__qualname__, attribute)
    return f"{short_path(file)}{f':{line}' if line else ''}, {name}"


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


def _tree(file: str) -> ast.Module:
    linecache.checkcache(file)
    try:
        return ast.parse("".join(linecache.getlines(file)))
    except SyntaxError:
        return ast.Module(body=[], type_ignores=[])
