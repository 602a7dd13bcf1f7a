r"""Mackey-Glass: a chaotic series from a delay equation.

.. math::
    \dot x = \frac{0.2\,x(t-\tau)}{1 + x(t-\tau)^{10}} - 0.1\,x(t)

Integrated with the classical Runge-Kutta scheme; the delayed value in the middle of a step is read from a cubic
Hermite interpolation of the stored values and slopes, which keeps the fourth order. Time has no unit here.

Source: Mackey and Glass, Science 197, 287 (1977).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numba
import numpy as np
import torch

from nanoneurons.core.errors import ParameterError
from nanoneurons.core.parameter import param
from nanoneurons.core.random import draw_key, generator_for, uniform

from ._generated import Generated, ours

__all__ = ["MackeyGlass", "integrate_delay"]

_EQUATION = "Mackey and Glass, Science 197, 287 (1977); usual benchmark values"
_RUN_IN = 1000.0  # time before the first sample, so that the constant past is forgotten
_START, _SPREAD = 1.2, 0.1  # the past is constant, drawn from 1.1 to 1.3
_MOST_STEPS = 2 * 10**8  # 3 GB of values and slopes


@numba.njit(cache=True)
def _slope(x, delayed):  # pragma: no cover - compiled
    return 0.2 * delayed / (1.0 + delayed**10) - 0.1 * x


@numba.njit(cache=True)
def _run(start, delay, step, steps):  # pragma: no cover - compiled
    x = np.full(delay + steps + 1, start)
    slope = np.zeros(delay + steps + 1)  # of the past: it is constant
    for n in range(delay, delay + steps):
        old, new = x[n - delay], x[n - delay + 1]
        slope[n] = _slope(x[n], old)
        # The slope jumps where the constant past ends: the last interval of the past is flat up to its end.
        end = slope[n - delay + 1] if n - delay + 1 != delay else 0.0
        middle = 0.5 * (old + new) + 0.125 * step * (slope[n - delay] - end)
        k1 = slope[n]
        k2 = _slope(x[n] + 0.5 * step * k1, middle)
        k3 = _slope(x[n] + 0.5 * step * k2, middle)
        k4 = _slope(x[n] + step * k3, new)
        x[n + 1] = x[n] + step / 6.0 * (k1 + 2.0 * k2 + 2.0 * k3 + k4)
    return x[delay:]


def integrate_delay(start: float, tau: float, step: float, steps: int) -> np.ndarray:
    """Values at times 0, step, ..., steps * step, with ``x = start`` up to time 0; `tau` is a multiple of `step`."""
    return _run(float(start), round(tau / step), float(step), int(steps))


@dataclass(frozen=True)
class MackeyGlass(Generated):
    """The Mackey-Glass series, sampled once per interval; the target is its value some samples later.

    The equation is dx/dt = 0.2 x(t - tau) / (1 + x(t - tau)^10) - 0.1 x(t), integrated by fourth-order Runge-Kutta. The
    past is constant, drawn between 1.1 and 1.3 from the seed, and the first 1,000 units of time are not given. Chaos
    doubles rounding errors again and again, so two machines agree for about a thousand units of time, not for ever.
    """

    name: ClassVar[str] = "mackey-glass"
    title: ClassVar[str] = "Mackey-Glass series"
    sizes: ClassVar[tuple[int, int]] = (3000, 2000)
    citation: ClassVar[str] = """@article{mackey1977oscillation,
  author = {Mackey, M. C. and Glass, L.},
  title = {Oscillation and chaos in physiological control systems},
  journal = {Science},
  volume = {197},
  number = {4300},
  pages = {287--289},
  year = {1977},
  doi = {10.1126/science.267326}
}"""

    tau: float = param(17.0, doc="delay; the series is weakly chaotic at 17", source=_EQUATION, low=0.1, high=1000.0)
    interval: float = param(1.0, doc="time between samples", source=ours, low=0.1, high=1000.0)
    step: float = param(0.1, doc="step of integration; divides tau and interval", source=ours, low=1e-4, high=1.0)
    horizon: int = param(1, doc="samples from the input to its target", source=ours, low=0, high=10_000, integer=True)
    train: int = param(3000, doc="steps for training", source=ours, low=1, high=10**7, integer=True)
    test: int = param(2000, doc="steps for the test", source=ours, low=1, high=10**7, integer=True)

    def check(self) -> None:
        """Delay and sampling interval must lie on the grid of the integration."""
        for name in ("tau", "interval"):
            ratio = getattr(self, name) / self.step
            if ratio < 0.5 or abs(ratio - round(ratio)) > 1e-6:
                raise ParameterError(
                    f"MackeyGlass: parameter '{name}' = {getattr(self, name):g} is no multiple of "
                    f"'step' = {self.step:g}; choose a step that divides it"
                )

    def generate(self) -> tuple[torch.Tensor, torch.Tensor, int, str]:
        """Integrate, sample, and shift by the horizon."""
        key = draw_key(generator_for(self.seed, self.name))
        start = _START + _SPREAD * (2.0 * float(uniform(key, (1, 1))[0, 0]) - 1.0)
        every = round(self.interval / self.step)
        first = -(-round(_RUN_IN / self.step) // every)  # in samples, rounded up
        horizon = int(self.horizon)
        steps = (first + int(self.train + self.test) + horizon - 1) * every
        if steps > _MOST_STEPS:
            raise ParameterError(
                f"MackeyGlass: {steps:.3g} steps of integration; ask for fewer samples or a longer 'step'"
            )
        x = integrate_delay(start, self.tau, self.step, steps)[first * every :: every]
        x = torch.from_numpy(np.ascontiguousarray(x))[:, None]
        return x[: len(x) - horizon], x[horizon:], int(self.train), ""
