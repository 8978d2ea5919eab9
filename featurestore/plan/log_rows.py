"""What a row of the log says beside its values, so that it means the same when its columns are declared otherwise.

JSON writes decimals, instants, dates and ints alike, as whole numbers; of a column of the first three kinds a row says
which type it was written with. One that says so of no column was written before rows did, and is read as today's types.
"""

from __future__ import annotations

from typing import Final

from featurestore.semantics.dtypes import DType

BAD_VALUES: Final = "!"
"""The name under which a row keeps the texts of its bad values, by column; no column can be called so."""
TYPES: Final = "#"
"""The name under which it keeps the types of the columns that need it."""


def type_to_tell(dtype: DType) -> str | None:
    """The type as a row tells it; None where the value alone says enough.

    >>> from featurestore.semantics.dtypes import DATE, INT64, list_of
    >>> type_to_tell(list_of(DATE)), type_to_tell(INT64)
    ('list<date>', None)
    """
    return str(dtype) if (dtype.item or dtype).kind in ("decimal", "timestamp", "date") else None
