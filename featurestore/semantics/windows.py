"""Windows (R4): which rows an aggregate covers, by `event_at`, as of an instant."""

from __future__ import annotations

from dataclasses import dataclass, field

from featurestore.errors import InvalidDefinition
from featurestore.semantics.instants import duration_text, duration_us

RETAINED_US = 2 * 86_400_000_000
"""Beyond the longest window, a key keeps rows this much older, so that an instant a little before its newest row can
still be asked."""


@dataclass(frozen=True, slots=True)
class Span:
    """`[as_of - offset - length, as_of - offset)` by event time, both ends floored to a multiple of `step_us` where
    there is one; all history when `length_us` is None.

    Units: microseconds. Without a step a window is exact to the microsecond.
    """

    length_us: int | None = None
    step_us: int = 1
    offset_us: int = 0

    def start_us(self, as_of_us: int) -> int | None:
        """The first instant covered, or None for all history."""
        if self.length_us is None:
            return None
        return (as_of_us - self.offset_us - self.length_us) // self.step_us * self.step_us

    def end_us(self, as_of_us: int) -> int:
        """The first instant after those covered. Without an offset that is `as_of`, whatever the step."""
        return (as_of_us - self.offset_us) // self.step_us * self.step_us if self.offset_us else as_of_us

    def first_as_of_us(self, start_us: int) -> int:
        """The least `as_of` whose window begins at an instant or after it; 2^63 for all history.

        >>> Span(length_us=10, step_us=4).first_as_of_us(5)
        18
        """
        if self.length_us is None:
            return 2**63
        return -(-start_us // self.step_us) * self.step_us + self.length_us + self.offset_us

    @property
    def reach_us(self) -> int | None:
        """How far back from `as_of` the window can begin; None for all history."""
        return None if self.length_us is None else self.offset_us + self.length_us + self.step_us - 1

    @property
    def label(self) -> str:
        """How features of a group are told apart, and how columns are named."""
        if self.length_us is None:
            return "all"
        text = duration_text(self.length_us)
        text += f"_step_{duration_text(self.step_us)}" if self.step_us > 1 else ""
        return text + (f"_ago_{duration_text(self.offset_us)}" if self.offset_us else "")


@dataclass(frozen=True, slots=True)
class Window:
    """`Window("7d")` is the seven days before the instant, exact to the microsecond.

    With `step="1h"` its start is floored to the hour: between 7 d and 7 d 1 h long, and cheaper. With `offset="1d"` it
    ends a day before the instant (and there both ends are floored to the step).

    >>> Window("7d", offset="1d").span.label
    '7d_ago_1d'
    """

    length: str
    step: str | None = None
    offset: str | None = None
    span: Span = field(init=False, repr=False)

    def __post_init__(self) -> None:
        length_us = duration_us(self.length)
        step_us = 1 if self.step is None else duration_us(self.step)
        if step_us > length_us:
            raise InvalidDefinition(
                f"the step {self.step} is longer than the window {self.length}",
                fix="give a step that is shorter: the window is up to one step longer than it says",
            )
        span = Span(length_us, step_us, 0 if self.offset is None else duration_us(self.offset))
        object.__setattr__(self, "span", span)
