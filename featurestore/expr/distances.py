"""Distances between places."""

from __future__ import annotations

from featurestore.expr.build import call
from featurestore.expr.fluent import Expr, Operand, node_of


def haversine(lat1: Operand, lon1: Operand, lat2: Operand, lon2: Operand) -> Expr[float]:
    """Kilometres between two places given in degrees, on a sphere of the earth's mean radius (6371.0088 km).

    Null beyond 90 degrees of latitude or 360 of longitude.
    """
    return Expr(call("haversine", *(node_of(each) for each in (lat1, lon1, lat2, lon2))))
