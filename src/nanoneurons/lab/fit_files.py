"""Where a fit is written; nothing of somebody else's is written over, and nothing is written by half."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from nanoneurons import __version__, devices, fitting
from nanoneurons.core.errors import NanoneuronsError, StoreError
from nanoneurons.core.files import write_atomic
from nanoneurons.fitting import Fit
from nanoneurons.measurements import Measurements, Origin

from . import report
from .store import write_json

__all__ = ["Target", "device_file", "save"]


@dataclass(frozen=True)
class Target:
    """The device file, and the folder of the report or None.

    Attributes:
        given: the device the fit starts from, as the user named it.
    """

    path: Path
    folder: Path | None
    given: str

    @classmethod
    def of(cls, source: str | Path, out: str | Path | None, wanted: bool, given: str) -> Target:
        """Names made from that of the data, or from `out`.

        Raises:
            StoreError: `out` is no name of a device file.
        """
        path = Path(out) if out is not None else Path(f"{Path(source).stem}-device.toml")
        if path.suffix != ".toml":
            raise StoreError(f"--out {path} must be a device file, such as {path.with_suffix('.toml')}")
        folder = path.with_name(f"{path.stem.removesuffix('-device')}-fit")
        return cls(path, folder if wanted else None, given)

    def check(self, origin: Origin, force: bool) -> None:
        """Refuse to replace what no fit of the same data wrote, before any work.

        Raises:
            StoreError: says what lies there.
        """
        if self.path.is_dir() or (self.folder is not None and self.folder.is_file()):
            raise StoreError(f"{self.path if self.path.is_dir() else self.folder} is in the way; give another --out")
        if force or not self.path.exists() or self._goes_on():
            return
        remedy = "give another --out, or --force to replace it"
        try:
            found = devices.load_file(self.path)
            changed = found.to_toml() != self.path.read_text(encoding="utf-8")
        except (NanoneuronsError, OSError):
            raise StoreError(f"{self.path} exists and was not written by a fit; {remedy}") from None
        if not origin.sha256 or all(source.sha256 != origin.sha256 for source in found.origin):
            raise StoreError(f"{self.path} exists and does not come from {origin.file}; {remedy}")
        if changed:
            raise StoreError(f"{self.path} was changed by hand since it was fitted; {remedy}")

    def _goes_on(self) -> bool:
        """Whether the fit starts from the very file it will replace."""
        return self.given.endswith(".toml") and Path(self.given).resolve() == self.path.resolve()


def device_file(fit: Fit, data: Measurements, result: dict[str, Any], given: str) -> devices.DeviceFile:
    """The fitted device as a file, with what the held-out readings say of it, and values that the user set marked."""
    earlier = devices.load_file(given) if given.endswith(".toml") else None
    made = fitting.device_file(fit, data, earlier, version=__version__)
    by_hand = {p["name"]: p["reason"] for p in result["parameters"] if p["origin"] == "set"}
    return replace(made, notes=(result["headline"], *made.notes), kept={**made.kept, **by_hand})


def save(target: Target, fit: Fit, data: Measurements, result: dict[str, Any]) -> dict[str, Any]:
    """Write the device file and, where it is wanted, the report beside it; on an error neither.

    Returns:
        The result with the names of the files.
    """
    text = device_file(fit, data, result, target.given).to_toml()
    folder = target.folder
    result = {**result, "files": {"device": str(target.path), "report": folder and str(folder / "report.html")}}
    result["next"] = f"nanoneurons audit --device {target.path}"
    if folder is None:
        write_atomic(target.path, text)
        return result
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent) as place:
            made = Path(place)
            write_json(made / "rows.json", result)
            report.write(made)
            write_atomic(target.path, text)
            for file in sorted(made.rglob("*")):
                if file.is_file():
                    write_atomic(folder / file.relative_to(made), file.read_bytes())
    except OSError as error:
        if isinstance(error, NanoneuronsError):
            raise
        raise StoreError(f"cannot write beside {target.path}: {error.strerror or error}; give another --out") from error
    return result
