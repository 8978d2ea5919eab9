"""Regular expressions that both roads can agree on (R10).

A pattern is parsed here, into a small syntax tree from which
both roads are made: RE2's text for DuckDB, written out so that nothing depends on its defaults, and a set of states
that Python walks along a text. Whether a text has a match is all that is asked, so that greedy and lazy, and which
match comes first, make no difference; and walking a set of states takes time in proportion to text and pattern, so
that no pattern can hold a lookup up.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final, NoReturn

from featurestore.errors import InvalidDefinition

LONGEST: Final = 1000
"""Letters of a pattern, and the most states that repetitions may make of it."""
MOST_TIMES: Final = 100
_SPECIAL: Final = frozenset("\\.^$|()[]{}*+?")
_LAST: Final = 0x10FFFF
_DIGIT: Final = ((48, 57),)
_WORD: Final = ((48, 57), (65, 90), (95, 95), (97, 122))
_SPACE: Final = ((9, 13), (32, 32))
Ranges = tuple[tuple[int, int], ...]
_CLASSES: Final[dict[str, Ranges]] = {"d": _DIGIT, "w": _WORD, "s": _SPACE}
_ESCAPES: Final = {"n": 10, "t": 9, "r": 13, "f": 12, "v": 11}
_HAS: Final = (
    r"letters, `.`, `[a-z]`, `[^...]`, `\d`, `\w`, `\s`, `(...)`, `(?:...)`, `|`, `*`, `+`, `?`, `{2,5}`, `^`, `$`"
)


@dataclass(frozen=True, slots=True)
class Letters:
    """One code point of these ranges, first and last included, in order."""

    ranges: Ranges


@dataclass(frozen=True, slots=True)
class Edge:
    """The start of the text, or its end."""

    start: bool


@dataclass(frozen=True, slots=True)
class Sequence:
    """One part after another."""

    parts: tuple[Pattern, ...]


@dataclass(frozen=True, slots=True)
class Either:
    """One of several parts."""

    parts: tuple[Pattern, ...]


@dataclass(frozen=True, slots=True)
class Repeat:
    """A part, so often; `most` is None without a limit."""

    part: Pattern
    least: int
    most: int | None


Pattern = Letters | Edge | Sequence | Either | Repeat


def parse(pattern: str) -> Pattern:
    """A regular expression of the subset. Raises: InvalidDefinition  with what it has and what there is."""
    if len(pattern) > LONGEST:
        raise InvalidDefinition(
            f"the pattern has {len(pattern)} letters", has=f"at most {LONGEST}", fix="use several shorter patterns"
        )
    reader = _Reader(pattern)
    found = reader.either()
    if reader.place < len(pattern):
        reader.refuse("a `)` that nothing opens")
    if _states(found) > LONGEST:
        reader.refuse(f"repetitions that make more than {LONGEST} states")
    return found


def re2(pattern: Pattern) -> str:
    """The pattern in the words of RE2, each of which has one meaning only."""
    match pattern:
        case Letters(ranges):
            return "[" + "".join(rf"\x{{{first:x}}}-\x{{{last:x}}}" for first, last in ranges) + "]"
        case Edge(start):
            return r"\A" if start else r"\z"
        case Sequence(parts):
            return f"(?:{''.join(map(re2, parts))})"
        case Either(parts):
            return f"(?:{'|'.join(map(re2, parts))})"
        case Repeat(part, least, most):
            return f"{re2(part)}{{{least},{'' if most is None else most}}}"


@dataclass(frozen=True, slots=True, eq=False)
class Machine:
    """States and the ways between them: `letters` by state, and `free` ways that take no letter, some only at an edge
    of the text."""

    letters: tuple[tuple[Ranges, int] | None, ...]
    free: tuple[tuple[tuple[int, bool | None], ...], ...]
    start: int
    end: int

    def matches(self, text: str) -> bool:
        """Whether some part of the text matches."""
        length, held = len(text), frozenset[int]()
        for place in range(length + 1):
            held = _free(self, held, place == 0, place == length)
            if self.end in held:
                return True
            if place < length:
                held = _by_letter(self, held, text[place])
        return False

    def after(self, states: frozenset[int], letter: str) -> frozenset[int]:
        """The states that a letter leads to."""
        code = ord(letter)
        return frozenset(
            way[1]
            for state in states
            if (way := self.letters[state]) and any(first <= code <= last for first, last in way[0])
        )

    def reached(self, states: frozenset[int], at_start: bool, at_end: bool) -> frozenset[int]:
        """The states that take no further letter, a new beginning among them."""
        found = {*states, self.start}
        waiting = list(found)
        while waiting:
            for state, edge in self.free[waiting.pop()]:
                if state not in found and (edge is None or (at_start if edge else at_end)):
                    found.add(state)
                    waiting.append(state)
        return frozenset(found)


@lru_cache(maxsize=4096)
def _free(of: Machine, states: frozenset[int], at_start: bool, at_end: bool) -> frozenset[int]:
    return of.reached(states, at_start, at_end)


@lru_cache(maxsize=4096)
def _by_letter(of: Machine, states: frozenset[int], letter: str) -> frozenset[int]:
    return of.after(states, letter)


@lru_cache(maxsize=256)
def machine(pattern: str) -> Machine:
    """The states of a pattern."""
    letters: list[tuple[Ranges, int] | None] = []
    free: list[list[tuple[int, bool | None]]] = []

    def state() -> int:
        letters.append(None)
        free.append([])
        return len(free) - 1

    def add(node: Pattern, begin: int) -> int:
        """Add the states of a part that begins there; the state in which it ends."""
        match node:
            case Letters(ranges):
                # a state has one way by letters, so that what begins there has states of its own
                own, end = state(), state()
                free[begin].append((own, None))
                letters[own] = (ranges, end)
                return end
            case Edge(start):
                end = state()
                free[begin].append((end, start))
                return end
            case Sequence(parts):
                for part in parts:
                    begin = add(part, begin)
                return begin
            case Either(parts):
                end = state()
                for part in parts:
                    free[add(part, begin)].append((end, None))
                return end
            case Repeat(part, least, most):
                for _ in range(least):
                    begin = add(part, begin)
                end = state()
                free[begin].append((end, None))
                if most is None:
                    again = state()
                    free[begin].append((again, None))
                    last = add(part, again)
                    free[last] += [(again, None), (end, None)]
                for _ in range((most or least) - least):
                    begin = add(part, begin)
                    free[begin].append((end, None))
                return end

    first = state()
    last = add(parse(pattern), first)
    return Machine(tuple(letters), tuple(map(tuple, free)), first, last)


def matches(text: str, pattern: str) -> bool:
    """Whether some part of a text matches a regular expression of the subset.

    >>> matches("ab12", r"^[a-z]+\\d{2}$"), matches("ab1", r"\\d\\d")
    (True, False)
    """
    return machine(pattern).matches(text)


def re2_of(pattern: str) -> str:
    """A regular expression of the subset in the words of RE2."""
    return re2(parse(pattern))


def _states(pattern: Pattern) -> int:
    match pattern:
        case Letters() | Edge():
            return 1
        case Sequence(parts) | Either(parts):
            return 1 + sum(map(_states, parts))
        case Repeat(part, least, most):
            return 1 + _states(part) * max(least + (most is None), most or 0, 1)


class _Reader:
    """A place in a pattern that is being read."""

    def __init__(self, pattern: str) -> None:
        self.pattern, self.place = pattern, 0

    def refuse(self, what: str) -> NoReturn:
        """Raise what is not of the subset."""
        raise InvalidDefinition(
            f"the pattern {self.pattern!r:.80} has {what}",
            where=f"its letter {self.place}",
            has=_HAS,
            fix="write it with these; a letter that means something has a backslash before it, `\\.`",
        )

    def next(self) -> str:
        return self.pattern[self.place] if self.place < len(self.pattern) else ""

    def take(self) -> str:
        letter = self.next()
        self.place += 1
        return letter

    def either(self) -> Pattern:
        parts = [self.sequence()]
        while self.next() == "|":
            self.take()
            parts.append(self.sequence())
        return parts[0] if len(parts) == 1 else Either(tuple(parts))

    def sequence(self) -> Pattern:
        parts: list[Pattern] = []
        while self.next() not in ("", "|", ")"):
            parts.append(self.repeated())
        return Sequence(tuple(parts))

    def repeated(self) -> Pattern:
        part = self.one()
        if self.next() not in ("*", "+", "?", "{") or not self.next():
            return part
        if isinstance(part, Edge):
            self.refuse("a repeated `^` or `$`")
        limits: dict[str, tuple[int, int | None]] = {"*": (0, None), "+": (1, None), "?": (0, 1)}
        sign = self.take()
        least, most = limits[sign] if sign in limits else self.times()
        if self.next() in ("*", "+", "?", "{") and self.next():
            self.refuse("a repetition of a repetition, or a lazy or possessive one, which matches no other texts")
        return Repeat(part, least, most)

    def times(self) -> tuple[int, int | None]:
        end = self.pattern.find("}", self.place)
        least, comma, most = self.pattern[self.place : max(end, self.place)].partition(",")
        if not all(each.isascii() and each.isdigit() for each in (least, most or least)):
            self.refuse("a `{` that begins no number of times, such as `{2,5}`")
        self.place = end + 1
        upper = int(most) if most else None if comma else int(least)
        if int(least) > (int(least) if upper is None else upper) or max(int(least), upper or 0) > MOST_TIMES:
            self.refuse(f"a number of times that is none up to {MOST_TIMES}")
        return int(least), upper

    def one(self) -> Pattern:
        letter = self.take()
        if letter == "(":
            if self.next() == "?":
                self.take()
                if self.take() != ":":
                    self.refuse("a group with options, a look-around or a name")
            found = self.either()
            if self.take() != ")":
                self.refuse("a `(` that nothing closes")
            return found
        if letter == "[":
            return Letters(self.letter_class())
        if letter == ".":
            return Letters(_without(((10, 10),)))
        if letter in ("^", "$"):
            return Edge(letter == "^")
        if letter == "\\":
            return Letters(self.escaped())
        if letter in _SPECIAL:
            self.place -= 1
            self.refuse(f"`{letter}` where nothing is repeated or opened")
        return Letters(((ord(letter), ord(letter)),))

    def escaped(self) -> Ranges:
        letter = self.take()
        if letter.lower() in _CLASSES:
            held = _CLASSES[letter.lower()]
            return held if letter.islower() else _without(held)
        if letter in _ESCAPES:
            return ((_ESCAPES[letter], _ESCAPES[letter]),)
        if not letter or letter.isalnum() or not letter.isascii():
            self.refuse(f"`\\{letter}`: a back reference, a border, or a class that is none of both roads")
        return ((ord(letter), ord(letter)),)

    def letter_class(self) -> Ranges:
        other = self.next() == "^"
        self.place += other
        found: list[tuple[int, int]] = []
        while self.next() != "]":
            if self.next() in ("", "["):
                self.refuse("a `[` in a class, or a class that nothing closes")
            first = self.class_letters()
            if self.next() == "-" and self.pattern[self.place + 1 : self.place + 2] not in ("]", ""):
                self.take()
                last = self.class_letters()
                if len(first) > 1 or len(last) > 1 or first[0][0] != first[0][1] or last[0][0] < first[0][0]:
                    self.refuse("a range that has no first and last letter in order")
                first = ((first[0][0], last[0][1]),)
            found += first
        self.take()
        if not found:
            self.refuse("a class without letters")
        merged = _merged(found)
        ranges = _without(merged) if other else merged
        if not ranges:
            self.refuse("a class that no letter is in")
        return ranges

    def class_letters(self) -> Ranges:
        letter = self.take()
        return self.escaped() if letter == "\\" else ((ord(letter), ord(letter)),)


def _merged(ranges: list[tuple[int, int]]) -> Ranges:
    found: list[tuple[int, int]] = []
    for first, last in sorted(ranges):
        if found and first <= found[-1][1] + 1:
            found[-1] = (found[-1][0], max(last, found[-1][1]))
        else:
            found.append((first, last))
    return tuple(found)


def _without(ranges: Ranges) -> Ranges:
    """All code points but these."""
    found, begin = [], 0
    for first, last in ranges:
        if begin < first:
            found.append((begin, first - 1))
        begin = last + 1
    return (*found, (begin, _LAST)) if begin <= _LAST else tuple(found)
