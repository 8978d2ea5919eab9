"""What was done for a training set, for a person to read: where rows came from, and how each window met the spine."""

from __future__ import annotations

from collections.abc import Mapping

from featurestore.expr.nodes import FeatureRef, RequestRef, walk
from featurestore.expr.printing import text_of
from featurestore.offline.answers import Part, is_tiled, parts_of
from featurestore.offline.choices import NO_CHOICES, Choices
from featurestore.offline.latest import LATEST
from featurestore.offline.queries import where_of
from featurestore.offline.windows import BUCKETS_PER_WINDOW
from featurestore.plan.nodes import Plan, Scan, View
from featurestore.plan.outcomes import SetAside
from featurestore.semantics.instants import duration_text


def explained(
    plan: Plan,
    as_of: str,
    rows: int,
    version: str,
    accounts: Mapping[str, SetAside],
    seconds: Mapping[str, float],
    choices: Choices | None = None,
) -> str:
    """The text. `seconds` are those of each step, in their order."""
    total = f"{rows:,} rows, {len(plan.outputs)} features, {sum(seconds.values()):.2f} s"
    lines = [f"training set {plan.name} version {version}: {total}"]
    lines += ["  " + ", ".join(f"{step} {taken:.2f} s" for step, taken in seconds.items())]
    scans = plan.scans
    if scans:
        lines += ["", "sources, each read once"]
    for source, scan in scans.items():
        pushed = ", and pushed rows" if scan.data is not None and scan.row_id and scan.event_at else ""
        count = accounts[source].rows
        lines += [f"  {source}: {where_of(scan.data)}{pushed}", f"    {count:,} row{'s' * (count != 1)}{_times(scan)}"]
    lines += ["", f"views, as of `{as_of}` of each row of the spine"]
    if choices is None:
        lines.append("  in each bucket, where it pays: the latest row by an ASOF join, and busy keys by tiles of time")
        choices = NO_CHOICES
    for view in plan.views:
        lines += _view(plan, view, choices)
    return "\n".join(lines)


def _times(scan: Scan) -> str:
    if scan.event_at is None:
        return ", without time; their content is part of the version"
    known = scan.known_at or (f"{duration_text(scan.delay_us)} later" if scan.delay_us else "at once")
    once = f", once for each `{scan.row_id}`" if scan.row_id else ""
    return f", by `{scan.event_at}`, known {f'at `{known}`' if scan.known_at else known}{once}"


def _view(plan: Plan, view: View, choices: Choices) -> list[str]:
    asked = f", asked by {', '.join(f'`{name}`' for name in view.inputs)}" if view.inputs else ""
    fresh = f", as of every full {duration_text(view.refresh_us)}" if view.refresh_us > 1 else ""
    if view.state is None:
        nodes = [node for feature in view.features for node in walk(feature.node)]
        needs = dict.fromkeys(node.view for node in nodes if isinstance(node, FeatureRef))
        needs |= dict.fromkeys("the question" for node in nodes if isinstance(node, RequestRef))
        return [f"  {view.name}: from {', '.join(needs)}"]
    key = ", ".join(f"`{name}`" for name in view.state.key)
    lines = [f"  {view.name}: {view.state.scan.source} by {key}{asked}{fresh}"]
    if view.name in choices.why:
        lines.append(f"    {choices.why[view.name]}")
    for part, answers in parts_of(view, choices).items():
        tiled = choices.tiling_of(view) is not None and is_tiled(view.state, part, answers)
        lines.append(f"    {_how(part)}{'; of busy keys, tiles and the rows at their edges' if tiled else ''}")
        lines += [f"      {text_of(answer.node)}" for answer in answers.values()]
    return lines


def _how(part: Part) -> str:
    span, how = part
    if how.startswith(LATEST):
        return "latest row: one row an instant, and an ASOF join, as rows become visible in the order they happen"
    if span.length_us is None and not how:
        return "all history: running totals in the order in which rows became visible, the last before the instant"
    each = {"": "", "anew": "", "row by row": ", row by row", "blocks": ", by block of time"}.get(how, ", by category")
    if span.length_us is None:
        return f"all history: every row of the key that was visible before the instant{each}"
    buckets = f"joined by key and {duration_text(max(1, span.length_us // BUCKETS_PER_WINDOW))} of time"
    return f"window {span.label}: rows in it that were visible before the instant, {buckets}{each}"
