"""Tables on a terminal or in a pipe. Cells are plain text: nothing in a user's data is read as markup."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from featurestore.cli.session import console
from featurestore.cli.texts import printable

if TYPE_CHECKING:
    from rich.text import Text

GAP = 2
"""Spaces between two columns, and before a line that continues a row."""
LEAST = 24
"""Columns of the terminal that a text which may wrap gets at least, or it continues on a line of its own."""
CUT, LEAST_CUT = 28, 16
"""The widest cell of a preview, and the narrowest one next to long names."""


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]], *, wrap: Collection[str] = ()) -> None:
    """Print rows under their columns, numbers to the right.

    Only the columns in `wrap` are broken, at spaces. On a terminal that is too narrow, columns continue below their
    row, indented, so that every name and value stays whole. A pipe gets each row on one line.
    """
    screen = console()
    lines = laid_out(columns, rows, screen.width, wrap=wrap)
    if screen.is_terminal:
        for line in lines:
            screen.print(line, soft_wrap=True)
    else:
        print("\n".join(line.plain for line in lines))


def print_preview(names: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print records side by side, a line for each of their columns: a training set is wider than any terminal.

    Names are never cut. As many records are shown as fit; the number of the others is printed below.
    """
    screen = console()
    fits = screen.width if screen.is_terminal else None
    heads = ["column", *(f"row {position}" for position in range(len(rows)))]
    lines = [[name, *(row[position] for row in rows)] for position, name in enumerate(names)]
    shown = len(rows)
    if fits is not None:
        room, shown = fits - max(map(_width, ("column", *names))), 0
        cut = min(CUT, room - GAP) if room >= GAP + LEAST_CUT else CUT
        lines = [[line[0], *(_cut(str(value), cut) for value in line[1:])] for line in lines]
        widths = [max(map(_width, column)) for column in zip(heads, *lines, strict=True)]
        while shown < len(rows) and room >= GAP + widths[shown + 1]:
            room -= GAP + widths[shown + 1]
            shown += 1
    most = max(shown, min(1, len(rows)))  # one record always: its values continue below their names
    print_table(heads[: most + 1], [line[: most + 1] for line in lines], wrap=heads[1:2] if not shown else ())
    if most < len(rows):
        print_line(f"{most} of {len(rows)} rows fit {fits} columns; a wider terminal or --json shows the others", "dim")


def print_line(text: str = "", style: str = "") -> None:
    """Print one line of text, never broken."""
    from rich.text import Text

    console().print(Text(printable(text), style), soft_wrap=True)


def laid_out(
    columns: Sequence[str], rows: Iterable[Sequence[object]], width: int, *, wrap: Collection[str] = ()
) -> list[Text]:
    """The lines of a table in `width` columns of a terminal, its head first.

    >>> for line in laid_out(("name", "is"), [("a_name", "two words")], 12, wrap=("is",)): print(line.plain)
    name
      is
    a_name
      two words
    """
    lines = [list(row) for row in rows]
    numeric = [bool(lines) and all(isinstance(line[at], int) for line in lines) for at in range(len(columns))]
    cells = [[_cell(name, "bold") for name in columns], *([_cell(value) for value in line] for line in lines)]
    places = _placed(columns, cells, width, wrap)
    return [line for row in cells for line in _row(row, places, numeric)]


def _placed(
    columns: Sequence[str], cells: Sequence[Sequence[Text]], width: int, wrap: Collection[str]
) -> list[list[tuple[int, int]]]:
    """The columns of each line of a row, each with its width. A line but the first begins `GAP` further right."""
    natural = [max(cell.cell_len for cell in column) for column in zip(*cells, strict=True)]
    if sum(natural) + GAP * (len(natural) - 1) <= width:
        return [list(enumerate(natural))]
    least = [
        min(wide, max(LEAST, *(_longest_word(row[at]) for row in cells))) if name in wrap else wide
        for at, (name, wide) in enumerate(zip(columns, natural, strict=True))
    ]
    lines: list[list[int]] = [[0]]
    room = width - least[0]
    for at in range(1, len(columns)):
        if room >= GAP + least[at]:
            lines[-1].append(at)
            room -= GAP + least[at]
        else:
            lines.append([at])
            least[at] = min(least[at], width - GAP) if columns[at] in wrap else least[at]
            room = width - GAP - least[at]
    return [_widened(line, least, natural, width - (GAP if number else 0)) for number, line in enumerate(lines)]


def _widened(line: list[int], least: list[int], natural: list[int], width: int) -> list[tuple[int, int]]:
    """The columns of one line with the room that is left over, which goes to those that were narrowed."""
    got = {at: least[at] for at in line}
    room = max(width - sum(got.values()) - GAP * (len(line) - 1), 0)
    narrowed = sorted((at for at in line if got[at] < natural[at]), key=lambda at: natural[at] - got[at])
    for number, at in enumerate(narrowed):
        more = min(natural[at] - got[at], room // (len(narrowed) - number))
        got[at] += more
        room -= more
    return list(got.items())


def _row(cells: Sequence[Text], places: list[list[tuple[int, int]]], numeric: Sequence[bool]) -> Iterator[Text]:
    """The printed lines of one row."""
    from rich.text import Text

    for number, line in enumerate(places):
        parts = [(_broken(cells[at], wide), wide, numeric[at]) for at, wide in line]
        for at in range(max(len(broken) for broken, _, _ in parts)):
            found = Text(" " * GAP if number else "", end="")
            for position, (broken, wide, right) in enumerate(parts):
                text = broken[at].copy() if at < len(broken) else Text()
                pad = " " * max(wide - text.cell_len, 0)
                found.append(" " * GAP if position else "")
                found.append_text(Text(pad).append_text(text) if right else text.append(pad))
            found.rstrip()
            if found.plain or not number:
                yield found


def _broken(cell: Text, width: int) -> Sequence[Text]:
    """A cell in lines of at most `width`, broken at spaces where it can be."""
    if cell.cell_len <= width:
        return [cell]
    return list(cell.wrap(console(), width, overflow="fold"))


def _longest_word(cell: Text) -> int:
    return max(map(_width, cell.plain.split()), default=0)


def _cell(value: object, style: str = "") -> Text:
    from rich.text import Text

    return Text(f"{value:,}" if isinstance(value, int) else printable(str(value)), style, end="")


def _cut(text: str, width: int) -> str:
    """A text of at most `width` columns; an ellipsis stands for what is left out."""
    if _width(text) <= width:
        return text
    from rich.text import Text

    cut = Text(text)
    cut.truncate(width, overflow="ellipsis")
    return cut.plain


def _width(text: str) -> int:
    from rich.cells import cell_len

    return cell_len(text)
