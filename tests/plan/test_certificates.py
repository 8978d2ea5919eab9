"""Certificates on disk: what counts, what does not, and what is said of it."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from featurestore.errors import NotCertified
from featurestore.plan.certificates import Certificate, grant, now, product_version, standing, standings, take_away
from featurestore.plan.engines import engines_text

HELD = Certificate(
    "shop", "abc", "abc", 1_000, 700, ("ingest", "materialize"), 3, now(), product_version(), engines_text()
)


def test_what_was_granted_is_read_back(tmp_path: Path) -> None:
    """A certificate is the same when it is read again, and is said with what it covers and the command to renew it."""
    grant(tmp_path, HELD)
    found = standing(tmp_path, "shop", "abc")
    assert found.certificate == found.required() == HELD
    assert str(found) == (
        f"shop version abc is certified: 1,000 cells verified at {HELD.verified_at}, 70% neither null nor zero, "
        "0 differing"
    )
    assert [path.name for path in (tmp_path / "certificates" / "shop").iterdir()] == ["abc.json"]


def test_another_version_or_set_has_none(tmp_path: Path) -> None:
    """A certificate is of one version of one feature set; without it there is an error in four parts."""
    grant(tmp_path, HELD)
    for name, version in (("shop", "abd"), ("shops", "abc")):
        with pytest.raises(NotCertified) as caught:
            standing(tmp_path, name, version).required()
        assert caught.value.parts() == {
            "what": f"version {version} of `{name}` has no certificate",
            "in": f"feature set `{name}`",
            "has": "it was never verified",
            "fix": f"run `featurestore verify {name}`",
        }


def test_what_was_taken_away_says_why_until_it_is_granted_again(tmp_path: Path) -> None:
    """The last word counts: a reason takes the place of a certificate, and a certificate that of a reason."""
    grant(tmp_path, HELD)
    take_away(tmp_path, "shop", "abc", "`verify` found 2 of 9 cells differing")
    found = standing(tmp_path, "shop", "abc")
    assert found.certificate is None
    assert found.reason.startswith("`verify` found 2 of 9 cells differing, at 20")
    assert [each.version for each in standings(tmp_path, "shop")] == ["abc"]
    grant(tmp_path, HELD)
    assert standing(tmp_path, "shop", "abc").certificate == HELD


def test_another_product_has_to_verify_again(tmp_path: Path) -> None:
    """What another version of the product proved is no proof of this one."""
    grant(tmp_path, replace(HELD, product="0.0.1"))
    found = standing(tmp_path, "shop", "abc")
    assert (found.certificate, found.reason) == (
        None,
        f"it was verified by featurestore 0.0.1, and this is {product_version()}",
    )


def test_other_engines_have_to_verify_again(tmp_path: Path) -> None:
    """A certificate names the versions of DuckDB, pyarrow and tzdata; on others it is no proof."""
    assert re.fullmatch(r"duckdb 2\.\S+, pyarrow \S+, tzdata \S+", HELD.engines)
    grant(tmp_path, replace(HELD, engines="duckdb 1.4.0, pyarrow 26.0.1, tzdata 2026.6"))
    found = standing(tmp_path, "shop", "abc")
    assert found.certificate is None
    assert found.reason == (
        f"it was verified with duckdb 1.4.0, pyarrow 26.0.1, tzdata 2026.6, and here is {engines_text()}"
    )


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"format": 1, "certificate": {"cells": 1}}'])
def test_what_cannot_be_read_certifies_nothing(text: str, tmp_path: Path) -> None:
    """A file that is broken, or of another form, counts for nothing and stops nobody."""
    grant(tmp_path, HELD)
    (tmp_path / "certificates" / "shop" / "abc.json").write_text(text)
    assert standing(tmp_path, "shop", "abc").certificate is None
    (tmp_path / "certificates" / "shop" / "abc.json").write_text(json.dumps({"format": 99}))
    assert standing(tmp_path, "shop", "abc").reason == "another version of the product wrote its certificate"
