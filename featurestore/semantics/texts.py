"""How a value may be written as text (R1, R8): one grammar, as regular expressions that Python and DuckDB read alike.

Each road has a parser of its own behind it, and these parsers differ in what else they would take: week dates, hour
24, names of zones, a leading space, `epoch`. Nothing is parsed that does not fit the whole expression.
"""

from __future__ import annotations

from typing import Final

# ISO 8601, extended form, years 0001 to 9999
_DATE = "([0-9]{3}[1-9]|[0-9]{2}[1-9][0-9]|[0-9][1-9][0-9]{2}|[1-9][0-9]{3})-[0-9]{2}-[0-9]{2}"
_TIME = r"([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9](\.[0-9]{1,9})?)?"
_HOURS = "([01][0-9]|2[0-3])"
_OFFSET = f"(Z|[+-]{_HOURS}([0-5][0-9]|:[0-5][0-9](:[0-5][0-9])?)?)"

DATE_TEXT: Final = _DATE
ZONED_TEXT: Final = f"{_DATE}[T ]{_TIME}{_OFFSET}"
"""An instant: with its offset from UTC, or `Z`."""
LOCAL_TEXT: Final = f"{_DATE}([T ]{_TIME})?"
"""A time without an offset; a date alone is its midnight."""
WHOLE_TEXT: Final = "[+-]?[0-9]{1,38}"
NUMBER_TEXT: Final = r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,6})?|[+-]?(?i:inf(inity)?)|(?i:nan)"
BOOL_TEXT: Final = "(?i:true|false)"
