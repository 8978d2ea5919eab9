"""A plan as one SELECT that reads from top to bottom: a named, commented CTE for each of its nodes."""

from __future__ import annotations

from dataclasses import dataclass, field

from featurestore.expr.nodes import Aggregate, AsOf, FeatureRef, RequestRef, walk
from featurestore.expr.printing import text_of
from featurestore.offline.answers import Part, answer_sql, collected_sql, label_of, part_of, parts_of
from featurestore.offline.connection import quoted
from featurestore.offline.expressions import Leaf, SqlExpressions, presented
from featurestore.offline.stages import staged
from featurestore.offline.states import collected, key_names, lanes_sql, state_sql
from featurestore.offline.windows import floored
from featurestore.plan.nodes import Answer, Plan, State, View
from featurestore.semantics.statuses import NOT_FOUND, NULL, OK, OVERFLOW


@dataclass(slots=True)
class _Select:
    """The CTEs so far, in order."""

    parts: list[tuple[str, str, str]] = field(default_factory=list)

    def add(self, name: str, comment: str, body: str) -> str:
        self.parts.append((name, comment, body))
        return quoted(name)

    def text(self, final: str) -> str:
        ctes = [f"  -- {comment}\n  {quoted(name)} AS (\n    {body}\n  )" for name, comment, body in self.parts]
        return "WITH\n" + ",\n\n".join(ctes) + f"\n\n{final}"


def select_sql(
    plan: Plan,
    scans: dict[str, str],
    *,
    statuses: bool = False,
    canonical: bool = False,
    answered: dict[str, str] | None = None,
) -> str:
    """The whole plan over a table `asked` (`spine_row`, `as_of_us`, `i_<input>`), one row out for each row in, in its
    order.

    `scans` holds the SELECT of each source. With `statuses`, every feature is followed by `<feature>__status`; with
    `canonical`, values stay as the product computes them. `answered` stands in for the sources: for each view with
    aggregates, a SELECT of `spine_row` and of the value `a<place>` and the status `s<place>` of each answer.
    """
    select = _Select()
    for source, body in scans.items():
        select.add(_cte(source, "rows"), f"{source}: history and log", body)
    lanes = {} if answered is not None else {state.id: _state_ctes(select, state, plan) for state in plan.states}
    for view in plan.views:
        _view_ctes(select, view, lanes, answered)
    columns = ["asked.spine_row"]
    for output in plan.outputs:
        place = f"{quoted(_cte(output.view))}.{{}}_{output.feature}"
        value = place.format("f") if canonical else presented(place.format("f"), output.dtype)
        columns.append(f"{value} AS {quoted(output.name)}")
        if statuses:
            columns.append(f"CAST({place.format('s')} AS UTINYINT) AS {quoted(f'{output.name}__status')}")
    used = dict.fromkeys(_cte(output.view) for output in plan.outputs)
    joins = "".join(f"\nJOIN {quoted(name)} USING (spine_row)" for name in used)
    return select.text(f"SELECT\n  {f',{chr(10)}  '.join(columns)}\nFROM asked{joins}\nORDER BY asked.spine_row")


def _state_ctes(select: _Select, state: State, plan: Plan) -> str:
    rows = quoted(_cte(state.scan.source, "rows"))
    uses = {state.folds[answer.fold]: None for view in plan.views if view.state == state for answer in view.answers}
    facts = select.add(
        state.id, f"{state.scan.source} by {', '.join(state.key)}: what each row brings", state_sql(state, rows)
    )
    return select.add(
        f"{state.id}.lanes", "exact parts of the values, places in the order of rows", lanes_sql(state, facts, uses)
    )


def _view_ctes(select: _Select, view: View, lanes: dict[str, str], answered: dict[str, str] | None) -> None:
    answers: dict[Aggregate, str] = {}
    source = "asked"
    joins: list[str] = []
    extra: list[str] = []
    if answered is not None:
        if view.answers:
            answers = {answer.node: f"a{i}" for i, answer in enumerate(view.answers)}
            over = [f"s{i} = {OVERFLOW} AS a{i}_overflow" for i in range(len(answers))]
            columns = ", ".join([f"s0 <> {NOT_FOUND} AS found", *answers.values(), *over])
            body = f"SELECT asked.*, {columns}\n    FROM asked JOIN ({answered[view.name]}) USING (spine_row)"
            source = select.add(_cte(view.name, "answers"), f"{view.name}: aggregates, answered by bucket", body)
    elif view.state is not None:
        rows, keys, instant = lanes[view.state.id], key_names(view.state), _instant(view, "asked.as_of_us")
        places = ", ".join(f"{quoted(f'i_{given}')} AS {key}" for given, key in zip(view.inputs, keys, strict=True))
        present = " AND ".join(f"{quoted(f'i_{given}')} IS NOT NULL" for given in view.inputs)
        questions = select.add(
            _cte(view.name, "questions"),
            f"{view.name}: what is asked, once",
            f"SELECT DISTINCT {places}, {_instant(view, 'as_of_us')} AS as_of_us FROM asked WHERE {present}",
        )
        seen = select.add(
            _cte(view.name, "seen"),
            "when each key was first visible",
            f"SELECT {', '.join(keys)}, min(visible_at_us) AS first_visible_us FROM {rows} GROUP BY ALL",
        )
        joins.append(f"LEFT JOIN {seen} ON {_on(view, seen)}")
        extra.append(f"coalesce({seen}.first_visible_us < {instant}, FALSE) AS found")
        for part, answers_of in parts_of(view).items():
            cte = _part_cte(select, view, part, answers_of, rows, questions)
            joins.append(f"LEFT JOIN {cte} ON {_on(view, cte)} AND {cte}.as_of_us = {instant}")
        for i, answer in enumerate(view.answers):
            answers[answer.node] = f"a{i}"
            cte = quoted(_cte(view.name, label_of(part_of(view.state, answer))))
            value, overflow = answer_sql(view.state, answer, i, cte, instant)
            extra += [f"{value} AS a{i}", f"{overflow} AS a{i}_overflow"]
        listed = ",\n      ".join(extra)
        joined = "\n    ".join(joins)
        body = f"SELECT asked.*,\n      {listed}\n    FROM asked\n    {joined}"
        source = select.add(_cte(view.name, "answers"), "aggregates, finished", body)
    _features_cte(select, view, source, answers)


def _part_cte(select: _Select, view: View, part: Part, answers: dict[int, Answer], rows: str, questions: str) -> str:
    assert view.state is not None
    span, how = part
    name = _cte(view.name, label_of(part))
    if span.length_us is None and not how:
        folds = {answer.fold: view.state.folds[answer.fold] for answer in answers.values()}
        keys = key_names(view.state)
        over = f" OVER (PARTITION BY {', '.join(keys)} ORDER BY visible_at_us)"
        running = ", ".join([*keys, "visible_at_us", *collected(folds.items(), over)])
        # all rows of one instant of visibility carry the same totals, so it does not matter which of them the join
        # takes
        same = " AND ".join(f"r.{key} = q.{key}" for key in keys)
        totals = ", ".join(f"r.{each.rsplit(' AS ', 1)[1]}" for each in collected(folds.items()))
        body = (
            f"SELECT {', '.join(f'q.{key}' for key in keys)}, q.as_of_us, {totals}\n    FROM {questions} q\n    ASOF "
            f"JOIN (SELECT {running} FROM {rows}) r\n"
            f"      ON {same} AND q.as_of_us > r.visible_at_us"
        )
        return select.add(name, f"{view.name}: all history, as running totals in the order of visibility", body)
    window = "" if span.length_us is None else f" that happened in the window {span.label} before it"
    comment = f"{view.name}: rows visible at the instant{window}{', by category' if how.startswith('by') else ''}"
    return select.add(name, comment, collected_sql(view.state, part, answers, rows, questions))


def _instant(view: View, as_of: str) -> str:
    """R3: the instant that a view's rules read for `as_of`."""
    return as_of if view.refresh_us == 1 else floored(as_of, view.refresh_us)


def _features_cte(select: _Select, view: View, source: str, answers: dict[Aggregate, str]) -> None:
    refers = dict.fromkeys(
        node for feature in view.features for node in walk(feature.node) if isinstance(node, FeatureRef)
    )
    brought = [
        f", {quoted(_cte(node.view))}.{kind}_{node.name} AS {_reference(node, kind)}"
        for node in refers
        for kind in ("f", "s")
    ]
    joins = "".join(
        f" JOIN {quoted(cte)} USING (spine_row)" for cte in dict.fromkeys(_cte(node.view) for node in refers)
    )

    def value_of(leaf: Leaf) -> str:
        match leaf:
            case AsOf():
                return _instant(view, "as_of_us")
            case Aggregate():
                return answers[leaf]
            case RequestRef():
                return quoted(f"i_{leaf.name}")
            case FeatureRef():
                return _reference(leaf, "f")
        raise AssertionError(f"{text_of(leaf)} is not known when a feature is computed")

    def status_of(leaf: Leaf) -> str:
        value = value_of(leaf)
        match leaf:
            case Aggregate():
                over = f"WHEN {value}_overflow THEN {OVERFLOW}"
                return f"CASE WHEN NOT found THEN {NOT_FOUND} {over} WHEN {value} IS NULL THEN {NULL} ELSE {OK} END"
            case FeatureRef():
                return _reference(leaf, "s")
            case _:
                return f"CASE WHEN {value} IS NULL THEN {NULL} ELSE {OK} END"

    compiler = SqlExpressions(value_of, status_of)
    relation = f"(SELECT {source}.*{''.join(brought)} FROM {source}{joins})" if refers else source
    relation = staged(relation, [feature.node for feature in view.features], compiler)
    columns = []
    for feature in view.features:
        columns.append(f"{compiler.value(feature.node)} AS f_{feature.name}")
        columns.append(f"{compiler.status(feature.node)} AS s_{feature.name}")
    listed = ",\n      ".join(columns)
    select.add(_cte(view.name), f"{view.name}: features", f"SELECT spine_row,\n      {listed}\n    FROM {relation}")


def _reference(node: FeatureRef, kind: str) -> str:
    return quoted(f"{node.view}.{kind}_{node.name}")


def _cte(view: str, part: str = "features") -> str:
    """Names of CTEs carry a dot and their part, so no two definitions can collide."""
    return f"{view}.{part}"


def _on(view: View, cte: str) -> str:
    assert view.state is not None
    return " AND ".join(
        f"{cte}.{key} = asked.{quoted(f'i_{given}')}"
        for given, key in zip(view.inputs, key_names(view.state), strict=True)
    )
