"""Arguments for kernels, the same on every machine: ends of domains, places where methods change, and many between."""

from __future__ import annotations

import math
from collections.abc import Iterator
from random import Random

SMALLEST, LEAST_NORMAL, LARGEST = 5e-324, 2.0**-1022, 1.7976931348623157e308
HALF_PI = 1.5707963267948966
EDGES = (
    *(0.0, 1.0, 0.5, 2.0, 3.0, 8.0, 10.0, 22.0, 1000.0, 1024.0, 1e22, 1e6, 90.0, 360.0, 45.0, 180.0),
    *(SMALLEST, 3 * SMALLEST, LEAST_NORMAL, LEAST_NORMAL - SMALLEST, LARGEST, 1e300, 1e-300, 2.0**63, 2.0**64),
    *(2.0**51 + 0.5, 2.0**52 - 0.5, 2.0**52 + 1, 2.0**53 - 1, 2.0**53, 2.0**53 + 2, 2.0**-53, 2.0**-54, 2.0**-27),
    *(0.7071067811865475, 0.7071067811865476, 1.414213562373095, 1.4142135623730951, 0.34657359027997264),
    *(709.782712893384, 709.7827128933841, 708.3964185322641, 745.1332191019411, 745.1332191019412, 746.0, 711.0),
    *(1023.9999999999999, 1074.0, 1075.0, 1022.0, 1080.0),
)


def signed(values: Iterator[float] | tuple[float, ...]) -> list[float]:
    """Each value, its neighbours, and all of them below zero; never -0.0, which R7 does not let in."""
    near = [each for value in values for each in (value, math.nextafter(value, 0.0), math.nextafter(value, math.inf))]
    return [each + 0.0 for value in near if math.isfinite(value) for each in (value, -value)]


def spread(random: Random, low: int, high: int) -> float:
    """A float between 2^low and 2^high in size, of either sign."""
    return math.ldexp(1.0 + random.random(), random.randrange(low, high)) * random.choice((-1.0, 1.0))


def arguments(name: str, count: int) -> list[tuple[float, ...]]:
    """Edges, and so many more arguments of a kernel."""
    random = Random(name)  # a text as seed is hashed alike everywhere
    if name == "power":
        return [*_of_power(random, count)]
    if name == "haversine":
        return [*_of_distance(random, count)]
    if name == "exp2_fraction":
        ends = [0.0, 0.5, math.nextafter(0.5, 1.0), math.nextafter(1.0, 0.0), 1.0, SMALLEST]
        return [(value,) for value in [*ends, *(random.random() for _ in range(count))]]
    values = signed(EDGES)
    if name in ("sin", "cos"):
        values += signed(tuple(k * HALF_PI for k in [*range(1, 60), *(random.randrange(636_000) for _ in range(200))]))
    while len(values) < count:
        values += [
            *(spread(random, -1074, 1024), spread(random, -60, 11), 1.0 + spread(random, -53, -1)),
            *(random.uniform(-750.0, 715.0), random.uniform(-1.0, 2.0), random.uniform(-1e6, 1e6)),
        ]
    return [(value,) for value in values]


def _of_power(random: Random, count: int) -> Iterator[tuple[float, float]]:
    few = [each + 0.0 for value in EDGES[::3] for each in (value, -value)]
    yield from ((x, y) for x in few for y in few)
    for _ in range(count // 5):
        yield abs(spread(random, -60, 60)), spread(random, -10, 8)
        yield random.uniform(0.0, 20.0), random.uniform(-20.0, 20.0)
        yield 1.0 + spread(random, -53, -2), spread(random, 0, 50)
        yield float(random.randrange(-40, 40)), float(random.randrange(-20, 20))
        yield spread(random, -1074, 1024), random.choice((0.5, -0.5, 2.0, -1.0, 3.0, 1.0, -2.0, 0.001))


def _of_distance(random: Random, count: int) -> Iterator[tuple[float, float, float, float]]:
    few = (0.0, 90.0, -90.0, 45.0, math.nextafter(90.0, 91.0), 1e-200)
    yield from (
        (a, b, c, d) for a in few for c in few for b in (0.0, 180.0, -180.0) for d in (0.0, 360.0, -90.0, 361.0)
    )
    for _ in range(count // 6):
        a, b, c, d = (random.uniform(-limit, limit) for limit in (89.0, 180.0, 89.0, 360.0))
        small, other = spread(random, -40, 0), spread(random, -40, 0)
        yield a, b, c, d
        yield a, b, a + small, b + other
        yield a, b, -a + small, b + 180.0 + other
        yield 90.0 - abs(small), b, 90.0 - abs(other), d
        yield a, b, a, b + other
        yield round(a, 4), round(b, 4), round(a + small, 4), round(b + other, 4)
