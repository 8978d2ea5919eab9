"""Every error of the product, drawn as one tree. Each says what is wrong, where, what there is instead, and how to
mend it.

FeatureStoreError
├── ConfigError                 featurestore.toml or the environment is wrong
├── DefinitionError             a definition is wrong; found at import or by `plan`
│   ├── UnknownColumn           a source, request or entity has no such column
│   ├── UnknownFeature          no feature, view or feature set of that name
│   ├── TypeMismatch            an operator, function or aggregate does not take this type
│   ├── DuplicateName           two definitions of one name
│   ├── DefinitionCycle         definitions that need each other
│   ├── InvalidDefinition       anything else an author can get wrong
│   └── DefinitionErrors        several of the above, reported together
├── InputError                  what a caller handed in is wrong
│   ├── MissingColumn           a key, request or event column is absent
│   ├── MissingAsOf             a spine without its `as_of` column
│   ├── NaiveTime               a time without a zone
│   ├── InvalidValue            a value that its type cannot hold
│   ├── AsOfTooEarly            the state can no longer answer that instant exactly
│   └── AsOfTooLate             an instant after the store's clock
├── StoreError                  the online store cannot answer now (HTTP 503)
│   ├── ServerNotFound          no Redis or Valkey to talk to and none to start
│   ├── StoreUnavailable        the server does not answer
│   ├── StoreEmpty              nothing was materialised, or the server lost it
│   ├── StoreBehind             the state lacks rows that the log has
│   └── StoreUnsafe             the server may drop keys, or is too old
├── OutOfMemory                 a training set needs more memory than it may take
├── NotCertified                a version without a certificate, where one is required (HTTP 503)
├── RowFunctionFailed           a row function raised, or gave what its type does not hold
└── ParityError                 the two roads gave different bits
"""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches


class FeatureStoreError(Exception):
    """An error in four parts: what happened, in which place, what there is, how to mend it."""

    def __init__(
        self, what: str, *, where: str | None = None, has: Sequence[str] | str | None = None, fix: str | None = None
    ) -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.has = has if isinstance(has, str) or has is None else ", ".join(sorted(has)) or "nothing"
        self.fix = fix

    @property
    def name(self) -> str:
        """The error's name as printed and as sent over HTTP."""
        return type(self).__name__

    def parts(self) -> dict[str, str]:
        """`what`, `in`, `has`, `fix`: those that are known, in this order."""
        every = {"what": self.what, "in": self.where, "has": self.has, "fix": self.fix}
        return {key: value for key, value in every.items() if value}

    def __str__(self) -> str:
        lines = [f"{key:<4} {value}" for key, value in self.parts().items() if key != "what"]
        return "\n  ".join([self.what, *lines])

    def _render_traceback_(self) -> list[str]:
        """What IPython shows of it: the four parts, without the frames of our code."""
        return f"{self.name}: {self}".splitlines()


class ConfigError(FeatureStoreError):
    """featurestore.toml or the environment is wrong."""


class DefinitionError(FeatureStoreError):
    """A definition is wrong."""


class UnknownColumn(DefinitionError):
    """A source, request or entity has no such column."""


class UnknownFeature(DefinitionError):
    """No feature, view or feature set of that name."""


class TypeMismatch(DefinitionError):
    """An operator, function or aggregate does not take this type."""


class DuplicateName(DefinitionError):
    """Two definitions of one name."""


class DefinitionCycle(DefinitionError):
    """Definitions that need each other."""


class InvalidDefinition(DefinitionError):
    """Anything else an author can get wrong."""


class DefinitionErrors(DefinitionError):
    """Several definition errors, reported together."""

    def __init__(self, errors: Sequence[DefinitionError]) -> None:
        super().__init__(f"{len(errors)} errors in the definitions")
        self.errors = tuple(errors)

    def __str__(self) -> str:
        return "\n".join(f"{error.name}: {error}" for error in self.errors)

    def _render_traceback_(self) -> list[str]:
        return str(self).splitlines()


class InputError(FeatureStoreError):
    """What a caller handed in is wrong."""


class MissingColumn(InputError):
    """A key, request or event column is absent."""


class MissingAsOf(InputError):
    """A spine without its `as_of` column."""


class NaiveTime(InputError):
    """A time without a zone."""


class InvalidValue(InputError):
    """A value that its type cannot hold."""


class AsOfTooEarly(InputError):
    """The state can no longer answer that instant exactly."""


class AsOfTooLate(InputError):
    """An instant after the store's clock."""


class StoreError(FeatureStoreError):
    """The online store cannot answer now."""


class ServerNotFound(StoreError):
    """No Redis or Valkey to talk to and none to start."""


class StoreUnavailable(StoreError):
    """The server does not answer."""


class StoreEmpty(StoreError):
    """Nothing was materialised, or the server lost it."""


class StoreBehind(StoreError):
    """The state lacks rows that the log has."""


class StoreUnsafe(StoreError):
    """The server may drop keys, or is too old."""


class OutOfMemory(FeatureStoreError):
    """A training set needs more memory than it may take."""


class NotCertified(FeatureStoreError):
    """A version without a certificate, where one is required."""


class RowFunctionFailed(FeatureStoreError):
    """A row function raised, or gave what its declared type does not hold."""


class ParityError(FeatureStoreError):
    """The two roads gave different bits."""


def a_kind(value: object) -> str:
    """What a value is, as a sentence says it.

    >>> a_kind(1), a_kind("x")
    ('an int', 'a str')
    """
    kind = type(value).__name__
    return f"{'an' if kind[0] in 'aeiouAEIO' else 'a'} {kind}"


def nearest(name: str, known: Sequence[str]) -> str | None:
    """The known name closest to a mistyped one, or one that it begins; None when nothing is close. Case and `_` count
    little: `CustomerId` is near `customer_id`.

    >>> nearest("FARE", ["rides", "fare"]), nearest("customerId", ["customer", "customer_id"])
    ('fare', 'customer_id')
    """
    plain = {each: each.replace("_", "").lower() for each in known}
    sought = name.replace("_", "").lower()
    close = [each for each in known if each.casefold() == name.casefold()]
    close += [each for each in known if plain[each] == sought and sought]
    close += get_close_matches(name, list(known), n=1, cutoff=0.6)
    close += [each for word in get_close_matches(sought, plain.values(), n=1) for each in known if plain[each] == word]
    close += [each for each in known if sought and plain[each].startswith(sought)]
    return close[0] if close else None


def did_you_mean(name: str, known: Sequence[str], otherwise: str) -> str:
    """The fix line for a mistyped name: the near name if there is one.

    >>> did_you_mean("late", ["late_by", "origin"], "write one of these")
    'write `late_by`'
    """
    close = nearest(name, known)
    return f"write `{close}`" if close else otherwise


def rename_to(name: str, given: Sequence[str], otherwise: str) -> str:
    """The fix line for a name that is missing: the near one that was given instead, if there is one.

    >>> rename_to("user_id", ["usr_id", "label"], "send `user_id`")
    'rename `usr_id` to `user_id`'
    """
    close = nearest(name, given)
    return f"rename `{close}` to `{name}`" if close else otherwise
