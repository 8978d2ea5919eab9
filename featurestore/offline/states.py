"""The left half of a plan as DuckDB text: rows with their keys and what each brings to the folds."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from featurestore.expr.nodes import Call, ColumnRef, Node, PythonCall, walk
from featurestore.offline.columns import held
from featurestore.offline.connection import quoted
from featurestore.offline.expressions import Leaf, SqlExpressions
from featurestore.offline.stages import staged
from featurestore.plan.nodes import FoldUse, Plan, State
from featurestore.semantics.folding.row import ADDED
from featurestore.semantics.folds import FOLDS
from featurestore.semantics.scalars import PATTERNED


def _column(leaf: Leaf) -> str:
    assert isinstance(leaf, ColumnRef), "below an aggregate there are only columns"
    return quoted(held(leaf.name))


def key_names(state: State) -> list[str]:
    """The key columns as they are called in every CTE below the scan."""
    return [f"k{i}" for i in range(len(state.key))]


def state_sql(state: State, rows: str, *, once: bool = False, seen: Sequence[str] = (), hidden: str = "") -> str:
    """A SELECT of one row a fact: key, times, order, identity, `v0..` derived inputs, `w0..` filters.

    Rows with a null key part are left out (they are unkeyed for this state), and of several deliveries of one fact
    one counts (R6). With `once` it is known that there is one only, and it goes without identity. Rows that do not
    pass the tests of `seen`, by their keys and when they happened, are left out. `hidden` is a column with the last
    instant as of which a row is not seen, if there is one.
    """
    compiler = SqlExpressions(_column)
    rows = staged(rows, (*state.inputs, *state.filters), compiler)
    keys = [f"{quoted(held(name))} AS k{i}" for i, name in enumerate(state.key)]
    later = f", {quoted(hidden)}" if hidden else ""
    times = ["event_at_us", "known_at_us", f"greatest(event_at_us, known_at_us{later}) AS visible_at_us"]
    order = f"{quoted(held(state.scan.order))} AS order_by" if state.scan.order else "NULL AS order_by"
    inputs = [f"{compiler.value(node)} AS v{i}" for i, node in enumerate(state.inputs)]
    filters = [f"coalesce({compiler.value(node)}, FALSE) AS w{i}" for i, node in enumerate(state.filters)]
    identity = [] if once else ["row_id", "fingerprint"]
    columns = ",\n      ".join([", ".join([*keys, *times, order, *identity]), *inputs, *filters])
    tests = ["usable", *(f"{quoted(held(name))} IS NOT NULL" for name in state.key), *seen]
    names = ", ".join(quoted(held(name)) for name in state.key)
    first = (
        f"\n    QUALIFY row_number() OVER (PARTITION BY {names}, event_at_us, row_id ORDER BY "
        f"known_at_us, fingerprint{later}) = 1"
        if state.scan.row_id and not once
        else ""
    )
    return f"SELECT\n      {columns}\n    FROM {rows}\n    WHERE {' AND '.join(tests)}{first}"


def asked_rows(plan: Plan, state: State, rows: str) -> str:
    """The rows of the keys that the table `asked` asks a state for; all of them where a row function must see each."""
    if any(isinstance(node, PythonCall) for top in (*state.inputs, *state.filters) for node in walk(top)):
        return rows
    tests = []
    for view in plan.views:
        if view.state == state:
            pairs = zip(state.key, view.inputs, strict=True)
            same = " AND ".join(f"r.{quoted(held(name))} = asked.{quoted(f'i_{given}')}" for name, given in pairs)
            tests.append(f"EXISTS (SELECT 1 FROM asked WHERE {same})")
    return f"(SELECT * FROM {rows} r WHERE {' OR '.join(dict.fromkeys(tests))})"


def lanes_sql(state: State, facts: str, uses: Iterable[FoldUse]) -> str:
    """The rows with what the folds in use derive from their inputs, and their places in the order of R5."""
    uses = list(uses)
    derived: dict[str, str] = {}
    # a derived column may build on another of the same fold (limbs, then their products): one level a SELECT
    later: dict[str, str] = {}
    for use in uses:
        fold, value, names = FOLDS[use.fold], f"v{use.input}", _names(use)
        for suffix, text in fold.sql_derive:
            target = later if suffix.startswith("q") else derived
            target[f"{names['d']}_{suffix.format(n=use.n)}"] = text.format(**names, n=use.n)
        if any("{rank}" in text for _, text in fold.sql_collect):
            order = f"event_at_us, order_by NULLS FIRST, known_at_us, {ordering(state, use)} NULLS FIRST"
            derived[f"{value}_rank"] = (
                f"row_number() OVER (PARTITION BY {', '.join(key_names(state))} ORDER BY {order})"
            )
    text = f"SELECT *{_listed(derived)}\n    FROM {facts}"
    return f"SELECT *{_listed(later)}\n    FROM ({text})" if later else text


def collected(uses: Iterable[tuple[int, FoldUse]], over: str = "") -> list[str]:
    """The columns that collect folds, named `f<place>_<suffix>`; `over` makes them running ones."""
    columns = []
    for place, use in uses:
        value, names = f"v{use.input}", _names(use)
        chosen = "" if use.filter is None else f" FILTER (WHERE w{use.filter})"
        fold = FOLDS[use.fold]
        texts = {suffix: text.format(**names, rank=f"{value}_rank", n=use.n) for suffix, text in fold.sql_collect}
        for suffix, text in fold.sql_elements:
            texts |= {f"{suffix}{i}": text.format(v=value, i=i) for i in range(1, use.n + 1)}
        columns += [f"{text}{chosen}{over} AS f{place}_{suffix}" for suffix, text in texts.items()]
    return columns


def merged(uses: Iterable[tuple[int, FoldUse]]) -> list[str]:
    """The columns that merge what was collected of disjoint sets of rows, under the same names; none for a fold that
    cannot be merged."""
    columns = []
    for place, use in uses:
        fold = FOLDS[use.fold]
        if not fold.sql_merge:
            continue
        pairs = zip(fold.sql_collect, fold.sql_merge, strict=True)
        texts = {suffix: text.format(c=f"f{place}_{suffix}", n=use.n) for (suffix, _), text in pairs}
        for suffix, _ in fold.sql_elements:
            texts |= {f"{suffix}{i}": ADDED.format(c=f"f{place}_{suffix}{i}") for i in range(1, use.n + 1)}
        columns += [f"{text} AS f{place}_{suffix}" for suffix, text in texts.items()]
    return columns


def ordering(state: State, use: FoldUse) -> str:
    """What orders the values of a fold's input. Inside a list DuckDB puts null after all others, and R5 before."""
    if use.input is not None and state.inputs[use.input].dtype.kind == "list":
        return f"list_transform(v{use.input}, lambda e: {{'held': e IS NOT NULL, 'item': e}})"
    return f"v{use.input}"


def _names(use: FoldUse) -> dict[str, str]:
    """A fold's input, its second one, and the prefix of what is derived from them."""
    value = f"v{use.input}"
    return {"v": value, "u": f"v{use.second}", "d": value if use.second is None else f"{value}_{use.second}"}


def zones_of(nodes: Iterable[Node]) -> set[str]:
    """The zones that expressions name."""
    calls = (node for top in nodes for node in walk(top) if isinstance(node, Call))
    return {call.parameter for call in calls if call.function not in PATTERNED} - {""}


def _listed(columns: dict[str, str]) -> str:
    return "".join(f",\n      {text} AS {name}" for name, text in columns.items())
