"""The skew report as JUnit XML, which CI systems show beside the tests: a feature is a test of each of its parities."""

from __future__ import annotations

import re
from collections.abc import Iterator
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from featurestore.skew.causes import CAUSES, UNEXPLAINED
from featurestore.skew.report import FeatureSkew, SkewReport, describe

NOT_XML = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def junit_of(report: SkewReport) -> str:
    """The report as one test suite, after the schema of Jenkins.

    Each feature is a test case of compute parity, which fails where other bits come out of the rows that the state
    held, and one of availability parity, which fails where a difference is unexplained; differences with causes are
    told in its output. Another system's vectors are not computed again, so they have the second alone.
    """
    cases = [*(() if report.against else _compute(report)), *_availability(report)]
    failures = sum(case.find("failure") is not None for case in cases)
    skipped = sum(case.find("skipped") is not None for case in cases)
    about = {"name": _text(f"skew of {report.feature_set}"), "time": f"{report.seconds:.3f}"}
    about |= {"tests": str(len(cases)), "failures": str(failures), "errors": "0"}
    root = Element("testsuites", about)
    suite = SubElement(root, "testsuite", {**about, "skipped": str(skipped)})
    properties = SubElement(suite, "properties")
    held = {"begin": report.begin, "end": report.end, "version": report.version, "versions": " ".join(report.versions)}
    held |= {"against": report.against} if report.against else {}
    held |= {"questions": str(report.questions), "cells": str(report.cells), "differing": str(report.differing)}
    for key, value in held.items():
        SubElement(properties, "property", name=key, value=_text(value))
    suite.extend(cases)
    SubElement(suite, "system-out").text = _text(str(report))
    indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + tostring(root, encoding="unicode") + "\n"


def _compute(report: SkewReport) -> Iterator[Element]:
    for each in report.features:
        case = _case(report, each, "compute_parity")
        if each.compute_differing:
            message = f"{each.compute_differing:,} cells have other bits than DuckDB gives for the rows that were held"
            _fail(case, message, "compute_differing", _told(report, each))
        elif not report.computed:
            said = "nothing could be computed again: the history is no longer what it was"
            SubElement(case, "skipped", message=said)
        yield case


def _availability(report: SkewReport) -> Iterator[Element]:
    for each in report.features:
        case = _case(report, each, "availability_parity")
        unexplained = each.causes.get(UNEXPLAINED, 0)
        if unexplained:
            message = f"{unexplained:,} of {each.differing:,} differing cells are unexplained"
            _fail(case, message, UNEXPLAINED, _told(report, each, UNEXPLAINED))
        if each.differing:
            lines = [f"{each.differing:,} of {each.cells:,} cells differ from training"]
            lines += [f"{cause} {count:,}: {CAUSES[cause].says}" for cause, count in each.causes.items()]
            SubElement(case, "system-out").text = _text("\n".join([*lines, _told(report, each)]))
        yield case


def _case(report: SkewReport, each: FeatureSkew, parity: str) -> Element:
    return Element("testcase", classname=_text(f"{report.feature_set}.{parity}"), name=_text(each.name), time="0.000")


def _fail(case: Element, message: str, kind: str, text: str) -> None:
    SubElement(case, "failure", message=_text(message), type=kind).text = _text(text)


def _told(report: SkewReport, each: FeatureSkew, cause: str | None = None) -> str:
    """The examples of a feature, a line each."""
    mine = [one for one in report.examples if one.feature == each.name and (cause is None or cause in one.causes)]
    return "\n".join(describe(one) for one in mine)


def _text(value: str) -> str:
    """A text with what XML cannot hold made visible."""
    return NOT_XML.sub(lambda found: f"\\u{{{ord(found[0]):x}}}", value)
