"""docs/benchmarks.md from the newest run.

Usage: python benchmarks/page.py [RUN.json]
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
PAGE = HERE.parent / "docs" / "benchmarks.md"
NAMES = {
    "ours": "featurestore",
    "by_hand": "DuckDB by hand",
    "polars": "polars",
    "pandas": "pandas",
    "feast": "Feast",
    "feast_glide": "Feast with GLIDE",
    "bare": "bare engine",
}
SUBJECTS = {
    "training": (
        "Training sets",
        """The same Parquet files and questions for all; each side has a process of its own. DuckDB by hand is the SQL
        of an expert: an ASOF join with our rule for ties, and window frames. Feast joins latest values; it has no
        windows over raw rows. pandas has the as-of join only. polars gives 0 for the sum of an empty window.""",
    ),
    "loading": (
        "Materialize and ingest",
        """History to online state. Feast keeps the last row of a key, so only keys of one row are asked of both. What
        we ingest is on disk in a log, in training sets and in the online store when the call returns, and counts
        once however often it is sent; Feast writes to the online store and nowhere else.""",
    ),
    "lookup": (
        "Lookups in process",
        """Ten rows a key; in the real set 400 rows a key and source, three views, twenty features, windows of 10 and
        20 days exact to the microsecond, which Feast cannot compute. The bare engine is redis-py with a GET or an
        MGET of as many bytes as our lookup reads, and nothing done with them. Each side's server is the same
        Valkey. A round trip takes some 65 us longer where a virtual core has gone to sleep meanwhile, which meets
        whoever leaves a gap between two commands; the bare engine leaves none. Hence the spread of small lookups.""",
    ),
    "serving": (
        "Lookups over HTTP",
        """`featurestore serve --workers 2`; `feast serve --workers 2` without access log and with a registry that
        stays; and an ASGI function under two uvicorn processes that reads JSON, sends one MGET and answers with the
        number of bytes. The load generator runs on the same machine.""",
    ),
    "scaling": ("Curves", "By the number of events, and by the number of connections."),
}
PAGE_TEXT = """\
# Benchmarks

featurestore, the bare engine and the peers that are installed, side by side in one run. This page is made by
`make bench-page` from [{name}](../benchmarks/results/{name}), a run of size `{size}` of {at}.

- Machine: {cpu}, {cores} cores, {memory_gb} GB; {versions}.
- Noise: the load was {loads}; {cores} would be all cores. The sides take turns in every round, so that a slow moment
  meets all of them: look at the ratios, not at the times.
- A figure is the median of its rounds, with the least and the greatest in brackets; behind it how many times as good
  featurestore is. Below 1 it is the worse one.
- Before anything is timed, all who can answer a question are checked to give the same values: the same bits for latest
  values, counts, least and greatest; to 1e-6 for sums and means of floats, which are exact here and depend on the order
  of the rows elsewhere.

`make bench` repeats it in about five minutes, `make bench SIZE=full` in about fifteen, `make bench ONLY=lookup` a part.
`make bench-peers` installs Feast first, into a venv of its own.
"""


def page(run: Mapping[str, Any], name: str) -> str:
    """The page of a run."""
    machine = dict(run["machine"])
    facts = {each: machine.pop(each) for each in ("cpu", "cores", "memory_gb")}
    versions = ", ".join(f"{each} {version}" for each, version in machine.items())
    loads = ", ".join(f"{each['load_before']:g} before {subject}" for subject, each in run["subjects"].items())
    parts = [PAGE_TEXT.format(name=name, size=run["size"], at=run["at"], versions=versions, loads=loads, **facts)]
    for subject, found in run["subjects"].items():
        title, told = SUBJECTS[subject]
        parts += [
            f"## {title}\n",
            "\n".join(line.strip() for line in told.splitlines()) + "\n",
            table(found["rows"]) + "\n",
        ]
    return "\n".join(parts)


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """The comparisons of a subject."""
    sides = [side for side in NAMES if any(side in row["sides"] for row in rows)]
    lines = [["", "unit", *(NAMES[side] for side in sides)], ["---"] * 2 + ["---:"] * len(sides)]
    for row in rows:
        lines.append([row["what"], row["unit"], *(cell(row, side) for side in sides)])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def cell(row: Mapping[str, Any], side: str) -> str:
    """A side's median, its spread, and how ours compares."""
    if side not in row["sides"]:
        return ""
    found = row["sides"][side]
    text = number(found["median"])
    if found["rounds"] > 1:
        text += f" ({number(found['least'])} to {number(found['most'])})"
    ratio = row["ratios"].get(side)
    return text if ratio is None else f"{text}, **{ratio:.2f} x**"


def number(value: float) -> str:
    """Three digits that say something."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def newest() -> Path:
    """The run that was kept last; of one day the full one."""
    return max((HERE / "results").glob("*.json"), key=lambda path: (path.name[:10], "full" in path.name))


def main() -> None:
    """Write the page."""
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else newest()
    PAGE.write_text(page(json.loads(path.read_text()), path.name))
    print(f"{PAGE} from {path}")


if __name__ == "__main__":
    main()
