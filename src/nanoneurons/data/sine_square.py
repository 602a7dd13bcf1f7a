r"""Sine and square waves of equal period in random order: which of the two is it, at every sample?

A period of *n* samples is :math:`\sin(2\pi k/n)` or :math:`+1` for its first half and :math:`-1` for its second,
:math:`k = 0 \dots n-1`. With *n* = 8 the values +1 and -1 occur in both, so a reader without memory must fail there.

Source: Paquot et al., Sci. Rep. 2:287 (2012); with one oscillator Torrejon et al., Nature 547, 428 (2017).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch

from nanoneurons.core.errors import ParameterError
from nanoneurons.core.parameter import param
from nanoneurons.core.random import draw_key, generator_for, uniform

from ._generated import Generated, ours

__all__ = ["SineSquare"]

_TASK = "Torrejon et al., Nature 547, 428 (2017): 8 samples per period"


@dataclass(frozen=True)
class SineSquare(Generated):
    """Periods of a sine or a square wave in random order; the target is 0 for a sine and 1 for a square, at every step.

    Whether a period is a sine or a square is an independent fair draw.
    """

    name: ClassVar[str] = "sine-square"
    title: ClassVar[str] = "Sine or square wave"
    sizes: ClassVar[tuple[int, int]] = (1600, 1600)
    citation: ClassVar[str] = """@article{paquot2012optoelectronic,
  author = {Paquot, Y. and Duport, F. and Smerieri, A. and Dambre, J. and Schrauwen, B. and Haelterman, M. and
            Massar, S.},
  title = {Optoelectronic Reservoir Computing},
  journal = {Scientific Reports},
  volume = {2},
  pages = {287},
  year = {2012},
  doi = {10.1038/srep00287}
}"""

    train_periods: int = param(200, doc="periods for training", source=ours, low=1, high=10**6, integer=True)
    test_periods: int = param(200, doc="periods for the test", source=ours, low=1, high=10**6, integer=True)
    samples: int = param(8, doc="samples per period, an even number", source=_TASK, low=4, high=1024, integer=True)

    def check(self) -> None:
        """A square wave has two equal halves."""
        if self.samples % 2:
            raise ParameterError(f"SineSquare: parameter 'samples' must be even, not {self.samples}")

    def generate(self) -> tuple[torch.Tensor, torch.Tensor, int, str]:
        """Draw the kind of every period and lay the waves end to end."""
        n = int(self.samples)
        periods = int(self.train_periods + self.test_periods)
        sine = torch.sin(2 * torch.pi * torch.arange(n, dtype=torch.float64) / n)
        square = torch.where(torch.arange(n) < n // 2, 1.0, -1.0).double()
        key = draw_key(generator_for(self.seed, self.name))
        is_square = uniform(key, (1, periods))[0] > 0.5
        inputs = torch.where(is_square[:, None], square, sine).reshape(-1, 1)
        targets = is_square.double().repeat_interleave(n)[:, None]
        return inputs, targets, int(self.train_periods) * n, ""
