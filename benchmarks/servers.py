"""Servers for both: the Valkey of the product's own wheel, reached over TCP; ports that nobody uses."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import redis

from featurestore.online.server import connect, open_server


def free_port() -> int:
    """A port that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def valkey(home: Path) -> Iterator[int]:
    """A server of one side, with the product's settings. Gives its port."""
    home.mkdir(parents=True, exist_ok=True)
    with open_server(home) as server:
        client, port = connect(server.url), free_port()
        client.config_set("port", port)
        client.close()
        yield port


def use_server(folder: Path, port: int) -> None:
    """Have a project use it."""
    (folder / "featurestore.toml").write_text(f'project = "bench"\nredis = "{url_of(port)}"\n')


def url_of(port: int) -> str:
    """Its address."""
    return f"redis://127.0.0.1:{port}/0"


def memory_of(port: int) -> int:
    """Bytes that a server uses."""
    with redis.Redis(port=port) as client:
        return int(client.info("memory")["used_memory"])
