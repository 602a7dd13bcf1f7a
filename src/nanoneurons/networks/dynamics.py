"""How the neurons of an energy network move, and for how long."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from nanoneurons.core.errors import ParameterError
from nanoneurons.layers.activation import activation

__all__ = ["Dynamics", "Relaxation"]


@dataclass(frozen=True)
class Dynamics:
    r"""The equation of motion of every neuron, with :math:`h = \partial\Phi/\partial s` its field.

    .. math::
        \text{prototypical:}\quad s \leftarrow s + \epsilon\,[\sigma(h) - s], \qquad
        \text{leaky:}\quad s \leftarrow s + \epsilon\,[\rho'(s)\,h - s]

    In the leaky setting neurons see :math:`\rho(s)` of each other; it is gradient descent on
    :math:`E = \frac12 |s|^2 - \Phi(\rho(s))`. Outputs are nudged by :math:`f\beta\,(d - s)` under the squared error,
    the last hidden layer by :math:`\beta\,W^{\mathsf T}(d - \mathrm{softmax}(W s))` under the cross-entropy.

    Args:
        setting: ``"prototypical"`` or ``"leaky"``.
        activation: name of :math:`\sigma` or :math:`\rho`, see `nanoneurons.layers.activation`.
        step: :math:`\epsilon`, above 0; above 1 (and below 2) it over-relaxes groups that move in alternating order, in
            the prototypical setting, which settles in fewer steps at the same states.
        output: state function of the output neurons; ``"same"`` as all others. In the leaky setting outputs move
            without :math:`\rho'`, as in the programs of the papers.
        nudge: whether the prototypical setting nudges ``"inside"`` or ``"outside"`` of :math:`\sigma`.
        force: f; 1 for the cost :math:`\frac12|d - s|^2`, 2 for :math:`|d - s|^2`.
        clip: whether states are kept within the bounds of the state function where these do not do so themselves.
        begin: value of every state at the start of a free phase.
        noise: standard deviation of the Gaussian noise in the field h of every neuron, drawn anew at every step; real,
            for complex states too.
        common_noise: whether the samples of a mini-batch meet the same noise, as in the program of Laborieux and Zenke
            (NeurIPS 2022); noise of a network that sees its samples one by one is not common.

    Raises:
        ParameterError: a value out of its range. UnknownNameError: no such activation.

    Source: Scellier and Bengio, Front. Comput. Neurosci. 11:24 (2017); Ernoult et al., NeurIPS 2019, arXiv:1905.13633.
    """

    setting: Literal["prototypical", "leaky"] = "prototypical"
    activation: str = "hard-sigmoid"
    step: float = 1.0
    output: str = "same"
    nudge: Literal["inside", "outside"] = "inside"
    force: float = 1.0
    clip: bool = True
    noise: float = 0.0
    common_noise: bool = False
    begin: float = 0.0

    def __post_init__(self) -> None:
        if self.setting not in ("prototypical", "leaky"):
            raise ParameterError(f"setting must be 'prototypical' or 'leaky', not {self.setting!r}")
        if self.nudge not in ("inside", "outside"):
            raise ParameterError(f"nudge must be 'inside' or 'outside', not {self.nudge!r}")
        if not 0 < self.step < 2 or (self.step > 1 and self.setting != "prototypical"):
            raise ParameterError(
                f"step must be above 0 and at most 1 (below 2 in the prototypical setting), not {self.step!r}"
            )
        if not (self.force > 0 and math.isfinite(self.force)):
            raise ParameterError(f"force must be a positive number, not {self.force!r}")
        if not (self.noise >= 0 and math.isfinite(self.noise)):
            raise ParameterError(f"noise must be 0 or above, not {self.noise!r}")
        if not math.isfinite(self.begin):
            raise ParameterError(f"begin must be a number, not {self.begin!r}")
        activation(self.activation)
        if self.output != "same":
            activation(self.output)


@dataclass(frozen=True)
class Relaxation:
    """How many steps a network is given, and in which order its groups move.

    Args:
        steps: of the free phase (at most, with a tolerance).
        nudged_steps: of every nudged phase.
        order: ``"synchronous"``, or ``"alternating"``: groups that share no coupling move together, one set after
            the other (block coordinates), which settles in fewer steps.
        tolerance: the free phase stops once no state moved by more than this in a step; 0 to take all steps.
        averaged: last steps of a phase whose states are averaged into its result. Arrays of devices are read anew, with
            new noise, in every step, so this is a longer reading.

    Raises:
        ParameterError: a value out of its range.
    """

    steps: int = 40
    nudged_steps: int = 15
    order: Literal["synchronous", "alternating"] = "synchronous"
    tolerance: float = 0.0
    averaged: int = 1

    def __post_init__(self) -> None:
        if self.steps < 1 or self.nudged_steps < 1:
            raise ParameterError(f"a phase needs at least one step, not {self.steps} and {self.nudged_steps}")
        if self.order not in ("synchronous", "alternating"):
            raise ParameterError(f"order must be 'synchronous' or 'alternating', not {self.order!r}")
        if not 0 <= self.tolerance < 1:
            raise ParameterError(f"tolerance must be 0 or a number below 1, not {self.tolerance!r}")
        if not 1 <= self.averaged <= min(self.steps, self.nudged_steps):
            raise ParameterError(
                f"averaged must be at least 1 and at most the steps of a phase ({self.steps} and {self.nudged_steps}), "
                f"not {self.averaged!r}"
            )
