"""Writing a file whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
from pathlib import Path

from .errors import StoreError

__all__ = ["write_atomic"]

_REMEDIES = {
    errno.ENOSPC: "the disk is full; free some space or choose another folder",
    errno.EDQUOT: "your disk quota is used up; free some space or choose another folder",
    errno.EACCES: "permission denied; choose a folder you may write to",
    errno.EPERM: "permission denied; choose a folder you may write to",
    errno.EROFS: "the file system is read-only; choose another folder",
    errno.ENOTDIR: "a part of the path is a file, not a folder; choose another folder",
    errno.EEXIST: "a file stands where a folder is needed; choose another folder",
    errno.EISDIR: "a folder of that name is in the way; move it or choose another name",
    errno.ENAMETOOLONG: "the name is too long; choose a shorter one",
}


def write_atomic(path: str | os.PathLike[str], data: str | bytes) -> Path:
    """Write `data` to `path` so that readers see the old content or all of the new, never a part.

    The data goes to a temporary file in the same folder (made if missing), is flushed to the disk and
    then takes the place of `path` in one step. After a failure nothing is left behind. Text is
    written as UTF-8.

    Raises:
        StoreError: the disk is full, the folder cannot be written, ...; names the path and the remedy.
    """
    target = Path(path)
    content = data.encode("utf-8") if isinstance(data, str) else data
    # One writer per temporary name: process number and a random part, so parallel writers never share one.
    temporary = target.with_name(f".{target.name}.{os.getpid()}.{secrets.token_hex(4)}.tmp")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(target)
    except BaseException as error:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        if isinstance(error, OSError):
            remedy = _REMEDIES.get(error.errno or 0, error.strerror or str(error))
            raise StoreError(f"cannot write {target}: {remedy}") from error
        raise
    return target
