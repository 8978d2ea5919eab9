"""Import a folder of definitions and report everything that is wrong with it at once. Nothing else is opened."""

from __future__ import annotations

import importlib
import sys
import traceback
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

from featurestore.define.entity import Entity, Request
from featurestore.define.feature_set import FeatureSet
from featurestore.define.mistakes import python_mistake
from featurestore.define.places import attribute_at, needed_names, repeated_names, short_path
from featurestore.define.reload import forget_edited
from featurestore.define.source import Source
from featurestore.define.view import FeatureView, written_members
from featurestore.errors import (
    ConfigError,
    DefinitionCycle,
    DefinitionError,
    DefinitionErrors,
    DuplicateName,
    InvalidDefinition,
    UnknownColumn,
    UnknownFeature,
    did_you_mean,
    nearest,
)
from featurestore.expr.fluent import Expr, Group

T = TypeVar("T")


@dataclass(slots=True)
class Definitions:
    """What a folder of definitions defines, by name."""

    entities: dict[str, type[Entity]] = field(default_factory=dict)
    sources: dict[str, type[Source]] = field(default_factory=dict)
    requests: dict[str, type[Request]] = field(default_factory=dict)
    views: dict[str, type[FeatureView]] = field(default_factory=dict)
    feature_sets: dict[str, FeatureSet] = field(default_factory=dict)

    def feature_set(self, name: str) -> FeatureSet:
        """The feature set of that name. Raises: UnknownFeature."""
        return self._named(self.feature_sets, name, "feature set")

    def source(self, name: str) -> type[Source]:
        """The source of that name. Raises: UnknownFeature."""
        return self._named(self.sources, name, "source")

    def view(self, name: str) -> type[FeatureView]:
        """The view of that name. Raises: UnknownFeature."""
        return self._named(self.views, name, "view")

    def _named(self, known: dict[str, T], name: str, kind: str) -> T:
        if name not in known:
            raise UnknownFeature(
                f"there is no {kind} `{name}`",
                has=list(known),
                fix=did_you_mean(name, list(known), f"define a {kind} of that name"),
            )
        return known[name]


def definition_files(root: Path, folder: str) -> list[Path]:
    """The Python files of `root/folder`, in one order."""
    return sorted(path for path in (root / folder).glob("**/*.py") if path.name != "__init__.py")


def load_definitions(root: Path, folder: str) -> Definitions:
    """Import every module of `root/folder` and collect what they define.

    Raises: ConfigError       when the folder is missing or empty.
            DefinitionErrors  with the first error of each file and every name that is defined twice.
    """
    files = definition_files(root, folder)
    if not files:
        raise ConfigError(
            f"there are no definitions in `{short_path(str(root / folder))}`",
            where="featurestore.toml, `definitions`",
            fix="run `featurestore init`, or write a Python file there",
        )
    forget_edited(root, folder)
    # to the front, even when it is there: another project's folder of the same name must not be found first
    sys.path[:] = [str(root), *(path for path in sys.path if path != str(root))]
    importlib.invalidate_caches()
    errors: list[DefinitionError] = []
    modules = []
    for path in files:
        name = ".".join(path.relative_to(root).with_suffix("").parts)
        for attribute, first, second in repeated_names(str(path)):
            where = f"{short_path(str(path))}:{second}"
            errors.append(
                DuplicateName(
                    f"`{attribute}` is defined twice in one file",
                    where=where,
                    has=f"the first on line {first}",
                    fix="rename one",
                )
            )
        try:
            modules.append(importlib.import_module(name))
        except Exception as error:  # whatever a definition file raises is reported with its place
            errors.append(_located(error, root / folder))
    forget_edited(root, folder)  # remembers what was imported just now
    found = _collect(modules, errors)
    if errors := _distinct(errors):
        raise errors[0] if len(errors) == 1 else DefinitionErrors(errors)
    return found


def cell_mistake(error: AttributeError, where: str) -> DefinitionError:
    """An attribute that a definition or an expression does not have, in the cell `where` of a notebook, in four
    parts."""
    if isinstance(error.obj, type):
        return _unknown_attribute(error.obj, str(error.name), where)
    return python_mistake(error, where)


def _collect(modules: Iterable[ModuleType], errors: list[DefinitionError]) -> Definitions:
    found = Definitions()
    tables: list[tuple[type, dict[str, Any]]] = [
        (Entity, found.entities),
        (Source, found.sources),
        (Request, found.requests),
        (FeatureView, found.views),
    ]
    home: dict[tuple[str, str], str] = {}

    def add(table: dict[str, Any], kind: str, name: str, value: object, module: ModuleType) -> None:
        if table.get(name, value) is not value:
            where = short_path(str(module.__file__))
            errors.append(
                DuplicateName(
                    f"there are two definitions of the {kind} `{name}`",
                    where=where,
                    has=[home[kind, name], where],
                    fix="rename one",
                )
            )
        table.setdefault(name, value)
        home.setdefault((kind, name), short_path(str(module.__file__)))

    for module in modules:
        for value in vars(module).values():
            if isinstance(value, FeatureSet):
                add(found.feature_sets, "feature set", value.name, value, module)
            elif isinstance(value, type) and value.__module__ == module.__name__:
                for kind, table in tables:
                    if issubclass(value, kind):
                        add(table, kind.__name__.removeprefix("Feature").lower(), value.__name__, value, module)
    return found


def _located(error: Exception, folder: Path) -> DefinitionError:
    """Any exception of a definition file as a four-part error that names the file and line."""
    frames = [
        frame for frame in traceback.extract_tb(error.__traceback__) if Path(frame.filename).is_relative_to(folder)
    ]
    file, line = (frames[-1].filename, frames[-1].lineno) if frames else (str(folder), None)
    if isinstance(error, SyntaxError) and error.filename:  # of this file, or of one that it imports
        file, line = error.filename, error.lineno
    where = f"{short_path(file)}{f':{line}' if line else ''}"
    attribute = attribute_at(file, line) if line and file.endswith(".py") else None
    if attribute:
        where += f", `{attribute}`"
    if isinstance(error, DefinitionError):
        if error.where is None or ".py" not in error.where:
            error.where = where if error.where is None else f"{where}: {error.where}"
        return error
    if isinstance(error, AttributeError) and isinstance(error.obj, type):
        return _unknown_attribute(error.obj, str(error.name), where)
    if isinstance(error, (ImportError, AttributeError)) and "partially initialized" in str(error):
        chain = list(dict.fromkeys(short_path(frame.filename) for frame in frames))
        first = chain.index(min(chain)) if chain else 0
        chain = chain[first:] + chain[:first]
        return DefinitionCycle(
            f"these definitions need each other: {' -> '.join([*chain, chain[0]]) if chain else error}",
            where=where,
            fix="move what both need into a file of its own",
        )
    if isinstance(error, NameError):
        known = _defined_so_far(error, file)
        return _unknown_name(str(error.name), file, (attribute or "").partition(".")[0], where, known)
    return python_mistake(error, where)


def _defined_so_far(error: Exception, file: str) -> list[str]:
    """The definitions and expressions that a file had when it failed, what it imported among them."""
    found: list[str] = []
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == file:
            names = {**trace.tb_frame.f_globals, **trace.tb_frame.f_locals}
            kinds = (Entity, Source, Request, FeatureView)
            found = [
                name
                for name, value in names.items()
                if isinstance(value, (Expr, Group, FeatureSet))
                or (isinstance(value, type) and issubclass(value, kinds) and value not in kinds)
            ]
        trace = trace.tb_next
    return found


def _unknown_name(name: str, file: str, inside: str, where: str, known: list[str]) -> DefinitionError:
    """A name that is not there yet, or not at all: `inside` is the class that a line belongs to."""
    needs = needed_names(file)
    if inside and (chain := _chain(needs, name, inside)):
        return DefinitionCycle(
            f"these definitions need each other: {' -> '.join(f'`{each}`' for each in [inside, *chain])}",
            where=where,
            fix="move what both need into a view of its own",
        )
    if name in needs:
        below = f"move it above `{inside}`" if inside else "move it above this line"
        return InvalidDefinition(f"`{name}` is defined below the place that needs it", where=where, fix=below)
    return InvalidDefinition(
        f"the name `{name}` is not defined",
        where=where,
        has=known,
        fix=did_you_mean(name, known, "define it above, or import it"),
    )


def _chain(needs: dict[str, set[str]], start: str, end: str) -> list[str]:
    """The way from one name of a file to another that it needs; empty when it needs it not."""
    ways, seen = [[start]], {start}
    for way in ways:
        if way[-1] == end:
            return way
        found = sorted(needs.get(way[-1], set()) - seen)
        seen.update(found)
        ways += [[*way, each] for each in found]
    return []


def _unknown_attribute(owner: type, name: str, where: str) -> DefinitionError:
    if issubclass(owner, FeatureView) and hasattr(owner, "__spec__"):
        known = list(dict.fromkeys(spec.attribute for spec in owner.__spec__.features))
        members = written_members(owner)
        close = nearest(name, [*known, *members])
        what = f"`{owner.__name__}` has no feature `{name}`"
        if name in members:
            what = f"`{name}` is a member of the group `{owner.__name__}.{members[name][0]}`, no attribute of its own"
        return UnknownFeature(
            what,
            where=where,
            has=known,
            fix="write one of these" if close is None else f"write `{members.get(close, ('', close))[1]}`",
        )
    columns = [
        spec.name
        for spec in (owner.__spec__.columns if issubclass(owner, Source) else getattr(owner, "__columns__", ()))
    ]
    return UnknownColumn(
        f"`{owner.__name__}` has no column `{name}`",
        where=where,
        has=columns,
        fix=did_you_mean(name, columns, "write one of these"),
    )


def _distinct(errors: list[DefinitionError]) -> list[DefinitionError]:
    """One error a cause: a file that fails because another failed to import repeats that one's message, and each file
    of a cycle tells it."""
    told: dict[str, DefinitionError] = {}
    for error in errors:
        told.setdefault(error.what if isinstance(error, DefinitionCycle) else str(error), error)
    return list(told.values())
