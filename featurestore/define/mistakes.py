"""Python's own errors in a definition file, told by what is at hand: near names of methods, arguments and keywords."""

from __future__ import annotations

import inspect
import re
import types
from collections.abc import Mapping
from typing import Any

from featurestore.define.columns import Column
from featurestore.define.entity import Entity, Request
from featurestore.define.source import Source
from featurestore.define.view import FeatureView
from featurestore.errors import InvalidDefinition, did_you_mean
from featurestore.expr.fluent import Expr, Group, group_name
from featurestore.expr.wrapper import Wrapper

_UNKNOWN = re.compile(r"([\w.<>]+)\(\) got an unexpected keyword argument '(\w+)'")
_TOO_MANY = re.compile(r"([\w.<>]+)\(\) takes .*positional arguments? but \d+ (?:was|were) given")
_COLUMNS_ONLY: Mapping[str, tuple[str, str]] = {
    "Entity": ("an entity", "write only `Entity` there: its annotated columns are the key, `user_id: Column[int]`"),
    "Request": ("a request", "write only `Request` there: it has annotated columns, `amount: Column[float]`"),
}
_BASES: Mapping[str, type] = {each.__name__: each for each in (Entity, FeatureView, Request, Source)}


def python_mistake(error: Exception, where: str) -> InvalidDefinition:
    """What Python says of a definition file, in four parts."""
    if isinstance(error, AttributeError) and isinstance(error.obj, Wrapper):
        known = [name for name in dir(error.obj) if not name.startswith("_") and name != "node"]
        return InvalidDefinition(
            f"the expression `{error.obj!r}` has no method `{error.name}`",
            where=where,
            has=known,
            fix=did_you_mean(str(error.name), known, "write one of these"),
        )
    if isinstance(error, AttributeError) and isinstance(error.obj, Group):
        return _of_a_group(error.obj, f"has no `{error.name}`", where)
    if isinstance(error, TypeError) and re.search(r"\bGroup\b", str(error)):
        return InvalidDefinition(
            f"plain Python does not take a group of features: {error}",
            where=where,
            fix='name one of its members: `View.mean_fare["7d"]`',
        )
    if isinstance(error, TypeError):
        if (found := _UNKNOWN.match(str(error))) and (base := found[1].split(".")[0]) in _COLUMNS_ONLY:
            return InvalidDefinition(
                f"the class of {_COLUMNS_ONLY[base][0]} takes no `{found[2]}=`",
                where=where,
                fix=_COLUMNS_ONLY[base][1],
            )
        if (found := _UNKNOWN.match(str(error))) and (known := _arguments(error, found[1])):
            return InvalidDefinition(
                f"`{_shown(found[1])}` takes no `{found[2]}=`",
                where=where,
                has=[f"{name}=" for name in known],
                fix=did_you_mean(f"{found[2]}=", [f"{name}=" for name in known], "write one of these"),
            )
        if (found := _TOO_MANY.match(str(error))) and (known := _arguments(error, found[1])):
            return InvalidDefinition(
                f"`{_shown(found[1])}` is given too much without a name",
                where=where,
                has=[f"{name}=" for name in known],
                fix=f"write the name: `{known[0]}=...`",
            )
        if re.search(r"\b(Expr|Column|Feature)\b", str(error)):
            return InvalidDefinition(
                f"plain Python does not take an expression: {error}",
                where=where,
                fix="use a method of the expression, such as `.log()` or `.to_float()`, or a row function",
            )
    return InvalidDefinition(f"{type(error).__name__}: {error}", where=where, fix="correct the Python error")


def _of_a_group(group: Group[Any], what: str, where: str) -> InvalidDefinition:
    labels = [f'["{label}"]' for label in group]
    return InvalidDefinition(
        f"a group of {len(labels)} features {what}",
        where=where,
        has=labels,
        fix=f"name one of its members before it: `{group_name(group.members)}{labels[0]}`",
    )


def _shown(called: str) -> str:
    """A function as its caller wrote it: `sum`, or the class whose keywords these are."""
    *owner, name = called.split(".")
    return owner[-1] if name.startswith("__") and owner else name


def _arguments(error: Exception, called: str) -> list[str]:
    """The names of the arguments of what was called, those that must be named first; none when it is not known."""
    *owner, name = called.split(".")
    function: Any = None
    if owner and owner[-1] in _BASES:
        function = getattr(_BASES[owner[-1]], name, None)
    elif owner and name != "__init__":
        function = getattr(Column, name, getattr(Expr, name, None))
    else:
        function = _named(error, owner[-1] if owner else name)
    if not callable(function):
        return []
    parameters = inspect.signature(function).parameters.values()
    named = [each.name for each in parameters if each.kind is each.KEYWORD_ONLY]
    return named + [each.name for each in parameters if each.kind is each.POSITIONAL_OR_KEYWORD and each.name != "self"]


def _named(error: Exception, name: str) -> object:
    """What a name stood for where an error arose."""
    trace: types.TracebackType | None = error.__traceback__
    found: object = None
    while trace is not None:
        names = {**trace.tb_frame.f_globals, **trace.tb_frame.f_locals}
        found = names.get(name, found)
        trace = trace.tb_next
    return found
