"""How what is stored is written: compact JSON, which keeps every canonical value exactly and can be read by a person.

Floats are written so that they read as the same bits; integers of any size are whole. The pointer of a state names
the format.
"""

from __future__ import annotations

import json
from typing import Any, Final

encode: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode
_raw_decode: Final = json.JSONDecoder().raw_decode


def decode(data: bytes | str) -> Any:
    """What `encode` wrote."""
    return _raw_decode(data if isinstance(data, str) else data.decode())[0]
