"""`/docs`: the OpenAPI document as one HTML page. It loads nothing, so it works without a network, and runs no script.

The page refuses to be clever: each call has its description, its parameters, a `curl` command for each example, and its
replies. Everything else is in `/openapi.json`, which it links.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

Schema = Mapping[str, Any]
POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
"""Content security policy of the page: its own style, and nothing else."""
_STYLE = """
:root { color-scheme: light dark; --line: #8884; --dim: #777; --code: #8881 }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
h1 { font-size: 1.5rem } h2 { font-size: 1.2rem; margin-top: 2.5rem; border-bottom: 1px solid var(--line) }
h3 { font-size: 1rem; margin: 0 } code, pre { font: 0.9em/1.45 ui-monospace, monospace }
pre { background: var(--code); padding: 0.7rem; overflow-x: auto; white-space: pre-wrap; overflow-wrap: anywhere }
details { border: 1px solid var(--line); border-radius: 6px; margin: 0.6rem 0; padding: 0.5rem 0.8rem }
summary { cursor: pointer } summary h3 { display: inline } .dim { color: var(--dim) }
table { border-collapse: collapse } td, th { text-align: left; padding: 0.15rem 1rem 0.15rem 0; vertical-align: top }
"""


def docs_page(document: Schema) -> str:
    """The page of an OpenAPI document, as HTML.

    Units:  none; the document's examples are shown as `curl` sends them to the address in the browser's bar.
    """
    info, parts = document["info"], []
    groups: dict[str, list[str]] = {}
    for path, methods in document["paths"].items():
        for method, call in methods.items():
            groups.setdefault(next(iter(call.get("tags", ["other"]))), []).append(_call(path, method, call))
    for tag in sorted(groups, key=lambda each: (each == "health", each)):
        parts.append(f"<h2>{escape(tag)}</h2>{''.join(groups[tag])}")
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(info["title"])}</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{_STYLE}</style></head><body>'
        f"<h1>{escape(info['title'])}</h1>"
        "<p>Every call below can be copied into a terminal; replace the address if the service is elsewhere. "
        'The same as a document for programs: <a href="openapi.json">openapi.json</a>.</p>'
        f"{''.join(parts)}</body></html>"
    )


def _call(path: str, method: str, call: Schema) -> str:
    parts = [f"<summary><h3><code>{escape(method.upper())} {escape(path)}</code></h3> "]
    parts.append(f'<span class="dim">{escape(call.get("summary", ""))}</span></summary>')
    parts.append("".join(_text(call.get("description", ""))))
    parts += list(_commands(path, method, call))
    if fields := _fields(call):
        rows = "".join(f"<tr><td><code>{escape(name)}</code></td><td>{escape(kind)}</td></tr>" for name, kind in fields)
        parts.append(f"<h4>Body</h4><table>{rows}</table>")
    replies = "".join(
        f"<tr><td>{escape(status)}</td><td>{escape(reply.get('description', ''))}</td></tr>"
        for status, reply in call.get("responses", {}).items()
    )
    parts.append(f"<h4>Replies</h4><table>{replies}</table>")
    return f"<details id={_quoted(f'{method}-{path}')}>{''.join(parts)}</details>"


def _commands(path: str, method: str, call: Schema) -> Iterator[str]:
    address = f"http://localhost:8000{path}"
    examples = _body(call).get("examples", {})
    if method == "get":
        yield f"<pre>curl -s {escape(shlex.quote(address))}</pre>"
    for example in examples.values():
        sent = shlex.quote(json.dumps(example["value"], ensure_ascii=False))
        yield f"<p>{escape(example['summary'])}</p>"
        yield f"<pre>curl -s {escape(shlex.quote(address))} --json {escape(sent)}</pre>"


def _fields(call: Schema) -> list[tuple[str, str]]:
    """Names of the body's columns and their types: of one question, or of one row."""
    properties = _body(call).get("schema", {}).get("properties", {})
    for name in ("inputs", "rows"):
        if name in properties:
            listed = properties[name]
            items = listed.get("oneOf", [listed])[0].get("items", {})
            return [(column, _kind(schema)) for column, schema in items.get("properties", {}).items()]
    return []


def _kind(schema: Schema) -> str:
    kinds = schema.get("type", "")
    text = " or ".join(kinds) if isinstance(kinds, list) else str(kinds)
    return f"{text} ({schema['format']})" if "format" in schema else text


def _body(call: Schema) -> Schema:
    found: Schema = call.get("requestBody", {}).get("content", {}).get("application/json", {})
    return found


def _text(description: str) -> Iterator[str]:
    """Paragraphs and lists of a description, with `code` in them."""
    for block in filter(None, (each.strip() for each in description.split("\n\n"))):
        lines = block.splitlines()
        listed = [line[2:] for line in lines if line.startswith("- ")]
        if prose := " ".join(line for line in lines if not line.startswith("- ")):
            yield f"<p>{_inline(prose)}</p>"
        if listed:
            yield f"<ul>{''.join(f'<li>{_inline(line)}</li>' for line in listed)}</ul>"


def _inline(text: str) -> str:
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text))


def _quoted(text: str) -> str:
    return f'"{escape(text)}"'
