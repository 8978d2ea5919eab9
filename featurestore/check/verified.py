"""A verification as a whole: a spine's reading, both roads over history, and the certificate that follows."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import redis

from featurestore.check.report import ParityReport
from featurestore.check.spine_reading import compare_spine
from featurestore.check.verify import Progress, certify, verify
from featurestore.offline.scan import History
from featurestore.plan.nodes import Plan


def verified(
    plan: Plan,
    history: History,
    client: redis.Redis,
    home: Path,
    cells: int,
    seed: int,
    spine: tuple[object, str] | None,
    progress: Progress | None,
) -> ParityReport:
    """The parity report of a plan, with that of a spine, given with its column of instants; the version's certificate
    is granted, or taken away, by both.

    Raises: InputError  when the sources hold no rows, or the spine does not fit the feature set.
    """
    read = None if spine is None else compare_spine(plan, *spine, history.root, seed)
    report = replace(verify(plan, history, client, cells=cells, seed=seed, progress=progress), spine=read)
    certify(home, plan, report, seed)
    return report
