"""Ctrl-C during a long query: DuckDB looks up from its work seldom, so it works beside us and is told to stop."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import duckdb

Given = ParamSpec("Given")
Found = TypeVar("Found")
AGAIN_S = 0.05
"""How often a query is told to stop: it may not have begun when it is told first."""


def interruptible(
    connection: duckdb.DuckDBPyConnection, work: Callable[Given, Found], *given: Given.args, **named: Given.kwargs
) -> Found:
    """What `work` gives or raises; Ctrl-C ends it at once, where a query of the main thread may go on for minutes."""
    found: list[Found] = []
    failed: list[BaseException] = []
    done = threading.Event()  # not the thread's end: an interrupted `join` takes the thread for ended

    def run() -> None:
        try:
            found.append(work(*given, **named))
        except BaseException as error:
            failed.append(error)
        finally:
            done.set()

    threading.Thread(target=run, name="featurestore.query", daemon=True).start()
    try:
        done.wait()
    except KeyboardInterrupt:
        while not done.wait(AGAIN_S):
            connection.interrupt()
        raise
    if failed:
        raise failed[0]
    return found[0]
