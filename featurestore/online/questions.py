"""What a lookup asks the store: a plan's part that is worked out once, and each key with its tree."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from featurestore.online import codec
from featurestore.online.evaluate import Features
from featurestore.online.keys import pointer_name
from featurestore.online.pointers import Pointer, content_version
from featurestore.online.radix import ROOT
from featurestore.online.tree import Tree
from featurestore.online.windows import Finished, Moment, ViewReader
from featurestore.plan.nodes import Plan, State
from featurestore.semantics.dtypes import Value

Key = tuple[Value, ...]


class Question:
    """One state's key with all that is asked of it: its tree grows until no node is missing."""

    __slots__ = ("ask", "key", "name", "root", "rows", "state", "tree")

    def __init__(self, state: State, key: Key, name: bytes, ask: list[bytes]) -> None:
        self.state, self.key, self.name, self.ask = state, key, name, ask
        self.tree = Tree(state)
        self.rows: list[tuple[int, ViewReader]] = []
        self.root: bytes | None = None

    def take(self, root: bytes | None, nodes: Sequence[bytes | None]) -> bool:
        """Add the nodes that came; False when a writer changed the key between two trips.

        Every write changes the root, which each trip asks for again: nodes of two states never meet in an answer.
        """
        known = self.tree.nodes
        if ROOT not in known:
            self.root = root
            known[ROOT] = codec.decode(root) if root else None
        elif root != self.root:
            return False
        for name, data in zip(self.ask, nodes, strict=True):
            known[name] = codec.decode(data) if data else None
        return True


class Road:
    """What lookups of one plan need, worked out once."""

    def __init__(self, plan: Plan, project: str) -> None:
        self.plan = plan
        self.pointers = [pointer_name(project, state.id) for state in plan.states]
        self.readers = [(view, view.state, ViewReader(view)) for view in plan.views if view.state is not None]
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


def finish(question: Question, moments: Mapping[str, Moment], finished: list[dict[str, Finished]]) -> bool:
    """Finish a question's aggregates; True when nodes are missing, which it then asks for."""
    missing: set[bytes] = set()
    read: dict[str, Finished] = {}
    for place, reader in question.rows:
        name = reader.view.name
        if name not in read:  # a user's views are one answer to five hundred questions about items
            read[name] = reader.read(question.tree, moments[name], missing)
        finished[place][name] = read[name]
    if missing:
        question.ask = question.tree.to_fetch(missing)
    return bool(missing)
