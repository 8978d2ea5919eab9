"""The shape of an expression: how deep it is, how long it is written out, and a digest that stands for all of it."""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import lru_cache
from hashlib import blake2b
from typing import TYPE_CHECKING, Final

from featurestore.errors import InvalidDefinition
from featurestore.semantics.kernels.table import KERNELS

if TYPE_CHECKING:
    from featurestore.expr.nodes import Node

MOST_LEVELS: Final = 1_500
"""Calls inside one another; DuckDB plans a nested SELECT for each at most."""
KERNEL_LEVELS: Final = 30
"""Levels of a kernel such as `log`: its steps, at most."""
MOST_NODES: Final = 100_000
"""Nodes of an expression as it is written out."""
_SHOWN_LEVELS: Final = 20


@dataclass(frozen=True, slots=True)
class Shape:
    """What is known of an expression without walking it.

    Units:  `height` nodes from it to its furthest leaf; `levels` the same, where a kernel counts for its steps and a
            feature for its expression; `nodes` all of them, one that is used twice counting twice.
    """

    height: int
    levels: int
    nodes: int
    digest: bytes


class Above:
    """A node with others below it: equal to another when their digests are."""

    __slots__ = ()
    shape: Shape

    def __eq__(self, other: object) -> bool:
        return self is other or (isinstance(other, Above) and self.shape.digest == other.shape.digest)

    def __hash__(self) -> int:
        return hash(self.shape.digest)

    def __repr__(self) -> str:
        name = type(self).__name__
        if self.shape.height > _SHOWN_LEVELS:
            return f"{name}({self.shape.nodes} nodes)"
        listed = (f"{each.name}={getattr(self, each.name)!r}" for each in fields(self) if each.repr)  # type: ignore[arg-type]
        return f"{name}({', '.join(listed)})"


def height_of(node: Node) -> int:
    """Nodes from a node to its furthest leaf; 0 for a leaf."""
    return node.shape.height if isinstance(node, Above) else 0


def levels_of(node: Node) -> int:
    """Levels of a node, features of other views that it reads included."""
    return node.shape.levels if isinstance(node, Above) else getattr(node, "levels", 0)


def shape_above(kind: str, own: tuple[object, ...], below: tuple[Node, ...], function: str = "") -> Shape:
    """The shape of a node of a kind, with what is its own and its children.

    Raises: InvalidDefinition  when it is too deep or too long.
    """
    shapes = [each.shape if isinstance(each, Above) else _shape_of_leaf(each) for each in below]
    height = 1 + max((each.height for each in shapes), default=0)
    levels = (KERNEL_LEVELS if function in KERNELS else 1) + max((each.levels for each in shapes), default=0)
    nodes = 1 + sum(each.nodes for each in shapes)
    if levels > MOST_LEVELS:
        raise InvalidDefinition(
            f"an expression is {levels:,} levels deep",
            where=f"its outermost part, `{function or kind}`",
            has=f"at most {MOST_LEVELS:,}; every call is one, `log`, `exp` and the like are {KERNEL_LEVELS}",
            fix="put parts beside one another: `(a + b) + (c + d)` is less deep than `((a + b) + c) + d`",
        )
    if nodes > MOST_NODES:
        raise InvalidDefinition(
            f"an expression is {nodes:,} nodes long when it is written out",
            where=f"its outermost part, `{function or kind}`",
            has=f"at most {MOST_NODES:,}; a part that is used twice counts twice",
            fix="make a part that is used again a feature of another view, and refer to it",
        )
    text = repr((kind, *own)).encode("utf-8", "surrogatepass")
    digest = blake2b(b"%d:%b%b" % (len(text), text, b"".join(each.digest for each in shapes)), digest_size=16).digest()
    return Shape(height, levels, nodes, digest)


def _shape_of_leaf(node: Node) -> Shape:
    return Shape(0, levels_of(node), 1, _digest_of_leaf(node))


@lru_cache(maxsize=65_536)
def _digest_of_leaf(node: Node) -> bytes:
    return blake2b(repr(node).encode("utf-8", "surrogatepass"), digest_size=16).digest()
