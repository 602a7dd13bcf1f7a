"""A folder of results: one JSON file per finished job, and a lock so that two runs do not share it.

A file is written whole or not at all and names the configuration and the version it belongs to, so a
killed run resumes by being started again and never mixes rows of two studies.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from nanoneurons import __version__
from nanoneurons.core.errors import StoreError
from nanoneurons.core.files import write_atomic

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

__all__ = ["Store", "read_rows", "write_json"]


class Store:
    """Results of the jobs of one configuration in a folder.

    Args:
        folder: made when missing.
        key: hash of the configuration; files of another key or version count as absent.
    """

    def __init__(self, folder: str | Path, key: str) -> None:
        self.folder = Path(folder)
        self.key = key

    def claim(self, name: str, text: str) -> None:
        """Mark the folder as this configuration's, with the configuration itself in the file `name`.

        Raises:
            StoreError: the folder holds the results of another configuration, or cannot be written.
        """
        mark = self.folder / name
        try:
            found = re.match(r"# key ([0-9a-f]{12})\n", mark.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError):
            found = None
        if found is not None and found[1] != self.key:
            raise StoreError(
                f"{self.folder} holds results of other settings (key {found[1]}, these are {self.key}); "
                "choose another folder with --out, or remove it"
            )
        write_atomic(mark, f"# key {self.key}\n{text}")

    def path(self, job: str) -> Path:
        """File of a job: its name with anything but letters, digits, dots and ``_`` made a dash."""
        return self.folder / "jobs" / (re.sub(r"[^A-Za-z0-9_.]+", "-", job) + ".json")

    def load(self, job: str) -> dict[str, Any] | None:
        """Stored ``{job, seconds, result}``, or None when absent, corrupt or of another configuration."""
        try:
            found = json.loads(self.path(job).read_text(encoding="utf-8"))
        except (OSError, ValueError):  # ValueError: torn text or broken JSON; the job is then redone
            return None
        if not isinstance(found, dict) or found.get("job") != job:
            return None
        same = found.get("key") == self.key and found.get("version") == __version__
        return found if same and isinstance(found.get("result"), dict) else None

    def save(self, job: str, seconds: float, result: dict[str, Any]) -> dict[str, Any]:
        """Write a finished job; return it as `load` would, so that a resumed run sees the same values.

        Raises:
            StoreError: disk full, folder not writable; nothing is left behind.
        """
        entry = {"key": self.key, "version": __version__, "job": job, "seconds": seconds, "result": result}
        write_json(self.path(job), entry)
        return json.loads(json.dumps(entry))

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder for this process; a lock left by a dead process does not count.

        Raises:
            StoreError: another live process works in the folder, or the folder cannot be made.
        """
        path = self.folder / ".lock"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            file = _claim(path)
        except BlockingIOError:
            raise StoreError(
                f"another run is at work in {self.folder}; wait for it, stop it, or choose another folder"
            ) from None
        except OSError as error:
            raise StoreError(
                f"cannot use the folder {self.folder}: {error.strerror or error}; choose another"
            ) from error
        try:
            yield
        finally:
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)
            file.close()  # closing frees the lock

    def sweep(self) -> None:
        """Remove temporary files that a killed process left behind; call it while holding the lock."""
        for pattern in (".*.tmp", "jobs/.*.tmp"):
            for path in self.folder.glob(pattern):
                with contextlib.suppress(OSError):
                    path.unlink()


def _claim(path: Path):
    """Open and lock `path`; the operating system frees the lock when the process dies, however it dies."""
    while True:
        file = path.open("a+")
        try:
            if fcntl is not None:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            else:  # pragma: no cover - Windows
                import msvcrt

                try:
                    msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
                except OSError as error:
                    raise BlockingIOError from error
            # The holder before us may have removed the file between our opening and our locking it.
            if os.fstat(file.fileno()).st_nlink > 0:
                return file
        except BaseException:
            file.close()
            raise
        file.close()


def write_json(path: Path, value: Any) -> Path:
    """Write JSON whole or not at all; floats as computed, NaN refused."""
    return write_atomic(path, json.dumps(value, indent=1, allow_nan=False, ensure_ascii=False) + "\n")


def read_rows(folder: str | Path) -> dict[str, Any]:
    """Content of the ``rows.json`` of a finished run.

    Raises:
        StoreError: there is none, or it cannot be read.
    """
    path = Path(folder) / "rows.json"
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise StoreError(
            f"{folder} holds no rows.json; give the folder of a finished audit, design, fit or reproduction"
        ) from None
    except (OSError, ValueError) as error:
        raise StoreError(f"{path} cannot be read ({error}); start the run again to rebuild it") from error
    if not isinstance(found, dict) or found.get("kind") not in ("audit", "design", "fit", "reproduction"):
        raise StoreError(f"{path} is not a result of this program; give the folder of a finished run")
    return found
