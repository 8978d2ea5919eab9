"""A view's aggregates, finished in DuckDB: from the collected folds of a window, or of each category in it."""

from __future__ import annotations

from collections.abc import Sequence

from featurestore.offline.expressions import sql_type
from featurestore.offline.states import collected, key_names
from featurestore.offline.windows import met_rows
from featurestore.plan.nodes import Answer, FoldUse, State, View
from featurestore.semantics.aggregates import aggregate_row
from featurestore.semantics.folds import FOLDS
from featurestore.semantics.windows import Span

Part = tuple[Span, str]
"""What one CTE collects: a window, and how: "" as running totals where it is all history, "anew" for each question,
"by <place>" for each value of that input, or "blocks" for each block of time."""


def parts_of(view: View) -> dict[Part, dict[int, Answer]]:
    """The answers of a view by the CTE that collects them, each with its place, in the order of the windows."""
    assert view.state is not None
    found: dict[Part, dict[int, Answer]] = {}
    for span in view.spans:
        for place, answer in enumerate(view.answers):
            if answer.node.span == span:
                found.setdefault(part_of(view.state, answer), {})[place] = answer
    return found


def part_of(state: State, answer: Answer) -> Part:
    """The CTE that an answer is collected in."""
    use, span = state.folds[answer.fold], answer.node.span
    if use.by is not None:
        return span, f"by {use.by}"
    if FOLDS[use.fold].sql_block:
        return span, "blocks"
    return span, "anew" if span.length_us is None and not FOLDS[use.fold].running else ""


def label_of(part: Part) -> str:
    """How the part is named among those of its view."""
    span, how = part
    return f"{span.label} {how}".strip()


def collected_sql(state: State, part: Part, answers: dict[int, Answer], rows: str, questions: str) -> str:
    """The folds of a window for each question, with the columns `f<place>_<suffix>`; grouped parts have the finished
    `a<place>` and `a<place>_overflow`."""
    keys = key_names(state)
    q_keys = ", ".join(f"q.{key}" for key in keys)
    folds = {answer.fold: state.folds[answer.fold] for answer in answers.values()}
    columns, met = collected(folds.items()), met_rows(part[0], keys, rows, questions)
    if part[1] == "blocks":
        return _blocks(keys, folds, met)
    [by] = {use.by for use in folds.values()}
    if by is None:
        return _select([q_keys, "q.as_of_us", *columns], met, f"{q_keys}, q.as_of_us")
    columns += [f"{_present(use)} AS f{place}_present" for place, use in folds.items()]
    category = f"{q_keys}, q.as_of_us, r.v{by}"
    inner = _select(
        [q_keys, "q.as_of_us", f"r.v{by} AS category", *columns], f"{met} AND r.v{by} IS NOT NULL", category
    )
    outer = [*keys, "as_of_us"]
    maps = [text for place, answer in answers.items() for text in _maps(place, answer)]
    return _select([*outer, *maps], f"    FROM (\n    {inner}\n    )", ", ".join(outer))


def _blocks(keys: Sequence[str], folds: dict[int, FoldUse], met: str) -> str:
    """The blocks of each fold. A window's step is its folds' block, so all of them have the same."""
    [block] = {FOLDS[use.fold].sql_block.format(n=use.n) for use in folds.values()}
    inner_keys = [*(f"q.{key}" for key in keys), "q.as_of_us"]
    inner = _select([*inner_keys, f"{block} AS block", *collected(folds.items())], met, ", ".join([*inner_keys, block]))
    outer, lists = [*keys, "as_of_us"], []
    for place, use in folds.items():
        fields = ["'block': block", *(f"'{suffix}': f{place}_{suffix}" for suffix, _ in FOLDS[use.fold].sql_collect)]
        lists.append(f"list({{{', '.join(fields)}}} ORDER BY block) FILTER (WHERE f{place}_n > 0) AS f{place}_blocks")
    return _select([*outer, *lists], f"    FROM (\n    {inner}\n    )", ", ".join(outer))


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


def answer_sql(state: State, answer: Answer, place: int, cte: str, instant: str) -> tuple[str, str]:
    """The value of an aggregate and whether it overflowed, from the CTE that collected it; null rows are empty
    windows."""
    if state.folds[answer.fold].by is None:
        return finished_sql(answer, f"{cte}.f{answer.fold}", instant)
    empty = f"CAST(MAP {{}} AS {sql_type(answer.node.dtype)})"
    return f"coalesce({cte}.a{place}, {empty})", f"coalesce({cte}.a{place}_overflow, FALSE)"


def _maps(place: int, answer: Answer) -> list[str]:
    value, overflow = finished_sql(answer, f"f{answer.fold}", "as_of_us")
    held = f"FILTER (WHERE f{answer.fold}_present > 0)"
    pairs = f"list({{'key': category, 'value': {value}}} ORDER BY category) {held}"
    return [f"map_from_entries({pairs}) AS a{place}", f"bool_or({overflow}) {held} AS a{place}_overflow"]


def _present(use: FoldUse) -> str:
    return "count(*)" + ("" if use.filter is None else f" FILTER (WHERE w{use.filter})")


def _select(columns: Sequence[str], rest: str, group: str) -> str:
    listed = f",{chr(10)}      ".join(columns)
    return f"SELECT {listed}\n{rest}\n    GROUP BY {group}"
