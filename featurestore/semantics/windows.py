"""Windows (R4): which rows an aggregate covers, by `event_at`, as of an instant."""

from __future__ import annotations

from dataclasses import dataclass

from featurestore.semantics.instants import duration_text


@dataclass(frozen=True, slots=True)
class Span:
    """`[as_of - length, as_of)` by event time, exact to the microsecond; all history when `length_us` is None.

    Units: microseconds.
    """

    length_us: int | None = None

    def start_us(self, as_of_us: int) -> int | None:
        """The first instant covered, or None for all history."""
        return None if self.length_us is None else as_of_us - self.length_us

    @property
    def label(self) -> str:
        """How features of a group are told apart, and how columns are named."""
        return "all" if self.length_us is None else duration_text(self.length_us)
