"""A SELECT that reads from top to bottom: named CTEs, each with a comment."""

from __future__ import annotations

from dataclasses import dataclass, field

from featurestore.offline.connection import quoted


@dataclass(slots=True)
class Ctes:
    """The CTEs so far, in order."""

    parts: list[tuple[str, str, str]] = field(default_factory=list)

    def add(self, name: str, comment: str, body: str, *, kept: bool = False) -> str:
        """Add one, and give its name as SQL. What is read more than once may be `kept` in memory meanwhile."""
        self.parts.append((f"{quoted(name)} AS{' MATERIALIZED' if kept else ''}", comment, body))
        return quoted(name)

    def text(self, final: str) -> str:
        """The whole statement, which ends with what reads from them."""
        ctes = [f"  -- {comment}\n  {head} (\n    {body}\n  )" for head, comment, body in self.parts]
        return "WITH\n" + ",\n\n".join(ctes) + f"\n\n{final}"


def cte_name(view: str, part: str = "features") -> str:
    """Names of CTEs carry a dot and their part, so no two definitions can collide."""
    return f"{view}.{part}"
