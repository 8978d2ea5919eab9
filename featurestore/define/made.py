"""Definitions that are made again under one name, as when the cell of a notebook runs again: which is the newest."""

from __future__ import annotations

import sys
from itertools import count
from typing import Any, Protocol, TypeVar

_numbers = count(1)
_latest = 0


class Spec(Protocol):
    """A source or view as declared: its name, the module that defines it at top level, and its number."""

    @property
    def name(self) -> str:
        """The class's name."""

    @property
    def module(self) -> str:
        """The module without a file whose top level defines it; empty for a class of a file or of a function."""

    @property
    def made(self) -> int:
        """Its number; later definitions have greater ones."""


SpecT = TypeVar("SpecT", bound=Spec)


def next_made() -> int:
    """The number of a new definition. Numbers grow, so that the newer of two definitions is known."""
    global _latest
    _latest = next(_numbers)
    return _latest


def latest_made() -> int:
    """The number of the newest definition of this process; a plan that is older may be out of date."""
    return _latest


def top_level_module(cls: type) -> str:
    """The module without a file, such as a notebook's, in which a class is reachable by its plain name; else empty.

    A file is read once: what it defines is replaced when its project is opened again, and not before.
    """
    at_top = cls.__qualname__ == cls.__name__
    return cls.__module__ if at_top and getattr(sys.modules.get(cls.__module__), "__file__", None) is None else ""


def newest(spec: SpecT) -> SpecT:
    """The spec that the module's name stands for now: of a cell that ran again, the new one; else the same spec."""
    found: Any = getattr(sys.modules.get(spec.module), spec.name, None) if spec.module else None
    now = getattr(found, "__spec__", None)
    return now if isinstance(now, type(spec)) and now.name == spec.name and now.made > spec.made else spec
