"""The name of a request: given by who asks, or made."""

from __future__ import annotations

import re
import secrets

from featurestore.errors import InputError

_FIT = re.compile(r"[!-~]{1,128}")


def new_request_id() -> str:
    """A name that no other request has."""
    return secrets.token_hex(8)


def checked_request_id(given: str) -> str:
    """A name that was given. Raises: InputError  when it is none."""
    if isinstance(given, str) and _FIT.fullmatch(given):
        return given
    raise InputError(
        f"{given!r:.40} is no request id",
        has="1 to 128 printable ASCII characters without spaces",
        fix="give such a text, or leave it out and one is made",
    )
