"""A plan as one SELECT that reads from top to bottom: a named, commented CTE for each of its nodes."""

from __future__ import annotations

from collections.abc import Mapping

from featurestore.expr.nodes import Aggregate, AsOf, FeatureRef, RequestRef, walk
from featurestore.expr.printing import text_of
from featurestore.offline.accounts import Tally
from featurestore.offline.answers import answer_sql, label_of, part_of
from featurestore.offline.choices import NO_CHOICES, Choices, is_latest
from featurestore.offline.connection import quoted
from featurestore.offline.ctes import Ctes, cte_name
from featurestore.offline.expressions import Leaf, SqlExpressions, presented
from featurestore.offline.parts import add_parts
from featurestore.offline.stages import staged
from featurestore.offline.states import asked_rows, lanes_sql, state_sql
from featurestore.offline.windows import instant_of
from featurestore.plan.nodes import Plan, State, View
from featurestore.semantics.statuses import NOT_FOUND, NULL, OK, OVERFLOW


def select_sql(
    plan: Plan,
    scans: dict[str, str],
    choices: Choices = NO_CHOICES,
    *,
    statuses: bool = False,
    canonical: bool = False,
    answered: dict[str, str] | None = None,
    tallies: Mapping[str, Tally] | None = None,
    hidden: str = "",
) -> str:
    """The whole plan over a table `asked` (`spine_row`, `as_of_us`, `i_<input>`), one row out for each row in, in its
    order.

    `scans` holds the SELECT of each source. `choices` change how it is computed and no answer. With `statuses`, every
    feature is followed by `<feature>__status`; with `canonical`, values stay as the product computes them. `answered`
    stands in for the sources: for each view with aggregates, a SELECT of `spine_row` and of the value `a<place>` and
    the status `s<place>` of each answer. The rows of a source with a tally are read by this statement and kept
    meanwhile, and its first row has what was counted of them, in columns that `tally_names` names. `hidden` is as
    `state_sql` has it.
    """
    select, tallies = Ctes(), tallies or {}
    for source, body in scans.items():
        rows = select.add(cte_name(source, "rows"), f"{source}: history and log", body, kept=source in tallies)
        if source in tallies:
            tally = tallies[source]
            tallied = f"SELECT {tally.counts} AS counts, {tally.reasons} AS reasons FROM {rows}"
            select.add(cte_name(source, "tally"), f"{source}: how many rows, and what of them does not count", tallied)
    states = () if answered is not None else plan.states
    lanes = {state.id: _state_ctes(select, state, plan, choices, hidden) for state in states}
    for view in plan.views:
        _view_ctes(select, view, lanes, choices, answered)
    first, *others = dict.fromkeys(quoted(cte_name(output.view)) for output in plan.outputs)
    columns = [f"{first}.spine_row"]
    for output in plan.outputs:
        place = f"{quoted(cte_name(output.view))}.{{}}_{output.feature}"
        value = place.format("f") if canonical else presented(place.format("f"), output.dtype)
        columns.append(f"{value} AS {quoted(output.name)}")
        if statuses:
            columns.append(f"CAST({place.format('s')} AS UTINYINT) AS {quoted(f'{output.name}__status')}")
    joins = "".join(f"\nJOIN {name} USING (spine_row)" for name in others)
    for source in tallies:
        tally_cte = quoted(cte_name(source, "tally"))
        joins += f"\nCROSS JOIN {tally_cte}"
        columns += [
            f"CASE WHEN {first}.spine_row = 0 THEN {tally_cte}.{each} END AS {quoted(name)}"
            for each, name in zip(("counts", "reasons"), tally_names(source), strict=True)
        ]
    return select.text(f"SELECT\n  {f',{chr(10)}  '.join(columns)}\nFROM {first}{joins}\nORDER BY {first}.spine_row")


def tally_names(source: str) -> tuple[str, str]:
    """The columns of a source's counts and reasons; no feature is called so."""
    return f"{source}.counts", f"{source}.reasons"


def _state_ctes(select: Ctes, state: State, plan: Plan, choices: Choices, hidden: str) -> str:
    rows, known = quoted(cte_name(state.scan.source, "rows")), choices.known_of(state)
    answers = (answer for view in plan.views if view.state == state for answer in view.answers)
    uses = {state.folds[answer.fold]: None for answer in answers if not is_latest(state, answer, known)}
    if known.few:
        rows = asked_rows(plan, state, rows)
    facts = select.add(
        state.id,
        f"{state.scan.source} by {', '.join(state.key)}: what each row brings",
        state_sql(
            state,
            rows,
            once=known.once or state.scan.row_id is None,
            seen=choices.seen.get(state.id, ()),
            hidden=hidden,
        ),
    )
    if not uses:
        return facts
    return select.add(
        f"{state.id}.lanes", "exact parts of the values, places in the order of rows", lanes_sql(state, facts, uses)
    )


def _view_ctes(
    select: Ctes, view: View, lanes: dict[str, str], choices: Choices, answered: dict[str, str] | None
) -> None:
    answers: dict[Aggregate, str] = {}
    source = "asked"
    if answered is not None:
        if view.answers:
            answers = {answer.node: f"a{i}" for i, answer in enumerate(view.answers)}
            over = [f"s{i} = {OVERFLOW} AS a{i}_overflow" for i in range(len(answers))]
            columns = ", ".join([f"s0 <> {NOT_FOUND} AS found", *answers.values(), *over])
            body = f"SELECT asked.*, {columns}\n    FROM asked JOIN ({answered[view.name]}) USING (spine_row)"
            source = select.add(cte_name(view.name, "answers"), f"{view.name}: aggregates, answered by bucket", body)
    elif view.state is not None:
        instant = instant_of(view, "asked.as_of_us")
        joins, found = add_parts(select, view, view.state, lanes[view.state.id], choices)
        extra = [f"{found} AS found"]
        for i, answer in enumerate(view.answers):
            answers[answer.node] = f"a{i}"
            part = part_of(view, answer, choices)
            cte = quoted(cte_name(view.name, label_of(part)))
            value, overflow = answer_sql(view.state, answer, part, i, cte, instant)
            extra += [f"{value} AS a{i}", f"{overflow} AS a{i}_overflow"]
        listed = ",\n      ".join(extra)
        joined = "\n    ".join(joins)
        body = f"SELECT asked.*,\n      {listed}\n    FROM asked\n    {joined}"
        source = select.add(cte_name(view.name, "answers"), "aggregates, finished", body)
    _features_cte(select, view, source, answers)


def _features_cte(select: Ctes, view: View, source: str, answers: dict[Aggregate, str]) -> None:
    refers = dict.fromkeys(
        node for feature in view.features for node in walk(feature.node) if isinstance(node, FeatureRef)
    )
    brought = [
        f", {quoted(cte_name(node.view))}.{kind}_{node.name} AS {_reference(node, kind)}"
        for node in refers
        for kind in ("f", "s")
    ]
    joins = "".join(
        f" JOIN {quoted(cte)} USING (spine_row)" for cte in dict.fromkeys(cte_name(node.view) for node in refers)
    )

    def value_of(leaf: Leaf) -> str:
        match leaf:
            case AsOf():
                return instant_of(view, "as_of_us")
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
    select.add(cte_name(view.name), f"{view.name}: features", f"SELECT spine_row,\n      {listed}\n    FROM {relation}")


def _reference(node: FeatureRef, kind: str) -> str:
    return quoted(f"{node.view}.{kind}_{node.name}")
