"""A fit as a device file."""

from __future__ import annotations

import datetime

import numpy as np

from nanoneurons.devices import DeviceFile, Provenance, Uncertainty
from nanoneurons.measurements import Measurements

from ._fitter import Fit

__all__ = ["device_file"]


def device_file(
    fit: Fit, data: Measurements, earlier: DeviceFile | None = None, *, version: str = "", date: str = ""
) -> DeviceFile:
    """What a fit says of a device, with the measurements it comes from, ready to be written.

    Args:
        data: all the measurements of the fit.
        earlier: the device file whose device the fit started from; it goes on counting for parameters that `data`
            do not tell.
        version: of the program.
        date: day of the fit, today if not given.
    """
    names = tuple(e.name for e in fit.estimates)
    origin = Provenance(
        file=data.origin.file,
        sha256=data.origin.sha256,
        date=date or datetime.date.today().isoformat(),
        rows=data.origin.rows,
        used=data.origin.used,
        devices=len(data.devices),
        kind=data.kind,
        variant=fit.variant,
        version=version,
        columns=data.origin.columns,
        parameters=names,
    )
    made = DeviceFile(
        name=fit.name,
        device=fit.device,
        known={e.name: Uncertainty(e.low, e.high, e.scale, e.error) for e in fit.estimates},
        correlation=_rounded(fit.correlation),
        fixed=dict(fit.fixed),
        kept=dict(fit.kept),
        notes=(*data.origin.notes, *fit.notes),
        origin=(origin,),
    )
    return made if earlier is None else made.after(earlier)


def _rounded(correlation: np.ndarray) -> tuple[tuple[float, ...], ...]:
    """Rows of a correlation that a person can read; symmetric, with ones on the diagonal."""
    rows = np.round(0.5 * (correlation + correlation.T), 6) + 0.0  # no negative zeros
    np.fill_diagonal(rows, 1.0)
    return tuple(tuple(map(float, row)) for row in rows)
