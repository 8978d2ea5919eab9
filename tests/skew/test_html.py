"""The skew report as a page: what it says, that texts stay texts, and that a real browser shows it."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from dataclasses import replace
from hashlib import sha256
from html.parser import HTMLParser
from pathlib import Path

import pytest

from featurestore.skew.causes import CAUSES, LATE_ROW, STALE
from featurestore.skew.html import html_of, verdict
from featurestore.skew.report import SkewReport
from tests.skew.bakery import open_bakery
from tests.skew.browser import opened
from tests.skew.reports import everything, example, nothing, row

RUNS = "document.title='taken'"
PLANTED = f'</script></text></svg><img src=x onerror="{RUNS}"><script>{RUNS}</script>\'"&\x00'
# Run in the page after its own script: sorts, filters, looks for texts that lie over each other.
PROBE = """
const names = () => [...document.querySelectorAll("#features tbody tr:not([hidden])")].map((row) => row.dataset.name);
const button = (name) => [...document.querySelectorAll("#features button")].find((each) => each.innerText === name);
const said = {first: names()};
const only = document.querySelector("input[type=checkbox]");
if (only.checked) only.click();
button("feature").click();
said.sorted = names();
button("feature").click();
said.reversed = names();
button("cells").click();
said.largest = names();
const find = document.querySelector("input[type=search]");
find.value = "LAST";
find.dispatchEvent(new Event("input", {bubbles: true}));
said.found = names();
find.value = "";
only.click();
said.differing = names();
said.cut = [...document.querySelectorAll("#features td *")].filter((each) => each.scrollWidth > each.clientWidth + 1
  && getComputedStyle(each).overflowX !== "visible").map((each) => each.innerText);
const region = document.querySelector("#features").parentElement;
said.beyond = region.scrollWidth > region.clientWidth;
said.over = [];
document.querySelectorAll("svg").forEach((svg) => {
  const texts = [...svg.querySelectorAll("text")].map((each) => [each.textContent, each.getBoundingClientRect()]);
  texts.filter(([, box]) => box.width).forEach(([one, a], place, all) => all.slice(place + 1).forEach(([other, b]) => {
    const wide = Math.min(a.right, b.right) - Math.max(a.left, b.left);
    const tall = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
    if (wide > 1 && tall > 3) said.over.push(`${one} | ${other}`);
  }));
});
document.querySelectorAll("details").forEach((each) => { each.open = true; });
said.wider = document.documentElement.scrollWidth > document.documentElement.clientWidth;
document.documentElement.dataset.probe = JSON.stringify(said);
"""


class Elements(HTMLParser):
    """The elements of a page with their attributes, and its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep an element."""
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        """Keep text."""
        self.text += data


def hostile() -> SkewReport:
    """A report with a planted text wherever it takes one."""
    found = everything()
    told = [
        replace(
            each,
            feature=PLANTED,
            request_id=PLANTED,
            inputs={PLANTED: PLANTED},
            served=PLANTED,
            training=PLANTED,
            replayed=PLANTED,
            evidence=(PLANTED,),
            rows=tuple(replace(one, place=PLANTED, values={PLANTED: PLANTED}) for one in each.rows),
        )
        for each in found.examples
    ]
    features = [replace(each, name=PLANTED, worst_keys=(({PLANTED: PLANTED}, 3),)) for each in found.features]
    return replace(
        found,
        feature_set=PLANTED,
        version=PLANTED,
        versions=(PLANTED,),
        features=tuple(features),
        examples=tuple(told),
        evidence={cause: [PLANTED] for cause in CAUSES},
        notes=(PLANTED,),
    )


def test_the_page_allows_its_own_script_and_nothing_else() -> None:
    """The policy names the digests of the one style and the one script, and there is nothing to load."""
    page = html_of(everything())
    elements = Elements(page).found
    policy = next(each["content"] for tag, each in elements if each.get("http-equiv") == "Content-Security-Policy")
    assert policy is not None and policy.startswith("default-src 'none'; ")
    for tag in ("style", "script"):
        (content,) = re.findall(f"<{tag}>(.*?)</{tag}>", page, re.DOTALL)
        assert f"{tag}-src 'sha256-{b64encode(sha256(content.encode()).digest()).decode()}'" in policy
    assert not {"link", "img", "iframe", "object", "base"} & {tag for tag, _ in elements}
    named = [value for _, each in elements for key, value in each.items() if key in ("src", "href", "style")]
    assert all(value is not None and value.startswith("#example-") for value in named)
    assert "http://" not in page and "https://" not in page


def test_planted_text_stays_text() -> None:
    """A value that is markup adds no element and no attribute that runs."""
    plain, planted = Elements(html_of(everything())), Elements(html_of(hostile()))
    assert {tag for tag, _ in planted.found} <= {tag for tag, _ in plain.found}
    assert sum(tag == "script" for tag, _ in planted.found) == 1
    assert not [key for _, each in planted.found for key in each if key.startswith("on")]
    assert planted.text.count("onerror") > 50


def test_a_lone_surrogate_can_be_written() -> None:
    """A text that no file could hold is written with a replacement."""
    assert "guest \ud800" not in html_of(replace(everything(), notes=("guest \ud800",))).encode().decode()


def test_every_cause_has_its_card_and_its_example() -> None:
    """Each cause says what it is, what to do, and leads to an example."""
    page = html_of(everything())
    text = Elements(page).text
    for cause, each in CAUSES.items():
        assert each.says in text
        assert f'href="#example-{cause}"' in page and f'id="example-{cause}"' in page
        assert f".cause-{cause}{{fill:" in page


def test_where_nothing_differs_the_page_says_so_in_words() -> None:
    """An empty report is green, has no example and no size, and says that nothing differs."""
    page = html_of(nothing())
    assert verdict(nothing()) == (
        "good",
        "Nothing differs: all 2,400,000 served values are, to the bit, what training says.",
    )
    assert 'class="verdict good"' in page and "no cell differs" in page
    assert "An example of each cause" not in page and "How large" not in page


def test_the_verdict_names_the_worst() -> None:
    """Other bits come before unexplained differences, and those before explained ones."""
    found = everything()
    assert verdict(found)[0] == "bad" and "3 of 1,150,000 cells have other bits" in verdict(found)[1]
    features = [replace(each, compute_differing=0) for each in found.features]
    explained = replace(found, features=tuple(features))
    assert verdict(explained) == (
        "bad",
        "950 of 2,400,000 served values (0.04%) differ from training. 95 of them are unexplained.",
    )
    features = [replace(each, causes={LATE_ROW: 855} if each.differing else {}) for each in features]
    assert verdict(replace(found, features=tuple(features)))[0] == "explained"
    assert verdict(replace(found, features=()))[1].startswith("Nothing was compared")


def test_another_systems_report_says_nothing_of_what_was_computed_again() -> None:
    """Where vectors are another system's there is no compute parity, and the page has no figure of it."""
    text = Elements(html_of(replace(everything(), against="vectors.parquet"))).text
    assert "vectors.parquet, beside training" in text
    assert "computed again" not in text.replace("could not be computed again", "") and "compute differing" not in text
    assert "from the rows that the state held" not in text


def test_an_example_shows_who_saw_which_row() -> None:
    """The row that training alone saw stands on a line of its own, with when it happened, was known and came."""
    late = example(LATE_ROW, row(3), row(2), row(4, held=False, kind=LATE_ROW))
    text = Elements(html_of(replace(everything(), examples=(late,)))).text
    assert "only training (late row): guest 7, euros 12.5" in text
    assert "happened 4 h before, known 30 s later, in the log 1 s 997 ms after the answer" in text
    assert "both sides: 2 rows" in text
    stale = example(STALE, row(4, held=False, kind=STALE))
    text = Elements(html_of(replace(everything(), examples=(stale,)))).text
    assert "happened 4 h before, known 30 s later, in orders.parquet" in text
    assert "window of 1 d" in text


def test_a_report_of_real_lookups_is_drawn(tmp_path: Path) -> None:
    """A page of a store whose rows came late names the cause, draws the window of the feature alone, and its sizes."""
    bakery = open_bakery(tmp_path)
    bakery.serve()
    bakery.store.ingest("Order", bakery.orders(25))
    report = bakery.skew()
    bakery.store.close()
    told = {each.feature: each for each in report.examples}
    assert len(told["taste__spent_7d"].windows) == 1
    assert all(each.size is None or sum(n for _, n in each.size.bins) == each.size.cells for each in report.features)
    text = Elements(html_of(report)).text
    assert "only training (late row)" in text and "Every one of them has a cause." in text


@pytest.mark.parametrize("width", [1400, 420])
@pytest.mark.parametrize("name", ["everything", "nothing"])
def test_a_browser_shows_the_page(name: str, width: int, tmp_path: Path) -> None:
    """In Chromium the script runs with no word on the console; sorting and filtering work; no text lies over another,
    and nothing is wider than the window."""
    page = html_of({"everything": everything, "nothing": nothing}[name]())
    (tmp_path / "skew.html").write_text(page, encoding="utf-8")
    seen = opened(tmp_path / "skew.html", width)
    assert seen.console == ()
    assert 'data-ready="yes"' in seen.dom
    probed = re.sub('<meta http-equiv="Content-Security-Policy"[^>]*>', "", page)
    (tmp_path / "probed.html").write_text(probed.replace("</body>", f"<script>{PROBE}</script></body>"))
    seen = opened(tmp_path / "probed.html", width)
    assert seen.console == ()
    (said,) = [each["data-probe"] for _, each in Elements(seen.dom).found if "data-probe" in each]
    ordered = ["taste__last_at", "taste__named", "taste__spent_1d"]
    differing = ["taste__spent_1d"] if name == "everything" else []
    assert said is not None
    found = json.loads(said)
    assert found["sorted"] == ordered and found["reversed"] == ordered[::-1]
    assert found["largest"][-1] == "taste__named"
    assert found["first"] == (differing or ["taste__spent_1d", "taste__last_at", "taste__named"]), "only differing ones"
    assert found["cut"] == [] and found["beyond"] is False
    assert found["found"] == ["taste__last_at"] and found["differing"] == differing
    assert found["over"] == [] and found["wider"] is False


def test_a_browser_runs_nothing_that_was_planted(tmp_path: Path) -> None:
    """In Chromium a planted script neither runs nor makes the console speak."""
    (tmp_path / "skew.html").write_text(html_of(hostile()), encoding="utf-8")
    seen = opened(tmp_path / "skew.html")
    assert seen.console == ()
    assert 'data-ready="yes"' in seen.dom
    assert "<title>taken" not in seen.dom and "<img" not in seen.dom
