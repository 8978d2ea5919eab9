"""The flights example, told on its real data: what each training row may know, and what it must not."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from featurestore import FeatureSet, FeatureStore
from featurestore.demo.flights import write
from featurestore.demo.leaks import naive_join_leaks

ROOT = Path(__file__).resolve().parents[2]
SPINE = "SELECT * FROM read_parquet('{}/data/trips.parquet') WHERE "
PLAIN = {"rows", "count", "sum", "mean", "min", "max", "var", "std", "first", "last", "last_n", "distinct_count"}
"""What the example shows; the page of definitions shows the others."""
STORMS = "scheduled_at::DATE = DATE '2013-03-08'"
SPRING, AUTUMN = "2013-03-10", "2013-11-03"


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example in a folder of its own, with its data."""
    folder = tmp_path_factory.mktemp("flights")
    shutil.copytree(ROOT / "definitions", folder / "definitions", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "featurestore.toml", folder)
    write(folder / "data")
    return folder


@pytest.fixture(scope="session")
def store(project: Path) -> Iterator[FeatureStore]:
    """The example's store."""
    with FeatureStore(project) as opened:
        yield opened


@pytest.fixture(scope="session")
def tables(project: Path) -> duckdb.DuckDBPyConnection:
    """Plain DuckDB over the data, each table under its name."""
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    for path in sorted((project / "data").glob("*.parquet")):
        connection.execute(f"CREATE VIEW {path.stem} AS FROM '{path}'")
    return connection


@pytest.fixture(scope="session")
def sample(store: FeatureStore) -> pa.Table:
    """A training set of one flight in 120 of the year, with all features."""
    return trained(store, where="flight_id % 120 = 11")


def trained(store: FeatureStore, *names: str, where: str, order: str = "flight_id") -> pa.Table:
    """A training set over some views, or all, for the trips that a condition picks."""
    views = store.definitions.views
    asked = FeatureSet("asked", *(views[name] for name in names)) if names else "arrival_delay"
    spine = f"{SPINE.format(store.config.root)}{where} ORDER BY {order}"
    return store.dataset(asked, spine, as_of="scheduled_at").to_arrow()


def by_flight(table: pa.Table, *columns: str) -> dict[int, Any]:
    """Columns of a training set by flight: the value of one, or a tuple of several."""
    found = table.select(["flight_id", *columns]).to_pylist()
    values = (tuple(row[name] for name in columns) for row in found)
    return {row["flight_id"]: each if len(each) > 1 else each[0] for row, each in zip(found, values, strict=True)}


def answers(tables: duckdb.DuckDBPyConnection, query: str) -> list[tuple[Any, ...]]:
    """The rows of a plain query."""
    # through Arrow: DuckDB's own rows would want pytz for instants
    columns = tables.sql(query).to_arrow_table().columns
    return list(zip(*(column.to_pylist() for column in columns), strict=True))


def by_query(tables: duckdb.DuckDBPyConnection, query: str) -> dict[int, Any]:
    """The rows of a plain query by their first column."""
    return {row[0]: row[1] if len(row) == 2 else row[1:] for row in answers(tables, query)}


PREVIOUS = """
    SELECT trips.flight_id, arg_max(arrivals.late_by, (arrivals.scheduled_at, landed_at, arrivals.late_by)) AS late_by,
           arg_max(landed_at, (arrivals.scheduled_at, landed_at)) >= any_value(trips.scheduled_at) AS aloft
    FROM trips JOIN arrivals ON arrivals.tailnum = trips.tailnum AND arrivals.late_by IS NOT NULL
    AND arrivals.scheduled_at < trips.scheduled_at
    AND arrivals.scheduled_at >= trips.scheduled_at - INTERVAL 2 DAY
    {} GROUP BY trips.flight_id
"""
NAIVE, HONEST = PREVIOUS.format(""), PREVIOUS.format("AND landed_at < trips.scheduled_at")


def test_a_flight_in_the_air_never_counts(store: FeatureStore, tables: duckdb.DuckDBPyConnection) -> None:
    """Where an aircraft's previous flight is still in the air, its delay is that of the one before, or not known."""
    naive = {flight: late_by for flight, late_by, aloft in answers(tables, NAIVE) if aloft}
    known = {flight: late_by for flight, late_by, _ in answers(tables, HONEST)}
    table = trained(store, "PlaneHistory", where=f"flight_id IN {tuple(naive)}")
    ours = by_flight(table, "plane_history__last_delay")
    assert ours == {flight: known.get(flight) for flight in naive}
    assert len(naive) == 914
    assert sum(late_by is None for late_by in ours.values()) == 219
    assert sum(ours[flight] != naive[flight] for flight in naive) == 912


def test_leaks_of_a_join_on_event_time_are_counted(project: Path, tables: duckdb.DuckDBPyConnection) -> None:
    """The demo counts the cells that such a join fills from aircraft in the air, as a join of all pairs does."""
    counted = answers(tables, f"SELECT count(*) FILTER (aloft) FROM ({NAIVE})")[0][0]
    assert naive_join_leaks(project / "data") == (counted, 336_776)


def test_no_arrival_is_seen_before_it_landed(store: FeatureStore, tables: duckdb.DuckDBPyConnection) -> None:
    """On a day of storms, what an aircraft and a route have landed is what a plain count of landings says."""
    table = trained(store, "PlaneHistory", "RouteHistory", where=STORMS)
    mine = by_flight(table, "plane_history__flights_7d", "plane_history__last_landed_at", "route_history__delay_1d")
    plane = """
        SELECT trips.flight_id, count(*), arg_max(landed_at, (arrivals.scheduled_at, landed_at))
        FROM trips JOIN arrivals ON arrivals.tailnum = trips.tailnum AND landed_at < trips.scheduled_at
        AND arrivals.scheduled_at >= trips.scheduled_at - INTERVAL 7 DAY AND arrivals.scheduled_at < trips.scheduled_at
        WHERE trips.scheduled_at::DATE = DATE '2013-03-08' GROUP BY ALL
    """
    route = """
        SELECT trips.flight_id, avg(arrivals.late_by)
        FROM trips JOIN arrivals ON (arrivals.origin, arrivals.dest) = (trips.origin, trips.dest)
        AND arrivals.scheduled_at >= trips.scheduled_at - INTERVAL 1 DAY AND arrivals.scheduled_at < trips.scheduled_at
        WHERE landed_at < trips.scheduled_at AND trips.scheduled_at::DATE = DATE '2013-03-08' GROUP BY ALL
    """
    planes, routes = by_query(tables, plane), by_query(tables, route)
    assert len(mine) > 900
    for flight, (flights, landed_at, delay) in mine.items():
        assert (flights, landed_at) == planes.get(flight, (0, None))
        assert delay == pytest.approx(routes.get(flight), abs=1e-9)


def test_cancelled_flights_count_for_carrier_and_route(store: FeatureStore, tables: duckdb.DuckDBPyConnection) -> None:
    """A cancelled flight without a tail number counts for its airline, route and airport, and for no aircraft."""
    table = trained(store, "CarrierDepartures", "RouteDepartures", "OriginTraffic", "PlaneDepartures", where=STORMS)
    for columns, keys, days in (
        (("carrier_departures__flights_3d", "carrier_departures__cancelled_share"), ("carrier", "origin"), 3),
        (("route_departures__flights", "route_departures__cancelled_share"), ("origin", "dest"), 7),
    ):
        ours = by_flight(table, *columns)
        join = " AND ".join(f"departures.{key} = trips.{key}" for key in keys)
        query = f"""
            SELECT trips.flight_id, count(*), count(*) FILTER (cancelled), count(*) FILTER (departures.tailnum IS NULL)
            FROM trips JOIN departures ON {join} AND departures.scheduled_at < trips.scheduled_at
            AND departures.scheduled_at >= trips.scheduled_at - INTERVAL {days} DAY AND left_at < trips.scheduled_at
            WHERE trips.scheduled_at::DATE = DATE '2013-03-08' GROUP BY ALL
        """
        plain = by_query(tables, query)
        assert len(plain) > 900
        assert {flight: ours[flight] for flight in plain} == {
            flight: (seen, cancelled / seen) for flight, (seen, cancelled, _) in plain.items()
        }
        assert sum(nameless for _, _, nameless in plain.values()) > 0


def test_a_trip_without_a_tail_number_has_no_aircraft(sample: pa.Table) -> None:
    """A question that names no aircraft is answered as for one never seen; its route and airline are known."""
    rows = [row for row in sample.to_pylist() if row["tailnum"] is None and row["scheduled_at"].month > 1]
    assert len(rows) > 10
    for row in rows:
        assert row["plane_history__last_delay"] is None and row["plane_facts__seats"] is None
        assert (row["plane_history__flights_7d"], row["plane_history__late_share"]) == (0, 0.0)
        assert row["plane_facts__size"] == "unknown"
        assert row["route_departures__cancelled_share"] is not None
        assert row["carrier_departures__flights_3d"] > 0


@pytest.mark.parametrize("day", [SPRING, AUTUMN])
def test_a_day_is_24_hours_when_the_clocks_change(
    day: str, store: FeatureStore, tables: duckdb.DuckDBPyConnection
) -> None:
    """On the days that New York's clocks make 23 and 25 hours long, a window of a day is 86,400 seconds."""
    where = f"timezone('America/New_York', scheduled_at)::DATE = DATE '{day}' AND origin = 'JFK'"
    ours = by_flight(trained(store, "OriginTraffic", where=where), "origin_traffic__departures_1d")
    query = f"""
        SELECT trips.flight_id, count(*) FROM (FROM trips WHERE {where}) trips JOIN departures USING (origin)
        WHERE epoch_us(departures.scheduled_at) BETWEEN epoch_us(trips.scheduled_at) - 86400000000
          AND epoch_us(trips.scheduled_at) - 1 AND left_at < trips.scheduled_at AND NOT cancelled GROUP BY ALL
    """
    assert ours == by_query(tables, query)
    assert len(ours) > 250


def test_the_hour_is_new_yorks(sample: pa.Table) -> None:
    """Hour, weekday and month are those on the wall in New York, in winter and in summer."""
    zone = ZoneInfo("America/New_York")
    local = [row["scheduled_at"].astimezone(zone) for row in sample.select(["scheduled_at"]).to_pylist()]
    for name, wanted in (
        ("hour", [at.hour for at in local]),
        ("weekday", [at.isoweekday() for at in local]),
        ("month", [at.month for at in local]),
        ("evening", [16 <= at.hour <= 21 for at in local]),
    ):
        assert sample.column(f"at_departure__{name}").to_pylist() == wanted
    assert len({at.utcoffset() for at in local}) == 2


def test_facts_of_aircraft_and_airports_come_from_their_tables(
    sample: pa.Table, tables: duckdb.DuckDBPyConnection
) -> None:
    """Each trip has its aircraft's register entry and its destination's place, or null where the tables lack them."""
    names = ["plane_facts__year_built", "plane_facts__seats", "plane_facts__manufacturer"]
    names += ["dest_airport__latitude", "dest_airport__zone", "origin_airport__altitude"]
    query = """
        SELECT flight_id, year, seats, manufacturer, d.latitude, d.zone, o.altitude
        FROM trips LEFT JOIN planes USING (tailnum) LEFT JOIN airports d ON dest = d.code
        LEFT JOIN airports o ON origin = o.code WHERE flight_id % 120 = 11
    """
    assert by_flight(sample, *names) == by_query(tables, query)
    assert 0 < sample.column("plane_facts__seats").null_count < sample.num_rows / 3
    assert sample.column("dest_airport__zone").null_count == 0


def test_weather_is_known_ten_minutes_after_it_is_measured(
    store: FeatureStore, tables: duckdb.DuckDBPyConnection
) -> None:
    """A trip sees the latest report of its own airport that is more than ten minutes old."""
    where = "scheduled_at::DATE BETWEEN DATE '2013-02-08' AND DATE '2013-02-10'"
    ours = by_flight(trained(store, "OriginWeather", where=where), "origin_weather__temperature")
    query = f"""
        SELECT flight_id, arg_max({{'v': temperature}}, measured_at).v FROM (FROM trips WHERE {where})
        JOIN weather ON station = origin AND measured_at + INTERVAL 10 MINUTE < scheduled_at
        AND measured_at >= scheduled_at - INTERVAL 3 HOUR GROUP BY ALL
    """
    plain = by_query(tables, query)
    assert len(plain) > 1_500
    assert ours == {flight: plain.get(flight) for flight in ours}


def test_rows_keep_their_order_and_columns_pass_through(store: FeatureStore, project: Path) -> None:
    """The spine's rows stay in the order they came in, labels and all, with one column a feature after them."""
    spine = pq.read_table(project / "data" / "trips.parquet").slice(100_000, 3_000)
    shuffled = spine.take(pa.array([place * 1_009 % 3_000 for place in range(3_000)]))
    views = store.definitions.views
    asked = FeatureSet("asked", views["PlaneHistory"], views["OriginWeather"], views["DestAirport"])
    first, second = (store.dataset(asked, each, as_of="scheduled_at").to_arrow() for each in (spine, shuffled))
    assert second.select(spine.column_names).equals(shuffled)
    features = [output.name for output in store.plan(asked).outputs]
    assert second.column_names == [*spine.column_names, *features]
    assert second.sort_by("flight_id").equals(first.sort_by("flight_id"))


def test_threads_and_file_order_change_no_byte(store: FeatureStore, project: Path, tmp_path: Path) -> None:
    """One thread or two, rows in the files in order or not: the written training set is the same file."""
    other = tmp_path / "other"
    shutil.copytree(project / "definitions", other / "definitions", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(project / "featurestore.toml", other)
    (other / "data").mkdir()
    for path in (project / "data").glob("*.parquet"):
        table = pq.read_table(path)
        shuffled = table.take(pa.array([place * 7_919 % table.num_rows for place in range(table.num_rows)]))
        assert shuffled.num_rows % 7_919
        pq.write_table(shuffled, other / "data" / path.name, row_group_size=50_000)
    spine = pq.read_table(project / "data" / "trips.parquet").slice(60_000, 2_000)
    names = ("PlaneHistory", "CarrierArrivals", "OriginTraffic", "OriginWeather", "DestAirport")
    views = store.definitions.views
    asked = FeatureSet("asked", *(views[name] for name in names))
    written: list[bytes] = []
    for folder, threads in ((project, 1), (project, 2), (other, 2)):
        with FeatureStore(folder) as opened:
            dataset = opened.dataset(asked, spine, as_of="scheduled_at", statuses=True, threads=threads)
            written.append(dataset.write(tmp_path / f"{len(written)}.parquet").read_bytes())
    assert written[0] == written[1] == written[2]


def test_the_example_shows_every_aggregate(store: FeatureStore) -> None:
    """The example has at least five views and thirty features, of every scalar type, and uses the plain aggregates."""
    plan = store.plan("arrival_delay")
    used = {answer.node.function for view in plan.views for answer in view.answers}
    assert used >= PLAIN
    assert len(plan.views) >= 5 and len(plan.outputs) >= 30
    kinds = {output.dtype.kind for output in plan.outputs}
    assert kinds == {"bool", "int64", "float64", "string", "timestamp", "list"}


def test_most_cells_say_something(store: FeatureStore, sample: pa.Table) -> None:
    """Over the year, more than four cells of five are neither null nor zero, and no feature is constant."""
    outputs = store.plan("arrival_delay").outputs
    told = 0
    for output in outputs:
        values = sample.column(output.name).to_pylist()
        told += sum(value is not None and value != 0 for value in values)
        assert len({str(value) for value in values}) > 1, output.name
    assert told > 0.8 * sample.num_rows * len(outputs)
