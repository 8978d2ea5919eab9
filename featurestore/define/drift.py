"""How far what is served may be from what was trained on: the thresholds of a feature's alarms."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

from featurestore.errors import InvalidDefinition
from featurestore.semantics.dtypes import DType

UNBOUNDED = ("psi", "wasserstein", "mean_shift")
"""Measures that may be greater than 1; the others are shares or distances between probabilities."""
OF_NUMBERS = ("ks", "wasserstein")
WITHOUT_ORDER = ("bool", "string")


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """Thresholds of `feature(..., drift=Drift(...))`: a measure alarms when it reaches its threshold and chance does
    not explain it. None: it is measured and never alarms.

    Units:  `wasserstein` and `mean_shift` in standard deviations of both samples together; the shares as fractions,
            so that `null_share=0.05` is five percentage points more or less.
    Raises: InvalidDefinition  for what is no threshold.

    >>> Drift(psi=0.1, ks=0.2).null_share
    0.05
    """

    psi: float | None = 0.2
    js: float | None = None
    ks: float | None = None
    wasserstein: float | None = None
    null_share: float | None = 0.05
    not_found_share: float | None = 0.05
    new_categories: float | None = 0.01
    mean_shift: float | None = 0.25

    def __post_init__(self) -> None:
        for each in fields(self):
            given: object = getattr(self, each.name)
            most = math.inf if each.name in UNBOUNDED else 1.0
            number = isinstance(given, (int, float)) and not isinstance(given, bool)
            if given is None or (number and math.isfinite(float(given)) and 0 <= float(given) <= most):  # type: ignore[arg-type]
                continue
            raise InvalidDefinition(
                f"`Drift({each.name}={given!r:.40})` is no threshold",
                has="numbers from 0" + ("" if each.name in UNBOUNDED else " to 1"),
                fix=f"write one of these, such as `{each.name}={each.default or 0.1}`, or None for no alarm",
            )


def refuse_misplaced(drift: object, dtype: DType, where: str) -> None:
    """Refuse what is no `Drift`, and thresholds for what is not measured of this type.

    Raises: InvalidDefinition  naming the expression.
    """
    if not isinstance(drift, Drift):
        raise InvalidDefinition(
            f"`drift={drift!r:.40}` is a {type(drift).__name__}, not a `Drift`",
            where=where,
            has=[each.name for each in fields(Drift)],
            fix="write `drift=Drift(psi=0.2)`, with the thresholds that are to differ",
        )
    for name in OF_NUMBERS:
        if dtype.kind in WITHOUT_ORDER and getattr(drift, name) is not None:
            raise InvalidDefinition(
                f"`Drift({name}={getattr(drift, name)!r})` is about numbers, and the feature is {dtype}",
                where=where,
                has=["psi", "js", "null_share", "not_found_share", "new_categories"],
                fix=f"take `{name}=` away, or give `psi=`",
            )
