"""Progress on stderr: nothing in the first second, then a bar on a terminal and a line per step elsewhere."""

from __future__ import annotations

import threading
import time
from types import TracebackType
from typing import TYPE_CHECKING, Self

from featurestore.cli.session import console
from featurestore.cli.texts import printable

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

SILENT_S = 1.0


class Working:
    """A piece of work that may take long. Called with what is done, how much of it, and of how much."""

    def __init__(self, what: str) -> None:
        self._what, self._step = what, ("", 0, 0)
        self._console = console(stderr=True)
        self._started_s = time.monotonic()
        self._shown = self._done = False
        self._bar: Progress | None = None
        self._task: TaskID | None = None
        self._turn = threading.Lock()
        self._timer = threading.Timer(SILENT_S, self._show)
        self._timer.daemon = True

    @property
    def seconds(self) -> float:
        """Seconds since it began."""
        return time.monotonic() - self._started_s

    def __enter__(self) -> Self:
        self._started_s = time.monotonic()
        self._timer.start()
        return self

    def __call__(self, what: str, done: int, total: int) -> None:
        """Say which step is being done, the number of steps before it, and of all."""
        with self._turn:
            self._step = (what, done, total)
            if self._shown:
                self._update()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._timer.cancel()
        with self._turn:
            self._done = True
            if self._bar is not None:
                self._bar.stop()

    def _show(self) -> None:
        with self._turn:
            if self._done:
                return
            if self._console.is_terminal:
                from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

                text = TextColumn("{task.description}", markup=False)
                self._bar = Progress(
                    SpinnerColumn(), text, BarColumn(), TimeElapsedColumn(), console=self._console, transient=True
                )
                self._task = self._bar.add_task(self._what, total=None)
                self._bar.start()
            else:
                self._console.print(f"{self._what} ...")
            self._shown = True
            if self._step[0]:
                self._update()

    def _update(self) -> None:
        what, done, total = self._step
        if self._bar is not None and self._task is not None:
            described = f"{self._what}: {printable(what)}"
            self._bar.update(self._task, description=described, completed=done, total=total)
        else:
            self._console.print(f"  {done}/{total}  {printable(what)}  {self.seconds:.0f} s")
