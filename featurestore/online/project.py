"""A project's online road, opened: its server, and the store on it."""

from __future__ import annotations

from featurestore.config import Config
from featurestore.log.event_log import EventLog
from featurestore.online.online_store import OnlineStore
from featurestore.online.server import Server, connect, open_server


def open_online(config: Config, log: EventLog) -> tuple[Server, OnlineStore]:
    """The server of a project and the store on it. The caller closes `store.client`, then the server.

    Raises: ServerNotFound, StoreUnavailable, StoreUnsafe, ConfigError  as `open_server` does.
    """
    config.home.mkdir(parents=True, exist_ok=True)
    server = open_server(config.home, config.redis_url)
    return server, OnlineStore(connect(server.url), config.project, log, config.home / "quarantine")
