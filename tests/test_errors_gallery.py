"""docs/errors.md shows each error as it is printed: `python -m tests.test_errors_gallery` rewrites it."""

from __future__ import annotations

import os
import re
import sys
import tempfile
from pathlib import Path

from featurestore import errors
from featurestore.errors import FeatureStoreError
from tests.gallery import SITUATIONS, Situation
from tests.small_shop import Shop, opened

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "errors.md"
HEAD = """# Errors, as they are printed

Every error of the product is a `FeatureStoreError` in four parts: what happened, `in` which place, what it `has` or
there is instead, and how to `fix` it. In Python they are `error.what`, `error.where`, `error.has` and `error.fix`; with
`--json` and over HTTP they are fields. Which error is which HTTP status is told in
[definitions.md](definitions.md#errors).
"""
FOOT = """
This page is written from `tests/gallery.py`, by `python -m tests.test_errors_gallery`. What differs from run to run
stands in angle brackets.
"""


def printed(situation: Situation, shop: Shop) -> str:
    """What a situation prints, without what differs from run to run."""
    os.chdir(shop.store.config.root)
    try:
        situation.act(shop)
    except FeatureStoreError as error:
        assert type(error) is situation.error, f"{situation.told} raised {error.name}"
        text = str(error) if isinstance(error, errors.DefinitionErrors) else f"{error.name}: {error}"
        return _plain(text, shop)
    raise AssertionError(f"{situation.told} raised nothing")


def _plain(text: str, shop: Shop) -> str:
    text = re.sub(rf"{re.escape(os.path.realpath(shop.folder))}(/project\d+)?", "/shop", text)
    text = re.sub(r"(?<=[. ])[0-9a-f]{12}\b", "<hash>", text)
    text = re.sub(r"[\d.]+ MiB", "<size>", text)
    text = re.sub(r"(?<=of log )\w+", "<log>", text)
    text = re.sub(r"/\S+/server\.sock", "<socket>", text)
    text = re.sub(r"(?<=Error )\d+(?= connecting)", "<number>", text)
    return re.sub(r"20(2[5-9]|[3-9]\d)-\d\d-\d\dT[\d:.]+Z", "<now>", text)


def page() -> str:
    """The page as it should be, from errors that are raised now."""
    parts = [HEAD]
    here = Path.cwd()
    with tempfile.TemporaryDirectory(prefix="gallery-") as folder:
        try:
            with opened(Path(folder).resolve()) as shop:
                for kind in dict.fromkeys(each.error for each in SITUATIONS):
                    parts.append(f"\n## {kind.__name__}\n\n{kind.__doc__}\n")
                    for situation in (each for each in SITUATIONS if each.error is kind):
                        parts.append(f"\n{situation.told}\n\n```text\n{printed(situation, shop)}\n```\n")
        finally:
            os.chdir(here)
    return "".join([*parts, FOOT])


def test_the_gallery_is_what_is_printed() -> None:
    """docs/errors.md shows what each situation prints today."""
    assert PAGE.read_text(encoding="utf-8") == page(), "run `python -m tests.test_errors_gallery`"


def test_every_error_is_in_the_gallery() -> None:
    """Each error of the tree that is raised itself has a situation; the others are the names of kinds."""
    tree = {each for each in vars(errors).values() if isinstance(each, type) and issubclass(each, FeatureStoreError)}
    kinds = {each for each in tree if any(other is not each and issubclass(other, each) for other in tree)}
    shown = {each.error for each in SITUATIONS}
    assert tree - kinds <= shown
    assert shown <= tree


def test_every_situation_shows_four_parts() -> None:
    """What is shown says how to mend it, and where it is or what there is instead."""
    blocks = re.findall(r"^```text\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    assert len(blocks) == len(SITUATIONS)
    for block in blocks:
        assert "\n  fix  " in block, block
        assert "\n  in   " in block or "\n  has  " in block, block


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    PAGE.write_text(page(), encoding="utf-8")
