"""Layers that weigh tones with chains of resonators; what is trained is the resonance frequency."""

from __future__ import annotations

import math
from typing import ClassVar, Literal

import torch
from torch import nn

from nanoneurons.circuits.rf_chain import RfChain
from nanoneurons.core.energy import Counts
from nanoneurons.core.errors import ParameterError, RefusedError
from nanoneurons.core.random import draw_key, normal
from nanoneurons.core.update import Update
from nanoneurons.devices import State
from nanoneurons.devices.spin_diode import SpinDiode

from ._layer import DeviceLayer
from ._twin import overwrite

__all__ = ["RfLayer", "SpinDiodeLinear", "rf_chain"]


class RfLayer(DeviceLayer):
    r"""Chains of resonators: powers of tones in W go in, voltages of chains in V come out.

    .. math:: V_j = \sum_i W_{ji}\,g(P_i) + b_j

    with the weights of `RfChain`. The parameter `resonance` is the resonance in Hz that is asked for, ``(*chips,
    chains, resonators)``; a fabricated resonator deviates from it as its state says, and its tuning range bounds it.

    Attributes:
        gradient: of a fabricated layer: ``"own"``, that of the chip itself, or ``"ideal"``, that of the nominal device
            (physics-aware training).
        noisy_reads: whether voltages carry the noise of their resonators, once fabricated.
        imagined: state of the virtual chip that a software layer computes with, or None.
    """

    parameter_name: ClassVar[str] = "resonance"
    resonance: nn.Parameter
    tones: torch.Tensor
    centres: torch.Tensor

    def __init__(
        self,
        chains: int,
        tones: torch.Tensor,
        centres: torch.Tensor,
        bias: bool,
        circuit: RfChain | None,
        chips: int | None,
        seed: int,
        sources: Literal["generator", "oscillators"] = "generator",
    ) -> None:
        wired = rf_chain(circuit)
        wired.check_tones(tones)
        wired.check_tones(centres)
        self._start = (wired, centres)
        super().__init__((chains, len(centres)), bias, wired, chips, seed)
        if sources not in ("generator", "oscillators"):
            raise ParameterError(f"sources must be 'generator' or 'oscillators', not {sources!r}")
        self.sources = sources
        self.gradient: Literal["own", "ideal"] = "own"
        self.noisy_reads = True
        self.imagined: State | None = None
        self.register_buffer("tones", tones.float(), persistent=False)
        self.register_buffer("centres", centres.float(), persistent=False)

    def initial(self, weight_shape: tuple[int, ...], generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        """Resonances scattered around their plan, biases around zero."""
        wired, centres = self._start
        chains, resonators = weight_shape
        shift = torch.randn(weight_shape, generator=generator) * (wired.initial_shift * wired.middle)
        offset = torch.randn(chains, generator=generator) * (wired.initial_bias / math.sqrt(chains))
        return centres.float() + shift / math.sqrt(resonators), offset

    @property
    def weight(self) -> nn.Parameter:  # type: ignore[override]
        """The trained parameter, `resonance`, under the name that rules know."""
        return self.resonance

    @property
    def chain(self) -> RfChain:
        """The circuit."""
        return rf_chain(self.circuit)

    @property
    def units(self) -> tuple[float, float]:
        """A half linewidth in the middle of the band in Hz, and a millivolt."""
        return self.chain.unit, 1e-3

    @torch.no_grad()
    def fabricate(self, generator: torch.Generator) -> None:
        """Draw the resonators of the chip(s), and the frequencies of the oscillators that feed them."""
        self._store(self._fabricated(self.chain, generator))
        self.refresh()

    def _fabricated(self, chain: RfChain, generator: torch.Generator) -> State:
        fed = self.sources == "oscillators"
        return chain.fabricate(tuple(self.resonance.shape), self.centres, self.tones, fed, generator)

    @torch.no_grad()
    def imagine(self, share: float, generator: torch.Generator | None) -> None:
        """Compute with a virtual chip that carries `share` of the declared spreads; with 0, as designed again."""
        self.imagined = None
        if share and generator is not None:
            chain = self.chain
            for found in chain.device.imperfections():
                chain = chain.scaled(found.name, share)
            if any(i.name == "neuron_device_to_device" for i in chain.imperfections()):
                chain = chain.scaled("neuron_device_to_device", share)
            self.imagined = self._fabricated(chain, generator)

    @torch.no_grad()
    def move(self, change: torch.Tensor) -> None:
        """Change the resonances of a software layer, within their tuning range."""
        limit = self.chain.device.tuning_range * self.centres
        self.resonance.add_(change)
        self.resonance.copy_(torch.minimum(torch.maximum(self.resonance, self.centres - limit), self.centres + limit))

    @torch.no_grad()
    def trim(self, generator: torch.Generator) -> None:
        """Tune every resonance by its fabricated deviation, measured once, as far as its range reaches.

        Raises:
            RefusedError: resonators share their tuning.
        """
        self._require()
        state = self.state
        if state["deviation"].shape != self.resonance.shape:
            raise RefusedError("resonators that share a weight cannot be trimmed one by one; leave out the preparation")
        self.apply_update(Update(-(state["nominal"] * state["deviation"])), generator)

    def matrix(self) -> torch.Tensor:
        """Weights in V/W of the chip, or of the ideal device before fabrication, ``(*chips, chains, tones)``."""
        return self._matrix(self._held())

    def ideal_matrix(self) -> torch.Tensor:
        """Weights in V/W of nominal devices with the resonances asked for."""
        return self._matrix(None)

    def _held(self) -> State | None:
        return self.state if self.fabricated else self.imagined

    def _matrix(self, state: State | None) -> torch.Tensor:
        if state is None:
            return self.chain.matrix(self.resonance, self.tones)
        own = self.resonance + (state["nominal"] * state["deviation"]).to(self.resonance)
        return self.chain.matrix(own, state["tones"], state)

    def weigh(self, power: torch.Tensor) -> torch.Tensor:
        """Voltages, ``(*chips, batch, chains)``, of powers in W, ``(batch, tones)`` with or without a chip axis."""
        self.check_power(power)
        seen = self.chain.device.detected(power)
        if not (self.fabricated and self.gradient == "ideal" and torch.is_grad_enabled()):
            return self._noisy(self._voltage(seen, self._held()))
        with torch.no_grad():
            physical = self._noisy(self._voltage(seen.detach(), self._held()))
        return overwrite(self._voltage(seen, None), physical)

    def _voltage(self, seen: torch.Tensor, state: State | None) -> torch.Tensor:
        matrix = self._matrix(state)
        if matrix.dim() == 3:  # one product per chip whatever is shared, so that its rounding is that of the chip alone
            seen = seen.expand(matrix.shape[0], *seen.shape[-2:])
        voltage = torch.matmul(seen, matrix.transpose(-2, -1))
        return voltage if self.bias is None else voltage + self.bias.unsqueeze(-2)

    def _noisy(self, voltage: torch.Tensor) -> torch.Tensor:
        sigma = self.chain.device.noise_voltage()
        if not (self.fabricated and self.noisy_reads and sigma):
            return voltage
        noise = normal(draw_key(self.generator), tuple(voltage.shape), 0, voltage.device)
        return voltage + (sigma * self._in_series().sqrt() * noise).to(voltage.dtype)

    def _in_series(self) -> torch.Tensor:
        """Resonators of a chain, shaped to broadcast to the voltages."""
        return torch.tensor(float(self.resonance.shape[-1]), device=self.resonance.device)

    def check_power(self, power: torch.Tensor) -> None:
        """Refuse powers of the wrong number, negative or not finite.

        Raises:
            ParameterError: says what is wrong and what is expected.
        """
        count, name = self.tones.shape[-1], type(self).__name__
        if power.dim() < 2 or power.shape[-1] != count:
            raise ParameterError(
                f"{name} listens to {count} tones, but the spectrum has shape {tuple(power.shape)}; give "
                f"(batch, {count}), one power per tone"
            )
        if self.chips is not None and power.dim() == 3 and power.shape[0] not in (1, self.chips):
            raise ParameterError(
                f"{name} has {self.chips} chips, but the spectra come for {power.shape[0]}; give (batch, {count}), the "
                f"same for every chip, or ({self.chips}, batch, {count})"
            )
        self._check_values(power)

    def _check_values(self, power: torch.Tensor) -> None:
        name = type(self).__name__
        low, high = torch.aminmax(power.detach()) if power.numel() else (power.new_zeros(()), power.new_zeros(()))
        if not (low >= 0 and torch.isfinite(high)):  # also True for NaN
            what = "not finite" if not torch.isfinite(power).all() else f"negative ({float(low):g} W)"
            raise ParameterError(f"{name}: a power is {what}; powers are numbers from 0 W up")

    def counts(self) -> Counts:
        """Events of one reading of all chains, one chip."""
        return self.chain.inference(*self.resonance.shape[-2:])

    def counts_of(self, x: torch.Tensor) -> Counts:
        """Events of one reading of all chains under powers like `x` in W."""
        return self.chain.under_power(self.counts(), float(x.double().mean()))


class SpinDiodeLinear(RfLayer):
    """Drop-in `nn.Linear` made of spin diodes: powers of tones in W to voltages of chains in V.

    Args:
        in_features: tones, by the frequency plan of the circuit.
        out_features: chains.
        bias: voltage added to each chain.
        circuit: chains and their devices; `RfChain` of `SpinDiode` when not given.
        chips: number of chips side by side; then `resonance` is ``(chips, out, in)``, the input ``(batch, in)`` (the
            same for every chip) or ``(chips, batch, in)``, the output ``(chips, batch, out)``.
        seed: seed of the initial resonances and of the layer's own noise stream.
        tones: frequencies of the inputs in Hz instead of the plan, ``(in_features,)``.
        resonators: resonances of a chain as planned, in Hz; one per tone when not given.
        sources: what sends the tones: a clean ``"generator"``, or ``"oscillators"`` with their own spread.

    Raises:
        ParameterError: a tone outside the tuning range, or two on one frequency.
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        *,
        circuit: RfChain | None = None,
        chips: int | None = None,
        seed: int = 0,
        tones: torch.Tensor | None = None,
        resonators: torch.Tensor | None = None,
        sources: Literal["generator", "oscillators"] = "generator",
    ) -> None:
        wired = rf_chain(circuit)
        heard = wired.tones(in_features) if tones is None else torch.as_tensor(tones, dtype=torch.float64)
        if heard.shape != (in_features,):
            raise ParameterError(f"{in_features} inputs need as many tones, not a tensor of shape {tuple(heard.shape)}")
        centres = heard if resonators is None else torch.as_tensor(resonators, dtype=torch.float64)
        super().__init__(out_features, heard, centres, bias, wired, chips, seed, sources)
        self.in_features = in_features
        self.out_features = out_features

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Voltages in V of powers in W."""
        return self.weigh(x)

    def extra_repr(self) -> str:
        return f"{self.in_features}, {self.out_features}, bias={self.bias is not None}, chips={self.chips}"


def rf_chain(circuit: object) -> RfChain:
    """The circuit of a layer of resonators: that given, or the default one.

    Raises:
        RefusedError: a circuit of another kind.
    """
    if circuit is None:
        return RfChain(SpinDiode())
    if not isinstance(circuit, RfChain):
        raise RefusedError(
            f"a layer of resonators needs the circuit 'rf-chain', not {type(circuit).__name__}; "
            "weights in conductances go into AnalogLinear or BinaryLinear"
        )
    return circuit
