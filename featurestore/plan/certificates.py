"""Certificates: which version of a feature set is proven to be the same on both roads, and why another one is not.

    <home>/certificates/<feature_set>/<version>.json
    <home>/certificates/<feature_set>/<version>.skew.json

A `verify` that finds no difference grants one. A `verify` that finds some takes it away, and so does a `skew` or an
audit that finds other bits for the rows that the state held, or a difference without a cause. It is proof of the
product that verified and of the engines that it ran on: another version of either has to verify again. The last skew of
the version has a file of its own, so that a writer of one cannot undo the other.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

from featurestore.errors import NotCertified
from featurestore.plan.engines import engines_text
from featurestore.semantics.instants import instant_text

FORMAT = 2
FOLDER = "certificates"


@dataclass(frozen=True, slots=True)
class Certificate:
    """What `verify` compared of a version without finding a difference.

    `version` is that of the answers and `plan_version` that of the definitions: they differ where static tables are
    read (R20). `informative` cells are neither null nor zero; `legs` are the ways in which the state was built.
    `product` is the version of the product that did it, `engines` are those of the libraries that compute values.
    `unexercised` features were null or zero in every cell.
    """

    feature_set: str
    version: str
    plan_version: str
    cells: int
    informative: int
    legs: tuple[str, ...]
    seed: int
    verified_at: str
    product: str
    engines: str
    unexercised: tuple[str, ...] = ()

    def __str__(self) -> str:
        share = self.informative / self.cells if self.cells else 0.0
        marked = f"; not exercised: {', '.join(self.unexercised)}" if self.unexercised else ""
        seen = f"{share:.0%} neither null nor zero, 0 differing{marked}"
        return f"{self.cells:,} cells verified at {self.verified_at}, {seen}"


@dataclass(frozen=True, slots=True)
class Standing:
    """Whether a version is certified: its certificate, or the reason why it has none."""

    feature_set: str
    version: str
    certificate: Certificate | None
    reason: str = ""

    def required(self) -> Certificate:
        """The certificate. Raises: NotCertified."""
        if self.certificate is None:
            raise NotCertified(
                f"version {self.version} of `{self.feature_set}` has no certificate",
                where=f"feature set `{self.feature_set}`",
                has=self.reason,
                fix=f"run `featurestore verify {self.feature_set}`",
            )
        return self.certificate

    def __str__(self) -> str:
        if self.certificate is not None:
            return f"{self.feature_set} version {self.version} is certified: {self.certificate}"
        return (
            f"{self.feature_set} version {self.version} has no certificate: {self.reason}; "
            f"run `featurestore verify {self.feature_set}`"
        )


def grant(home: Path, certificate: Certificate) -> None:
    """Keep a certificate."""
    _write(home, certificate.feature_set, certificate.version, asdict(certificate), "")


def take_away(home: Path, feature_set: str, version: str, reason: str) -> None:
    """Keep why a version has no certificate any more."""
    _write(home, feature_set, version, None, f"{reason}, at {now()}")


def note_skew(home: Path, feature_set: str, version: str, found: Mapping[str, object]) -> None:
    """Keep what the last skew of a version found, as JSON values."""
    path = _file(home, feature_set, f"{version}.skew")
    _replace(path, {"format": FORMAT, "at": now(), **found})


def standing(home: Path, feature_set: str, version: str) -> Standing:
    """Whether a version is certified."""
    try:
        text = _file(home, feature_set, version).read_text(encoding="utf-8")
    except OSError:
        return Standing(feature_set, version, None, "it was never verified")
    try:
        found: Any = json.loads(text)
        if found["format"] != FORMAT:
            return Standing(feature_set, version, None, "another version of the product wrote its certificate")
        if found["certificate"] is None:
            return Standing(feature_set, version, None, str(found["reason"]))
        tuples = {name: tuple(found["certificate"].get(name, ())) for name in ("legs", "unexercised")}
        held = Certificate(**{**found["certificate"], **tuples})
    except (ValueError, KeyError, TypeError):
        return Standing(feature_set, version, None, "its certificate cannot be read")
    if held.product != product_version():
        reason = f"it was verified by featurestore {held.product}, and this is {product_version()}"
        return Standing(feature_set, version, None, reason)
    if held.engines != engines_text():
        reason = f"it was verified with {held.engines}, and here is {engines_text()}"
        return Standing(feature_set, version, None, reason)
    return Standing(feature_set, version, held)


def certificate_of(home: Path, feature_set: str, version: str, *, required: bool) -> Certificate | None:
    """The certificate of a version. Raises: NotCertified  when it is required and there is none."""
    found = standing(home, feature_set, version)
    return found.required() if required else found.certificate


def standings(home: Path, feature_set: str) -> Iterator[Standing]:
    """The versions of a feature set of which anything is known."""
    for path in sorted((home / FOLDER / feature_set).glob("*.json")):
        if not path.name.endswith(".skew.json"):
            yield standing(home, feature_set, path.stem)


def now() -> str:
    """This instant, as certificates have it."""
    return instant_text(time.time_ns() // 1000)


@cache
def product_version() -> str:
    """The version of the product that runs."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("featurestore")
    except PackageNotFoundError:
        return "that is not installed"


def _write(home: Path, feature_set: str, version: str, certificate: object, reason: str) -> None:
    path = _file(home, feature_set, version)
    _replace(path, {"format": FORMAT, "certificate": certificate, "reason": reason})


def _replace(path: Path, found: Mapping[str, object]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    partial.write_text(f"{json.dumps(found, indent=2)}\n", encoding="utf-8")
    partial.replace(path)


def _file(home: Path, feature_set: str, version: str) -> Path:
    return home / FOLDER / feature_set / f"{version}.json"
