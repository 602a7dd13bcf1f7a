r"""RF chain: resonators in series, each listening to its own tone of a shared line, add their rectified voltages.

.. math::
    V_j = \sum_i W_{ji}\,g(P_i), \qquad
    W_{ji} = \lambda \sum_k s_k K_{jk}\,\frac{2x_{ijk} + \sigma}{1 + x_{ijk}^2}, \qquad
    x_{ijk} = \frac{f_i - f_{jk}}{\alpha_{jk} f_{jk}}

Every tone *i* of power :math:`P_i` reaches every resonator *k* of every chain *j*: crosstalk is part of the weight.
Resonators stand head to tail in turn, :math:`s_k = (-1)^{k+1}`, k = 0, 1, ..., so that the tails of neighbours cancel.
:math:`\lambda` is the insertion loss of the line.

A neuron is an oscillator driven by the voltage of a chain, :math:`I = g_m (V + V_b)`, kept between threshold and clamp;
it emits the power :math:`A\,\epsilon\,p R I^2` at its own frequency, a tone of the next layer.

Not modelled: reflections and standing waves on the line, loading of the line by the resonators (all chains see the
same power, which is what the amplifier is for), noise and frequency shift of the emitted tone, time: everything has
settled.

Source: Ross et al., Nat. Nanotech. 18, 1273 (2023) and its public program; Leroux et al., Phys. Rev. Applied 15, 034067
(2021).
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

import torch

from nanoneurons import devices
from nanoneurons.core.energy import Comparison, Counts, Price
from nanoneurons.core.errors import ParameterError, RefusedError
from nanoneurons.core.parameter import Parameter, Parameterized, param
from nanoneurons.core.random import draw_key, normal
from nanoneurons.core.update import OuterProducts, Update
from nanoneurons.devices import Device, OscillatorDevice, ResonatorDevice, State
from nanoneurons.physics.resonator_chain import chain_matrix
from nanoneurons.physics.spin_diode import plan_frequencies, rectified

from . import _rf_comparison, _rf_energy
from ._circuit import Circuit

__all__ = ["RfChain"]

_PROGRAM = "public program of Ross et al., Nat. Nanotech. 18, 1273 (2023)"
_CHOICE = "choice of this project"
_NEURON = "neuron_"


def _number(default: float, unit: str, doc: str, low: float, high: float, source: str, **more: Any) -> Any:
    return param(default, unit, doc=doc, source=source, low=low, high=high, **more)


@dataclass(frozen=True)
class RfChain(Circuit):
    """Chains of resonators that weigh frequency-multiplexed tones; the trained quantity is the resonance in Hz.

    State: that of the resonators (see `ResonatorDevice`), with ``nominal`` from the frequency plan, and ``tones``, the
    frequencies in Hz that really arrive, ``(*chips, tones)``.
    """

    device: ResonatorDevice
    neuron: OscillatorDevice = field(default_factory=lambda: _neuron())

    band_low: float = _number(20e6, "Hz", "lowest tone", 1e5, 1e12, _PROGRAM)
    band_high: float = _number(120e6, "Hz", "highest tone", 1e5, 1e12, _PROGRAM)
    plan: str = param(
        "geometric", doc="spacing of the tones: equal ratios or equal distances", source=_PROGRAM,
        choices=("geometric", "linear"),
    )  # fmt: skip
    wiring: str = param(
        "head-to-tail", doc="sign of the resonators along a chain: in turn, or all the same", source=_PROGRAM,
        choices=("head-to-tail", "head-to-head"),
    )  # fmt: skip
    crosstalk: float = _number(
        1.0, "1", "response to the other resonators' tones: 1 as it is, 0 none", 0.0, 1.0, "physics of the line",
        imperfection="crosstalk", ideal=0.0,
    )  # fmt: skip
    insertion_loss: float = _number(
        0.0, "dB", "loss of power between source and resonators", 0.0, 60.0, _PROGRAM + ": lossless",
        imperfection="insertion_loss", ideal=0.0,
    )  # fmt: skip
    full_power: float = _number(1e-6, "W", "power of a full input, 1", 1e-15, 1.0, _PROGRAM)
    initial_shift: float = _number(
        1 / 70, "1", "initial spread of a resonance over mid-band, times the root of the resonators", 0.0, 1.0, _PROGRAM
    )
    initial_bias: float = _number(
        0.01, "V", "initial spread of a bias, times the root of the chains", 0.0, 10.0, _PROGRAM
    )
    bias_voltage: float = _number(
        0.011084586710145186, "V", "voltage that sets the neurons' operating point", -10.0, 10.0, _PROGRAM
    )
    transconductance: float = _number(
        3.388370758630916e-3, "S", "dc current of a neuron per volt of its chain", 1e-9, 1e3, _PROGRAM
    )
    amplifier_gain: float = _number(1.25, "1", "gain of power behind a neuron", 1e-3, 1e6, _PROGRAM)
    readout_scale: float = _number(1e3, "1/V", "logits per volt of an output chain", 1e-6, 1e12, _PROGRAM)
    amplifier_efficiency: float = _number(
        0.3, "1", "radio-frequency power over dc power of an amplifier", 1e-3, 1.0, _CHOICE, verified=False
    )

    title: ClassVar[str] = "chain of resonators (RF)"
    layers: ClassVar[str] = "rf"
    drives: ClassVar[str] = "shifts of resonances"
    takes: ClassVar[type[Device]] = ResonatorDevice

    def check(self) -> None:
        """The band must be in order and inside what resonators can be tuned to; the neuron must be an oscillator."""
        if not self.band_low < self.band_high:
            raise ParameterError(f"band_low = {self.band_low:g} Hz must lie below band_high = {self.band_high:g} Hz")
        self.check_tones(torch.tensor([self.band_low, self.band_high], dtype=torch.float64))
        if not isinstance(self.neuron, OscillatorDevice):
            raise RefusedError(f"{type(self.neuron).__name__} does not oscillate; give a neuron of kind 'oscillator'")

    @classmethod
    def parameter(cls, name: str) -> Parameter:
        """Declaration of a parameter of the circuit, or of the neuron with the prefix ``neuron_``."""
        if name.startswith(_NEURON):
            declared = type(_neuron()).parameter(name.removeprefix(_NEURON))
            return dataclasses.replace(declared, name=name)
        return super().parameter(name)

    @classmethod
    def build(cls, device: Device, **values: Any) -> Self:
        """Circuit from plain values, those of the neuron with the prefix ``neuron_``."""
        neuron = {n.removeprefix(_NEURON): v for n, v in values.items() if n.startswith(_NEURON)}
        own = {n: v for n, v in values.items() if not n.startswith(_NEURON)}
        return cls(device=device, neuron=_neuron(**neuron), **own)  # type: ignore[arg-type]

    def parts(self) -> dict[str, Parameterized]:
        """Resonators and neurons."""
        return {_NEURON: self.neuron, "": self.device}

    def with_part(self, prefix: str, part: Any) -> Self:
        """Copy with other resonators or another neuron."""
        return dataclasses.replace(self, **{"neuron" if prefix else "device": part})

    # -- frequencies ----------------------------------------------------------------------------------

    def tones(self, count: int) -> torch.Tensor:
        """Frequencies of `count` tones in Hz, as planned, float64."""
        return plan_frequencies(count, self.band_low, self.band_high, self.plan)  # type: ignore[arg-type]

    def check_tones(self, tones: torch.Tensor) -> None:
        """Refuse tones that no resonator can be made or tuned for, or that are not distinct.

        Raises:
            ParameterError: names the first such tone and the range.
        """
        low, high = self.device.frequency_range()
        for index, f in enumerate(tones.flatten().tolist()):
            if not low <= f <= high:  # also True for NaN
                raise ParameterError(
                    f"tone {index} at {f:g} Hz lies outside the tuning range {low:g} to {high:g} Hz of the "
                    f"{self.device.title}; move the band (band_low, band_high) or take another device"
                )
        order = tones.float().sort()  # single precision is what layers and devices hold
        twice = (order.values.diff() == 0).nonzero()
        if len(twice):
            one, two = sorted(order.indices[int(twice[0]) :][:2].tolist())
            raise ParameterError(
                f"tones {one} and {two}, and so two resonators, stand on one frequency, {float(tones[one]):.9g} Hz; "
                "give distinct frequencies"
            )

    @property
    def middle(self) -> float:
        """Middle of the band in Hz."""
        return 0.5 * (self.band_low + self.band_high)

    @property
    def unit(self) -> float:
        """Half linewidth in the middle of the band in Hz, the natural unit of a shift."""
        return self.device.nominal_damping * self.middle

    def sign(self, resonators: int, like: torch.Tensor) -> torch.Tensor:
        """Sign of each resonator in its chain."""
        sign = torch.ones(resonators, dtype=like.dtype, device=like.device)
        if self.wiring == "head-to-tail":
            sign[0::2] = -1
        return sign

    @property
    def transmission(self) -> float:
        """Power that reaches the resonators over that sent."""
        return 10 ** (-self.insertion_loss / 10)

    # -- weights --------------------------------------------------------------------------------------

    def matrix(
        self,
        resonance: torch.Tensor,
        tones: torch.Tensor,
        state: State | None = None,
        present: torch.Tensor | None = None,
        own: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Weights in V/W of every tone in every chain, ``(*chips, chains, tones)``, differentiable in `resonance`.

        Args:
            resonance: Hz, ``(*chips, chains, resonators)``.
            tones: Hz, ``(tones,)`` or ``(*chips, tones)``.
            state: own damping and sensitivity of the resonators; the nominal ones without it.
            present: 0 where a chain lacks a resonator, else 1, ``(chains, resonators)``; all present without it.
            own: number of the tone that a resonator is meant for, ``(chains, resonators)``; the k-th tone without it.
        """
        device, sign = self.device, self.sign(resonance.shape[-1], resonance)
        sign = sign if present is None else sign * present.to(sign)
        damping: torch.Tensor | float = device.nominal_damping
        strength = sign * (device.nominal_sensitivity * self.transmission)
        if state is not None:
            damping = state["damping"].to(resonance)
            strength = sign * self.transmission * state["sensitivity"].to(resonance)
        if self.crosstalk == 1:
            return chain_matrix(resonance, tones, damping, strength, device.symmetric_share)
        if own is None and resonance.shape[-1] != tones.shape[-1]:
            raise RefusedError(
                f"crosstalk = {self.crosstalk:g} needs one resonator per tone, but a chain has {resonance.shape[-1]} "
                f"resonators and {tones.shape[-1]} tones; leave crosstalk at 1"
            )
        meant = tones.to(resonance).unsqueeze(-2) if own is None else tones.to(resonance)[..., own]
        alone = strength * rectified(meant, resonance, damping, device.symmetric_share)
        if own is not None:
            shape = (*resonance.shape[:-1], tones.shape[-1])
            alone = alone.new_zeros(shape).scatter_add(-1, own.expand(alone.shape), alone)
        if self.crosstalk == 0:
            return alone
        every = chain_matrix(resonance, tones, damping, strength, device.symmetric_share)
        return alone + self.crosstalk * (every - alone)

    def init(self, shape: tuple[int, ...], generator: torch.Generator) -> State:
        """Fabricate chains of shape ``(*chips, chains, resonators)``, for as many clean tones as resonators."""
        tones = self.tones(shape[-1])
        self.check_tones(tones)
        return self.fabricate(shape, tones, tones, False, generator)

    def fabricate(
        self,
        shape: tuple[int, ...],
        centres: torch.Tensor,
        tones: torch.Tensor,
        oscillators: bool,
        generator: torch.Generator,
        chips: tuple[int, ...] | None = None,
    ) -> State:
        """Fabricate chains for given tones.

        Args:
            centres: nominal resonances in Hz, ``(resonators,)`` or whatever broadcasts to `shape`.
            tones: nominal tones in Hz, ``(tones,)``.
            oscillators: whether the tones come from neurons, each with its own frequency, or from a clean source.
            chips: leading axes of `shape` that count chips; all but the last two when not given.
        """
        state = self.device.init(shape, generator)
        nominal = centres.to(state["nominal"]).expand(shape).clone()
        arriving = tones.float().expand(*(shape[:-2] if chips is None else chips), len(tones)).clone()
        spread = getattr(self.neuron, "frequency_spread", 0.0) if oscillators else 0.0
        if spread:
            noise = normal(draw_key(generator), tuple(arriving.shape), 0, generator.device)
            arriving = arriving * torch.exp(spread * noise)
        return {**state, "nominal": nominal, "tones": arriving}

    def weights(self, state: State, generator: torch.Generator | None = None) -> torch.Tensor:
        """Resonances in Hz that were asked for: as designed plus tuned, without what fabrication did to them."""
        return state["nominal"] + state["shift"]

    def program(self, state: State, target: torch.Tensor, generator: torch.Generator) -> State:
        """Tune every resonance to `target` in Hz, as far as its tuning range reaches."""
        return self._tune(state, target - self.weights(state), generator)

    def update(self, state: State, update: Update | OuterProducts, generator: torch.Generator) -> State:
        """Shift resonances by a wanted change in Hz.

        Raises:
            RefusedError: pulses or pulse trains are asked for.
            ParameterError: the change is not finite.
        """
        if isinstance(update, OuterProducts) or update.unit != "weight" or update.activity is not None:
            raise RefusedError(
                "resonances are shifted by a wanted change in Hz, not by pulses; use the rule 'physics-aware' or "
                "'backpropagation'"
            )
        return self._tune(state, update.change, generator)

    def _tune(self, state: State, change: torch.Tensor, generator: torch.Generator) -> State:
        return {**state, **self.device.step(state, change, 0.0, generator)}

    def pulses_of(self, update: Update | OuterProducts) -> float:
        """Resonators that are shifted."""
        return float("nan") if isinstance(update, OuterProducts) else float((update.change != 0).sum())

    def pulses_to_program(self, state: State, target: torch.Tensor) -> float:
        """Resonators that are tuned."""
        return float(target.numel())

    # -- neurons --------------------------------------------------------------------------------------

    def neuron_current(self, voltage: torch.Tensor) -> torch.Tensor:
        """Current in A that a chain's voltage drives through its neuron, kept between threshold and clamp."""
        _, clamp = self.neuron.current_range()
        wanted = (voltage + self.bias_voltage) * self.transconductance
        return wanted.clamp(self.neuron.threshold_current(), clamp)

    def neuron_power(self, voltage: torch.Tensor, state: State | None = None) -> torch.Tensor:
        """Power in W behind the amplifier of a neuron; that of given oscillators with `state`."""
        return self.amplifier_gain * self.neuron.emitted_power(self.neuron_current(voltage), state)

    # -- energy ---------------------------------------------------------------------------------------

    def inference(self, out_features: int, in_features: int) -> Counts:
        """Events of one product by chains, every tone at half of the full power."""
        return _rf_energy.layer_counts(out_features, in_features)

    def under_power(self, counts: Counts, power: float) -> Counts:
        """Those events of layers that belong to the mean power of a tone, in W, instead of half the full power."""
        return _rf_energy.under_power(counts, power / self.full_power)

    def neuron_counts(self, neurons: int, voltage: torch.Tensor | None = None) -> Counts:
        """Events of one layer of neurons under these voltages in V; at their operating point without them."""
        if voltage is None:
            return _rf_energy.neuron_counts(neurons, 1.0, 1.0)
        current = self.neuron_current(voltage.double())
        at = torch.tensor(self.neuron.default_current, dtype=torch.float64)
        powers = (self.neuron.dc_power, self.neuron.emitted_power)
        dc, emitted = (float(power(current).mean() / power(at)) if power(at) > 0 else 0.0 for power in powers)
        return _rf_energy.neuron_counts(neurons, dc, emitted)

    def writing(self, pulses: float) -> Counts:
        """Events of tuning a number of resonances."""
        return Counts({"tuning": float(pulses)})

    def prices(self) -> Mapping[str, Price]:
        """Prices of these events."""
        return {**self.device.prices(), **_rf_energy.prices(self)}

    def comparisons(self, layers: Sequence[tuple[int, int]]) -> tuple[Comparison, ...]:
        """Scaled junctions as projected, and digital receivers with the same network."""
        return _rf_comparison.comparisons(layers, self.band_high - self.band_low)

    @property
    def reading_time(self) -> float | None:
        """Time in s of a reading, that of the resonators."""
        return getattr(self.device, "read_time", None)

    @property
    def settling_time(self) -> float:
        """Time in s in which the slowest resonator comes 1/e nearer to its final amplitude, 1/(2 pi alpha f)."""
        return 1 / (2 * math.pi * self.device.nominal_damping * self.band_low)

    def remarks(self) -> tuple[str, ...]:
        """How long a reading lasts in settling times, and what the amplifiers would cost otherwise."""
        return _rf_energy.remarks(self)


def _neuron(**values: Any) -> OscillatorDevice:
    made = devices.get("spin-torque-oscillator:rf-neuron", **values)
    assert isinstance(made, OscillatorDevice)
    return made
