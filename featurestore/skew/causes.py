"""The causes that a difference can have, one row each: its name as stored, and what it says to a person.

A cause is given to a cell only where asking again shows it: without the rows of that kind, with that definition, at
that instant, or narrowed that way, the roads say the same bits. What nothing shows is `unexplained`.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Cause:
    """A cause: what it says of a cell, and what to do about it."""

    name: str
    says: str
    fix: str


LATE_ROW, LAG, STALE, QUARANTINED = "late_row", "ingestion_lag", "stale_refresh", "quarantined_row"
DEFINITION, INPUT, UNKNOWN, LOST = "definition_changed", "request_input_differs", "key_unknown", "state_lost"
REBUILT, SHIFTED, WINDOW, NARROWED = "state_rebuilt", "time_shifted", "window_differs", "narrowed"
ROUNDED, DEFAULTED, KEY_TYPE, OWN_ROW = "rounded", "default_filled", "key_type", "own_row_counted"
UNKNOWN_YET, NOT_EXAMINED, UNEXPLAINED = "not_yet_known_counted", "not_examined", "unexplained"

CAUSES: dict[str, Cause] = {
    cause.name: cause
    for cause in (
        Cause(
            LATE_ROW,
            "a row came after the answer was given, and says it was known before",
            "let the KnownTime of the source say when a row can really be known",
        ),
        Cause(
            LAG,
            "a row was in the log, and not yet in the state, when the answer was given",
            "look at what ingest was waiting for",
        ),
        Cause(
            STALE,
            "the state, or the value, was older than it should have been",
            "run `featurestore materialize` after each new file, or push the rows",
        ),
        Cause(
            QUARANTINED,
            "a row was set aside when it was pushed, and is usable in the history",
            "fix the sender: see `featurestore quarantine`",
        ),
        Cause(
            DEFINITION,
            "the feature meant something else when the answer was given",
            "train on the version that is served",
        ),
        Cause(
            INPUT,
            "the request carried another value than the training row",
            "log the request's own values for training",
        ),
        Cause(
            UNKNOWN,
            "the key had no row yet where the answer was given, and has one that says it was known before",
            "push the first rows of a key sooner, or give the feature a default",
        ),
        Cause(
            LOST,
            "the state answered as if the key had never been seen, though its rows had been applied",
            "run `featurestore materialize`, and see why the server lost data",
        ),
        Cause(
            REBUILT,
            "the state was built from files that are no longer what they were",
            "write new files instead of changing old ones",
        ),
        Cause(SHIFTED, "the value is that of another time of day", "give times their zone where they are written"),
        Cause(WINDOW, "the value is that of another window", "declare the window that is served"),
        Cause(NARROWED, "the value was narrowed to 32 bits", "carry float64 all the way"),
        Cause(ROUNDED, "the value was rounded", "carry the value as it is"),
        Cause(
            DEFAULTED,
            "one side has a constant where the other has no value",
            "declare it: `feature(..., default=...)` is the same on both roads",
        ),
        Cause(KEY_TYPE, "the key was looked up as another type, and was never found", "send keys of the declared type"),
        Cause(
            OWN_ROW,
            "a row of the very instant was counted",
            "count only rows before it: that row is the label",
        ),
        Cause(
            UNKNOWN_YET,
            "rows were counted that happened before and were not yet known",
            "leave out rows whose KnownTime lies after the instant",
        ),
        Cause(
            NOT_EXAMINED,
            "the cause was not looked for, since that takes more rows than the limit",
            "compare shorter periods, with --since and --until",
        ),
        Cause(UNEXPLAINED, "nothing that was tried gives the value", "this is a fault to be reported"),
    )
}
