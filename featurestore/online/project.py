"""A project's online road, opened: its server, and the store on it."""

from __future__ import annotations

from featurestore.config import Config
from featurestore.log.event_log import EventLog
from featurestore.log.quarantine import Quarantine
from featurestore.log.served import ServedLog
from featurestore.online.online_store import OnlineStore
from featurestore.online.server import Server, connect, open_server

WRITE_TIMEOUT_S = 10.0
"""A trip of a few megabytes takes longer than a lookup may."""


def open_online(config: Config, log: EventLog) -> tuple[Server, OnlineStore]:
    """The server of a project and the store on it. The caller closes the store, then the server.

    Raises: ServerNotFound, StoreUnavailable, StoreUnsafe, ConfigError  as `open_server` does.
    """
    config.home.mkdir(parents=True, exist_ok=True)
    server = open_server(config.home, config.redis_url)
    client, writer = connect(server.url), connect(server.url, timeout_s=WRITE_TIMEOUT_S)
    kept = config.served
    served = ServedLog(config.home / "served", kept.share, days=kept.days, most_bytes=kept.bytes)
    return server, OnlineStore(client, writer, config.project, log, Quarantine(config.home / "quarantine"), served)
