"""Will this flight land late? Features of aircraft, route, airline and airport, as of the scheduled departure.

The trap is in the arrival. A flight belongs to the moment it was to leave, and its delay is known only when it lands:
whoever joins delays on departure time hands the model what nobody could know yet. `KnownTime` is what keeps it out.

Minutes, miles and degrees Fahrenheit, as in the data. Windows end just before the instant that is asked about.
"""

from datetime import datetime

from featurestore import (
    Column,
    Entity,
    EventTime,
    Feature,
    FeatureSet,
    FeatureView,
    KnownTime,
    Parquet,
    Request,
    RowId,
    Source,
    coalesce,
    feature,
    rows,
    when,
)

NEW_YORK = "America/New_York"


class Plane(Entity):
    """An aircraft, by the number on its tail."""

    tailnum: Column[str]


class Route(Entity):
    """From one airport to another."""

    origin: Column[str]
    dest: Column[str]


class CarrierAtOrigin(Entity):
    """An airline at one of the New York airports."""

    carrier: Column[str]
    origin: Column[str]


class Airport(Entity):
    """An airport, by its three letters."""

    code: Column[str]


class Arrival(Source, data=Parquet("data/arrivals.parquet")):
    """One row per landed flight. It happens at its scheduled departure and is known at landing."""

    flight_id: RowId[int]
    tailnum: Column[str]
    carrier: Column[str]
    origin: Column[str]
    dest: Column[str]
    late_by: Column[float]
    air_time: Column[float]
    scheduled_at: EventTime
    landed_at: KnownTime


class Departure(Source, data=Parquet("data/departures.parquet")):
    """One row per scheduled flight, known when it left or was cancelled.

    A cancelled flight may have no tail number: it counts for its airline, route and airport, and for no aircraft.
    """

    flight_id: RowId[int]
    tailnum: Column[str]
    carrier: Column[str]
    origin: Column[str]
    dest: Column[str]
    departure_delay: Column[float]
    cancelled: Column[bool]
    scheduled_at: EventTime
    left_at: KnownTime


class Weather(Source, data=Parquet("data/weather.parquet"), delay="10m"):
    """One row per station and hour, known ten minutes after it was measured."""

    station: Column[str]
    temperature: Column[float]
    humidity: Column[float]
    wind_speed: Column[float]
    precipitation: Column[float]
    pressure: Column[float]
    visibility: Column[float]
    measured_at: EventTime


class PlaneRecord(Source, data=Parquet("data/planes.parquet"), static=True):
    """The register of aircraft. Some aircraft are not in it, and some years are not known."""

    tailnum: Column[str]
    year: Column[int]
    manufacturer: Column[str]
    engines: Column[int]
    engine: Column[str]
    seats: Column[int]


class AirportRecord(Source, data=Parquet("data/airports.parquet"), static=True):
    """Where airports are."""

    code: Column[str]
    latitude: Column[float]
    longitude: Column[float]
    altitude: Column[int]
    zone: Column[str]


class Trip(Request):
    """A flight that is about to leave: what the question knows."""

    tailnum: Column[str]
    carrier: Column[str]
    origin: Column[str]
    dest: Column[str]
    distance: Column[float]
    scheduled_at: Column[datetime]


late = Arrival.late_by > 15


class PlaneHistory(FeatureView, entity=Plane, source=Arrival):
    """How this aircraft has been running, by the flights that have landed."""

    last_delay = feature(
        Arrival.late_by.last(over="2d", skip_nulls=True), doc="minutes late of its latest flight that has landed"
    )
    last_delays = feature(Arrival.late_by.last_n(3, over="7d"), doc="its latest three that have landed, oldest first")
    delay = Arrival.late_by.mean(over=("2d", "7d", "30d"))
    delay_spread = Arrival.late_by.std(over="30d")
    best_delay = Arrival.late_by.min(over="30d")
    worst_delay = Arrival.late_by.max(over="30d")
    flights = rows(over=("7d", "30d"))
    late_share: Feature[float] = feature(
        rows(over="30d", where=late) / rows(over="30d"), default=0.0, doc="share of landings over 15 minutes late"
    )
    air_hours = feature(Arrival.air_time.sum(over="7d") / 60, doc="hours in the air, on flights from New York")
    destinations = Arrival.dest.distinct_count(over="30d")
    last_dest = Arrival.dest.last(over="7d")
    last_landed_at = Arrival.landed_at.last(over="7d")


class PlaneDepartures(FeatureView, entity=Plane, source=Departure):
    """How this aircraft left New York the last time; known as soon as it is off, long before it lands."""

    last_departure_delay = Departure.departure_delay.last(over="7d", where=~Departure.cancelled)
    last_left_at = Departure.left_at.last(over="7d", where=~Departure.cancelled)


class PlaneFacts(FeatureView, entity=Plane, source=PlaneRecord):
    """What kind of aircraft it is."""

    year_built = PlaneRecord.year.last()
    seats = PlaneRecord.seats.last()
    engines = PlaneRecord.engines.last()
    manufacturer = PlaneRecord.manufacturer.last()
    jet = PlaneRecord.engine.last().isin(["Turbo-fan", "Turbo-jet"])
    size: Feature[str] = feature(
        when(PlaneRecord.seats.last() < 20)
        .then("small")
        .when(PlaneRecord.seats.last() < 120)
        .then("regional")
        .when(PlaneRecord.seats.last() >= 120)
        .then("large")
        .otherwise("unknown"),
        doc="small, regional, large or unknown",
    )


class RouteHistory(FeatureView, entity=Route, source=Arrival):
    """How flights on this route have been landing."""

    delay = Arrival.late_by.mean(over=("1d", "7d"))
    late_share = rows(over="7d", where=late) / rows(over="7d")
    air_time = Arrival.air_time.mean(over="7d")


class RouteDepartures(FeatureView, entity=Route, source=Departure):
    """How flights on this route have been leaving, or not."""

    flights = rows(over="7d")
    cancelled_share = rows(over="7d", where=Departure.cancelled) / rows(over="7d")


class CarrierArrivals(FeatureView, entity=CarrierAtOrigin, source=Arrival):
    """How this airline's flights from this airport have been landing."""

    delay = Arrival.late_by.mean(over=("6h", "3d"))
    late_share = rows(over="3d", where=late) / rows(over="3d")


class CarrierDepartures(FeatureView, entity=CarrierAtOrigin, source=Departure):
    """How this airline's flights have been leaving this airport, or not."""

    flights = rows(over=("6h", "3d"))
    departure_delay = Departure.departure_delay.mean(over="6h")
    cancelled_share = rows(over="3d", where=Departure.cancelled) / rows(over="3d")


class OriginTraffic(FeatureView, entity=Airport(code=Trip.origin), source=Departure, key=Departure.origin):
    """What is going on at the airport. A flight is seen when it has left or is cancelled, not while it waits."""

    departures = Departure.departure_delay.count(over=("1h", "3h", "1d"))
    cancelled = rows(over="1d", where=Departure.cancelled)
    departure_delay = Departure.departure_delay.mean(over=("1h", "3h", "1d"))
    delay_trend = feature(
        Departure.departure_delay.last(over="3h", skip_nulls=True)
        - Departure.departure_delay.first(over="3h", skip_nulls=True),
        doc="the latest flight's delay less that of a flight three hours before",
    )


class OriginWeather(FeatureView, entity=Airport(code=Trip.origin), source=Weather, key=Weather.station):
    """The weather where it leaves."""

    temperature = Weather.temperature.last(over="3h")
    humidity = Weather.humidity.last(over="3h")
    wind_speed = Weather.wind_speed.last(over="3h")
    gustiness = Weather.wind_speed.var(over="6h")
    visibility = Weather.visibility.min(over="3h")
    rain = feature(Weather.precipitation.sum(over="1d"), doc="inches in a day")
    pressure_change = feature(
        Weather.pressure.last(over="6h", skip_nulls=True) - Weather.pressure.first(over="6h", skip_nulls=True),
        doc="millibars in six hours; a fall announces weather",
    )


class OriginAirport(FeatureView, entity=Airport(code=Trip.origin), source=AirportRecord):
    """Where it leaves from."""

    latitude = AirportRecord.latitude.last()
    longitude = AirportRecord.longitude.last()
    altitude = AirportRecord.altitude.last()
    zone = AirportRecord.zone.last()


class DestAirport(OriginAirport, entity=Airport(code=Trip.dest)):
    """Where it is going: the same facts, for another airport."""


class AtDeparture(FeatureView, request=Trip):
    """What the question itself says, alone and against what is usual."""

    hour = Trip.scheduled_at.hour(zone=NEW_YORK)
    weekday = Trip.scheduled_at.weekday(zone=NEW_YORK)
    month = Trip.scheduled_at.month(zone=NEW_YORK)
    evening = feature(Trip.scheduled_at.hour(zone=NEW_YORK).between(16, 21), doc="when the day's delays have piled up")
    distance = Trip.distance
    eastward = feature(DestAirport.longitude - OriginAirport.longitude, doc="degrees of longitude to the east")
    plane_age = Trip.scheduled_at.year(zone=NEW_YORK) - PlaneFacts.year_built
    hours_on_ground = feature(
        (Trip.scheduled_at - PlaneHistory.last_landed_at) / 3600, doc="hours since it last landed, wherever that was"
    )
    still_out = feature(
        PlaneDepartures.last_left_at > PlaneHistory.last_landed_at, doc="its last flight is not known to have landed"
    )
    usual_delay = feature(
        coalesce(PlaneHistory.delay["7d"], RouteHistory.delay["7d"]), doc="the aircraft's own, else its route's"
    )
    plane_against_route = PlaneHistory.delay["30d"] - RouteHistory.delay["7d"]
    carrier_against_usual = CarrierArrivals.delay["6h"] - CarrierArrivals.delay["3d"]
    airport_against_usual = OriginTraffic.departure_delay["1h"] - OriginTraffic.departure_delay["1d"]


arrival_delay = FeatureSet(
    "arrival_delay",
    PlaneHistory,
    PlaneDepartures,
    PlaneFacts,
    RouteHistory,
    RouteDepartures,
    CarrierArrivals,
    CarrierDepartures,
    OriginTraffic,
    OriginWeather,
    OriginAirport.altitude,
    DestAirport,
    AtDeparture,
    doc="whether a flight from New York lands late, as of its scheduled departure",
)
