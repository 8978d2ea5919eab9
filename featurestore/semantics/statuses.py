"""What can be said of a value beside the value (R14), from best to worst: a derived null has the worst status of its
inputs."""

from typing import Final

OK: Final = 0
NULL: Final = 1
NOT_FOUND: Final = 2
OVERFLOW: Final = 3
STATUS_NAMES: Final = ("ok", "null", "not_found", "overflow")
