"""In a notebook or an IPython shell: mistakes in a cell as errors in four parts, and progress of long work.

It refuses to be needed: no value depends on it, and nothing of it runs outside of IPython.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from featurestore.define.entity import Entity, Request
from featurestore.define.load import cell_mistake
from featurestore.define.places import shown_file
from featurestore.define.source import Source
from featurestore.define.view import FeatureView
from featurestore.expr.wrapper import Wrapper

Progress = Callable[[str, int, int], None]
SILENT_S = 1.0


def running_shell() -> Any:
    """The IPython shell that this process runs in; None outside of one."""
    return getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()


def explain_mistakes() -> None:
    """In IPython, show a misspelled column, feature or method of a cell as `UnknownColumn` and its kin, with the
    nearest name. A handler that the user has set stays."""
    shell = running_shell()
    if shell is not None and not shell.custom_exceptions:
        shell.set_custom_exc((AttributeError,), _shown)


def _shown(shell: Any, kind: type[BaseException], error: AttributeError, trace: Any, tb_offset: Any = None) -> None:
    ours = isinstance(error.obj, Wrapper) or (
        isinstance(error.obj, type) and issubclass(error.obj, (Entity, FeatureView, Request, Source))
    )
    if not ours:
        shell.showtraceback((kind, error, trace), tb_offset=tb_offset)
        return
    found = cell_mistake(error, _cell(trace))
    shell.showtraceback((type(found), found, trace), tb_offset=tb_offset)


def _cell(trace: Any) -> str:
    """The last cell that an error passed through, and its line."""
    place = "a cell"
    while trace is not None:
        file = trace.tb_frame.f_code.co_filename
        if shown_file(file).startswith("cell "):
            place = f"{shown_file(file)}:{trace.tb_lineno}"
        trace = trace.tb_next
    return place


explain_mistakes()  # a cell may be mistyped before any store is opened


@contextmanager
def showing(what: str, given: Progress | None) -> Iterator[Progress | None]:
    """The progress of long work: `given` where the caller gave one, else in a notebook one line that is rewritten, from
    the second second on; None elsewhere."""
    shell = running_shell()
    if given is not None or shell is None or not hasattr(shell, "kernel"):
        yield given
        return
    line = _Line(what)
    try:
        yield line
    finally:
        line.close()


class _Line:
    """One line of a notebook's output: what is done, how much of it, and seconds."""

    def __init__(self, what: str) -> None:
        self._what, self._started_s, self._handle = what, time.monotonic(), None
        self._turn = threading.Lock()

    def __call__(self, step: str, done: int, total: int) -> None:
        """Show a step, if the work has taken more than a second."""
        seconds = time.monotonic() - self._started_s
        if seconds < SILENT_S:
            return
        with self._turn:
            self._show(f"{self._what}: {step} ({done} of {total}), {seconds:.0f} s")

    def close(self) -> None:
        """Say that the work is done, where it was shown."""
        if self._handle is not None:
            self._show(f"{self._what}: done, {time.monotonic() - self._started_s:.0f} s")

    def _show(self, text: str) -> None:
        from IPython.display import display

        bundle = {"text/plain": text}
        if self._handle is None:
            self._handle = display(bundle, raw=True, display_id=True)  # type: ignore[no-untyped-call]
        else:
            self._handle.update(bundle, raw=True)
