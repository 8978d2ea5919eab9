"""The libraries that compute values, and the versions of them that the product was tested with.

Another version of DuckDB, pyarrow or tzdata can change a value. A certificate names the versions that it was granted
with, and a program that runs on others says so when it starts. `make test-newest` tests newer ones (docs/versions.md).
"""

from __future__ import annotations

import warnings
from functools import cache
from importlib.metadata import PackageNotFoundError, version

TESTED: dict[str, tuple[str, ...]] = {
    "duckdb": ("2.0.0", "2.0.1"),
    "pyarrow": ("26.0.1",),
    "tzdata": ("2026.6",),
}
"""Versions by library, oldest first."""


@cache
def engine_versions() -> dict[str, str]:
    """Installed versions of the libraries in `TESTED`; reads package metadata and imports none of them."""
    found = {}
    for name in TESTED:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "that is not installed"
    return found


def engines_text() -> str:
    """The installed versions on one line, such as `duckdb 2.0.1, pyarrow 26.0.1, tzdata 2026.6`."""
    return ", ".join(f"{name} {number}" for name, number in engine_versions().items())


class UntestedEngine(UserWarning):
    """An installed engine has a version that this version of the product was not tested with."""


@cache
def warn_untested() -> None:
    """Warn, once in a process, of the libraries whose installed version was not tested. Warns: UntestedEngine."""
    untested = [
        f"{name} {number} (tested: {', '.join(TESTED[name])})"
        for name, number in engine_versions().items()
        if number not in TESTED[name]
    ]
    if untested:
        warnings.warn(
            f"featurestore was not tested with {' and '.join(untested)}; a value may differ: run `featurestore verify`",
            UntestedEngine,
            stacklevel=3,
        )
