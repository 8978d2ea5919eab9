"""docs/monitoring: the files can be read, and ask for nothing that the two processes do not count."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import CollectorRegistry

from featurestore.audit.metrics import AuditMetrics
from featurestore.serve.metrics import Metrics

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "monitoring"
SUFFIXES = {"counter": ("_total",), "gauge": ("",), "histogram": ("_bucket", "_count", "_sum")}


def counted(registry: CollectorRegistry) -> dict[str, set[str]]:
    """The samples of a registry by name, each with the labels that it has."""
    found = {}
    for collector in set(registry._collector_to_names):
        labels = set(collector._labelnames)  # type: ignore[attr-defined]  # there is no public way to ask
        [family] = collector.describe() if hasattr(collector, "describe") else collector.collect()
        for suffix in SUFFIXES[family.type]:
            found[f"{family.name}{suffix}"] = labels | ({"le"} if suffix == "_bucket" else set())
    return found


def alerts() -> list[dict[str, Any]]:
    """The rules of all groups."""
    groups = yaml.safe_load((FOLDER / "alerts.yml").read_text(encoding="utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"]]


def dashboard() -> dict[str, Any]:
    """The dashboard."""
    found: dict[str, Any] = json.loads((FOLDER / "grafana.json").read_text(encoding="utf-8"))
    return found


def expressions() -> Iterator[str]:
    """All that is asked of Prometheus."""
    yield from (rule["expr"] for rule in alerts())
    yield from (target["expr"] for panel in dashboard()["panels"] for target in panel["targets"])
    yield from (each["query"]["query"] for each in dashboard()["templating"]["list"] if each["type"] == "query")


KNOWN = counted(Metrics().registry) | counted(AuditMetrics().registry)


@pytest.mark.parametrize("expression", dict.fromkeys(expressions()))
def test_only_what_is_counted_is_asked_for(expression: str) -> None:
    """Each metric in an alert or a panel is one of a registry, and is chosen by labels that it has."""
    asked = re.findall(r"\b(featurestore_\w+)(?:\{([^}]*(?:\{\w+\}[^}]*)?)\})?", expression)
    assert asked or "up{" in expression
    for name, labels in asked:
        assert name in KNOWN, name
        chosen = set(re.findall(r"(\w+)(?:=~|!=|=)\"", labels))
        assert chosen <= KNOWN[name], (name, chosen)
    told = [KNOWN[name] for name, _ in asked]
    for listed in re.findall(r"\bby \(([^)]*)\)", expression):
        assert any({each.strip() for each in listed.split(",")} <= labels for labels in told), listed


def test_what_must_never_happen_pages() -> None:
    """Compute differences and differences without a cause page; all else warns; each says what to do."""
    found = {rule["alert"]: rule for rule in alerts()}
    paging = {name for name, rule in found.items() if rule["labels"]["severity"] == "page"}
    assert paging == {"FeatureComputeDifference", "FeatureDifferenceUnexplained"}
    assert {rule["labels"]["severity"] for rule in found.values()} == {"page", "warn"}
    assert all(rule["annotations"]["summary"] and rule["annotations"]["description"] for rule in found.values())


def test_the_jobs_are_those_that_the_alerts_name() -> None:
    """An alert on a job names one that is scraped, and the rules are loaded."""
    config = yaml.safe_load((FOLDER / "prometheus.yml").read_text(encoding="utf-8"))
    jobs = {each["job_name"] for each in config["scrape_configs"]}
    named = {job for rule in alerts() for job in re.findall(r'job="([^"]+)"', rule["expr"])}
    assert named <= jobs
    assert [(FOLDER / each).is_file() for each in config["rule_files"]] == [True]


def test_the_dashboard_can_be_imported() -> None:
    """Panels have places of their own and ask the data source that is chosen on the page."""
    board = dashboard()
    assert [each["name"] for each in board["templating"]["list"]] == ["datasource", "feature_set"]
    places = [panel["gridPos"] for panel in board["panels"]]
    taken = [(x, y) for each in places for x in range(each["x"], each["x"] + each["w"]) for y in [each["y"]]]
    assert len(taken) == len(set(taken)) and max(x for x, _ in taken) < 24
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
    for panel in board["panels"]:
        assert {target["datasource"]["uid"] for target in panel["targets"]} == {"${datasource}"}
