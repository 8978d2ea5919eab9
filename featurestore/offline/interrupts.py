"""Ctrl-C during a long query: DuckDB looks up from its work seldom, so it works beside us and is told to stop."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import duckdb

Given = ParamSpec("Given")
Found = TypeVar("Found")
AGAIN_S = 0.05
"""How often we look up, and a query is told to stop: it may not have begun when it is told first."""


def interruptible(
    connection: duckdb.DuckDBPyConnection, work: Callable[Given, Found], *given: Given.args, **named: Given.kwargs
) -> Found:
    """What `work` gives or raises; Ctrl-C ends it at once, where a query of the main thread may go on for minutes."""
    found: list[Found] = []
    failed: list[BaseException] = []
    cancelled = threading.Event()
    done = threading.Event()  # not the thread's end: an interrupted `join` takes the thread for ended

    def run() -> None:
        try:
            if not cancelled.is_set():
                found.append(work(*given, **named))
        except BaseException as error:
            failed.append(error)
        finally:
            done.set()

    thread = threading.Thread(target=run, name="featurestore.query", daemon=True)
    try:
        thread.start()
        while not done.wait(AGAIN_S):  # a signal just before a wait without an end would not wake it
            pass
    except KeyboardInterrupt:
        cancelled.set()  # it may come while the thread is being started
        while thread.ident is not None and not done.wait(AGAIN_S):
            connection.interrupt()
        raise
    if failed:
        raise failed[0]
    return found[0]
