"""Ctrl-C during a long query."""

from __future__ import annotations

import os
import signal
import threading

import duckdb
import pytest

from featurestore.offline.connection import connect
from featurestore.offline.interrupts import interruptible

ENDLESS = "SELECT sum(a.range * b.range) FROM range(100_000_000) a, range(100_000_000) b"


def test_a_query_gives_what_it_finds_or_raises() -> None:
    """An answer and an error come back as if the query had been asked here."""
    connection = connect([])
    assert interruptible(connection, connection.execute, "SELECT 7").fetchall() == [(7,)]
    with pytest.raises(duckdb.ParserException):
        interruptible(connection, connection.execute, "SELEC 7")


@pytest.mark.parametrize("after_s", [0.0, 0.001, 0.01, 0.2])
def test_ctrl_c_ends_a_query_that_would_not_end(after_s: float) -> None:
    """The interrupt comes back as it is, whenever it comes, and the connection answers again."""
    connection = connect([], threads=1)
    with pytest.raises(KeyboardInterrupt):
        threading.Timer(after_s, os.kill, (os.getpid(), signal.SIGINT)).start()
        interruptible(connection, connection.execute, ENDLESS)
    assert connection.execute("SELECT 7").fetchall() == [(7,)]
