"""Numbers, instants and durations as a report writes them, and the round places at which an axis is marked."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

SECOND, MINUTE, HOUR, DAY = 1.0, 60.0, 3_600.0, 86_400.0
STEPS = (
    *(float(f"{digit}e{power}") for power in range(-6, 0) for digit in (1, 2, 5)),
    *(SECOND * each for each in (1, 2, 5, 10, 15, 30)),
    *(MINUTE * each for each in (1, 2, 5, 10, 15, 30)),
    *(HOUR * each for each in (1, 2, 3, 6, 12)),
    *(DAY * each for each in (1, 2, 5, 10)),
)
"""Steps of an axis of time. Units: seconds. Longer ones are counted in months."""
MONTHS = (1, 2, 3, 6, 12, 24, 60, 120, 240, 600, 1_200, 2_400, 6_000)
MONTH_NAMES = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
UNITS = (("d", 86_400_000_000), ("h", 3_600_000_000), ("min", 60_000_000), ("s", 1_000_000), ("ms", 1_000), ("µs", 1))
RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def seconds_of(instant: str) -> float:
    """Seconds since 1970 of an instant as a report holds it."""
    return (datetime.fromisoformat(instant) - EPOCH) / timedelta(seconds=1)


def micros_between(earlier: str, later: str) -> int:
    """Microseconds from one instant to another."""
    return (datetime.fromisoformat(later) - datetime.fromisoformat(earlier)) // timedelta(microseconds=1)


def duration(length_us: int) -> str:
    """A duration in its two largest units.

    >>> duration(13_140_000_000), duration(570_058), duration(0)
    ('3 h 39 min', '570 ms 58 µs', '0 s')
    """
    parts, rest = [], abs(length_us)
    for place, (name, size) in enumerate(UNITS):
        count, rest = divmod(rest, size)
        if count:
            following, least = UNITS[min(place + 1, len(UNITS) - 1)]
            parts = [f"{count:,} {name}"] + ([f"{rest // least} {following}"] if rest >= least else [])
            break
    return " ".join(parts) or "0 s"


def short_instant(instant: str) -> str:
    """An instant to the second, without letters between.

    >>> short_instant("2026-11-21T13:57:54.955532Z")
    '2026-11-21 13:57:54'
    """
    return instant[:19].replace("T", " ")


def number(value: float) -> str:
    """A measured number with four figures, its thousands apart; a whole one in full.

    >>> number(1234567.0), number(87.284283), number(4.2e-9), number(4449999882.17), number(0.5)
    ('1,234,567', '87.28', '4.2 × 10⁻⁹', '4,450,000,000', '0.5')
    """
    if value == 0 or (value == int(value) and abs(value) < 1e12):
        return f"{int(value):,}"
    power = math.floor(math.log10(abs(value)))
    if power < -4 or power >= 12:
        digits = f"{value / 10.0**power:.3f}" if power > -300 else f"{value:.3e}".split("e")[0]
        return f"{digits.rstrip('0').rstrip('.')} × 10{str(power).translate(RAISED)}"
    rounded = round(value, 3 - power)
    text = f"{rounded:,.{max(0, 3 - power)}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def share(part: int, whole: int) -> str:
    """A part in percent, never rounded to nothing or to all.

    >>> share(0, 5), share(1, 1_000_000), share(999_999, 1_000_000), share(1, 8)
    ('0%', '< 0.01%', '> 99.99%', '12.5%')
    """
    if not whole:
        return "–"
    value = 100 * part / whole
    if part and value < 0.01:
        return "< 0.01%"
    if part < whole and value > 99.99:
        return "> 99.99%"
    return f"{value:.2f}".rstrip("0").rstrip(".") + "%"


def ticks(high: float, about: int) -> list[float]:
    """Round numbers from 0 to the first that is not below `high`, about so many.

    >>> ticks(0.83, 4), ticks(0, 4)
    ([0.0, 0.5, 1.0], [0.0, 1.0])
    """
    if high <= 0:
        return [0.0, 1.0]
    raw = high / about
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(each * power for each in (1, 2, 5, 10) if each * power >= raw * (1 - 1e-9))
    return [float(f"{place * step:.12g}") for place in range(math.ceil(high / step - 1e-9) + 1)]


def time_ticks(low: float, high: float, most: int) -> list[tuple[float, str, str]]:
    """Round instants between two, at most so many: seconds since 1970, the time, and the date where it is another one.

    >>> time_ticks(0, 7200, 3)
    [(0.0, '00:00', '1 Jan 1970'), (3600.0, '01:00', ''), (7200.0, '02:00', '')]
    """
    step = next((each for each in STEPS if (high - low) / each <= most), None)
    found, shown = [], ""
    for at in _by_months(low, high, most) if step is None else _by_seconds(low, high, step):
        moment = EPOCH + timedelta(seconds=at)
        if step is None or step >= DAY:
            time, date = f"{moment.day} {MONTH_NAMES[moment.month - 1]}", f"{moment.year}"
        else:
            places = max(0, -math.floor(math.log10(step))) if step < SECOND else 0
            fraction = f".{moment.microsecond:06d}"[: places + 1] if places else ""
            time = f"{moment:%H:%M}" if step >= MINUTE else f"{moment:%H:%M:%S}{fraction}"
            date = f"{moment.day} {MONTH_NAMES[moment.month - 1]} {moment.year}"
        found.append((at, time, "" if date == shown else date))
        shown = date
    return found


def _by_seconds(low: float, high: float, step: float) -> Iterator[float]:
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    yield from (place * step for place in range(first, last + 1))


def _by_months(low: float, high: float, most: int) -> Iterator[float]:
    begin, end = EPOCH + timedelta(seconds=low), EPOCH + timedelta(seconds=high)
    months = (end.year - begin.year) * 12 + end.month - begin.month
    step = next((each for each in MONTHS if months / each <= most), MONTHS[-1])
    first = begin.year * 12 + begin.month - 1
    for place in range(-(-first // step) * step, first + months + 1, step):
        at = (datetime(max(place // 12, 1), place % 12 + 1, 1, tzinfo=UTC) - EPOCH) / timedelta(seconds=1)
        if low <= at <= high:
            yield at
