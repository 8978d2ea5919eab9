"""What a training set says of itself in its file: the metadata of the Parquet schema, under `featurestore.` keys.

There is no time in it and no number of a build, so the same training set has the same bytes when it is built again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from featurestore.errors import InputError
from featurestore.plan.certificates import Certificate, product_version
from featurestore.plan.engines import engine_versions
from featurestore.plan.nodes import Plan

PREFIX = "featurestore."
FORMAT = "1"
LONGEST_SPINE = 4_000
"""Letters of a spine's SELECT that are kept."""


@dataclass(frozen=True, slots=True)
class SpineNote:
    """How a spine was given: `given` is its path or SELECT, or what kind of table it was; `limit` its first rows."""

    given: str
    limit: int | None = None


def spine_note(spine: object, root: Path, limit: int | None = None) -> SpineNote:
    """What is kept of a spine: a path below the project's folder is relative to it."""
    if not isinstance(spine, (str, Path)):
        kind = type(spine)
        return SpineNote(f"a {kind.__module__.split('.')[0]} {kind.__name__} in memory", limit)
    path = Path(spine)
    if path.is_absolute() and path.resolve().is_relative_to(root.resolve()):
        return SpineNote(path.resolve().relative_to(root.resolve()).as_posix(), limit)
    return SpineNote(str(spine)[:LONGEST_SPINE], limit)


def about_of(
    plan: Plan, version: str, as_of: str, spine: SpineNote, *, statuses: bool, certificate: object
) -> dict[str, str]:
    """The metadata of a training set, as texts; what has parts is JSON."""
    values: dict[str, object] = {
        "format": FORMAT,
        "feature_set": plan.name,
        "version": version,
        "definitions_version": plan.version,
        "features": [{"name": each.name, "type": str(each.dtype)} for each in plan.outputs],
        "inputs": [{"name": each.name, "type": str(each.dtype)} for each in plan.inputs],
        "as_of": as_of,
        "statuses": statuses,
        "spine": {"given": spine.given, "limit": spine.limit},
        "certificate": _certificate(certificate),
        "product": f"featurestore {product_version()}",
        "engines": engine_versions(),
    }
    return {
        f"{PREFIX}{name}": value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))
        for name, value in values.items()
    }


def about_file(path: Path) -> dict[str, Any]:
    """What a training set's file says of itself, without the prefix; what is JSON in it is read.

    Raises: InputError  when it is no Parquet file, or none of ours.
    """
    try:
        schema = pq.read_schema(path)
    except (pa.ArrowException, OSError) as error:
        raise InputError(
            f"`{path}` cannot be read", has=str(error).splitlines()[0], fix="give a Parquet file that `dataset` wrote"
        ) from None
    held = {key.decode(): value.decode() for key, value in (schema.metadata or {}).items()}
    found = {key.removeprefix(PREFIX): _read(value) for key, value in held.items() if key.startswith(PREFIX)}
    if "version" not in found:
        raise InputError(
            f"`{path}` does not say what it is",
            where="the metadata of its schema",
            has=list(held),
            fix="build it with this version of `featurestore dataset`; what copies it must keep the metadata",
        )
    return found


def with_about(schema: pa.Schema, about: Mapping[str, str]) -> pa.Schema:
    """A schema that says what the training set is."""
    return schema.with_metadata(dict(about)) if about else schema


def _certificate(found: object) -> dict[str, object] | None:
    """A certificate without the time of `verify`: the same proof, found again, is the same text."""
    if not isinstance(found, Certificate):
        return None
    return {
        "cells": found.cells,
        "informative": found.informative,
        "legs": list(found.legs),
        "seed": found.seed,
        "product": found.product,
        "engines": found.engines,
    }


def _read(text: str) -> Any:
    if text[:1] not in "{[" and text not in ("null", "true", "false"):
        return text
    try:
        return json.loads(text)
    except ValueError:
        return text
