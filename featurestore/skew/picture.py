"""One differing cell drawn on an axis of time: the rows of its key, the windows, the instant, and who saw which row.

Rows that one side alone saw stand on lines of their own, since they make the difference; the others share a line.
What came after the instant has a scale of its own: it is often seconds beside a window of days.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, field

from featurestore.skew.causes import CAUSES
from featurestore.skew.drawing import CHARACTER, box, chart, line, plain, tag, time_axis, words
from featurestore.skew.report import Example, RowSeen
from featurestore.skew.scales import duration, micros_between, seconds_of, short_instant
from featurestore.skew.sight import Asked, Reach, Sight, answered, asked, sights

MOST_ALONE = {Sight.TRAINING: 6, Sight.SERVED: 6, Sight.NEITHER: 2}
"""Rows of one kind that get lines of their own; more of them share one, and those of other kinds always."""
LEFT, RIGHT, TOP = 12, 14, 22
TEXT, GAP, MARK = 15, 9, 14


def row_words(row: RowSeen, example: Example) -> str:
    """When a row happened, was known, and came, beside the instant of the answer."""
    said = [f"happened {_beside(example.as_of, row.event_at)}"]
    if row.known_at != row.event_at:
        said.append(f"known {duration(micros_between(row.event_at, row.known_at))} later")
    if row.committed_at is not None:
        said.append(f"in the log {_beside(example.served_at, row.committed_at, 'the answer')}")
    elif row.kind:
        said.append(f"in {row.place.rpartition('/')[2]}")
    return ", ".join(said)


@dataclass(slots=True)
class _Picture:
    """The scales of a picture, and what is drawn of it so far."""

    example: Example
    width: int
    low: float
    now: float
    after: float
    y: float = TOP
    content: list[str] = field(default_factory=list)

    @property
    def now_x(self) -> float:
        """Where the instant is."""
        return self.width - RIGHT - (0.16 * self.width if self.after else 0.02 * self.width)

    def across(self, at: float) -> float:
        """Where a time is, between the edges."""
        if at <= self.now or not self.after:
            part = (min(at, self.now) - self.low) / (self.now - self.low)
            return LEFT + max(0.0, part) * (self.now_x - LEFT)
        return self.now_x + 12 + (at - self.now) / self.after * (self.width - RIGHT - 20 - self.now_x)

    def say(self, text: str, kind: str) -> None:
        """Lines of text, as wide as the picture."""
        for part in textwrap.wrap(text, int((self.width - LEFT - RIGHT) / CHARACTER)):
            self.content.append(words(LEFT, self.y + 11, part, kind=kind))
            self.y += TEXT

    def window(self, reach: Reach, other: bool) -> None:
        """A window as a band, with its length; `other` is one that only the served value has."""
        begins = self.low if reach[0] is None else max(reach[0], self.low)
        x, right = self.across(begins), self.across(reach[1])
        length = "all history" if reach[0] is None else f"window of {duration(round((reach[1] - reach[0]) * 1e6))}"
        text = f"served: {length}" if other else length
        if reach[0] is not None and reach[0] < self.low:
            text += " (begins earlier)"
        self.content.append(box(x, self.y, right - x, MARK, "window other" if other else "window"))
        wide = CHARACTER * len(text) + 8
        if right - x > wide:
            place, anchor = x + 6, "start"
        elif x > wide:
            place, anchor = x - 6, "end"
        else:
            place, anchor = right + 6, "start"
        self.content.append(words(place, self.y + 11, text, anchor, "band"))
        self.y += MARK + 4

    def alone(self, row: RowSeen, who: Sight) -> None:
        """A row on a line of its own: from when it happened, over when it was known, to when it came."""
        values = ", ".join(f"{name} {value}" for name, value in row.values.items())
        kind = f" ({row.kind.replace('_', ' ')})" if row.kind else ""
        said = textwrap.shorten(f"{who.value}{kind}: {values}", 150, placeholder=" …")
        self.say(said, f"who {who.name.lower()}")
        self.say(row_words(row, self.example), "faint")
        y, kind = self.y + MARK / 2, f"row {who.name.lower()}"
        happened, known = self.across(seconds_of(row.event_at)), self.across(seconds_of(row.known_at))
        self.content.append(line(happened, y, known, y, f"{kind} wait"))
        if row.committed_at is not None:
            came = self.across(seconds_of(row.committed_at))
            self.content.append(line(known, y, came, y, f"{kind} travel"))
            self.content.append(box(came - 4, y - 4, 8, 8, kind, f"in the log {row.committed_at}"))
        self.content.append(line(known, y - 6, known, y + 6, f"{kind} known"))
        self.content.append(_dot(happened, y, kind, f"happened {row.event_at}"))
        self.y += MARK + GAP

    def together(self, rows: Sequence[RowSeen], who: Sight) -> None:
        """Rows that share a line, each a dot where it happened."""
        drawn = [row for row in rows if seconds_of(row.event_at) >= self.low]
        left_out = f"{len(rows) - len(drawn):,} of them" if drawn else "all"
        before = f", {left_out} before the time drawn" if len(drawn) < len(rows) else ""
        self.say(f"{_counted(who, rows)}{before}", f"who {who.name.lower()}")
        if not drawn:
            self.y += GAP
            return
        y, kind = self.y + MARK / 2, f"row {who.name.lower()}"
        for row in drawn:
            self.content.append(_dot(self.across(seconds_of(row.event_at)), y, kind, _title(row)))
        self.y += MARK + GAP


def picture(example: Example, width: int) -> str:
    """The cell drawn out; empty where no row stands beside it."""
    found = sights(example)
    if not example.rows:
        return ""
    mine, theirs = asked(example), answered(example)
    now = max(mine.as_of, theirs.as_of if theirs else mine.as_of)
    alone = [row for who, most in MOST_ALONE.items() if len(found[who]) <= most for row in found[who]]
    times = [each for row in alone for each in (row.event_at, row.known_at, row.committed_at) if each is not None]
    after = max((seconds_of(each) - now for each in times), default=0.0)
    drawing = _Picture(example, width, _since((mine, theirs) if theirs else (mine,), found), now, max(after, 0.0))
    for reach in mine.windows:
        drawing.window(reach, False)
    for reach in theirs.windows if theirs else ():
        drawing.window(reach, True)
    drawing.y += GAP
    for who in (Sight.TRAINING, Sight.SERVED, Sight.BOTH, Sight.NEITHER, Sight.OUTSIDE):
        rows = found[who]
        if len(rows) > MOST_ALONE.get(who, 0):
            drawing.together(rows, who)
        else:
            for row in rows:
                drawing.alone(row, who)
    if found[Sight.LATER]:
        drawing.say(
            f"{Sight.LATER.value}: {len(found[Sight.LATER]):,} row{'s' if len(found[Sight.LATER]) > 1 else ''}", "faint"
        )
    return _framed(drawing, mine, theirs, found)


def _framed(drawing: _Picture, mine: Asked, theirs: Asked | None, found: dict[Sight, list[RowSeen]]) -> str:
    """What was drawn, with the windows behind it, the instants across it, and the axis below."""
    example, floor, edge = drawing.example, drawing.y + 4, drawing.width - RIGHT
    behind = []
    for kind, each in (("reach", mine), ("reach other", theirs)):
        for start, end in each.windows if each else ():
            begin_x = LEFT if start is None else drawing.across(start)
            behind.append(box(begin_x, TOP, drawing.across(end) - begin_x, floor - TOP, kind))
    if drawing.after:
        behind.append(box(drawing.now_x, TOP, edge - drawing.now_x, floor - TOP, "after"))
        drawing.content += [
            line(edge - 8, floor, edge - 8, floor + 5, "axis"),
            words(edge, floor + 18, f"+ {' '.join(duration(round(drawing.after * 1e6)).split()[:2])}", "end"),
            words(edge, floor + 32, "own scale", "end", "faint"),
        ]
    x = drawing.across(mine.as_of)
    drawing.content.append(line(x, TOP - 6, x, floor, "now"))
    said = f"asked as of {short_instant(example.as_of)}"
    if theirs is None or theirs.as_of == mine.as_of:
        drawing.content.append(words(x + 4, TOP - 9, said, "end", "now-words"))
    else:
        other_x, earlier = drawing.across(theirs.as_of), theirs.as_of < mine.as_of
        drawing.content += [
            line(other_x, TOP - 6, other_x, floor, "now other"),
            words(other_x - 4, floor - 3, "served", "end", "who served"),
            words(x + (4 if earlier else -4), TOP - 9, said, "end", "now-words"),
        ]
    drawing.content.append(line(LEFT, floor, edge, floor, "axis"))
    room = drawing.now_x - LEFT - (40 if drawing.after else 0)
    high = drawing.low + (drawing.now - drawing.low) * room / (drawing.now_x - LEFT)
    ticks = time_axis(drawing.low, high, drawing.across, floor, int(room // 84))
    counted = ", ".join(f"{len(rows)} {who.value}" for who, rows in found.items() if rows)
    label = f"Rows of {example.feature} as of {example.as_of} by who counted them: {counted}"
    return chart(label, drawing.width, floor + 38, [*behind, *drawing.content, *ticks])


def _since(questions: Sequence[Asked], found: dict[Sight, list[RowSeen]]) -> float:
    """Where the axis begins: with what is inside of the windows, and some time before; with a window itself unless its
    rows fill but a small part of it."""
    now = min(each.as_of for each in questions)
    inside = [row for who, rows in found.items() if who not in (Sight.OUTSIDE, Sight.LATER) for row in rows]
    first = min((seconds_of(row.event_at) for row in inside or found[Sight.OUTSIDE]), default=now)
    starts = [start for each in questions for start, _ in each.windows if start is not None]
    low = min([first, *(start for start in starts if now - start <= 3 * (now - first) or not inside)])
    return low - 0.15 * (now - low) if low < now else now - 3_600


def _beside(instant: str, other: str, name: str = "") -> str:
    micros = micros_between(instant, other)
    text = f"{duration(micros)} {'after' if micros > 0 else 'before'}" if micros else "at the same instant as"
    return f"{text} {name}".rstrip() if name or micros else "at the very instant"


def _counted(who: Sight, rows: Sequence[RowSeen]) -> str:
    return f"{who.value}: {len(rows):,} row{'s' if len(rows) > 1 else ''}"


def _title(row: RowSeen) -> str:
    kind = f" ({CAUSES[row.kind].says})" if row.kind in CAUSES else ""
    return f"{', '.join(f'{name} {value}' for name, value in row.values.items())}: happened {row.event_at}{kind}"


def _dot(x: float, y: float, kind: str, title: str) -> str:
    return tag("circle", tag("title", plain(title)), cx=x, cy=y, r=4, class_=kind)
