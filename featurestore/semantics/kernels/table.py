"""The kernels by name: Python function, columns and macro of each, all from its one definition."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from typing import Final

from featurestore.semantics.dtypes import Value
from featurestore.semantics.kernels import circles, distances, exponentials, logarithms
from featurestore.semantics.kernels.machine import FLOATS
from featurestore.semantics.kernels.printing import Columns, columns_text, macro_text
from featurestore.semantics.kernels.recording import Kernel as Method

_CALLED: Final = re.compile(r"\bfs_(\w+)\(")


@dataclass(frozen=True, slots=True)
class Kernel:
    """One kernel: a method, and the parameters of its macro `fs_<name>`."""

    name: str
    method: Method
    parameters: tuple[str, ...] = ("x",)

    @property
    def python(self) -> Callable[..., Value]:
        """The function of floats."""
        return partial(self.method, FLOATS)

    @property
    def sql(self) -> str:
        """A call of the macro, with places for its arguments."""
        return f"fs_{self.name}({', '.join(f'{{{place}}}' for place in range(len(self.parameters)))})"


KERNELS: Final = {
    kernel.name: kernel
    for kernel in (
        Kernel("log", logarithms.log),
        Kernel("log1p", logarithms.log1p),
        Kernel("log2", logarithms.log2),
        Kernel("log10", logarithms.log10),
        Kernel("exp", exponentials.exp),
        Kernel("exp2", exponentials.exp2),
        Kernel("exp2_fraction", exponentials.exp2_fraction),
        Kernel("power", logarithms.power, ("x", "y")),
        Kernel("sin", circles.sin),
        Kernel("cos", circles.cos),
        Kernel("haversine", distances.haversine, ("lat1", "lon1", "lat2", "lon2")),
    )
}


def macros_used(sql: str) -> dict[str, str]:
    """The macros of the kernels that a query calls: head and body, in order of name."""
    return dict(_macro(name) for name in sorted(set(_CALLED.findall(sql)) & KERNELS.keys()))


@cache
def columns_of(name: str) -> Columns:
    """A kernel as columns."""
    return columns_text(KERNELS[name].method, len(KERNELS[name].parameters))


@cache
def _macro(name: str) -> tuple[str, str]:
    kernel = KERNELS[name]
    return f"fs_{name}({', '.join(kernel.parameters)})", macro_text(kernel.method, kernel.parameters)
