"""`@row_function`: plain typed Python as a function of the language (R17)."""

from __future__ import annotations

import builtins
import dis
import inspect
import json
import re
import textwrap
import types
from collections.abc import Callable, Iterator
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from hashlib import sha256
from types import CodeType, FunctionType, ModuleType
from typing import Any, Generic, TypeVar, Union, get_args, get_origin
from zoneinfo import ZoneInfo

from featurestore.errors import InvalidDefinition, TypeMismatch, a_kind
from featurestore.expr.fluent import Expr, Operand, node_of
from featurestore.expr.nodes import Literal, Node, PythonCall
from featurestore.expr.printing import text_of
from featurestore.expr.widening import as_float
from featurestore.semantics.dtypes import FLOAT64, INT64, KEYS, PYTHON_TYPES, DType, list_of, map_of
from featurestore.semantics.python_functions import Parameter, PythonFunction

R = TypeVar("R")
_FIXED = (
    *(bool, int, float, complex, str, bytes, type(None), Decimal, re.Pattern),
    *(date, datetime, time, timedelta, timezone, ZoneInfo),
)
_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


class RowFunction(Generic[R]):
    """A row function: called with expressions it is an expression. `python` is the function as it was written, to be
    tested with plain values."""

    def __init__(self, python: Callable[..., R | None]) -> None:
        self.python = python
        self.function = _checked(python)
        self.__doc__ = python.__doc__

    def __call__(self, *arguments: Operand | None) -> Expr[R]:
        """The expression that calls it for each row of values; `None` is null."""
        function = self.function
        wanted = ", ".join(f"{each.name}: {each.dtype}" for each in function.parameters)
        if len(arguments) != len(function.parameters):
            raise InvalidDefinition(
                f"`{function.name}` takes {len(function.parameters)} values, not {len(arguments)}",
                has=wanted,
                fix="give each of them, in this order",
            )
        nodes = tuple(
            Literal(None, each.dtype) if given is None and each.nullable else node_of(given)
            for given, each in zip(arguments, function.parameters, strict=True)
        )
        if all(isinstance(node, Literal) for node in nodes):
            raise InvalidDefinition(
                f"`{function.name}` is given no expression",
                has=", ".join(text_of(node) for node in nodes),
                fix="give it columns of a request, aggregates or features; `.python(...)` calls it with plain values",
            )
        given = tuple(_fitting(node, each.dtype) for node, each in zip(nodes, function.parameters, strict=True))
        for node, each in zip(given, function.parameters, strict=True):
            if node.dtype != each.dtype and not (node.dtype.kind == "vector" and each.dtype == list_of(FLOAT64)):
                raise TypeMismatch(
                    f"`{each.name}` of `{function.name}` takes {each.dtype}, not {node.dtype}",
                    has=[f"{text_of(node)}: {node.dtype}"],
                    fix="give it a value of that type, or annotate the parameter with another",
                )
        return Expr(PythonCall(function, given, function.gives))

    def __repr__(self) -> str:
        return f"RowFunction({self.function.name})"


def row_function(python: Callable[..., R | None]) -> RowFunction[R]:
    """A function of the language from a plain Python function, whose annotations are its types: bool, int, float, str,
    datetime, date, lists such as `list[float]` and maps such as `dict[str, int]`.

    Both roads call it with the values of one row. A null for a parameter that is annotated `T | None`, or among items
    annotated `list[T | None]`, reaches it as None; for any other, the answer is null and it is not called. It must give
    the same for the same values, and takes request values, aggregates and features, never columns below an aggregate.
    """
    return RowFunction(python)


def _fitting(node: Node, dtype: DType) -> Node:
    return as_float(node) if node.dtype == INT64 and dtype == FLOAT64 else node


def _checked(python: Callable[..., Any]) -> PythonFunction:
    if not isinstance(python, FunctionType) or python.__name__ == "<lambda>":
        raise InvalidDefinition(
            f"`{python!r:.60}` is no function with a name",
            fix="write `@row_function` above a `def`",
        )
    name = f"{python.__module__}.{python.__qualname__}"
    if inspect.iscoroutinefunction(python) or inspect.isgeneratorfunction(python) or inspect.isasyncgenfunction(python):
        raise InvalidDefinition(f"the row function `{name}` does not return its value", fix="write a plain `def`")
    _refuse_closure(python)
    try:
        annotations = inspect.get_annotations(python, eval_str=True)
    except NameError as error:
        raise InvalidDefinition(
            f"an annotation of `{name}` names `{error.name}`, which is not defined", fix="import it first"
        ) from None
    parameters = []
    for each in inspect.signature(python).parameters.values():
        if each.kind not in _POSITIONAL or each.default is not inspect.Parameter.empty:
            raise InvalidDefinition(
                f"the parameter `{each.name}` of the row function `{name}` can be left out, or given by name only",
                fix="take plain parameters without defaults",
            )
        dtype, *nulls = _annotated(name, f"the parameter `{each.name}`", annotations.get(each.name))
        parameters.append(Parameter(each.name, dtype, *nulls))
    gives, *_ = _annotated(name, "what it returns", annotations.get("return"))
    return PythonFunction(name, tuple(parameters), gives, _digest(python), python)


def _annotated(name: str, what: str, annotation: Any) -> tuple[DType, bool, bool]:
    """The type that an annotation names, whether it takes None, and whether its items do."""
    held, nullable = _without_none(annotation)
    arguments = get_args(held)
    dtype, null_items = _scalar(held), False
    if get_origin(held) is list and len(arguments) == 1:
        inner, null_items = _without_none(arguments[0])
        item = _scalar(inner)
        dtype = None if item is None else list_of(item)
    elif get_origin(held) is dict and len(arguments) == 2:  # a key and a value
        inner, null_items = _without_none(arguments[1])
        key, item = _scalar(arguments[0]), _scalar(inner)
        dtype = None if key not in KEYS or item is None else map_of(key, item)
    if dtype is None:
        shown = "nothing" if annotation is None else getattr(annotation, "__name__", str(annotation))
        raise TypeMismatch(
            f"{what} of the row function `{name}` is annotated with {shown if not arguments else annotation}",
            has=[
                *("bool", "int", "float", "str", "datetime", "date", "list[...] of these"),
                "dict[..., ...] of these, whose keys are no floats",
                "each of them, and each item, `| None`",
            ],
            fix="annotate it with one of these",
        )
    return dtype, nullable, null_items


def _without_none(annotation: Any) -> tuple[Any, bool]:
    """An annotation without `| None`, and whether it had that."""
    kinds = get_args(annotation) if get_origin(annotation) in (Union, types.UnionType) else (annotation,)
    held = [kind for kind in kinds if kind is not type(None)]
    return (held[0], len(held) < len(kinds)) if len(held) == 1 else (annotation, False)


def _scalar(annotation: Any) -> DType | None:
    return PYTHON_TYPES.get(annotation) if isinstance(annotation, type) else None


def _digest(python: FunctionType) -> str:
    """What stands for all that the function's answer depends on in its own package."""
    texts: list[tuple[str, str]] = []
    _collect(python, texts, set())
    return sha256(json.dumps(sorted(set(texts))).encode()).hexdigest()[:16]


def _collect(python: FunctionType, texts: list[tuple[str, str]], seen: set[FunctionType]) -> None:
    """Add the source of a function, and of what it reads: functions of its package, and constants. What could change
    without a trace is refused."""
    if python in seen:
        return
    seen.add(python)
    name, package = f"{python.__module__}.{python.__qualname__}", python.__module__.split(".")[0]
    _refuse_closure(python)
    try:
        texts.append((name, textwrap.dedent(inspect.getsource(python))))
    except (OSError, TypeError):
        raise InvalidDefinition(
            f"the source of the row function `{name}` cannot be read",
            fix="write it in a file or a notebook: its source is part of the version",
        ) from None
    for given, value in _defaults(python).items():
        texts.append((f"{name}.{given}", _constant(name, given, value)))
    for read in sorted(set(_globals_read(python.__code__))):
        if read not in python.__globals__:
            if hasattr(builtins, read):
                continue
            raise InvalidDefinition(
                f"the row function `{name}` reads `{read}`, which is not defined yet", fix="define it above"
            )
        value = python.__globals__[read]
        value = value.python if isinstance(value, RowFunction) else value
        own = _module_of(value).split(".")[0] == package
        if isinstance(value, FunctionType):
            if own:
                _collect(value, texts, seen)
        elif isinstance(value, (ModuleType, type)):
            if own:
                _refuse_unseen(name, f"`{read}`, a {'class' if isinstance(value, type) else 'module'} of its package")
        elif not inspect.isbuiltin(value):
            texts.append((f"{python.__module__}.{read}", _constant(name, read, value)))
    for imported in _imported(python.__code__):
        if imported.split(".")[0] in (package, ""):
            _refuse_unseen(name, f"`{imported.lstrip('.')}`, which it imports from its package when it runs")


def _refuse_closure(python: FunctionType) -> None:
    if python.__code__.co_freevars:
        raise InvalidDefinition(
            f"the row function `{python.__module__}.{python.__qualname__}` reads variables of the function around it",
            has=python.__code__.co_freevars,
            fix="move it to the top of the file, and give it what it needs",
        )


def _refuse_unseen(name: str, what: str) -> None:
    raise InvalidDefinition(
        f"the row function `{name}` reads {what}: a change there would not change the version",
        has="functions and constants are followed",
        fix="import the function or the constant itself at the top of the file: `from definitions.rates import rate`",
    )


def _module_of(value: object) -> str:
    return value.__name__ if isinstance(value, ModuleType) else str(getattr(value, "__module__", None) or "")


def _defaults(python: FunctionType) -> dict[str, Any]:
    """What the parameters of a function are when they are left out."""
    found = inspect.signature(python).parameters.values()
    return {each.name: each.default for each in found if each.default is not inspect.Parameter.empty}


def _globals_read(code: CodeType) -> Iterator[str]:
    for each in _codes(code):
        for instruction in dis.get_instructions(each):
            if instruction.opname in ("LOAD_GLOBAL", "LOAD_NAME"):
                yield str(instruction.argval)


def _imported(code: CodeType) -> Iterator[str]:
    """The modules that are imported when code runs; relative ones begin with a dot."""
    for each in _codes(code):
        constants: list[Any] = []
        for instruction in dis.get_instructions(each):
            if instruction.opname in ("LOAD_CONST", "LOAD_SMALL_INT"):
                constants.append(instruction.argval)
            elif instruction.opname == "IMPORT_NAME":
                yield f"{'.' * constants[-2]}{instruction.argval}"


def _codes(code: CodeType) -> Iterator[CodeType]:
    """Code, and that of the functions in it."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _codes(constant)


def _constant(name: str, read: str, value: object) -> str:
    """A text for a constant that cannot change. Raises: InvalidDefinition."""
    if isinstance(value, tuple):
        return f"({', '.join(_constant(name, read, each) for each in value)})"
    if isinstance(value, frozenset):
        return f"{{{', '.join(sorted(_constant(name, read, each) for each in value))}}}"
    if isinstance(value, _FIXED):
        return repr(value)
    raise InvalidDefinition(
        f"the row function `{name}` reads `{read}`, {a_kind(value)}, which can change",
        fix=f"make `{read}` a tuple or a frozenset, or write it inside of the function",
    )
