"""Which of a service's feature sets have a certificate, and the refusal of those that need one and have none."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from featurestore.online.pointers import Pointer, content_version
from featurestore.plan.certificates import Standing, standing
from featurestore.plan.nodes import Plan


class Certified:
    """The standing of the feature sets that a service answers for, as of the last look. Threads may share it.

    Which version is served depends on the static tables in the state (R20), so that of a feature set which reads some
    is known once its state was seen.
    """

    def __init__(self, home: Path, plans: Mapping[str, Plan], required: bool) -> None:
        self.required = required
        self._home, self._plans = home, plans
        self._standings: dict[str, Standing] = {}
        self._found: dict[tuple[str, str], Standing] = {}

    def look(self, pointers: Mapping[str, Pointer | None]) -> None:
        """See which version of each feature set is served by states of these pointers, and read its certificate."""
        versions = {}
        for name, plan in self._plans.items():
            known = {state.id: pointer for state in plan.states if (pointer := pointers.get(state.id)) is not None}
            if not plan.static_sources:
                versions[name] = plan.version
            elif len(known) == len(plan.states):
                versions[name] = content_version(plan, known)
        found = {name: standing(self._home, name, version) for name, version in versions.items()}
        self._found = {(name, each.version): each for name, each in found.items()}
        self._standings = found

    def check(self, name: str, version: str | None = None) -> None:
        """Refuse to answer for a feature set, as what is known of it now or as the version that answered.

        Raises: NotCertified  when a certificate is required and it has none.
        """
        if not self.required:
            return
        if version is None:
            if name in self._standings:
                self._standings[name].required()
            return
        found = self._found.get((name, version))
        if found is None:  # the static tables have changed since the last look
            found = self._found[name, version] = standing(self._home, name, version)
        found.required()

    def check_any(self) -> None:
        """Raises: NotCertified  when a certificate is required, and not one feature set may be answered for."""
        lacking = self.lacking()
        if self.required and lacking and len(lacking) == len(self._plans):
            lacking[0].required()

    def lacking(self) -> list[Standing]:
        """The feature sets that have no certificate."""
        return [each for each in self._standings.values() if each.certificate is None]

    def version(self, name: str) -> str | None:
        """The version that a feature set is served as; None while the content of its static tables is not known."""
        found = self._standings.get(name)
        return None if found is None else found.version

    def told(self) -> dict[str, dict[str, object]]:
        """For each feature set whether it is certified, and by what or why not, as JSON values."""
        return {
            name: {"certified": False, "reason": each.reason}
            if each.certificate is None
            else {"certified": True, "verified_at": each.certificate.verified_at, "cells": each.certificate.cells}
            for name, each in self._standings.items()
        }
