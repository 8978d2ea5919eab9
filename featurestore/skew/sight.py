"""Who counted which row behind a differing cell: training, the served value, both or neither."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum

from featurestore.semantics.instants import duration_us
from featurestore.skew.causes import KEY_TYPE, LOST, OWN_ROW, SHIFTED, STALE, UNKNOWN_YET, WINDOW
from featurestore.skew.report import Example, RowSeen
from featurestore.skew.scales import seconds_of

Reach = tuple[float | None, float]
"""A window. Units: seconds since 1970; the first is null for all history."""
MOVED = re.compile(r"the value as of (\d+\w+) (after|before)")
LONGER = re.compile(r"windows (a day|an hour|a minute) (longer|shorter)")
OTHER = re.compile(r"the window (\d+\w+)")
LENGTHS = {"a day": 86_400, "an hour": 3_600, "a minute": 60}


class Sight(Enum):
    """Who counted a row, in the words of the picture."""

    TRAINING = "only training"
    SERVED = "only the served value"
    BOTH = "both sides"
    NEITHER = "neither, not yet known"
    OUTSIDE = "neither, outside the window"
    LATER = "neither, happened later"


@dataclass(frozen=True, slots=True)
class Asked:
    """An instant, and the windows up to it. Units: seconds since 1970."""

    as_of: float
    windows: tuple[Reach, ...]

    def has(self, happened: float) -> bool:
        """Whether something that happened then lies in a window; without windows, whether it lies before."""
        reaches = self.windows or ((None, self.as_of),)
        return any((start is None or start <= happened) and happened < end for start, end in reaches)


def asked(example: Example) -> Asked:
    """What training was asked."""
    windows = ((None if start is None else seconds_of(start), seconds_of(end)) for start, end in example.windows)
    return Asked(seconds_of(example.as_of), tuple(windows))


def answered(example: Example) -> Asked | None:
    """What the served value is the answer to, where the one evidence of the cell says another instant or window."""
    if len(example.causes) != 1 or len(example.evidence) != 1:
        return None
    mine, (cause,), (text,) = asked(example), example.causes, example.evidence
    if cause in (SHIFTED, STALE) and (moved := MOVED.fullmatch(text)):
        by = duration_us(moved[1]) / 1e6 * (1 if moved[2] == "after" else -1)
        reaches = tuple((None if start is None else start + by, end + by) for start, end in mine.windows)
        return Asked(mine.as_of + by, reaches)
    if cause != WINDOW:
        return None
    if longer := LONGER.fullmatch(text):
        by = LENGTHS[longer[1]] * (1 if longer[2] == "longer" else -1)
        reaches = tuple(
            (start if start is None or end - start + by <= 0 else start - by, end) for start, end in mine.windows
        )
        return Asked(mine.as_of, reaches)
    if other := OTHER.fullmatch(text):
        return Asked(mine.as_of, tuple((end - duration_us(other[1]) / 1e6, end) for _, end in mine.windows))
    return Asked(mine.as_of, tuple((None, end) for _, end in mine.windows)) if text == "all history" else None


def _longer(reach: Reach, by: float) -> Reach:
    start, end = reach
    return reach if start is None or end - start + by <= 0 else (start - by, end)


def sight(row: RowSeen, example: Example) -> Sight:
    """Who counted a row.

    Training counts what was visible in its window, the answer what of that its state held; the cause may say that the
    answer saw no row, or rows that were not visible, or that it is the answer to another question.
    """
    mine, theirs = asked(example), answered(example)
    happened = seconds_of(row.event_at)
    visible_at = max(happened, seconds_of(row.known_at))
    trained = row.visible and mine.has(happened)
    if theirs is not None:
        served = visible_at < theirs.as_of and theirs.has(happened)
    elif OWN_ROW in example.causes and visible_at == mine.as_of:
        served = True
    elif UNKNOWN_YET in example.causes:
        served = mine.has(happened)
    else:
        served = trained and row.held and not {LOST, KEY_TYPE} & set(example.causes)
    if trained or served:
        return Sight.BOTH if trained and served else Sight.TRAINING if trained else Sight.SERVED
    if happened >= mine.as_of:
        return Sight.LATER
    return Sight.NEITHER if mine.has(happened) else Sight.OUTSIDE


def sights(example: Example) -> dict[Sight, list[RowSeen]]:
    """The rows by who counted them."""
    found: dict[Sight, list[RowSeen]] = {each: [] for each in Sight}
    for row in example.rows:
        found[sight(row, example)].append(row)
    return found
