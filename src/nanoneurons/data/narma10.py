r"""NARMA-10: a nonlinear moving average of tenth order, driven by noise.

.. math::
    y_{t+1} = 0.3\,y_t + 0.05\,y_t \sum_{i=0}^{9} y_{t-i} + 1.5\,u_{t-9} u_t + 0.1, \qquad u_t \sim U(0, 0.5)

The target of step *t*, at which :math:`u_t` is given, is :math:`y_{t+1}`, the value that :math:`u_t` completes.
Some draws of the input make the recursion diverge; those are thrown away whole and the next is taken.

Other packages shift the sum or the product by one step, and errors on such variants are not comparable.

Source: Atiya and Parlos, IEEE Trans. Neural Networks 11, 697 (2000).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch

from nanoneurons.core.errors import DataError
from nanoneurons.core.parameter import param
from nanoneurons.core.random import draw_key, generator_for, uniform

from ._generated import Generated, ours

__all__ = ["Narma10", "recursion"]

_ORDER = 10
_RUN_IN = 100  # steps before the first that is given, so that the start at y = 0 is forgotten
_DIVERGED = 10.0  # ten times the unstable fixed point near 1: from there the square term grows without end
_DRAWS = 100


def recursion(u: np.ndarray) -> np.ndarray:
    """Values ``y`` with ``y[t]`` following ``u[t-1]``, shape ``(len(u) + 1,)``; all values up to ``y[9]`` are zero.

    Stops early, leaving infinity in the rest, once a value exceeds 10.
    """
    y = np.zeros(len(u) + 1)
    for t in range(_ORDER - 1, len(u)):
        y[t + 1] = 0.3 * y[t] + 0.05 * y[t] * y[t - 9 : t + 1].sum() + 1.5 * u[t - 9] * u[t] + 0.1
        if y[t + 1] > _DIVERGED:
            y[t + 1 :] = np.inf
            break
    return y


@dataclass(frozen=True)
class Narma10(Generated):
    """Noise uniform in [0, 0.5] and the tenth-order nonlinear moving average that it drives, in the canonical form.

    The equation is y(t+1) = 0.3 y(t) + 0.05 y(t) [y(t) + ... + y(t-9)] + 1.5 u(t-9) u(t) + 0.1, and y(t+1) is the
    target of the step at which u(t) is given. Draws that diverge are thrown away, which the notice then says. A
    linear memory reaches a normalised root-mean-square error of about 0.4.
    """

    name: ClassVar[str] = "narma10"
    title: ClassVar[str] = "NARMA-10, canonical form"
    sizes: ClassVar[tuple[int, int]] = (2000, 2000)
    citation: ClassVar[str] = """@article{atiya2000new,
  author = {Atiya, A. F. and Parlos, A. G.},
  title = {New results on recurrent network training: unifying the algorithms and accelerating convergence},
  journal = {IEEE Transactions on Neural Networks},
  volume = {11},
  number = {3},
  pages = {697--709},
  year = {2000},
  doi = {10.1109/72.846741}
}"""

    train: int = param(2000, doc="steps for training", source=ours, low=1, high=10**7, integer=True)
    test: int = param(2000, doc="steps for the test", source=ours, low=1, high=10**7, integer=True)

    def generate(self) -> tuple[torch.Tensor, torch.Tensor, int, str]:
        """Draw inputs until the recursion stays bounded."""
        key = draw_key(generator_for(self.seed, self.name))
        steps = _RUN_IN + int(self.train + self.test)
        for draw in range(_DRAWS):
            u = 0.5 * uniform(key, (1, steps), draw)[0].double()
            y = torch.from_numpy(recursion(u.numpy()))
            if torch.isfinite(y).all():
                notice = f"{draw} diverging draws of the input were thrown away" if draw else ""
                return u[_RUN_IN:, None], y[_RUN_IN + 1 :, None], int(self.train), notice
        raise DataError(f"narma10: {_DRAWS} draws of {steps} steps all diverged; ask for fewer steps")
