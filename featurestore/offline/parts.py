"""The CTEs that bring a view's aggregates together, part by part, and the joins that bring them to the questions."""

from __future__ import annotations

from collections.abc import Mapping

from featurestore.offline.answers import (
    Part,
    collected_sql,
    gathered_sql,
    is_grouped,
    is_tiled,
    label_of,
    lifted_of,
    parts_of,
)
from featurestore.offline.choices import Choices
from featurestore.offline.connection import quoted
from featurestore.offline.ctes import Ctes, cte_name
from featurestore.offline.latest import LATEST, latest_sql, met_latest
from featurestore.offline.states import collected, key_names
from featurestore.offline.tiles import Lifted, Tiling, busy, pieces_sql, rows_sql, tiled_sql, tiles_sql
from featurestore.offline.windows import instant_of
from featurestore.plan.nodes import Answer, State, View


def add_parts(ctes: Ctes, view: View, state: State, rows: str, choices: Choices) -> tuple[list[str], str]:
    """Add the CTEs of a view. Gives the joins of `asked` with them, and the text of whether a key was found."""
    instant, keys, known = instant_of(view, "asked.as_of_us"), key_names(state), choices.known_of(state)
    parts = parts_of(view, choices)
    questions, joins, found = "", [], ""
    if any(not how.startswith(LATEST) for _, how in parts):
        questions = ctes.add(
            cte_name(view.name, "questions"), f"{view.name}: what is asked, once", _questions_sql(view, keys)
        )
    tiled = _Tiled(ctes, view, state, parts, rows, questions, choices) if choices.tiling_of(view) else None
    for part, answers in parts.items():
        name = cte_name(view.name, label_of(part))
        cte = quoted(name)
        if part[1].startswith(LATEST):
            folds = {answer.fold: state.folds[answer.fold] for answer in answers.values()}
            ctes.add(name, f"{view.name}: the last row of each instant", latest_sql(state, folds, known, rows))
            joins.append(met_latest(known, cte, _on(view, cte), instant))
            found = found or (f"{cte}.event_at_us IS NOT NULL" if part[1] == LATEST else "")
            continue
        if part[0].length_us is None and not part[1]:
            comment = f"{view.name}: all history, as running totals in the order of visibility"
            ctes.add(name, comment, _running_sql(state, answers, rows, questions))
            found = found or f"{cte}.as_of_us IS NOT NULL"
        else:
            _add_window(ctes, view, state, part, answers, rows, questions, tiled)
        joins.append(f"LEFT JOIN {cte} ON {_on(view, cte)} AND {cte}.as_of_us = {instant}")
    if not found:  # nothing of these says whether the key has any visible row
        seen = ctes.add(
            cte_name(view.name, "seen"),
            "when each key was first visible",
            f"SELECT {', '.join(keys)}, min(visible_at_us) AS first_visible_us FROM {rows} GROUP BY ALL",
        )
        joins.append(f"LEFT JOIN {seen} ON {_on(view, seen)}")
        found = f"coalesce({seen}.first_visible_us < {instant}, FALSE)"
    return joins, found


class _Tiled:
    """The CTEs that all tiled parts of a view share: the busy keys' rows and questions, and tiles for each way in which
    rows are told apart."""

    def __init__(
        self,
        ctes: Ctes,
        view: View,
        state: State,
        parts: Mapping[Part, Mapping[int, Answer]],
        rows: str,
        questions: str,
        choices: Choices,
    ) -> None:
        tiling = choices.tiling_of(view)
        assert tiling is not None, "only a view with tiles has them"
        self.tiling: Tiling = tiling
        self.ctes, self.view, self.keys = ctes, view, key_names(state)
        self.questions, self.others, self.rows = questions, "", rows
        self.tiles: dict[str, str] = {}
        places: dict[str, tuple[Part, dict[int, None]]] = {}
        for part, answers in parts.items():
            if is_tiled(state, part, answers):
                folds = [answer.fold for answer in answers.values()]
                places.setdefault(lifted_of(state, part, folds).extra, (part, {}))[1].update(dict.fromkeys(folds))
        if not places:
            return
        if self.tiling.heavy is not None:
            for kept, label in ((True, "busy"), (False, "other")):
                body = f"SELECT q.* FROM {questions} q{busy(self.tiling, self.keys, 'q', kept=kept)}"
                name = ctes.add(cte_name(view.name, f"{label} questions"), f"{view.name}: those of {label} keys", body)
                self.questions, self.others = (name, self.others) if kept else (self.questions, name)
        self.rows = ctes.add(
            cte_name(view.name, "busy rows"),
            f"{view.name}: rows of busy keys",
            rows_sql(self.tiling, self.keys, rows),
            kept=True,
        )
        for extra, (part, found) in places.items():
            lifted = lifted_of(state, part, found)
            self.tiles[extra] = ctes.add(
                cte_name(view.name, f"tiles {len(self.tiles)}"),
                f"{view.name}: tiles of time, each width from the one before",
                tiles_sql(self.tiling, lifted, self.keys, self.rows),
                kept=True,
            )

    def sql(self, part: Part, lifted: Lifted, rows: str) -> str:
        """The collected columns of a window, of busy keys by tiles and of others row by row."""
        pieces = self.ctes.add(
            cte_name(self.view.name, f"{label_of(part)} pieces"),
            f"{self.view.name}: the window {part[0].label} in pieces, rows outside and tiles within",
            pieces_sql(self.tiling, part[0], self.keys, self.questions),
            kept=True,
        )
        body = tiled_sql(
            self.tiling, part[0], lifted, self.keys, self.questions, self.rows, self.tiles[lifted.extra], pieces
        )
        if not self.others:
            return body
        return f"{collected_sql(part, lifted, self.keys, rows, self.others)}\n    UNION ALL\n    {body}"


def _add_window(
    ctes: Ctes,
    view: View,
    state: State,
    part: Part,
    answers: dict[int, Answer],
    rows: str,
    questions: str,
    tiled: _Tiled | None,
) -> None:
    keys, (span, how) = key_names(state), part
    lifted = lifted_of(state, part, dict.fromkeys(answer.fold for answer in answers.values()))
    if tiled and is_tiled(state, part, answers):
        body = tiled.sql(part, lifted, rows)
    else:
        body = collected_sql(part, lifted, keys, rows, questions)
    if is_grouped(part):
        body = gathered_sql(state, part, answers, keys, body)
    window = "" if span.length_us is None else f" that happened in the window {span.label} before it"
    comment = f"{view.name}: rows visible at the instant{window}{', by category' if how.startswith('by') else ''}"
    ctes.add(cte_name(view.name, label_of(part)), comment, body)


def _running_sql(state: State, answers: Mapping[int, Answer], rows: str, questions: str) -> str:
    folds = {answer.fold: state.folds[answer.fold] for answer in answers.values()}
    keys = key_names(state)
    over = f" OVER (PARTITION BY {', '.join(keys)} ORDER BY visible_at_us)"
    running = ", ".join([*keys, "visible_at_us", *collected(folds.items(), over)])
    # all rows of one instant of visibility carry the same totals, so it does not matter which of them the join
    # takes
    same = " AND ".join(f"r.{key} = q.{key}" for key in keys)
    totals = ", ".join(f"r.{each.rsplit(' AS ', 1)[1]}" for each in collected(folds.items()))
    return (
        f"SELECT {', '.join(f'q.{key}' for key in keys)}, q.as_of_us, {totals}\n    FROM {questions} q\n    ASOF "
        f"JOIN (SELECT {running} FROM {rows}) r\n"
        f"      ON {same} AND q.as_of_us > r.visible_at_us"
    )


def _questions_sql(view: View, keys: list[str]) -> str:
    places = ", ".join(f"{quoted(f'i_{given}')} AS {key}" for given, key in zip(view.inputs, keys, strict=True))
    present = " AND ".join(f"{quoted(f'i_{given}')} IS NOT NULL" for given in view.inputs)
    return f"SELECT DISTINCT {places}, {instant_of(view, 'as_of_us')} AS as_of_us FROM asked WHERE {present}"


def _on(view: View, cte: str) -> str:
    assert view.state is not None
    return " AND ".join(
        f"{cte}.{key} = asked.{quoted(f'i_{given}')}"
        for given, key in zip(view.inputs, key_names(view.state), strict=True)
    )
