r"""Linear read-outs of a reservoir, fitted in closed form.

.. math:: Y = W [1; S], \qquad W = T S^T (S S^T + \lambda \bar\mu\, \mathbb 1)^{-1}

S are the states of all frames with a constant row, T the targets of all frames, :math:`\bar\mu` the mean
eigenvalue of :math:`S S^T`; :math:`\lambda = 0` is the Moore-Penrose pseudo-inverse. Only :math:`S S^T` and
:math:`T S^T` are kept and grow frame by frame, so the states themselves need no memory. States are measured in their
own r.m.s. value, which makes the answer independent of their unit.

It stands with the networks and not with the learning rules: a rule answers each batch with a wanted change that devices
take in steps, while this is the digital output layer of a network whose inside is never changed.

Source: Torrejon et al., Nature 547, 428 (2017), where the read-out is computed on a computer with a pseudo-inverse.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from scipy import linalg

from nanoneurons.core.errors import DataError, ParameterError

__all__ = ["NormalEquations", "Readout", "decide", "one_hot_frames", "pseudo_inverse"]

_BLOCK = 4096  # frames multiplied at once


@dataclass(frozen=True)
class Readout:
    """Weights of a fitted read-out: ``weights`` is ``(1 + features, outputs)``, the first row for the constant."""

    weights: torch.Tensor

    def __call__(self, states: torch.Tensor) -> torch.Tensor:
        """Outputs ``(..., outputs)`` of states ``(..., features)``."""
        weights = self.weights.to(states.dtype)
        return torch.addmm(weights[0], states.flatten(0, -2), weights[1:]).unflatten(0, states.shape[:-1])


class NormalEquations:
    """S S^T and T S^T of frames seen so far; memory grows with the number of features only.

    Args:
        features: states per frame, without the constant.
        outputs: targets per frame.
    """

    def __init__(self, features: int, outputs: int) -> None:
        self.frames = 0
        self._gram = np.zeros((features, features), order="F")
        self._sums = np.zeros(features)
        self._cross = np.zeros((features, outputs))
        self._totals = np.zeros(outputs)
        self._modes: tuple[np.ndarray, np.ndarray, np.ndarray] | None = None

    def add(self, states: torch.Tensor, targets: torch.Tensor) -> None:
        """Add frames: states ``(frames, features)`` and targets ``(frames, outputs)``.

        Raises:
            DataError: shapes that do not fit, or states that are not finite.
        """
        want = (len(states), len(self._sums)), (len(states), len(self._totals))
        if (tuple(states.shape), tuple(targets.shape)) != want:
            raise DataError(
                f"states {tuple(states.shape)} and targets {tuple(targets.shape)} do not fit a read-out of "
                f"{len(self._sums)} features and {len(self._totals)} outputs"
            )
        if not torch.isfinite(states).all():
            raise DataError("states hold values that are not finite; look at the drive and the step of the oscillator")
        syrk = linalg.get_blas_funcs("syrk", dtype=np.float64)
        for s, t in zip(states.split(_BLOCK), targets.split(_BLOCK), strict=True):
            # double precision: a ridge of 1e-9 of the mean eigenvalue would drown in the rounding of single
            a, b = s.detach().double().numpy(), t.detach().double().numpy()
            self._gram = syrk(1.0, a.T, beta=1.0, c=self._gram, overwrite_c=1)
            self._sums += a.sum(0)
            self._cross += a.T @ b
            self._totals += b.sum(0)
            self.frames += len(a)
        self._modes = None

    @classmethod
    def joined(cls, parts: Sequence[NormalEquations]) -> NormalEquations:
        """The equations of all frames of `parts` together; the parts are not changed."""
        whole = cls(len(parts[0]._sums), len(parts[0]._totals))
        for part in parts:
            whole._gram += part._gram
            whole._sums += part._sums
            whole._cross += part._cross
            whole._totals += part._totals
            whole.frames += part.frames
        return whole

    def solve(self, ridge: float = 0.0) -> Readout:
        """Fit with `ridge` in units of the mean eigenvalue of S S^T; 0 is the pseudo-inverse.

        The eigenvectors are kept, so several ridges cost one decomposition.

        Raises:
            ParameterError: a negative ridge.
            DataError: nothing was added.
        """
        if not ridge >= 0:
            raise ParameterError(f"ridge {ridge:g} must be zero (pseudo-inverse) or positive")
        if not self.frames:
            raise DataError("a read-out cannot be fitted to no frame; add training frames first")
        features = len(self._sums)
        unit = np.sqrt(np.trace(self._gram) / (features * self.frames)) or 1.0
        if self._modes is None:
            full = np.empty((features + 1, features + 1), order="F")
            full[1:, 1:] = (np.triu(self._gram) + np.triu(self._gram, 1).T) / unit**2
            full[0, 1:] = full[1:, 0] = self._sums / unit
            full[0, 0] = self.frames
            values, vectors = linalg.eigh(full, overwrite_a=True, check_finite=False)
            cross = np.concatenate([self._totals[None], self._cross / unit])
            self._modes = values, vectors, vectors.T @ cross
        values, vectors, projected = self._modes
        # as in a pseudo-inverse: modes within the rounding of the products are none
        floor = values[-1] * len(values) * np.finfo(float).eps
        kept = values > floor
        inverse = np.where(kept, 1.0 / np.where(kept, values + ridge * values.mean(), 1.0), 0.0)
        weights = vectors @ (inverse[:, None] * projected)
        weights[1:] /= unit
        return Readout(torch.from_numpy(weights))


def pseudo_inverse(states: torch.Tensor, targets: torch.Tensor) -> Readout:
    """The Moore-Penrose read-out of states ``(frames, features)`` held in memory, by singular values.

    More exact than the products of `NormalEquations`, whose condition number is squared.
    """
    design = np.concatenate([np.ones((len(states), 1)), states.double().numpy()], 1)
    # columns in one unit, for the same reason as above
    unit = float(np.sqrt(np.mean(design[:, 1:] ** 2))) or 1.0
    design[:, 1:] /= unit
    solution: tuple[Any, ...] = linalg.lstsq(design, targets.double().numpy(), lapack_driver="gelsd")  # type: ignore
    weights = solution[0]
    weights[1:] /= unit
    return Readout(torch.from_numpy(weights))


def one_hot_frames(labels: torch.Tensor, lengths: Sequence[int], classes: int) -> torch.Tensor:
    """Targets per frame, ``(all frames, classes)``: the class of a sequence, repeated for each of its frames."""
    rows = torch.nn.functional.one_hot(labels.long(), classes).double()
    return rows.repeat_interleave(torch.as_tensor(list(lengths)), dim=0)


def decide(outputs: torch.Tensor, lengths: Sequence[int]) -> torch.Tensor:
    """Class of each sequence: the largest sum of outputs over its frames; `outputs` are ``(all frames, classes)``."""
    return torch.stack([part.sum(0).argmax() for part in outputs.split(list(lengths))])
