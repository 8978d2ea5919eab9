"""Row functions (R17): a user's own Python function over one row of values, called alike on both roads.

A list reaches it as a list and a map as a dict, made for each call, so that what it does to them changes nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from featurestore.errors import FeatureStoreError, InvalidValue, RowFunctionFailed, a_kind
from featurestore.semantics.dtypes import DType, Value, canonical, python_value


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter: where it is not `nullable`, a null gives null and the function is not called; so does a list or
    map with a null in it, unless `null_items`."""

    name: str
    dtype: DType
    nullable: bool
    null_items: bool = False

    def takes(self, value: Value) -> bool:
        """Whether the function is called with a canonical value."""
        if value is None:
            return self.nullable
        if self.dtype.item is None or self.null_items:
            return True
        return None not in (value if self.dtype.key is None else [item for _, item in value])


@dataclass(frozen=True, slots=True)
class PythonFunction:
    """A function that was checked: `name` is its module and qualified name, `digest` stands for its source and all of
    its package that it reads (R20)."""

    name: str
    parameters: tuple[Parameter, ...]
    gives: DType
    digest: str
    python: Callable[..., object] = field(compare=False, repr=False)

    @property
    def sql_name(self) -> str:
        """Its name in DuckDB."""
        return f"fs_python_{self.digest}"

    def answer(self, values: Sequence[Value]) -> Value:
        """What the function gives for canonical values, canonical itself.

        Raises: RowFunctionFailed  when it raises, or gives what its declared type does not hold.
        """
        if not all(each.takes(value) for value, each in zip(values, self.parameters, strict=True)):
            return None
        given = [python_value(value, each.dtype) for value, each in zip(values, self.parameters, strict=True)]
        try:
            result = self.python(*given)
        except Exception as error:
            raise self._failed(f"raised {type(error).__name__}: {error}", given) from error
        try:
            return _entered(result, self.gives)
        except (FeatureStoreError, TypeError, ValueError):
            pass
        raise self._failed(f"gave {result!r:.80}, which is no {self.gives}", given)

    def _failed(self, what: str, given: Sequence[object]) -> RowFunctionFailed:
        shown = ", ".join(f"{each.name}={value!r:.80}" for each, value in zip(self.parameters, given, strict=True))
        return RowFunctionFailed(
            f"the row function `{self.name}` {what}",
            has=shown,
            fix="correct the function, or keep such values from it",
        )


def _other(result: object, dtype: DType) -> InvalidValue:
    return InvalidValue(f"{result!r:.80} is no {dtype}", has=a_kind(result), fix=f"give a value of type {dtype}")


def _entered(result: Any, dtype: DType) -> Value:
    """What a function gave, canonical. Raises: as `canonical` does, for a value of another type."""
    if result is None:
        return None
    if dtype.key is not None and dtype.item is not None:
        if not isinstance(result, Mapping) or None in result:
            raise _other(result, dtype)
        pairs = {_entered(key, dtype.key): _entered(value, dtype.item) for key, value in result.items()}
        if len(pairs) < len(result):
            raise _other(result, dtype)
        return tuple(sorted(pairs.items(), key=lambda pair: pair[0]))
    if type(result).__module__ == "numpy":  # a scalar holds one Python value, an array a list of them
        result = result.tolist()
    if dtype.item is not None:
        if isinstance(result, (str, bytes)) or not isinstance(result, Sequence):
            raise _other(result, dtype)
        return tuple(_entered(item, dtype.item) for item in result)
    # what `canonical` is lenient about: times as text, whole numbers and days of another type, and NaN for a missing
    # value of any type
    misread = (isinstance(result, str) and dtype.kind != "string") or (
        isinstance(result, (float, Decimal)) and dtype.kind not in ("float64", "decimal")
    )
    if misread or (isinstance(result, datetime) and dtype.kind == "date"):
        raise _other(result, dtype)
    return canonical(result, dtype)
