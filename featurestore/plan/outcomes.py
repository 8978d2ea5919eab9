"""What becomes of rows (R16): in = applied + duplicate + unkeyed + quarantined for each state, bad values counted.

A quarantined row has a reason. Both roads give it as a code, and this page says the code in words.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from featurestore.plan.nodes import Scan
from featurestore.semantics.instants import FIRST_US, LAST_US

NOTHING, MISFIT, SKIPPED, OUT_OF_RANGE = range(4)
"""What is wrong with a time or a RowId: it is null, its type does not hold it, it is a local time that the clocks
jumped over, or an instant outside the years 1 to 9999."""
EVENT, KNOWN, ROW_ID = 0, 4, 8
"""Whose fault it is; a reason's code is the sum of the two. Of several reasons the least is told."""

UNIT_FIX: Final = 'declare the unit of such numbers: `at: EventTime = column(unit="ms")`, or "s", "us", "ns"'
"""How an instant that is written as a number becomes one."""


@dataclass(slots=True)
class Counts:
    """What became of rows for one state (R16): in = applied + duplicate + unkeyed + quarantined."""

    applied: int = 0
    duplicate: int = 0
    unkeyed: int = 0
    quarantined: int = 0

    def add(self, other: Counts) -> None:
        """Add the counts of more rows."""
        self.applied += other.applied
        self.duplicate += other.duplicate
        self.unkeyed += other.unkeyed
        self.quarantined += other.quarantined

    @property
    def total(self) -> int:
        """All rows that came in."""
        return self.applied + self.duplicate + self.unkeyed + self.quarantined


@dataclass(frozen=True, slots=True)
class SetAside:
    """What was read of one source for a training set or a state, and what of it does not count.

    `quarantined` are rows by reason and `bad_values` values by column, those that became null when a row was pushed
    among them. `waiting` rows were set aside when they were pushed; they are in no log, so not among `rows`. `states`
    has, for each state, applied + duplicate + unkeyed + quarantined = rows.
    """

    source: str
    rows: int
    quarantined: dict[str, int] = field(default_factory=dict)
    bad_values: dict[str, int] = field(default_factory=dict)
    waiting: int = 0
    states: dict[str, Counts] = field(default_factory=dict)

    @property
    def nothing(self) -> bool:
        """Whether every row counts in every state, with every value."""
        partial = any(any(by_state.values()) for by_state in self._by_outcome().values())
        return not (self.quarantined or self.bad_values or self.waiting or partial)

    @property
    def unusable(self) -> int:
        """How many of the rows are quarantined."""
        return sum(self.quarantined.values())

    def warnings(self) -> list[str]:
        """What is wrong with more than half of the rows: such data or their definition are hardly what was meant."""
        found = []
        if self.unusable * 2 > self.rows:
            reasons = ", ".join(f"{count:,} because {reason}" for reason, count in self.quarantined.items())
            found.append(f"`{self.source}`: {self.unusable:,} of {self.rows:,} rows cannot be used, {reasons}")
        found += [
            f"`{self.source}.{column}`: {count:,} of {self.rows:,} values are none of its type and read as null"
            for column, count in self.bad_values.items()
            if count * 2 > self.rows
        ]
        return found

    def __str__(self) -> str:
        parts = [f"{count:,} quarantined ({reason})" for reason, count in self.quarantined.items()]
        parts += [f"{self.waiting:,} quarantined when pushed"] if self.waiting else []
        for outcome, by_state in self._by_outcome().items():
            for count in dict.fromkeys(filter(None, by_state.values())):
                where = [state for state, each in by_state.items() if each == count]
                parts.append(f"{count:,} {outcome} in {' and '.join(where)}")
        parts += [f"{_bad_values(count)} of {column} read as null" for column, count in self.bad_values.items()]
        return f"{self.source}: {self.rows:,} rows read" + "".join(f"; {part}" for part in parts)

    def _by_outcome(self) -> dict[str, dict[str, int]]:
        """What becomes of rows in some states only, by outcome and state."""
        everywhere = sum(self.quarantined.values())
        return {
            "duplicate": {state: each.duplicate for state, each in self.states.items()},
            "unkeyed": {state: each.unkeyed for state, each in self.states.items()},
            "quarantined for a bad key": {state: each.quarantined - everywhere for state, each in self.states.items()},
        }

    def most(self, outcome: str) -> int:
        """How many rows have an outcome in the state in which most have it: a row is counted once, however many states
        read it."""
        return max(self._by_outcome()[outcome].values(), default=0)

    def to_json(self) -> dict[str, Any]:
        """The counts as JSON values."""
        states = {state: asdict(counts) for state, counts in self.states.items()}
        return {
            "rows": self.rows,
            "quarantined": self.quarantined,
            "waiting": self.waiting,
            "bad_values": self.bad_values,
            "states": states,
        }


def total(found: Iterable[SetAside]) -> str:
    """All that was set aside, on one line; rows, not rows by state."""
    each = list(found)
    quarantined = sum(
        sum(one.quarantined.values()) + one.waiting + one.most("quarantined for a bad key") for one in each
    )
    return (
        f"set aside: {quarantined:,} quarantined, {sum(one.most('duplicate') for one in each):,} duplicate, "
        f"{sum(one.most('unkeyed') for one in each):,} unkeyed, "
        f"{_bad_values(sum(sum(one.bad_values.values()) for one in each))}"
    )


def _bad_values(count: int) -> str:
    return f"{count:,} bad value{'' if count == 1 else 's'}"


def reason_of(scan: Scan, row: Mapping[str, Any], stood: Mapping[str, int], known_at_us: int | None) -> int | None:
    """The code of why a row cannot be used, or None. `stood` says why a column is null that had something in it."""
    times: list[tuple[int, str | None, Any]] = [(EVENT, scan.event_at, row[scan.event_at])] if scan.event_at else []
    times.append((KNOWN, scan.known_at, row[scan.known_at] if scan.known_at else known_at_us))
    for whose, name, at_us in times:
        if at_us is None:
            return whose + stood.get(name or "", NOTHING)
        if not FIRST_US <= at_us <= LAST_US:
            return whose + OUT_OF_RANGE
    if scan.row_id is not None and row[scan.row_id] is None:
        return ROW_ID + stood.get(scan.row_id, NOTHING)
    return None


def bad_key_text(scan: Scan, name: str) -> str:
    """The reason of a row that cannot be used since a value in its key is a bad one."""
    return f"{name}, which is a key, is no {scan.dtype_of(name)}"


def reason_text(scan: Scan, code: int) -> str:
    """A reason in words."""
    whose, what = divmod(code, 4)
    name = (scan.event_at, scan.known_at, scan.row_id)[whose]
    if name is None:  # a row without a KnownTime is known a while after it happens
        return f"{scan.event_at} with the delay is out of range"
    return {
        NOTHING: f"{name} is null",
        MISFIT: f"{name} is no {scan.dtype_of(name)}",
        SKIPPED: f"{name} does not exist in {scan.zone}, whose clocks jumped over it",
        OUT_OF_RANGE: f"{name} is out of range",
    }[what]
