"""What a lookup asks the store: a plan's part that is worked out once, and each state's keys with what was read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import count, islice

from featurestore.online.evaluate import Features
from featurestore.online.folding import Folding
from featurestore.online.keys import key_name, nodes_name, pointer_name
from featurestore.online.leaves import Node, decode_node
from featurestore.online.pointers import Pointer, content_version
from featurestore.online.radix import ROOT
from featurestore.online.tree import Tree
from featurestore.online.trips import Command
from featurestore.online.windows import ViewReader
from featurestore.plan.nodes import Plan
from featurestore.semantics.dtypes import Value

Key = tuple[Value, ...]
NO_KEY = -1
"""The place of a key with a null part, which reads as a key never seen (R11)."""


class Keys:
    """The keys of one state that a lookup asks for, by place, and what has been read of them."""

    def __init__(self, folding: Folding, prefix: str, guess: Sequence[bytes]) -> None:
        """`guess` are the nodes below the root that each key is asked for at once."""
        self.keys: list[Key] = []
        self.roots: list[Node | None] = []
        self._folding, self._prefix, self._guess = folding, prefix, guess
        self._places: dict[Key, int] = {}
        self._names: list[bytes] = []
        self._stored: list[bytes | None] = []
        self._below: dict[int, dict[bytes, Node | None]] = {}
        self._open: dict[int, Sequence[bytes]] = {}

    def places(self, keys: Sequence[Key]) -> list[int]:
        """Where these keys stand among those that are asked for."""
        known = self._places
        fresh = [key for key in dict.fromkeys(keys) if key not in known and None not in key]
        known.update(zip(fresh, count(len(known)), strict=False))
        self.keys += fresh
        prefix = self._prefix
        self._names += [key_name(prefix, key) for key in fresh]
        return [known.get(key, NO_KEY) for key in keys]

    def ask(self) -> tuple[list[bytes], list[Command]]:
        """The roots to read, and the commands that read what is below them."""
        if self.roots:
            names = [self._names[place] for place in self._open]
            return names, [_below(name, ask) for name, ask in zip(names, self._open.values(), strict=True)]
        return self._names, [_below(name, self._guess) for name in self._names] if self._guess else []

    def take(self, roots: Sequence[bytes | None], below: Iterator[Sequence[bytes | None]]) -> bool:
        """Take what was read. False when a writer changed a key between two trips.

        Every write changes the root, which each trip asks for again: nodes of two states never meet in an answer.
        """
        if not self.roots:
            self._stored = [*roots]
            self.roots = [decode_node(root) if root else None for root in roots]
            if self._guess:
                for place, nodes in enumerate(islice(below, len(roots))):
                    self._add(place, self._guess, nodes)
            return True
        for (place, ask), root in zip(self._open.items(), roots, strict=True):
            if root != self._stored[place]:
                return False
            self._add(place, ask, next(below))
        return True

    def _add(self, place: int, names: Sequence[bytes], nodes: Sequence[bytes | None]) -> None:
        known = self._below.setdefault(place, {})
        for name, data in zip(names, nodes, strict=True):
            known[name] = decode_node(data) if data else None

    def tree(self, place: int) -> Tree:
        """A key's nodes, as far as they were read."""
        return Tree(self._folding, {ROOT: self.roots[place], **self._below.get(place, {})})

    def lack(self, missing: Mapping[int, set[bytes]]) -> bool:
        """Whether nodes are missing, which are asked for next. Raises: StoreEmpty  when one was asked for before."""
        self._open = {place: self.tree(place).to_fetch(names) for place, names in missing.items() if names}
        return bool(self._open)


def _below(name: bytes, nodes: Sequence[bytes]) -> Command:
    return b"HMGET", nodes_name(name), *nodes


class Road:
    """What lookups of one plan need, worked out once."""

    def __init__(self, plan: Plan, project: str) -> None:
        self.plan = plan
        self.pointers = [pointer_name(project, state.id) for state in plan.states]
        self.readers = [(view, view.state, ViewReader(view)) for view in plan.views if view.state is not None]
        self.foldings = {state.id: reader.folding for _, state, reader in self.readers}
        self.features = [(view, Features(view)) for view in plan.views]
        self.outputs = [(output.view, output.feature) for output in plan.outputs]
        # what each output is, where all of them are aggregates as they are
        places = {place: answer for _, features in self.features for place, answer in features.answered.items()}
        whole = all(output in places for output in self.outputs)
        self.answered = [(output[0], places[output]) for output in self.outputs] if whole else None
        self.names = tuple(output.name for output in plan.outputs)
        self.dtypes = tuple(output.dtype for output in plan.outputs)
        self.static = frozenset(plan.static_sources)

    def version(self, pointers: Mapping[str, Pointer]) -> str:
        """The version of what these states answer."""
        return content_version(self.plan, pointers) if self.static else self.plan.version
