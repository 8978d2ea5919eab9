"""A view's aggregates, finished in DuckDB: from the collected folds of a window, or of each category in it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from featurestore.offline.choices import Choices, is_latest
from featurestore.offline.expressions import sql_type
from featurestore.offline.latest import LATEST, in_window
from featurestore.offline.states import collected, merged
from featurestore.offline.tiles import Lifted
from featurestore.offline.windows import met_rows
from featurestore.plan.nodes import Answer, FoldUse, State, View
from featurestore.semantics.aggregates import aggregate_row
from featurestore.semantics.folding.row import COUNTED
from featurestore.semantics.folds import FOLDS
from featurestore.semantics.windows import Span

Part = tuple[Span, str]
"""What one CTE collects: a window, and how: "" as running totals where it is all history, "anew" for each question,
"row by row" where tiles cannot be merged, "by <place>" for each value of that input, "blocks" for each block of time,
or "latest" of the rows that pass a filter, which is all history whatever the windows of its answers."""


def parts_of(view: View, choices: Choices) -> dict[Part, dict[int, Answer]]:
    """The answers of a view by the CTE that collects them, each with its place, in the order of the windows."""
    found: dict[Part, dict[int, Answer]] = {}
    for span in view.spans:
        for place, answer in enumerate(view.answers):
            if answer.node.span == span:
                found.setdefault(part_of(view, answer, choices), {})[place] = answer
    return found


def part_of(view: View, answer: Answer, choices: Choices) -> Part:
    """The CTE that an answer is collected in."""
    assert view.state is not None
    use, span = view.state.folds[answer.fold], answer.node.span
    if is_latest(view.state, answer, choices.known_of(view.state)):
        return Span(), LATEST if use.filter is None else f"{LATEST} {use.filter}"
    if use.by is not None:
        return span, f"by {use.by}"
    if FOLDS[use.fold].sql_block:
        return span, "blocks"
    if span.length_us is None and FOLDS[use.fold].running:
        return span, ""
    if choices.tiling_of(view) and not FOLDS[use.fold].sql_merge:
        return span, "row by row"
    return span, "anew" if span.length_us is None else ""


def is_grouped(part: Part) -> bool:
    """Whether a part tells the rows of a question apart."""
    return part[1].startswith("by") or part[1] == "blocks"


def is_tiled(state: State, part: Part, answers: Mapping[int, Answer]) -> bool:
    """Whether a part can be collected from tiles."""
    if part[1].startswith(LATEST) or (part[0].length_us is None and not part[1]):
        return False
    return all(FOLDS[state.folds[answer.fold].fold].sql_merge for answer in answers.values())


def label_of(part: Part) -> str:
    """How the part is named among those of its view."""
    span, how = part
    return f"{span.label} {how}".strip()


def lifted_of(state: State, part: Part, places: Iterable[int]) -> Lifted:
    """What a part collects of some of the state's folds, given by their places."""
    folds = {place: state.folds[place] for place in places}
    columns, merges, extra = collected(folds.items()), merged(folds.items()), ""
    if part[1] == "blocks":
        # a window's step is its folds' block, so all of them have the same
        [extra] = {FOLDS[use.fold].sql_block.format(n=use.n) for use in folds.values()}
    elif part[1].startswith("by"):
        [extra] = {f"r.v{use.by}" for use in folds.values()}
        columns += [f"{_present(use)} AS f{place}_present" for place, use in folds.items()]
        merges += [f"{COUNTED.format(c=f'f{place}_present')} AS f{place}_present" for place in folds]
    return Lifted(tuple(columns), tuple(merges), extra)


def collected_sql(part: Part, lifted: Lifted, keys: Sequence[str], rows: str, questions: str) -> str:
    """The collected columns of a window for each question, from its rows one by one; and `extra` where rows are told
    apart."""
    asked = [*(f"q.{key}" for key in keys), "q.as_of_us"]
    apart = [f"{lifted.extra} AS extra"] if lifted.extra else []
    met = met_rows(part[0], keys, rows, questions)
    return _select([*asked, *apart, *lifted.collected], met, [*asked, *([lifted.extra] if apart else [])])


def gathered_sql(state: State, part: Part, answers: dict[int, Answer], keys: Sequence[str], relation: str) -> str:
    """What `collected_sql` gives, with one row for each question: of grouped parts, the finished `a<place>` and
    `a<place>_overflow`, or the list of blocks of each fold."""
    if part[1] == "blocks":
        columns = [_blocks(answer.fold, state.folds[answer.fold]) for answer in answers.values()]
        present = ""
    else:
        columns = [text for place, answer in answers.items() for text in _maps(place, answer)]
        present = "\n    WHERE extra IS NOT NULL"
    outer = [*keys, "as_of_us"]
    return _select([*outer, *dict.fromkeys(columns)], f"    FROM (\n    {relation}\n    ){present}", outer)


def _blocks(place: int, use: FoldUse) -> str:
    fields = ["'block': extra", *(f"'{suffix}': f{place}_{suffix}" for suffix, _ in FOLDS[use.fold].sql_collect)]
    return f"list({{{', '.join(fields)}}} ORDER BY extra) FILTER (WHERE f{place}_n > 0) AS f{place}_blocks"


def finished_sql(answer: Answer, prefix: str, instant: str) -> tuple[str, str]:
    """The value of an aggregate and whether it overflowed, from its fold's columns, as of an instant."""
    node = answer.node
    row = aggregate_row(node.function, node.input.dtype if node.input else None)
    assert row is not None, "an aggregate node was checked when it was made"

    def text(sql: str) -> str:
        for place, held in (("{f}", prefix), ("{p}", node.parameter), ("{n}", str(node.n)), ("{t}", instant)):
            sql = sql.replace(place, held)
        return sql

    return text(row.sql), text(row.sql_overflow)


def answer_sql(state: State, answer: Answer, part: Part, place: int, cte: str, instant: str) -> tuple[str, str]:
    """The value of an aggregate and whether it overflowed, from the CTE that collected it; null rows are empty
    windows."""
    if part[1].startswith(LATEST):
        return in_window(answer.node.span, cte, instant, f"{cte}.f{answer.fold}_v"), "FALSE"
    if state.folds[answer.fold].by is None:
        return finished_sql(answer, f"{cte}.f{answer.fold}", instant)
    empty = f"CAST(MAP {{}} AS {sql_type(answer.node.dtype)})"
    return f"coalesce({cte}.a{place}, {empty})", f"coalesce({cte}.a{place}_overflow, FALSE)"


def _maps(place: int, answer: Answer) -> list[str]:
    value, overflow = finished_sql(answer, f"f{answer.fold}", "as_of_us")
    held = f"FILTER (WHERE f{answer.fold}_present > 0)"
    pairs = f"list({{'key': extra, 'value': {value}}} ORDER BY extra) {held}"
    return [f"map_from_entries({pairs}) AS a{place}", f"bool_or({overflow}) {held} AS a{place}_overflow"]


def _present(use: FoldUse) -> str:
    return "count(*)" + ("" if use.filter is None else f" FILTER (WHERE w{use.filter})")


def _select(columns: Sequence[str], rest: str, group: Sequence[str]) -> str:
    listed = f",{chr(10)}      ".join(columns)
    return f"SELECT {listed}\n{rest}\n    GROUP BY {', '.join(group)}"
