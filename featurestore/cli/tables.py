"""Tables on a terminal or in a pipe. Cells are plain text: whatever stands in somebody's data is not read as markup."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from featurestore.cli.session import console
from featurestore.cli.texts import printable


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]], *, cut: bool = False) -> None:
    """Print rows under their columns, numbers to the right. A cell too wide is folded, or with `cut` shortened."""
    from rich.table import Table
    from rich.text import Text

    lines = [list(row) for row in rows]
    numeric = [bool(lines) and all(isinstance(line[place], int) for line in lines) for place in range(len(columns))]
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for name, right in zip(columns, numeric, strict=True):
        table.add_column(
            Text(printable(name)),
            justify="right" if right else "left",
            overflow="ellipsis" if cut else "fold",
            no_wrap=cut or right,
        )
    for line in lines:
        table.add_row(*(_cell(value) for value in line))
    screen = console()
    if screen.is_terminal:
        screen.print(table)
        return
    with screen.capture() as captured:
        screen.print(table)
    print("\n".join(line.rstrip() for line in captured.get().splitlines()))


def print_line(text: str = "", style: str = "") -> None:
    """Print one line of text, never broken."""
    from rich.text import Text

    console().print(Text(printable(text), style), soft_wrap=True)


def _cell(value: object) -> Any:
    from rich.text import Text

    if isinstance(value, Text):
        return value
    return Text(f"{value:,}" if isinstance(value, int) else printable(str(value)))
