"""The skew report as one HTML file that needs no network: everything is drawn here, so the page says all without its
script, which only sorts and filters the table of features."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable, Iterator, Mapping
from hashlib import sha256
from importlib.resources import files
from typing import Any

from featurestore.skew.causes import CAUSES, NOT_EXAMINED
from featurestore.skew.drawing import (
    NARROW,
    WIDE,
    both_widths,
    cause_class,
    cause_patterns,
    cause_styles,
    over_time,
    parts_bar,
    plain,
    sizes,
    swatch,
    tag,
)
from featurestore.skew.picture import picture, row_words
from featurestore.skew.report import Example, FeatureSkew, SkewReport
from featurestore.skew.scales import duration, number, share, short_instant
from featurestore.skew.sight import Sight, sight, sights

UNITS = {"timestamp": " µs", "date": " days"}
"""In what the differences of a type are counted, where it is not the unit of the feature."""
SHOWN_EVIDENCE = 5


def html_of(report: SkewReport) -> str:
    """A page that can be opened from a disk, mailed and printed.

    Its content security policy lets nothing run but its own script and loads nothing at all; every text of the report
    is escaped.
    """
    assets = files("featurestore.skew")
    style = assets.joinpath("page.css").read_text(encoding="utf-8") + cause_styles()
    script = assets.joinpath("page.js").read_text(encoding="utf-8")
    policy = f"default-src 'none'; style-src '{_digest(style)}'; script-src '{_digest(script)}'; base-uri 'none'"
    head = [
        '<meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{plain(policy)}; form-action \'none\'">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        '<meta name="color-scheme" content="light dark">',
        tag("title", plain(f"Skew of {report.feature_set}")),
        f"<style>{style}</style>",
    ]
    sections = [
        cause_patterns(),
        tag("header", *_head(report)),
        tag("main", *_time(report), *_causes(report), *_features(report), *_sizes(report), *_examples(report)),
        f"<script>{script}</script>",
    ]
    return "\n".join(['<!doctype html>\n<html lang="en">', *head, "<body>", *sections, "</body>\n</html>\n"])


def verdict(report: SkewReport) -> tuple[str, str]:
    """How the report ends, as `good`, `explained` or `bad`, and in a sentence."""
    cells, differing, wrong = report.cells, report.differing, report.compute_differing
    unexplained = f" {report.unexplained:,} of them are unexplained." if report.unexplained else ""
    if not report.against and wrong:
        fault = f"{wrong:,} of {report.computed:,} cells have other bits than DuckDB gives for the same rows."
        return "bad", f"{fault} {_differ(report)}{unexplained}"
    if unexplained:
        return "bad", f"{_differ(report)}{unexplained}"
    if skipped := report.causes.get(NOT_EXAMINED, 0):
        return "explained", f"{_differ(report)} The cause of {skipped:,} of them was not looked for."
    if differing:
        return "explained", f"{_differ(report)} Every one of them has a cause."
    if not cells:
        return "explained", "Nothing was compared: no value was both served and is still defined."
    return "good", f"Nothing differs: all {cells:,} served values are, to the bit, what training says."


def _differ(report: SkewReport) -> str:
    if not report.differing:
        return "No served value differs from training."
    count = f"{report.differing:,} of {report.cells:,} served values"
    return f"{count} ({share(report.differing, report.cells)}) differ from training."


def _head(report: SkewReport) -> Iterator[str]:
    manner, sentence = verdict(report)
    beside = f"{plain(report.against)}, beside training" if report.against else "what was served, beside training"
    yield tag("p", f"Skew report: {beside}", class_="over")
    yield tag("h1", plain(report.feature_set))
    yield tag("p", plain(sentence), class_=f"verdict {manner}", role="status")
    shown = [("questions", report.questions, ""), ("cells compared", report.cells, "")]
    if not report.against:
        wrong = report.compute_differing
        shown += [("computed again", report.computed, ""), ("compute differing", wrong, "bad" if wrong else "good")]
    kind = ("explained" if report.differing else "good", "bad" if report.unexplained else "good")
    shown += [("differ from training", report.differing, kind[0]), ("unexplained", report.unexplained, kind[1])]
    tiles = [tag("div", tag("dt", name), tag("dd", f"{count:,}", class_=kind or None)) for name, count, kind in shown]
    yield tag("dl", *tiles, class_="tiles")
    facts = [("period", f"{report.begin} to {report.end}"), ("compared with version", report.version)]
    facts.append(("served by", ", ".join(report.versions) or "–"))
    facts.append(("took", duration(round(report.seconds * 1000) * 1000)))
    yield _list(facts, "facts")
    notes = list(report.notes)
    notes += report.not_computed()
    yield from (tag("p", plain(note), class_="note") for note in notes)


def _time(report: SkewReport) -> Iterator[str]:
    if not any(bucket.cells for bucket in report.buckets):
        return
    yield tag("h2", "Differing cells over time")
    yield both_widths(*(over_time(report.buckets, report.end, width) for width in (WIDE, NARROW)))
    text = "The height of a bar is the share of the cells served then that differ. Times are UTC."
    if sum(report.causes.values()) > report.differing:
        text += " A cell with several causes is divided between them."
    yield tag("p", text, class_="caption")


def _causes(report: SkewReport) -> Iterator[str]:
    yield tag("h2", "Causes")
    if not report.causes:
        yield tag("p", "No value differs, so there is nothing to explain.", class_="none good")
    cards = []
    for cause, count in report.causes.items():
        evidence = report.evidence.get(cause, [])
        more = len(evidence) - SHOWN_EVIDENCE
        items = [tag("li", plain(each)) for each in evidence[:SHOWN_EVIDENCE]]
        items += [tag("li", f"and {more:,} more")] if more > 0 else []
        name = tag("h3", swatch(cause), plain(_named(cause)), tag("span", f"{count:,} cells", class_="count"))
        part = f"{share(count, report.differing)} of the differing cells"
        cards.append(
            tag(
                "article",
                name,
                tag("p", plain(part), class_="faint"),
                tag("p", plain(CAUSES[cause].says)),
                tag("ul", *items) if items else "",
                tag("p", tag("b", "Fix "), _with_code(CAUSES[cause].fix), class_="fix"),
                tag("a", "See an example", href=f"#example-{cause}") if _example(report, cause) else "",
                class_="card",
            )
        )
    yield tag("div", *cards, class_="cards") if cards else ""


COLUMNS = (
    *(("feature", "text"), ("cells", "number"), ("differing", "number"), ("share", "number"), ("causes", "number")),
    *(("first seen", "text"), ("last seen", "text"), ("median", "number"), ("p95", "number"), ("largest", "number")),
    ("worst keys", "text"),
)


def _features(report: SkewReport) -> Iterator[str]:
    yield tag("h2", "Features")
    checked = " checked" if report.differing or report.compute_differing else ""
    yield (
        '<form class="tools" hidden><label>Find <input type="search" name="find"></label>'
        f'<label><input type="checkbox" name="differing"{checked}> only differing</label><output></output></form>'
    )
    heads = []
    for name, kind in COLUMNS:
        said = f"{name} difference" if name in ("median", "p95", "largest") else name
        heads.append(tag("th", tag("button", said, type="button"), scope="col", class_=kind, data_kind=kind))
    ordered = sorted(report.features, key=lambda each: (-each.compute_differing, -each.differing))
    rows = [_row(each, report) for each in ordered]
    table = tag("table", tag("thead", tag("tr", *heads)), tag("tbody", *rows), id="features")
    yield tag("div", table, class_="scroll", tabindex="0", role="region", aria_label="Features")


def _row(each: FeatureSkew, report: SkewReport) -> str:
    size, unit = each.size, _unit(each)
    keys = [f"{_key(key)} ({count:,})" for key, count in each.worst_keys]
    wrong = f"{each.compute_differing:,} with other bits than the same rows give"
    fault = tag("span", plain(wrong), class_="bad") if each.compute_differing and not report.against else ""
    causes = tag("span", plain(", ".join(f"{_named(name)} {count:,}" for name, count in each.causes.items())))
    measured = [None, None, None] if size is None else [size.median, size.p95, size.largest]
    values: list[tuple[object, str]] = [
        (each.name, tag("code", _breakable(each.name)) + tag("span", plain(each.dtype), class_="faint") + fault),
        (each.cells, f"{each.cells:,}"),
        (each.differing, f"{each.differing:,}"),
        (each.differing / each.cells if each.cells else -1, share(each.differing, each.cells)),
        (len(each.causes), parts_bar(each.causes, each.cells) + causes if each.causes else "–"),
        *((at or "", _moment(at)) for at in (each.first_seen, each.last_seen)),
        *((-1 if one is None else one, "–" if one is None else plain(number(one) + unit)) for one in measured),
        ("; ".join(keys), tag("div", *(tag("span", plain(key)) for key in keys)) if keys else "–"),
    ]
    cells = [
        tag("td", shown, class_=f"{kind} {'differs' if each.differing else 'same'}", data_label=name, data_value=value)
        for (name, kind), (value, shown) in zip(COLUMNS, values, strict=True)
    ]
    return tag("tr", *cells, data_differing=each.differing + each.compute_differing, data_name=each.name.lower())


def _sizes(report: SkewReport) -> Iterator[str]:
    drawn = [(each, each.size) for each in report.features if each.size is not None and each.size.bins]
    if not drawn:
        return
    yield tag("h2", "How large the differences are")
    figures = []
    for each, size in drawn:
        said = f"{size.cells:,} differences, median {number(size.median)}{_unit(each)}"
        caption = tag("figcaption", tag("code", _breakable(each.name)), tag("span", plain(said), class_="faint"))
        figures.append(tag("figure", caption, sizes(size, _unit(each))))
    yield tag("div", *figures, class_="figures")
    text = (
        "Cells by the distance between the served value and that of training, where both are numbers, in the unit of "
        "the feature. Bins begin at 1, 2 and 5 times each power of ten."
    )
    yield tag("p", text, class_="caption")


def _examples(report: SkewReport) -> Iterator[str]:
    if not report.examples:
        return
    yield tag("h2", "An example of each cause")
    told: list[Example] = []
    for cause in report.causes:
        example = _example(report, cause)
        if example is not None:
            told.append(example)
            yield _told(example, cause, report)
    others = [each for each in report.examples if each not in told]
    if others:
        heads = [tag("th", name) for name in ("feature", "causes", "as of", "asked", "served", "training")]
        rows = [_line(each) for each in others]
        table = tag("table", tag("thead", tag("tr", *heads)), tag("tbody", *rows))
        more = tag("div", table, class_="scroll", tabindex="0", role="region", aria_label="More examples")
        yield tag("details", tag("summary", f"{len(others):,} more examples"), more)


def _example(report: SkewReport, cause: str) -> Example | None:
    """The example of a cause that is told best: with no other cause, and the fewest rows that decide it."""

    def plainness(each: Example) -> tuple[int, bool, int]:
        found = sights(each)
        deciding = len(found[Sight.TRAINING]) + len(found[Sight.SERVED])
        return len(each.causes), not deciding, deciding

    return min((each for each in report.examples if cause in each.causes), key=plainness, default=None)


def _told(each: Example, cause: str, report: SkewReport) -> str:
    title = tag("h3", swatch(cause), plain(_named(cause)), " ", tag("code", plain(each.feature)))
    also = [_named(name) for name in each.causes if name != cause]
    says = CAUSES[cause].says + (f" (here together with {', '.join(also)})" if also else "")
    values = [("served", each.served), ("training", each.training)]
    if not report.against:
        values.append(("from the rows that the state held", each.replayed))
    sides = [tag("div", tag("dt", name), tag("dd", plain(value))) for name, value in values]
    facts = [("as of", each.as_of), ("served at", each.served_at), ("asked", _key(each.inputs))]
    facts += [("request", each.request_id)] if each.request_id else []
    facts += [("evidence", text) for text in each.evidence]
    drawn = [picture(each, width) for width in (WIDE, NARROW)]
    keys = (
        '<p class="caption"><span class="key">●</span> happened <span class="key">|</span> known '
        '<span class="key">■</span> written to the log</p>'
    )
    if drawn[0]:
        shown = both_widths(*drawn) + keys
    else:
        shown = tag(
            "p",
            "No rows to draw: the key has none, or the value is made from the request and other features.",
            class_="caption",
        )
    return tag(
        "article",
        title,
        tag("p", plain(f"{says[0].upper()}{says[1:]}.")),
        tag("dl", *sides, class_="sides"),
        shown,
        _list(facts, "facts"),
        _rows(each),
        id=f"example-{cause}",
        class_=f"example {cause_class(cause)}-edge",
    )


def _rows(example: Example) -> str:
    if not example.rows:
        return ""
    names = list(dict.fromkeys(name for row in example.rows for name in row.values))
    heads = [tag("th", plain(name)) for name in ("counted by", *names, "happened", "known", "in the log", "from")]
    rows = []
    for row in example.rows:
        who = tag("td", plain(sight(row, example).value), title=row_words(row, example))
        times = [tag("td", _moment(at)) for at in (row.event_at, row.known_at, row.committed_at)]
        cells = [tag("td", plain(row.values.get(name))) for name in names]
        rows.append(tag("tr", who, *cells, *times, tag("td", plain(row.place))))
    table = tag("table", tag("thead", tag("tr", *heads)), tag("tbody", *rows))
    region = tag("div", table, class_="scroll", tabindex="0", role="region", aria_label="Rows of the key")
    return tag(
        "details",
        tag("summary", f"The {len(rows):,} rows that are told: those that one side alone counts, then the nearest"),
        region,
    )


def _line(each: Example) -> str:
    causes = ", ".join(_named(cause) for cause in each.causes)
    values = (each.feature, causes, short_instant(each.as_of), _key(each.inputs), each.served, each.training)
    return tag("tr", *(tag("td", plain(value)) for value in values))


def _list(facts: Iterable[tuple[str, object]], kind: str) -> str:
    return tag("dl", *(tag("div", tag("dt", name), tag("dd", plain(value))) for name, value in facts), class_=kind)


def _moment(at: str | None) -> str:
    if at is None:
        return "–"
    shown = " ".join(tag("span", plain(part), class_="whole") for part in short_instant(at).split(" "))
    return tag("time", shown, title=at, datetime=at)


def _key(inputs: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in inputs.items())


def _named(cause: str) -> str:
    return cause.replace("_", " ")


def _breakable(name: str) -> str:
    """A name that may go on in the next line after each of its words."""
    return plain(name).replace("_", "_<wbr>")


def _with_code(text: str) -> str:
    """A text whose parts between backticks are code."""
    parts = enumerate(text.split("`"))
    return "".join(tag("code", plain(part)) if place % 2 else plain(part) for place, part in parts)


def _unit(each: FeatureSkew) -> str:
    return UNITS.get(each.dtype, "")


def _digest(text: str) -> str:
    return f"sha256-{b64encode(sha256(text.encode()).digest()).decode()}"
