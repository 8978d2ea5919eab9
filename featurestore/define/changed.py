"""Files of definitions that are not what they were when a process loaded them."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

from featurestore.define.load import definition_files

Seen = tuple[int, int, str]


class LoadedFiles:
    """The files of a folder of definitions as they were when this was made, right before they are imported."""

    def __init__(self, root: Path, folder: str) -> None:
        self._root, self._folder = root, folder
        self._seen = {path: _seen(path) for path in definition_files(root, folder)}

    def changed(self) -> list[str]:
        """The files that were edited, added or removed since, relative to the project. One that was only written again
        with the same content is none of them."""
        now = set(definition_files(self._root, self._folder))
        found = [path for path in now | self._seen.keys() if path not in now or self._differs(path)]
        return sorted(path.relative_to(self._root).as_posix() for path in found)

    def _differs(self, path: Path) -> bool:
        known = self._seen.get(path)
        if known is None:
            return True
        try:
            about = path.stat()
        except OSError:
            return True
        if (about.st_mtime_ns, about.st_size) == known[:2]:
            return False
        found = _seen(path)
        if found[2] == known[2]:
            self._seen[path] = found  # touched: not to be read again each time
        return found[2] != known[2]


def _seen(path: Path) -> Seen:
    try:
        about = path.stat()
        return about.st_mtime_ns, about.st_size, sha256(path.read_bytes()).hexdigest()
    except OSError:
        return 0, 0, ""
