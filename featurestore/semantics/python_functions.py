"""Row functions (R17): a user's own Python function over one row of values, called alike on both roads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from featurestore.errors import FeatureStoreError, RowFunctionFailed
from featurestore.semantics.dtypes import DType, Value, canonical, python_value


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter: where it is not `nullable`, a null gives null and the function is not called."""

    name: str
    dtype: DType
    nullable: bool


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
        for value, parameter in zip(values, self.parameters, strict=True):
            if value is None and not parameter.nullable:
                return None
        given = [python_value(value, each.dtype) for value, each in zip(values, self.parameters, strict=True)]
        try:
            result = self.python(*given)
        except Exception as error:
            raise self._failed(f"raised {type(error).__name__}: {error}", given) from error
        # what `canonical` is lenient about: times as text, whole numbers and days of another type, and NaN for a
        # missing value of any type
        misread = (isinstance(result, str) and self.gives.kind != "string") or (
            isinstance(result, (float, Decimal)) and self.gives.kind not in ("float64", "decimal")
        )
        misread = misread or (isinstance(result, datetime) and self.gives.kind == "date")
        if not misread:
            try:
                return canonical(result, self.gives)
            except (FeatureStoreError, TypeError, ValueError):
                pass
        raise self._failed(f"gave {result!r:.80}, which is no {self.gives}", given)

    def _failed(self, what: str, given: Sequence[object]) -> RowFunctionFailed:
        shown = ", ".join(f"{each.name}={value!r:.80}" for each, value in zip(self.parameters, given, strict=True))
        return RowFunctionFailed(
            f"the row function `{self.name}` {what}",
            has=shown,
            fix="mend the function, or keep such values from it",
        )
