"""What the serving log costs a lookup: p50 and p99 with it and without it, in one run, block by block in turn.

Two services, and two processes that look up by themselves, differ only in `[served] share`: 1 or 0. Each is asked the
same questions for a while, then the other one, round after round, with the one that begins changing: a slow moment of
the machine meets both. Two equal processes may differ by more than the log costs, by where they happen to lie in memory
and on the cores: so all of them are started anew several times, and a third one, which is as the second, shows what is
left of that. What is compared is the median over all rounds.
Usage: python benchmarks/served_log.py [--events N] [--starts N] [--rounds N] [--seconds N] [--clients N] [--out FILE]
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median
from typing import Any, TextIO

from data import write_project
from featurestore import FeatureStore
from featurestore.log.served import served_rows

TOML = """
[environments.on.served]
share = 1
[environments.off.served]
share = 0
"""
KEYS = (1, 100)
IN_PROCESS = """
import json, sys, time
from featurestore import FeatureStore
with FeatureStore(sys.argv[1], environment=sys.argv[2]) as store:
    print("ready", flush=True)
    for line in sys.stdin:
        seconds, questions = json.loads(line)
        took, until = [], time.perf_counter() + seconds
        while (started := time.perf_counter()) < until:
            store.lookup("windows", questions)
            took.append(time.perf_counter() - started)
        print(json.dumps(took), flush=True)
"""
Ask = Callable[[float, Sequence[dict[str, int]]], list[float]]


@contextmanager
def in_process(folder: Path, environment: str) -> Iterator[Ask]:
    """A process that looks up by itself."""
    command = [sys.executable, "-c", IN_PROCESS, str(folder), environment]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    into, out = _pipes(process)
    assert out.readline() == "ready\n"

    def ask(seconds: float, questions: Sequence[dict[str, int]]) -> list[float]:
        into.write(json.dumps([seconds, questions]) + "\n")
        into.flush()
        took: list[float] = json.loads(out.readline())
        return took

    try:
        yield ask
    finally:
        process.communicate()


@contextmanager
def over_http(folder: Path, environment: str, clients: int) -> Iterator[Ask]:
    """A service, asked by some clients at once, each on a connection that stays open."""
    program = f"from featurestore.serve.run import run; run({str(folder)!r}, port=0, environment={environment!r})"
    process = subprocess.Popen(
        [sys.executable, "-c", program],
        stdout=subprocess.PIPE,
        stdin=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    _, out = _pipes(process)
    host, port = out.readline().split("http://")[1].split(",")[0].split(":")
    connections = [http.client.HTTPConnection(host, int(port)) for _ in range(clients)]

    def ask(seconds: float, questions: Sequence[dict[str, int]]) -> list[float]:
        body = json.dumps({"inputs": questions}).encode()
        until = time.perf_counter() + seconds
        took: list[list[float]] = [[] for _ in connections]

        def work(connection: http.client.HTTPConnection, mine: list[float]) -> None:
            while (started := time.perf_counter()) < until:
                connection.request("POST", "/v1/lookup/windows", body, {"Content-Type": "application/json"})
                reply = connection.getresponse()
                reply.read()
                assert reply.status == 200
                mine.append(time.perf_counter() - started)

        threads = [threading.Thread(target=work, args=each) for each in zip(connections, took, strict=True)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return [each for mine in took for each in mine]

    try:
        yield ask
    finally:
        for connection in connections:
            connection.close()
        process.terminate()
        process.communicate()


def _pipes(process: subprocess.Popen[str]) -> tuple[TextIO, TextIO]:
    assert process.stdin is not None and process.stdout is not None
    return process.stdin, process.stdout


def percentile(took: Sequence[float], share: float) -> float:
    """The time that so many lookups do not exceed, in microseconds."""
    return sorted(took)[min(int(len(took) * share), len(took) - 1)] * 1e6


Block = tuple[float, float, int]


def in_turn(asks: dict[str, Ask], keys: int, rounds: int, seconds: float) -> dict[str, list[Block]]:
    """p50, p99 and count of lookups of each process in each round."""
    questions = [{"user_id": place} for place in range(keys)]
    found: dict[str, list[Block]] = {each: [] for each in asks}
    for each in asks.values():
        each(seconds, questions)
    for number in range(rounds):
        names = list(asks)
        for each in names[number % len(names) :] + names[: number % len(names)]:
            took = asks[each](seconds, questions)
            found[each].append((percentile(took, 0.5), percentile(took, 0.99), len(took)))
    return found


def compared(what: str, found: dict[str, list[Block]], seconds: float) -> dict[str, Any]:
    """One line of the table: medians over the rounds of p50 and p99, and of their ratios within a round."""
    row: dict[str, Any] = {"what": what, "unit": "us"}
    for each, blocks in found.items():
        row |= {
            f"{each}_p50": median(block[0] for block in blocks),
            f"{each}_p99": median(block[1] for block in blocks),
        }
        row[f"{each}_per_s"] = median(block[2] for block in blocks) / seconds
    for place, which in enumerate(("p50", "p99")):
        for one in ("on", "again"):
            row[f"{one}/off {which}"] = median(
                mine[place] / other[place] for mine, other in zip(found[one], found["off"], strict=True)
            )
    print(
        f"{row['what']:<34}"
        + "".join(f"{row[f'{each}_{which}']:>10.0f}" for which in ("p50", "p99") for each in ("off", "on"))
        + "".join(f"{row[f'{one}/off {which}']:>9.3f}" for which in ("p50", "p99") for one in ("on", "again")),
        flush=True,
    )
    return row


def main() -> None:
    """Make the data, ask, print and keep the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=100_000)
    parser.add_argument("--starts", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--seconds", type=float, default=0.7)
    parser.add_argument("--clients", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/served_log.json"))
    asked = parser.parse_args()
    print(f"{'':<34}" + "".join(f"{each:>10}" for each in ("off p50", "on p50", "off p99", "on p99")), end="")
    print("".join(f"{each:>9}" for each in ("p50", "(same)", "p99", "(same)")))
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        write_project(folder, asked.events, 10)
        with (folder / "featurestore.toml").open("a") as file:
            file.write(TOML)
        with FeatureStore(folder) as store:
            store.materialize()
            stack.callback(store.close)
            roads: dict[str, Callable[[str], Any]] = {
                "in process": lambda environment: in_process(folder, environment),
                "over HTTP": lambda environment: over_http(folder, environment, asked.clients),
            }
            rows = []
            for road, opened in roads.items():
                for keys in KEYS:
                    found: dict[str, list[Block]] = {"off": [], "on": [], "again": []}
                    for _ in range(asked.starts):
                        with ExitStack() as open_ones:
                            asks = {
                                each: open_ones.enter_context(opened("on" if each == "on" else "off")) for each in found
                            }
                            for each, blocks in in_turn(asks, keys, asked.rounds, asked.seconds).items():
                                found[each] += blocks
                    what = f"{road}, {keys} key{'s' if keys > 1 else ''}"
                    rows.append(compared(what, found, asked.seconds))
            kept = [
                table for each in served_rows(folder / ".featurestore" / "served", "windows") for table in each.tables()
            ]
            print(f"{sum(table.num_rows for table in kept):,} questions in {len(kept)} files of the log")
    machine = {"cpus": os.cpu_count(), "clients": asked.clients}
    asked.out.write_text(json.dumps({"machine": machine, "rows": rows}, indent=1) + "\n")
    print(f"written to {asked.out}")


if __name__ == "__main__":
    main()
