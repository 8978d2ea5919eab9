"""Drawings of a skew report as SVG text: differing cells over time, the parts of a bar, sizes of differences.

All text goes through `tag` and `plain`, which escape it: whatever a value holds, it stays text.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from html import escape

from featurestore.skew.causes import CAUSES, UNEXPLAINED
from featurestore.skew.report import Bucket, Size
from featurestore.skew.scales import number, seconds_of, share, short_instant, ticks, time_ticks

WIDE, NARROW = 900, 340
"""Widths at which a chart is drawn, for a screen or paper and for a phone. Units: CSS pixels."""
HUES = 7
CHARACTER = 6.3
"""About how wide a character of a chart's text is. Units: CSS pixels."""


def plain(value: object) -> str:
    """Any text as it may stand in a page, in an attribute too."""
    text = str(value).encode("utf-8", "replace").decode("utf-8").replace("\x00", "\N{REPLACEMENT CHARACTER}")
    return escape(text)


def tag(name: str, *content: str, **attributes: object) -> str:
    """An element. `content` is markup already; attributes are escaped, and `_` in their names is written `-`."""
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{plain(round(value, 2) if isinstance(value, float) else value)}"'
        for key, value in attributes.items()
        if value is not None
    )
    return f"<{name}{written}>{''.join(content)}</{name}>"


def chart(label: str, width: float, height: float, content: Iterable[str]) -> str:
    """A drawing of that size, with the sentence that stands for it where it cannot be seen."""
    box = f"0 0 {width:g} {height:g}"
    return tag("svg", *content, viewBox=box, width=width, height=round(height), role="img", aria_label=label)


def both_widths(wide: str, narrow: str) -> str:
    """A drawing for a screen, and another for a phone; the style sheet shows one of them."""
    return tag("div", wide, class_="wide") + tag("div", narrow, class_="narrow")


def words(x: float, y: float, value: object, anchor: str = "start", kind: str = "") -> str:
    """A text in a drawing."""
    return tag("text", plain(value), x=x, y=y, text_anchor=anchor, class_=kind or None)


def line(x1: float, y1: float, x2: float, y2: float, kind: str) -> str:
    """A straight line."""
    return tag("line", x1=x1, y1=y1, x2=x2, y2=y2, class_=kind)


def box(x: float, y: float, width: float, height: float, kind: str, title: str = "") -> str:
    """A rectangle, with what is said of it when it is pointed at."""
    content = tag("title", plain(title)) if title else ""
    return tag("rect", content, x=x, y=y, width=max(0.0, width), height=max(0.0, height), class_=kind)


def cause_class(cause: str) -> str:
    """The class that gives a cause its colour."""
    return f"cause-{cause}"


def cause_styles() -> str:
    """The style rules that give each cause a colour of its own: seven hues, plain, striped and dotted; what is
    unexplained has an eighth."""
    rules = [f".{cause_class(UNEXPLAINED)}{{fill:var(--alarm)}}"]
    for place, cause in enumerate(each for each in CAUSES if each != UNEXPLAINED):
        manner, hue = divmod(place, HUES)
        fill = f"var(--hue-{hue})" if not manner else f"url(#{'striped' if manner == 1 else 'dotted'}-{hue})"
        rules.append(f".{cause_class(cause)}{{fill:{fill}}}")
    return "\n".join(rules)


def cause_patterns() -> str:
    """The stripes and dots that the style rules name; an empty drawing that stands once in the page."""
    patterns = []
    for hue in range(HUES):
        ground = tag("rect", width=6, height=6, class_=f"hue-{hue}")
        stripe = tag("rect", width=2, height=6, class_="ground")
        dot = tag("circle", cx=3, cy=3, r=1.4, class_="ground")
        same = {"width": 6, "height": 6, "patternUnits": "userSpaceOnUse"}
        turned = "rotate(45)"
        patterns.append(tag("pattern", ground, stripe, id=f"striped-{hue}", patternTransform=turned, **same))
        patterns.append(tag("pattern", ground, dot, id=f"dotted-{hue}", **same))
    return tag("svg", tag("defs", *patterns), width=0, height=0, aria_hidden="true", class_="patterns")


def swatch(cause: str) -> str:
    """A cause's colour beside its name."""
    return tag("svg", box(0, 0, 14, 14, cause_class(cause)), width=14, height=14, aria_hidden="true", class_="swatch")


def parts_bar(causes: Mapping[str, int], whole: int, width: int = 140) -> str:
    """Causes beside each other in one bar, each as long as its share of all their labels."""
    total = sum(causes.values())
    if not total:
        return ""
    x, content = 0.0, []
    for cause, count in causes.items():
        wide = width * count / total
        content.append(box(x, 0, wide, 12, cause_class(cause), f"{cause}: {count:,} of {whole:,} cells"))
        x += wide
    said = ", ".join(f"{cause} {count:,}" for cause, count in causes.items())
    return chart(said, width, 12, content)


def over_time(buckets: Sequence[Bucket], end: str, width: int) -> str:
    """The share of differing cells in each stretch of the period, its causes stacked, above how many cells there
    were. A cell with two causes is shared between them, so that the top of a bar is the share that differs."""
    none = not any(each.differing for each in buckets)
    left, right, top, volume = 62, 12, 14, 40
    high = 40 if none else 200 if width > NARROW else 170
    starts = [seconds_of(each.start) for each in buckets]
    edges = [*starts, max(seconds_of(end), starts[-1] + 1e-6)]
    low, length = edges[0], edges[-1] - edges[0]
    marks = ticks(max((each.differing / each.cells for each in buckets if each.cells), default=0.0), 4)
    most = max((each.cells for each in buckets), default=1) or 1
    base = top + high
    floor = base + 26 + volume

    def across(at: float) -> float:
        return left + (width - left - right) * (at - low) / length

    content = [words((left + width - right) / 2, base - 14, "no cell differs", "middle", "good")] if none else []
    for mark in () if none else marks:
        y = base - high * mark / marks[-1]
        content += [line(left, y, width - right, y, "grid"), words(left - 8, y + 4, f"{100 * mark:g}%", "end")]
    for place, each in enumerate(buckets):
        x, wide = across(edges[place]), across(edges[place + 1]) - across(edges[place])
        gap = min(1.5, wide / 5)
        labels = sum(each.causes.values())
        said = f"from {short_instant(each.start)}: {each.differing:,} of {each.cells:,} cells differ"
        y = base
        for cause in (name for name in CAUSES if each.causes.get(name)):
            tall = high * (each.differing / each.cells) * each.causes[cause] / labels / marks[-1]
            y -= tall
            title = f"{said}; {cause} {each.causes[cause]:,}"
            content.append(box(x, y, wide - gap, tall, cause_class(cause), title))
        tall = volume * each.cells / most
        content.append(box(x, floor - tall, wide - gap, tall, "cells", said))
    content += [line(left, base, width - right, base, "axis"), line(left, floor, width - right, floor, "axis")]
    content += [words(left - 8, floor - volume + 8, f"{most:,}", "end"), words(left - 8, floor + 4, "0", "end")]
    content.append(words(left, floor - volume - 6, "cells compared", kind="faint"))
    content += time_axis(low, edges[-1], across, floor, (width - left - right) // 84)
    differing, cells = sum(each.differing for each in buckets), sum(each.cells for each in buckets)
    label = f"Share of differing cells over time: {differing:,} of {cells:,} cells, {share(differing, cells)}"
    return chart(label, width, floor + 38, content)


def time_axis(low: float, high: float, across: Callable[[float], float], y: float, most: int) -> list[str]:
    """Marks, times and dates below an axis."""
    content, free = [], -math.inf
    for at, time, date in time_ticks(low, high, max(2, most)):
        x = across(at)
        content += [line(x, y, x, y + 5, "axis"), words(x, y + 18, time, "middle")]
        wide = CHARACTER * len(date) / 2
        middle = max(x, wide)
        if date and middle - wide > free:
            content.append(words(middle, y + 32, date, "middle", "faint"))
            free = middle + wide + 6
    return content


def sizes(size: Size, unit: str, width: int = 300) -> str:
    """How many of a feature's differences are how large, in bins that begin at 1, 2 and 5 times the powers of ten."""
    left, right, top, high = 44, 14, 18, 74
    base, counts = top + high, dict(size.bins)
    first, last = min(counts), max(counts)
    lows = (
        bins_between(first, last) if first else [0.0, *(bins_between(min(set(counts) - {0.0}), last) if last else [])]
    )
    wide = (width - left - right) / max(len(lows), 4)
    most = max(counts.values())
    content = [
        line(left, top, width - right, top, "grid"),
        words(left - 6, top + 4, f"{most:,}", "end"),
        words(left - 6, base + 4, "0", "end"),
    ]
    free = -math.inf
    for place, low in enumerate(lows):
        x, count = left + place * wide, counts.get(low, 0)
        tall = high * count / most
        above = following(low)
        title = f"{count:,} cells: {number(low)} to {number(above)}{unit}" if low else f"{count:,} cells: no difference"
        content.append(box(x, base - tall, wide - min(1.5, wide / 5), max(tall, 1.5 if count else 0), "size", title))
        label = number(low) if len(lows) < 7 or f"{low:e}".startswith("1.0") or not low else ""
        half = CHARACTER * len(label) / 2
        if label and x - half > free and x + half < width:
            content += [line(x, base, x, base + 4, "axis"), words(x, base + 16, label, "middle")]
            free = x + half + 8
    content.append(line(left, base, width - right, base, "axis"))
    said = f"Sizes of {size.cells:,} differences, from {number(first)} to {number(size.largest)}{unit}"
    return chart(said, width, base + 24, content)


def following(low: float) -> float:
    """Where the bin ends that begins there."""
    digit, power = f"{low:.0e}".split("e")
    return float(f"{ {'1': 2, '2': 5, '5': 10}[digit] }e{power}") if low else 0.0


def bins_between(first: float, last: float) -> list[float]:
    """Where bins begin, from one to another.

    >>> bins_between(0.5, 5.0)
    [0.5, 1.0, 2.0, 5.0]
    """
    lows = [first]
    while lows[-1] < last:
        lows.append(following(lows[-1]))
    return lows
