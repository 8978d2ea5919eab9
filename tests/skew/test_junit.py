"""The skew report as JUnit XML: what fails, what is told, and that it is what the schema of Jenkins allows."""

from __future__ import annotations

from dataclasses import replace
from xml.etree.ElementTree import Element, fromstring

from featurestore.skew.causes import LATE_ROW, UNEXPLAINED
from featurestore.skew.junit import junit_of
from featurestore.skew.report import SkewReport
from tests.skew.reports import everything, nothing

# The schema that Jenkins publishes for its xunit plugin: attributes, required ones first, and children in their order.
SUITE = ("name", "time", "tests", "failures", "errors", "skipped")
ATTRIBUTES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "testsuites": ((), ("name", "time", "tests", "failures", "errors", "disabled")),
    "testsuite": (("name",), (*SUITE, "disabled", "timestamp", "hostname", "id", "package")),
    "properties": ((), ()),
    "property": (("name", "value"), ()),
    "testcase": (("name",), ("classname", "time", "assertions", "status")),
    "failure": ((), ("message", "type")),
    "skipped": ((), ("message", "type")),
    "system-out": ((), ()),
}
CHILDREN = {
    "testsuites": ("testsuite",),
    "testsuite": ("properties", "testcase", "system-out", "system-err"),
    "properties": ("property",),
    "testcase": ("skipped", "error", "failure", "system-out", "system-err"),
}


def read(report: SkewReport) -> Element:
    """The one suite of a report, after a look at all that is in it."""
    root = fromstring(junit_of(report))
    assert root.tag == "testsuites"
    for element in root.iter():
        required, optional = ATTRIBUTES[element.tag]
        assert set(required) <= set(element.attrib) <= {*required, *optional}
        order = [CHILDREN[element.tag].index(child.tag) for child in element]
        assert order == sorted(order)
    (suite,) = root
    cases = suite.findall("testcase")
    assert suite.get("tests") == root.get("tests") == str(len(cases))
    assert suite.get("failures") == root.get("failures") == str(len(suite.findall("testcase/failure")))
    assert suite.get("skipped") == str(len(suite.findall("testcase/skipped")))
    return suite


def cases_of(report: SkewReport) -> dict[tuple[str, str], Element]:
    """The test cases by parity and feature."""
    found = {(case.attrib["classname"], case.attrib["name"]): case for case in read(report).findall("testcase")}
    assert len(found) == len(read(report).findall("testcase"))
    return found


def test_each_feature_is_a_case_of_each_parity_and_all_pass_where_nothing_differs() -> None:
    """Three features give six cases, none of which fails or says anything."""
    cases = cases_of(nothing())
    parities = ("till.compute_parity", "till.availability_parity")
    names = ("taste__spent_1d", "taste__last_at", "taste__named")
    assert set(cases) == {(parity, name) for parity in parities for name in names}
    assert not [child for case in cases.values() for child in case]


def test_other_bits_fail_compute_parity() -> None:
    """Cells with other bits than the held rows give fail that feature's first case, with examples."""
    cases = cases_of(everything())
    failure = cases["till.compute_parity", "taste__spent_1d"].find("failure")
    assert failure is not None and failure.text is not None
    assert failure.attrib["message"].startswith("3 cells have other bits")
    assert "served 12.5 (ok), training 25.0 (ok)" in failure.text
    assert cases["till.compute_parity", "taste__last_at"].find("failure") is None


def test_only_what_is_unexplained_fails_availability_parity() -> None:
    """Differences with causes are told in the output of a case that passes; an unexplained one fails it."""
    found = everything()
    failed = cases_of(found)["till.availability_parity", "taste__spent_1d"]
    failure = failed.find("failure")
    assert failure is not None and failure.attrib["type"] == UNEXPLAINED
    assert failure.attrib["message"] == "95 of 950 differing cells are unexplained"
    features = [replace(each, causes={LATE_ROW: 950} if each.differing else {}) for each in found.features]
    passed = cases_of(replace(found, features=tuple(features)))["till.availability_parity", "taste__spent_1d"]
    assert passed.find("failure") is None
    told = passed.findtext("system-out", "")
    assert told.startswith("950 of 1,200,000 cells differ from training\nlate_row 950: a row came after")


def test_what_could_not_be_computed_again_is_skipped() -> None:
    """Where no cell could be computed again, compute parity is neither passed nor failed."""
    case = cases_of(replace(nothing(), computed=0, unproven=9))["till.compute_parity", "taste__spent_1d"]
    assert case.find("skipped") is not None


def test_another_systems_vectors_have_no_compute_parity() -> None:
    """Against a file, each feature is one case."""
    cases = cases_of(replace(everything(), against="vectors.parquet"))
    assert {parity for parity, _ in cases} == {"till.availability_parity"}
    assert len(cases) == 3


def test_any_text_gives_xml_that_parses() -> None:
    """Markup is escaped, and what XML cannot hold is written as its code point."""
    hostile = "]]></failure><error/>\x00\x1b\ud800&\"'"
    found = everything()
    examples = tuple(replace(each, served=hostile, inputs={hostile: hostile}) for each in found.examples)
    features = tuple(replace(each, name=f"{hostile}{place}") for place, each in enumerate(found.features))
    suite = read(replace(found, feature_set=hostile, features=features, examples=examples, notes=(hostile,)))
    assert "]]></failure><error/>\\u{0}\\u{1b}\\u{d800}&\"'" in suite.attrib["name"]
    assert suite.find(".//error") is None
