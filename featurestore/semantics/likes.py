"""SQL's `LIKE` in Python (R10): a pattern is matched piece by piece, from the left, so that nothing is tried twice."""

from __future__ import annotations

from functools import lru_cache

from featurestore.errors import InvalidDefinition


@lru_cache(maxsize=256)
def pieces(pattern: str) -> tuple[tuple[str | None, ...], ...]:
    """A `like` pattern as the pieces between its `%`: letters, and None for the one letter of `_`.

    Raises: InvalidDefinition  for a backslash that stands before anything but `%`, `_` or a backslash.
    """
    found: list[list[str | None]] = [[]]
    letters = iter(pattern)
    for letter in letters:
        if letter == "\\":
            escaped = next(letters, "")
            if escaped not in ("%", "_", "\\"):
                raise InvalidDefinition(
                    f"the pattern {pattern!r:.60} has a backslash before {escaped or 'its end'!r}",
                    has=["\\%", "\\_", "\\\\"],
                    fix="write two backslashes for one: `r'a\\\\b'`",
                )
            found[-1].append(escaped)
        elif letter == "%":
            found.append([])
        else:
            found[-1].append(None if letter == "_" else letter)
    return tuple(map(tuple, found))


def like(text: str, pattern: str) -> bool:
    """SQL's `LIKE`: `%` stands for any letters, `_` for one code point, a backslash makes them themselves.

    >>> like("abc", "a%"), like("abc", "_bc"), like("100%", "100\\\\%"), like("abc", "b%")
    (True, True, True, False)
    """
    first, *others = pieces(pattern)
    if not others:
        return len(text) == len(first) and _fits(text, 0, first)
    *middle, last = others
    if len(text) < len(first) + len(last) or not _fits(text, 0, first) or not _fits(text, len(text) - len(last), last):
        return False
    place, end = len(first), len(text) - len(last)
    for piece in middle:
        found = _found(text, piece, place, end)
        if found < 0:
            return False
        place = found + len(piece)
    return True


def _found(text: str, piece: tuple[str | None, ...], place: int, end: int) -> int:
    """The first place from which a piece fits, below an end; -1 where there is none."""
    if None not in piece:
        return text.find("".join(map(str, piece)), place, end)
    return next((at for at in range(place, end - len(piece) + 1) if _fits(text, at, piece)), -1)


def _fits(text: str, place: int, piece: tuple[str | None, ...]) -> bool:
    return all(letter is None or text[place + i] == letter for i, letter in enumerate(piece))
