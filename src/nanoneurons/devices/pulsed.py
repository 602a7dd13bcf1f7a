r"""Generic pulsed conductance: the phenomenological family that most analog-training studies use.

A normalised weight *w* between bounds moves by one step per pulse, up or down (*d* = + or -):

.. math::
    w \leftarrow w + d\,\Delta_d\,h_d(w) + s_d\,\xi, \qquad
    \Delta_d = \Delta\, c_d\, |g + d\,r - b_d|, \qquad G = G_0 + w\,G_1

:math:`h_d` is the step shape (constant, linear, soft-bounds, exponential, power), :math:`g` and :math:`r` the
device's own gain and asymmetry, :math:`b_d` the systematic reduction of the weaker direction. The bounds
vary from device to device and are hard. Cycle-to-cycle noise has :math:`s_d = \sigma\,\Delta_d h_d` (``noise =
"step"``) or :math:`\sigma\,\Delta_d` (``"pulse"``), optionally plus a part independent of the step. Write noise
changes only the visible weight, anew with every train of pulses, and leaves the persistent one alone.

The share `nonlinearity` blends :math:`h_d` from its value at the reference point (0: a constant step) to the full
shape (1); the share `asymmetry` blends the two directions from equal steps at the reference point to the
declared ones. Both are thereby imperfections with an ideal value, whatever the shape.

Not modelled: drift and leakage in time, pulse amplitude and width, temperature, RESET of one-sided devices.

Source: Gokmen and Vlasov, Front. Neurosci. 10:333 (2016); parameter sets from the released presets of
aihwkit (Rasch et al., AICAS 2021, arXiv:2104.02184, MIT licence), each with its own measurement.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
import torch

from nanoneurons.core.energy import Price
from nanoneurons.core.errors import ParameterError
from nanoneurons.core.parameter import Imperfection, param
from nanoneurons.core.random import draw_key, normal, uniform
from nanoneurons.core.update import OuterProducts
from nanoneurons.devices import _pulsed_steps as steps
from nanoneurons.devices._device import State
from nanoneurons.devices._kinds import MemoryDevice
from nanoneurons.devices._pulsed_events import outer_train

__all__ = ["Pulsed"]

_EXP = "default of aihwkit's ExpStepDevice"
_FAMILY = "definition of the family: aihwkit, PulsedDevice and its step shapes"
_DEFAULT = "default of aihwkit's PulsedDevice"
_OURS = "choice of this project: the source gives normalised numbers only"
_SHAPES = {
    "constant": steps.CONSTANT,
    "linear": steps.LINEAR,
    "soft-bounds": steps.LINEAR,
    "exponential": steps.EXPONENTIAL,
    "power": steps.POWER,
}

_FROM_PULSES = (
    "pulse_step", "w_max", "w_min", "up_down", "gamma_up", "gamma_down", "exp_up", "exp_down", "step_spread",
    "up_down_spread", "w_max_spread", "w_min_spread", "gamma_spread", "cycle_spread", "write_noise", "read_noise",
    "stuck_share", "initial_mean", "initial_spread", "zero_conductance", "unit_conductance",
)  # fmt: skip


def _number(
    default: float, doc: str, low: float, high: float, source: str = _FAMILY, unit: str = "1", **more: Any
) -> Any:
    return param(default, unit, doc=doc, source=source, low=low, high=high, **more)


def _spread(default: float, doc: str, source: str = _FAMILY) -> Any:
    return _number(default, doc, 0.0, 10.0, source, imperfection="device_to_device", ideal=0.0)


@dataclass(frozen=True)
class Pulsed(MemoryDevice):
    """Conductance that moves by one noisy, state-dependent step per pulse; the drive is signed whole pulses."""

    title: ClassVar[str] = "generic pulsed conductance"
    citation: ClassVar[str] = (
        "@inproceedings{rasch2021flexible, title={A Flexible and Fast {PyTorch} Toolkit for Simulating Training and "
        "Inference on Analog Crossbar Arrays}, author={Rasch, Malte J. and Moreda, Diego and Gokmen, Tayfun and "
        "Le Gallo, Manuel and Carta, Fabio and Goldberg, Cindy and El Maghraoui, Kaoutar and Sebastian, Abu and "
        "Narayanan, Vijay}, booktitle={IEEE AICAS}, year={2021}, eprint={2104.02184}}"
    )
    not_modelled: ClassVar[str] = "Drift and leakage in time, pulse amplitude and width, RESET of one-sided devices."
    read_unit: ClassVar = "S"
    directions: ClassVar[tuple[int, ...]] = (-1, 1)
    drive_effect: ClassVar[int] = 1
    graded: ClassVar[bool] = True
    default_rule: ClassVar[str] = "analog-sgd"
    identified: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "pulses": _FROM_PULSES,
        "levels": (
            "w_min", "w_max", "zero_conductance", "unit_conductance", "read_noise", "write_noise", "stuck_share",
        ),
        "retention": ("read_noise",),
        "noise": ("read_noise",),
    }  # fmt: skip

    step_shape: str = param(
        "constant", doc="how the size of a step depends on the weight", source=_FAMILY, choices=tuple(_SHAPES)
    )
    sided: str = param(
        "two-sided", doc="whether pulses move the weight both ways or only up", source=_FAMILY,
        choices=("two-sided", "one-sided"),
    )  # fmt: skip
    pulse_step: float = _number(1e-3, "size of a step at shape 1, normalised weight", 1e-9, 10.0, _DEFAULT)
    w_max: float = _number(0.6, "upper bound of the normalised weight", 1e-6, 100.0, _DEFAULT)
    w_min: float = _number(-0.6, "lower bound of the normalised weight", -100.0, 0.0, _DEFAULT)
    up_down: float = _number(0.0, "reduction of the down steps where positive, of the up steps if below 0", -0.99, 0.99)
    asymmetry: float = _number(
        1.0, "share of the asymmetry at the reference point", 0.0, 4.0, imperfection="asymmetry", ideal=0.0
    )
    nonlinearity: float = _number(
        1.0, "share of the step shape's dependence on the weight", 0.0, 4.0, imperfection="nonlinearity", ideal=0.0
    )
    gamma_up: float = _number(0.0, "linear: loss of step at the bound; exponential, power: exponent; up", -50.0, 50.0)
    gamma_down: float = _number(0.0, "the same, down", -50.0, 50.0)
    exp_a: float = _number(0.244, "exponential shape: scale a of the weight", -10.0, 10.0, _EXP)
    exp_b: float = _number(0.2425, "exponential shape: offset b", -10.0, 10.0, _EXP)
    exp_up: float = _number(0.00081, "exponential shape: amplitude A of the up steps", -1e4, 1e4, _EXP)
    exp_down: float = _number(0.36833, "exponential shape: amplitude A, down", -1e4, 1e4, _EXP)

    step_spread: float = _spread(0.3, "relative spread of the step", _DEFAULT)
    step_law: str = param("normal", doc="law of the step's spread", source=_FAMILY, choices=("normal", "log-normal"))
    up_down_spread: float = _spread(0.01, "spread of the asymmetry, relative to the step", _DEFAULT)
    w_max_spread: float = _spread(0.3, "relative spread of the upper bound", _DEFAULT)
    w_min_spread: float = _spread(0.3, "relative spread of the lower bound", _DEFAULT)
    gamma_spread: float = _spread(0.0, "spread of gamma (linear shape)")
    reference_spread: float = _spread(0.0, "spread of the reference that is subtracted at reading, normalised weight")
    centred: str = param(
        "no", doc="whether the reference is each device's own point of equal up and down steps (linear, soft-bounds)",
        source=_FAMILY, choices=("no", "yes"),
    )  # fmt: skip

    cycle_spread: float = _number(
        0.3, "cycle-to-cycle spread of a step, relative", 0.0, 100.0, _DEFAULT, imperfection="cycle_to_cycle", ideal=0.0
    )
    noise: str = param(
        "step", doc="what cycle_spread is relative to: the step at this weight, or the step at shape 1 (pulse)",
        source=_FAMILY, choices=("step", "pulse"),
    )  # fmt: skip
    noise_floor: float = _number(0.0, "cycle-to-cycle spread independent of the step, times cycle_spread", 0.0, 10.0)
    noise_slope: float = _number(0.0, "cycle-to-cycle spread per weight, times cycle_spread", 0.0, 10.0)
    write_noise: float = _number(
        0.0, "spread of the visible weight after a write, in steps", 0.0, 1e4, imperfection="write_noise", ideal=0.0
    )
    read_noise: float = _number(
        0.01, "spread of the weight from read to read, normalised weight", 0.0, 10.0,
        "1 % for resistive memory (aihwkit, note on read noise), taken relative to unit_conductance",
        imperfection="read_noise", ideal=0.0, verified=False,
    )  # fmt: skip
    level_spacing: float = _number(
        0.0, "distance of readable levels as a fraction of the range", 0.0, 1.0, imperfection="finite_levels", ideal=0.0
    )
    stuck_share: float = _number(
        0.0, "share of devices that no pulse moves", 0.0, 1.0, imperfection="stuck_devices", ideal=0.0
    )
    stuck_range: float = _number(1.0, "stuck devices lie evenly within this distance of 0 (and the bounds)", 0.0, 100.0)

    initial_mean: float = _number(0.0, "mean weight of a fresh device", -100.0, 100.0, _OURS)
    initial_spread: float = _number(0.2, "spread of the weight of fresh devices", 0.0, 10.0, _OURS)
    zero_conductance: float = _number(25e-6, "conductance at weight 0", 0.0, 1.0, _OURS, "S", verified=False)
    unit_conductance: float = _number(5e-6, "conductance per unit of weight", 1e-15, 1.0, _OURS, "S", verified=False)
    write_energy: float = _number(
        3e-12, "energy of one pulse", 0.0, 1.0,
        "upper end of 0.1 to 3 pJ per write of oxide memristors (ITRS 2011 table); not measured for each preset", "J",
        verified=False,
    )  # fmt: skip
    read_voltage: float = _number(0.1, "read voltage", 0.0, 10.0, "usual value", "V", verified=False)
    read_time: float = _number(10e-9, "length of a read", 0.0, 1.0, "usual value", "s", verified=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.sided == "one-sided":  # an instance of a one-sided preset declares its own directions
            object.__setattr__(self, "directions", (1,))

    def check(self) -> None:
        """Check relations between parameters."""
        if self.centred == "yes" and _SHAPES[self.step_shape] != steps.LINEAR:
            raise ParameterError("Pulsed: centred = 'yes' needs step_shape 'linear' or 'soft-bounds'")
        if self.step_shape == "soft-bounds" and self.w_min == 0 and self.sided == "two-sided":
            raise ParameterError("Pulsed: soft bounds in both directions need w_min below 0")
        if min(self._levels()) <= 0:
            raise ParameterError("Pulsed: the step vanishes at the reference point; choose other step parameters")

    def imperfections(self) -> tuple[Imperfection, ...]:
        """Imperfections with an effect: a constant step has no nonlinearity, equal steps no asymmetry."""
        up, down = self._levels()
        idle = {"nonlinearity"} if self.step_shape == "constant" else set()
        if self.sided == "one-sided" or math.isclose(up * self._gains()[0], down * self._gains()[1], rel_tol=1e-9):
            idle.add("asymmetry")
        return tuple(found for found in super().imperfections() if found.name not in idle)

    # -- contract -------------------------------------------------------------------------------------

    def init(self, shape: tuple[int, ...], generator: torch.Generator) -> State:
        """Fresh devices; see the module for the laws of their bounds and steps.

        State, all of `shape`: ``weight`` (persistent, normalised), ``visible`` (what a read sees), ``low``,
        ``high``, ``up``, ``down``, and where the shape needs them ``bend_up``, ``bend_down``, ``reference``.
        """
        key, place = draw_key(generator), generator.device

        def gauss(draw: int, sd: float) -> torch.Tensor:
            return sd * normal(key, shape, draw, place) if sd else torch.zeros((), device=place)

        high = (self.w_max * (1 + gauss(0, self.w_max_spread))).abs()
        low = -(self.w_min * (1 + gauss(1, self.w_min_spread))).abs()
        gain = gauss(2, self.step_spread)
        gain = gain.exp() if self.step_law == "log-normal" else 1 + gain
        tilt, (less_up, less_down) = gauss(3, self.up_down_spread), (1 - g for g in self._gains())
        scale_up, scale_down = self._balance()
        up = self.pulse_step * scale_up * (gain + tilt - less_up).abs()
        down = self.pulse_step * scale_down * (gain - tilt - less_down).abs()
        if self.sided == "one-sided":
            down = torch.zeros(())
        cell: dict[str, torch.Tensor] = {"low": low, "high": high.clamp(min=1e-6), "up": up, "down": down}
        if _SHAPES[self.step_shape] == steps.LINEAR:
            cell |= self._bends(cell, gauss)
        first = torch.as_tensor(self.initial_mean + gauss(6, self.initial_spread), dtype=torch.float32)
        cell["weight"] = first.maximum(cell["low"]).minimum(cell["high"])
        if self.stuck_share:
            self._stick(cell, uniform(key, shape, 7, place), uniform(key, shape, 8, place))
        state = {name: value.to(place, torch.float32).expand(shape).contiguous() for name, value in cell.items()}
        shown = state["weight"] - state["reference"] if "reference" in state else state["weight"].clone()
        return {**state, "visible": shown}

    def step(
        self, state: State, drive: torch.Tensor, dt: float = 0.0, generator: torch.Generator | None = None
    ) -> State:
        """Apply `drive` signed whole pulses to each device, one after the other (`dt` is not used)."""
        pulses = self._whole(drive, state)
        weight, visible = steps.pulse_by_pulse(self._kind, state, self._constants, pulses, self._key(generator))
        return {**state, "weight": weight, "visible": visible}

    def apply_counts(
        self, state: State, up: torch.Tensor, down: torch.Tensor, generator: torch.Generator | None = None
    ) -> State:
        """Apply `up` and `down` whole pulses to each device in random order, as stochastic pulse trains do.

        Longer trains are summed in few operations; mean and standard deviation agree with `step` pulse by
        pulse. Write noise is drawn once for the train.
        """
        up, down = self._whole(up, state), self._whole(down, state)
        weight, visible = steps.train(self._kind, state, self._constants, up, down, self._key(generator))
        return {**state, "weight": weight, "visible": visible}

    def apply_trains(
        self,
        state: State,
        change: torch.Tensor,
        activity: torch.Tensor,
        pulses_per_unit: float,
        generator: torch.Generator | None = None,
    ) -> State:
        """Draw Poisson counts with means ``(activity +- change) / 2 * pulses_per_unit`` and apply them, in one pass.

        Equal in law to `physics.pulse_trains.draw_counts` followed by `apply_counts`, in half the time.
        """
        arguments = (self._kind, state, self._constants, change, activity, pulses_per_unit, self._key(generator))
        weight, visible = steps.random_train(*arguments)
        return {**state, "weight": weight, "visible": visible}

    def apply_outer(
        self, state: State, update: OuterProducts, pulses_per_unit: float, generator: torch.Generator | None = None
    ) -> State:
        """Apply the stochastic trains of a mini-batch of error and input vectors; changes the given state in place.

        Equal in law to drawing counts from the products of the vectors (`apply_trains`); where pulses are rare
        only they are drawn, one by one.

        Args:
            state: shape ``(*chips, out, in)``, or a kernel with ``in`` unfolded over its last axes.
            update: error and input vectors; its rate is not used.
            pulses_per_unit: mean number of pulses at ``|error| |input| = 1``, negative to turn all directions.
        """
        lead, out, matrix = update.errors.shape[:-2], update.errors.shape[-1], state
        if state["weight"].dim() != update.errors.dim():  # a kernel of a convolution
            matrix = {name: value.view(*lead, out, -1) for name, value in state.items()}
        outer_train(self._kind, matrix, self._constants, update, pulses_per_unit, self._key(generator))
        return state

    def read(self, state: State, generator: torch.Generator | None = None) -> torch.Tensor:
        """Conductance in S."""
        w = state["visible"]
        if self.level_spacing:
            spacing = self.level_spacing * (self.w_max - self.w_min)
            w = ((w - self.w_min) / spacing).round_().mul_(spacing).add_(self.w_min)
        if self.read_noise and generator is not None:
            w = w + self.read_noise * normal(draw_key(generator), tuple(w.shape), 0, w.device)
        return torch.add(self.zero_conductance, w, alpha=self.unit_conductance)

    def linear(self, state: State) -> tuple[torch.Tensor, float, float] | None:
        """The visible weight, unless only discrete levels can be read."""
        return None if self.level_spacing else (state["visible"], self.zero_conductance, self.unit_conductance)

    def read_sigma(self) -> float:
        """Standard deviation in S of one read; independent from cell to cell and from read to read."""
        return self.read_noise * self.unit_conductance

    def conductance_range(self) -> tuple[float, float]:
        """Conductance in S at the nominal bounds."""
        return tuple(self.zero_conductance + w * self.unit_conductance for w in (self.w_min, self.w_max))  # type: ignore[return-value]

    def conductance_reference(self) -> float:
        """Conductance in S that stands for weight 0: where up and down steps are meant to be equal."""
        return self.zero_conductance

    def conductance_step(self) -> float:
        """Mean of the up and down step at the reference point, in S."""
        return self._conductance_step

    @cached_property
    def _conductance_step(self) -> float:
        (up, down), (scale_up, scale_down), (gain_up, gain_down) = self._levels(), self._balance(), self._gains()
        size = up * scale_up * gain_up
        if self.sided == "two-sided":
            size = 0.5 * (size + down * scale_down * gain_down)
        return self.pulse_step * size * self.unit_conductance

    def prices(self) -> Mapping[str, Price]:
        """Energy of one pulse and of reading one device at weight 0."""
        joule = self.read_voltage**2 * max(self.zero_conductance, self.unit_conductance) * self.read_time
        return {
            "write": Price(self.write_energy, self.parameter("write_energy").source, "not stated", False),
            "read": Price(joule, "V^2 G t with read_voltage, zero_conductance, read_time", "any", False),
        }

    # -- the law --------------------------------------------------------------------------------------

    @property
    def _kind(self) -> int:
        return _SHAPES[self.step_shape]

    @property
    def reference_point(self) -> float:
        """Weight at which shapes are compared: 0, or the middle of the range of a one-sided device."""
        return 0.0 if self.sided == "two-sided" else 0.5 * (self.w_min + self.w_max)

    def nominal_step(self, w: float, up: bool) -> float:
        """Size of one step of the mean device at weight `w`, normalised; negative is never returned."""
        level, scale, gain = (pair[0 if up else 1] for pair in (self._levels(), self._balance(), self._gains()))
        shape = self._nominal_shape(w, up)
        return self.pulse_step * scale * gain * max(level + self.nonlinearity * (shape - level), 0.0)

    def _nominal_shape(self, w: float, up: bool) -> float:
        if self.step_shape == "soft-bounds":
            bend = -1 / self.w_max if up else (-1 / self.w_min if self.w_min else 0.0)
        else:
            low = -abs(self.gamma_down) / self.w_min if self.w_min else 0.0
            bend = -abs(self.gamma_up) / self.w_max if up else low
        constants = self._shape_constants
        return float(steps.shape_factor(self._kind, up, w, self.w_min, self.w_max, bend, constants, math.exp))

    def _levels(self) -> tuple[float, float]:
        return tuple(self._nominal_shape(self.reference_point, up) for up in (True, False))  # type: ignore[return-value]

    def _gains(self) -> tuple[float, float]:
        return 1 - max(-self.up_down, 0.0), 1 - max(self.up_down, 0.0)

    def _balance(self) -> tuple[float, float]:
        """Factors that bring the two directions towards equal steps at the reference point."""
        sizes = [level * gain for level, gain in zip(self._levels(), self._gains(), strict=True)]
        mean = sum(sizes) / 2
        if self.sided == "one-sided":
            return 1.0, 1.0
        return tuple(max(mean + self.asymmetry * (size - mean), 0.0) / size for size in sizes)  # type: ignore[return-value]

    def _bends(self, cell: Mapping[str, torch.Tensor], gauss: Any) -> dict[str, torch.Tensor]:
        if self.step_shape == "soft-bounds":
            bend_up, bend_down = -1 / cell["high"], -1 / cell["low"].clamp(max=-1e-6)
        else:  # relative to the mean bound, so that a device's bound does not set its slope
            bend_up = -(abs(self.gamma_up) + gauss(4, self.gamma_spread)).abs() / self.w_max
            bend_down = -(abs(self.gamma_down) + gauss(5, self.gamma_spread)).abs() / (self.w_min or math.inf)
        found = {"bend_up": bend_up, "bend_down": bend_down}
        if self.centred == "yes" or self.reference_spread:
            reference = gauss(9, self.reference_spread)
            if self.centred == "yes":
                tilt = (cell["down"] * bend_down - cell["up"] * bend_up).clamp(min=1e-12)
                reference = reference + (cell["up"] - cell["down"]) / tilt
            found["reference"] = reference
        return found

    def _stick(self, cell: dict[str, torch.Tensor], chosen: torch.Tensor, place: torch.Tensor) -> None:
        low, high = cell["low"].clamp(min=-self.stuck_range), cell["high"].clamp(max=self.stuck_range)
        stuck = chosen < self.stuck_share
        cell["weight"] = torch.where(stuck, low + (high - low) * place, cell["weight"])
        cell["up"], cell["down"] = (torch.where(stuck, 0.0, cell[way]) for way in ("up", "down"))

    @cached_property
    def _shape_constants(self) -> steps.Constants:
        return steps.Constants(
            level_up=1.0,
            level_down=1.0,
            share=self.nonlinearity,
            exp_a=self.exp_a,
            exp_b=self.exp_b,
            gamma_up=self.gamma_up,
            gamma_down=self.gamma_down,
            exp_up=self.exp_up,
            exp_down=self.exp_down,
            sigma=self.cycle_spread,
            additive=float(self.noise == "pulse"),
            floor=self.noise_floor,
            slope=self.noise_slope,
            write=self.write_noise * self.pulse_step,
        )

    @cached_property
    def _constants(self) -> steps.Constants:
        up, down = self._levels()
        values = self._shape_constants._replace(level_up=up, level_down=down)
        single: list[Any] = [np.float32(x) for x in values]  # kernels compute in float32 throughout
        return steps.Constants(*single)

    def _whole(self, pulses: torch.Tensor, state: State) -> torch.Tensor:
        if pulses.is_floating_point():
            if not torch.isfinite(pulses).all():
                raise ParameterError("Pulsed: the drive must be finite numbers of pulses; lower the learning rate")
            pulses = pulses.round()
        if self.sided == "one-sided" and pulses.numel() and float(pulses.min()) < 0:
            raise ParameterError("Pulsed: a one-sided device takes no negative pulses; use a pair of them")
        return pulses.to(torch.int32).expand(state["weight"].shape)

    def _key(self, generator: torch.Generator | None) -> int:
        if generator is not None:
            return draw_key(generator)
        if self.cycle_spread or self.write_noise:
            raise ParameterError("Pulsed: a noisy device needs a generator to draw its noise from")
        return 0
