"""What goes over the wire: bodies and replies as models, and the JSON shape of values.

JSON numbers are exact both ways: int64 as integers, float64 in its shortest form that reads back as the same bits.
Timestamps are ISO 8601 in UTC with microseconds, dates are ISO 8601, decimals are texts, lists and vectors are arrays.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from functools import lru_cache
from typing import Any, Literal, TypeVar

import msgspec
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from featurestore.errors import InputError, InvalidValue, MissingColumn, did_you_mean
from featurestore.online.online_store import IngestReport
from featurestore.online.vectors import Vectors
from featurestore.plan.outcomes import Counts
from featurestore.semantics.decimals import text_of
from featurestore.semantics.dtypes import EPOCH_DAY, DType, Value
from featurestore.semantics.instants import datetime_of
from featurestore.semantics.statuses import STATUS_NAMES
from featurestore.semantics.strict_json import read_json
from featurestore.serve.problems import RequestRefused

MOST_QUESTIONS = 10_000
_encode = msgspec.json.Encoder().encode
Body = TypeVar("Body", bound=BaseModel)


class LookupBody(BaseModel):
    """Questions: one object each, or one object of columns in which a scalar is repeated for every question."""

    model_config = ConfigDict(extra="forbid", strict=True)

    inputs: Any = Field(description="a list of questions, or an object of columns")
    as_of: str | None = Field(None, description="ISO 8601 with a zone; now when it is left out")


class EventsBody(BaseModel):
    """Rows of a source."""

    model_config = ConfigDict(extra="forbid", strict=True)

    rows: Any = Field(description="a list of rows")


class VectorReply(BaseModel):
    """The answer to one question: values and their statuses, in the order of `names`."""

    values: list[Any]
    status: list[Literal["ok", "null", "not_found", "overflow"]]


class LookupReply(BaseModel):
    """The vectors in the order of the questions, all as of one instant."""

    feature_set: str
    version: str = Field(description="the hash of what the feature set means")
    as_of: str = Field(description="ISO 8601, UTC, microseconds")
    names: list[str]
    types: list[str] = Field(
        description="the type of each feature, in the order of `names`: JSON writes several of them alike",
        examples=[["float64", "int64", "timestamp", "list<string>"]],
    )
    rows: list[VectorReply]


class StateReply(BaseModel):
    """What became of the rows in one state: in = applied + duplicate + unkeyed + quarantined."""

    applied: int
    duplicate: int
    unkeyed: int
    quarantined: int


class SetAsideReply(BaseModel):
    """A row that was set aside: its place in the request, from 0, and why."""

    row: int
    reason: str


class EventsReply(BaseModel):
    """What became of the rows. `first` and `last` are log positions, 0 when nothing was committed."""

    source: str
    rows: int
    first: int
    last: int
    quarantined: int
    bad_values: int
    states: dict[str, StateReply]
    call: str = Field(description="the name under which rows that were set aside are kept")
    reasons: dict[str, int] = Field(description="quarantined rows by reason")
    bad_columns: dict[str, int] = Field(description="bad values by column")
    set_aside: list[SetAsideReply] = Field(description="the first few quarantined rows")
    future: int = Field(description="rows that happen after now; they are seen from then on")


def parse_body(model: type[Body], data: bytes) -> Body:
    """A request's body, checked against its model.

    Raises: RequestRefused               400  when it is not JSON that has one meaning.
            MissingColumn, InvalidValue  when it has not the model's fields.
    """
    try:
        found = read_json(data.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise _malformed(f"the body is not UTF-8: {error.reason} at byte {error.start}") from None
    except ValueError as error:
        raise _malformed(f"the body is not JSON with one meaning: {error}"[:300]) from None
    try:
        return model.model_validate(found)
    except ValidationError as error:
        raise _mismatch(model, error, found) from None


def questions_of(inputs: object, most: int = MOST_QUESTIONS) -> list[dict[str, Any]]:
    """The questions of a lookup: rows as they are, or columns as rows.

    Raises: InvalidValue  when it is neither, or columns differ in length.
            InputError    when there are more than `most`.
    """
    if isinstance(inputs, list):
        _at_most(len(inputs), most)
        return _objects(inputs, "question", "inputs")
    if not isinstance(inputs, dict):
        raise InvalidValue(
            "`inputs` is neither a list of questions nor an object of columns",
            has=_kind(inputs),
            fix='send {"inputs": [{"user": 7}]} or {"inputs": {"user": 7, "item": [1, 2]}}',
        )
    lengths = {name: len(column) for name, column in inputs.items() if isinstance(column, list)}
    if len(set(lengths.values())) > 1:
        raise InvalidValue(
            "the columns of `inputs` differ in length",
            has=[f"{name}: {length}" for name, length in lengths.items()],
            fix="send lists of one length; a value that is the same for all may be sent once, without a list",
        )
    count = next(iter(lengths.values()), 1)
    _at_most(count, most)
    return [
        {name: column[place] if name in lengths else column for name, column in inputs.items()}
        for place in range(count)
    ]


def rows_of(rows: object) -> list[dict[str, Any]]:
    """The rows of events. Raises: InvalidValue  when they are no list of objects."""
    if not isinstance(rows, list):
        raise InvalidValue("`rows` is not a list of rows", has=_kind(rows), fix='send {"rows": [{...}, ...]}')
    return _objects(rows, "row", "rows")


def lookup_json(vectors: Vectors) -> bytes:
    """Vectors as a LookupReply in JSON."""
    values: Iterable[Sequence[object]] = vectors.values
    names, types, plain = _head(vectors.names, vectors.dtypes)
    if not plain:
        values = [[json_value(*cell) for cell in zip(row, vectors.dtypes, strict=True)] for row in vectors.values]
    statuses = map(_statuses_json, vectors.statuses)
    reply = {
        "feature_set": vectors.feature_set,
        "version": vectors.version,
        "as_of": instant_json(vectors.as_of_us),
        "names": names,
        "types": types,
        "rows": [{"values": row, "status": status} for row, status in zip(values, statuses, strict=True)],
    }
    return _encode(reply)


@lru_cache(maxsize=4_096)
def _statuses_json(statuses: tuple[int, ...]) -> msgspec.Raw:
    return msgspec.Raw(_encode([STATUS_NAMES[code] for code in statuses]))


def report_json(report: IngestReport) -> bytes:
    """A report as an EventsReply in JSON."""
    reply = EventsReply(
        source=report.source,
        rows=report.rows,
        first=report.first,
        last=report.last,
        quarantined=report.quarantined,
        bad_values=report.bad_values,
        states={state_id: StateReply(**outcomes(counts)) for state_id, counts in report.states.items()},
        call=report.call,
        reasons=report.reasons,
        bad_columns=report.bad_columns,
        set_aside=[SetAsideReply(row=place, reason=reason) for place, reason in report.set_aside],
        future=report.future,
    )
    return reply.model_dump_json().encode()


def outcomes(counts: Counts) -> dict[str, int]:
    """Counts by the name of the outcome (R16)."""
    return {
        "applied": counts.applied,
        "duplicate": counts.duplicate,
        "unkeyed": counts.unkeyed,
        "quarantined": counts.quarantined,
    }


def json_value(value: Value, dtype: DType) -> object:
    """A canonical value as JSON can write it."""
    if value is None:
        return None
    match dtype.kind:
        case "timestamp":
            return instant_json(value)
        case "date":
            return date.fromordinal(value + EPOCH_DAY).isoformat()
        case "decimal":
            return text_of(value, dtype.scale)
        case "list":
            assert dtype.item is not None
            return [json_value(item, dtype.item) for item in value]
        case "map":
            assert dtype.item is not None and dtype.key is not None
            pairs = [(json_value(key, dtype.key), json_value(item, dtype.item)) for key, item in value]
            return dict(pairs) if dtype.key.kind == "string" else [list(pair) for pair in pairs]
        case _:
            return value


@lru_cache(maxsize=256)  # lookups that share a trip have one instant
def instant_json(at_us: int) -> str:
    """An instant as it stands in replies.

    >>> instant_json(1356998400000001)
    '2013-01-01T00:00:00.000001Z'
    """
    return datetime_of(at_us).isoformat(timespec="microseconds").replace("+00:00", "Z")


@lru_cache(maxsize=256)
def _head(names: tuple[str, ...], dtypes: tuple[DType, ...]) -> tuple[msgspec.Raw, msgspec.Raw, bool]:
    """What all replies of a version have in common: names and types in JSON, and whether JSON can write the canonical
    values of these types as they are."""
    return msgspec.Raw(_encode(names)), msgspec.Raw(_encode(list(map(str, dtypes)))), all(map(_plain, dtypes))


def _plain(dtype: DType) -> bool:
    if dtype.key is not None:
        return False
    return _plain(dtype.item) if dtype.item else dtype.kind not in ("timestamp", "date", "decimal")


def _objects(items: list[Any], what: str, field: str) -> list[dict[str, Any]]:
    for place, item in enumerate(items):
        if not isinstance(item, dict):
            raise InvalidValue(
                f"{what} {place} is not an object",
                where=f"`{field}`",
                has=_kind(item),
                fix=f"send every {what} as an object",
            )
    return items


def _at_most(count: int, most: int) -> None:
    if count > most:
        raise InputError(
            f"a lookup of {count:,} questions is too large",
            has=f"at most {most:,}",
            fix="send several requests",
        )


def _malformed(what: str) -> RequestRefused:
    return RequestRefused(400, "MalformedBody", what, where="the body", fix="send one JSON object, encoded as UTF-8")


def _kind(value: object) -> str:
    """What JSON calls a value."""
    names = {type(None): "null", bool: "a boolean", str: "a text", list: "a list", dict: "an object"}
    return names.get(type(value), "a number")


def _mismatch(model: type[BaseModel], error: ValidationError, found: object) -> InputError:
    first = error.errors(include_url=False, include_input=False)[0]
    fields = list(model.model_fields)
    name = ".".join(str(part) for part in first["loc"])
    if not isinstance(found, dict):
        return InvalidValue("the body is not an object", has=_kind(found), fix="send an object")
    if first["type"] == "missing":
        fix = did_you_mean(name, list(found), f"send `{name}`")
        fix = fix if fix == f"send `{name}`" else f"write `{name}`"
        return MissingColumn(f"the body lacks `{name}`", has=list(found), fix=fix)
    if first["type"] == "extra_forbidden":
        return InvalidValue(
            f"the body has no field `{name}`", has=fields, fix=did_you_mean(name, fields, "take it away")
        )
    return InvalidValue(f"`{name}` is no text", has=_kind(found.get(name)), fix="write it as 2013-01-01T00:00:00Z")
