"""docker-compose.yml and Dockerfile: what a deployment must not lose. The files are read, so no engine is needed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    """The services by name."""
    return yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))["services"]


def test_the_server_keeps_what_it_is_given(services: dict[str, Any]) -> None:
    """Valkey appends to disk, never evicts, and keeps its data in a volume."""
    command = " ".join(services["valkey"]["command"])
    assert "--appendonly yes" in command
    assert "--maxmemory-policy noeviction" in command
    assert "valkey:/data" in services["valkey"]["volumes"]


def test_the_api_waits_for_a_healthy_server(services: dict[str, Any]) -> None:
    """The API starts after Valkey is healthy and is itself asked whether it is ready."""
    assert services["api"]["depends_on"] == {"valkey": {"condition": "service_healthy"}}
    assert services["valkey"]["healthcheck"]["test"]
    compile(services["api"]["healthcheck"]["test"][-1], "healthcheck", "exec")
    assert "/readyz" in services["api"]["healthcheck"]["test"][-1]


def test_the_audit_sees_what_the_api_sees(services: dict[str, Any]) -> None:
    """The audit has the API's project and state, shows its counts where Prometheus asks for them, and is a process of
    its own."""
    assert services["audit"]["volumes"] == services["api"]["volumes"]
    config = yaml.safe_load((ROOT / "docs" / "monitoring" / "prometheus.yml").read_text(encoding="utf-8"))
    targets = [each["static_configs"][0]["targets"] for each in config["scrape_configs"]]
    for name, [target] in zip(("api", "audit"), targets, strict=True):
        command = services[name]["command"]
        assert command[0] == {"api": "serve"}.get(name, name)
        assert target == f"{name}:{command[command.index('--port') + 1]}"


@pytest.mark.parametrize("service", ["api", "audit"])
def test_only_the_state_folder_can_be_written(service: str, services: dict[str, Any]) -> None:
    """Every folder and file of the project is mounted read-only; the state lies in a volume."""
    mounts = [mount.split(":") for mount in services[service]["volumes"]]
    writable = [target for _, target, *options in mounts if options != ["ro"]]
    assert writable == ["/srv/.featurestore"]


def test_the_image_is_built_from_what_is_sent_and_runs_as_a_user() -> None:
    """The Dockerfile copies only what .dockerignore lets through, all of it exists, and root does not run the API."""
    lines = (ROOT / "Dockerfile").read_text(encoding="utf-8").splitlines()
    copied = {name for line in lines if line.startswith("COPY ") for name in line.split()[1:-1]}
    sent = {line[1:] for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines() if line[:1] == "!"}
    assert copied == sent
    assert [name for name in sorted(copied) if not (ROOT / name).exists()] == []
    assert any(line.startswith("USER ") for line in lines)
