"""An expression as an author would write it."""

from __future__ import annotations

from typing import assert_never

from featurestore.expr.nodes import Aggregate, Call, ColumnRef, Default, FeatureRef, Literal, Node, RequestRef
from featurestore.semantics.dtypes import python_value
from featurestore.semantics.scalars import SCALAR_ROWS

SYMBOLS = {row.name: row.symbol for row in SCALAR_ROWS if row.symbol}


def text_of(node: Node) -> str:
    """The expression in the words of the language, on one line."""
    match node:
        case Literal():
            return repr(python_value(node.value, node.dtype))
        case ColumnRef():
            return f"{node.source}.{node.name}"
        case RequestRef():
            return f"{node.request}.{node.name}"
        case FeatureRef():
            return f"{node.view}.{node.name}"
        case Call(function="to_float", arguments=(inner,)):
            return text_of(inner)
        case Call(function="not" | "neg", arguments=(inner,)):
            return f"{SYMBOLS[node.function]}{text_of(inner)}"
        case Call() if node.function in SYMBOLS:
            left, right = (text_of(argument) for argument in node.arguments)
            return f"({left} {SYMBOLS[node.function]} {right})"
        case Call():
            parameter = [repr(node.parameter)] if node.parameter else []
            first, *rest = (text_of(argument) for argument in node.arguments)
            return f"{first}.{node.function}({', '.join([*rest, *parameter])})"
        case Aggregate():
            options = [str(node.n)] if node.n else []
            options += [f'over="{node.span.label}"'] if node.span.length_us is not None else []
            options += [f"where={text_of(node.where)}"] if node.where else []
            prefix = f"{text_of(node.input)}." if node.input else ""
            return f"{prefix}{node.function}({', '.join(options)})"
        case Default():
            return f"feature({text_of(node.input)}, default={python_value(node.value, node.dtype)!r})"
        case _:
            assert_never(node)
