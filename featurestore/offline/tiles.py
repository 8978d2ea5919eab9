"""Busy keys: their rows are collected into tiles of time first, and a window is merged from whole tiles and single rows
at its edges, so that its cost hardly grows with the rows in it.

Tiles of several widths cover one another. A window `[low, high)` is taken from the outside in: rows up to the edges of
tiles of the least width, such tiles up to the edges of the next, and tiles of the greatest width in the middle. A tile
counts whole, so its rows must all be visible: tiles end `late_us` before the instant, and rows that become visible
later than that after they happen are not in them. Both, the rows since then and the late ones, are met one by one.

Source: pre-aggregation as in Li et al. 2005 (panes), here in levels and with exact edges, as the online tree has it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from featurestore.offline.windows import edges, met_rows
from featurestore.semantics.windows import Span

RADIX = 8
"""Tiles of one width make one of the next. Of 4, 8 and 16 it measured best."""


@dataclass(frozen=True, slots=True)
class Tiling:
    """The tiles of a view.

    `heavy` is a table of the keys that go by tiles, under the key's names; None for all keys. Their rows happened from
    `first_us` to `last_us`. `widths` ascend, each a multiple of the one before. Rows that become visible more than
    `late_us` after they happen are late: `late` says whether there may be any, and `soon` whether any becomes visible
    sooner than that.

    Units: microseconds.
    """

    heavy: str | None
    widths: tuple[int, ...]
    first_us: int
    last_us: int
    late_us: int = 0
    late: bool = True
    soon: bool = True

    def cell_us(self, level: int) -> int:
        """What pieces of a level are found by: they lie within one cell of this width, those of the top in some."""
        return self.widths[level] if level < len(self.widths) else RADIX * self.widths[-1]


def widths_for(least_us: int, longest_us: float, soon_us: int) -> tuple[int, ...]:
    """Widths from about the least to what the longest window takes a few of; rows of the last `soon_us`, which are met
    one by one, are found by no more than about a hundred cells."""
    widths = [1 << max(0, max(least_us, soon_us // 64).bit_length() - 1)]
    while widths[-1] * RADIX * 2 <= longest_us:
        widths.append(widths[-1] * RADIX)
    return tuple(widths)


@dataclass(frozen=True, slots=True)
class Lifted:
    """What is collected of rows: the columns, those that merge them, and the expression that tells rows `r` apart,
    empty where nothing does."""

    collected: tuple[str, ...]
    merged: tuple[str, ...]
    extra: str = ""


def tiles_sql(tiling: Tiling, lifted: Lifted, keys: Sequence[str], rows: str) -> str:
    """The tiles of all levels: the key, `level`, `cell`, `start_us`, `extra` where rows are told apart by it, and the
    collected columns."""
    apart = ["extra"] if lifted.extra else []
    texts = []
    for level, width in enumerate(tiling.widths, start=1):
        start = f"fs_floor_div({'start_us' if level > 1 else 'event_at_us'}, {width}) * {width} AS start_us"
        columns = lifted.merged if level > 1 else lifted.collected
        told = [*keys, start, *([f"{lifted.extra} AS extra" if level == 1 else "extra"] if apart else [])]
        source = f"level_{level - 1}" if level > 1 else f"{rows} r WHERE {_on_time(tiling)}"
        texts.append(
            f"level_{level} AS (\n        SELECT {', '.join([*told, *columns])}\n        FROM {source}\n"
            f"        GROUP BY {', '.join([*keys, *_places(keys, apart)])}\n      )"
        )
    union = "\n      UNION ALL ".join(
        f"SELECT {level} AS level, fs_floor_div(start_us, {tiling.cell_us(level)}) AS cell, * FROM level_{level}"
        for level in range(1, len(tiling.widths) + 1)
    )
    return f"WITH {', '.join(texts)}\n      {union}"


def _places(keys: Sequence[str], apart: Sequence[str]) -> list[str]:
    """The start and what tells rows apart, by their places in the SELECT: both names also stand in the source."""
    return [str(len(keys) + 1 + place) for place in range(1 + len(apart))]


def rows_sql(tiling: Tiling, keys: Sequence[str], rows: str) -> str:
    """The rows of the busy keys, each with the cell it is found by."""
    cell = f"fs_floor_div(r.event_at_us, {tiling.cell_us(0)}) AS cell"
    return f"SELECT r.*, {cell}\n    FROM {rows} r{busy(tiling, keys, 'r')}"


def busy(tiling: Tiling, keys: Sequence[str], name: str, *, kept: bool = True) -> str:
    """The join that keeps the busy keys of a relation, or all others."""
    if tiling.heavy is None:
        return "" if kept else " WHERE FALSE"
    same = " AND ".join(f"{name}.{key} = h.{key}" for key in keys)
    return f" {'SEMI' if kept else 'ANTI'} JOIN {tiling.heavy} h ON {same}"


def pieces_sql(tiling: Tiling, span: Span, keys: Sequence[str], questions: str) -> str:
    """The pieces `[low_us, high_us)` of a window, each of one level, by the cells that they lie in."""
    start, end = ("", "as_of_us") if span.length_us is None else edges(span, "as_of_us")
    low = f"greatest({start}, {tiling.first_us})" if start else str(tiling.first_us)
    names, top = ", ".join(keys), len(tiling.widths)
    # one SELECT a level: within one, DuckDB would write a column's text wherever it is named
    end = f"least({end}, {tiling.last_us + 1})"
    nested = f"(SELECT *, CAST({low} AS BIGINT) AS low_0, {end} AS last_us FROM {questions})"
    nested = f"(SELECT *, greatest(low_0, least(last_us, as_of_us - {tiling.late_us})) AS high_0 FROM {nested})"
    for level, width in enumerate(tiling.widths, start=1):
        low = f"least(-fs_floor_div(-low_{level - 1}, {width}) * {width}, high_{level - 1}) AS low_{level}"
        nested = f"(SELECT *, {low}\n      FROM {nested})"
        high = f"greatest(fs_floor_div(high_{level - 1}, {width}) * {width}, low_{level}) AS high_{level}"
        nested = f"(SELECT *, {high}\n      FROM {nested})"
    pieces = [
        (level, *piece)
        for level in range(top)
        for piece in ((f"low_{level}", f"low_{level + 1}"), (f"high_{level + 1}", f"high_{level}"))
    ]
    pieces.append((top, f"low_{top}", f"high_{top}"))
    if tiling.soon:
        pieces.append((0, "high_0", "last_us"))
    listed = ",\n        ".join(
        f"{{'level': {level}, 'cell_us': {tiling.cell_us(level)}, 'low_us': {low}, 'high_us': {high}}}"
        for level, low, high in pieces
    )
    cells = "range(fs_floor_div(low_us, cell_us), fs_floor_div(high_us - 1, cell_us) + 1)"
    return (
        f"SELECT {names}, as_of_us, level, low_us, high_us, unnest({cells}) AS cell FROM (\n"
        f"      SELECT {names}, as_of_us, unnest([\n        {listed}\n      ], recursive := true)\n"
        f"      FROM {nested}\n"
        f"    ) WHERE low_us < high_us"
    )


def tiled_sql(
    tiling: Tiling,
    span: Span,
    lifted: Lifted,
    keys: Sequence[str],
    questions: str,
    rows: str,
    tiles: str,
    pieces: str,
) -> str:
    """The collected columns of a window for each question of a busy key, and `extra` where rows are told apart."""
    on = " AND ".join([*(f"p.{key} = r.{key}" for key in keys), "p.cell = r.cell"])
    asked = [*(f"p.{key}" for key in keys), "p.as_of_us"]
    apart = [f"{lifted.extra} AS extra"] if lifted.extra else []
    group = ", ".join(str(place) for place in range(1, len(keys) + 2 + len(apart)))
    names = [f"r.{column.rsplit(' AS ', 1)[1]}" for column in lifted.collected]
    edge = (
        f"SELECT {', '.join([*asked, *apart, *lifted.collected])}\n"
        f"      FROM {pieces} p JOIN {rows} r ON {on} AND p.level = 0\n"
        f"      WHERE r.event_at_us >= p.low_us AND r.event_at_us < p.high_us AND r.visible_at_us < p.as_of_us "
        f"AND {_on_time(tiling)}\n      GROUP BY {group}"
    )
    middle = (
        f"SELECT {', '.join([*asked, *(['r.extra'] if apart else []), *names])}\n"
        f"      FROM {pieces} p JOIN {tiles} r ON {on} AND p.level = r.level\n"
        f"      WHERE r.start_us >= p.low_us AND r.start_us < p.high_us"
    )
    parts = [edge, middle]
    if tiling.late:
        late = f"(SELECT * FROM {rows} r WHERE NOT ({_on_time(tiling)}))"
        asked = [*(f"q.{key}" for key in keys), "q.as_of_us"]
        met = met_rows(span, keys, late, questions)
        parts.append(f"SELECT {', '.join([*asked, *apart, *lifted.collected])}\n{met}\n      GROUP BY {group}")
    union = "\n      UNION ALL ".join(parts)
    out = [*keys, "as_of_us", *(["extra"] if apart else [])]
    return (
        f"SELECT {', '.join([*out, *lifted.merged])}\n    FROM (\n      {union}\n    )\n    GROUP BY {', '.join(out)}"
    )


def _on_time(tiling: Tiling) -> str:
    # less one: the greatest lag is one more than an integer holds
    return f"r.visible_at_us - 1 - r.event_at_us < {tiling.late_us}"
