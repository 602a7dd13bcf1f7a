r"""Spike-timing dependent plasticity: pairs, triplets, or the simplified rule of memristors, in competing neurons.

.. math::
    \text{output spike:}\quad \Delta w = f_+(w)\,(x_1 - o)\,(A_2^+ + A_3^+\,y_2), \qquad
    \text{input spike:}\quad \Delta w = -f_-(w)\,y_1\,(A_2^- + A_3^-\,x_2)

with traces *x* of the inputs and *y* of the outputs, see `nanoneurons.physics.spike_timing`; the simplified form is
:math:`\Delta w = A^+ e^{-\beta w}` at an output spike for inputs that fired within :math:`t_{LTP}`, and
:math:`-A^- e^{-\beta(1-w)}` for all others.

Software synapses change at every spike. Devices change at output spikes only, one row at a time: what input spikes
take away is added up and carried out, for the weight of that moment, together with the next strengthening of the row.
Until then the neuron still sees the stronger synapse.

Under constant currents the network is that of VDSP. Poisson inputs go to neurons with the constants of Diehl and Cook
in the form of BindsNET, with rising thresholds, steps of 1 ms and samples that begin at rest; they need `normalise`
(0.1) and learn best with ``bound = 1, offset = 0, down = 1e-4, tau_up = tau_down = 0.02``.

What is local: a synapse needs the traces of its input and its output neuron.

Sources: Pfister and Gerstner, J. Neurosci. 26, 9673 (2006); Querlioz, Bichler, Dollfus and Gamrat, IEEE Trans.
Nanotechnol. 12, 288 (2013); Diehl and Cook, Front. Comput. Neurosci. 9:99 (2015) (network, offset, normalisation).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch
from torch import nn

from nanoneurons.circuits import Circuit
from nanoneurons.core.errors import ParameterError, RefusedError
from nanoneurons.core.parameter import param
from nanoneurons.learning._rule import LayerRule, RuleState
from nanoneurons.networks.competition import Competitors, PoissonInputs, Presentation
from nanoneurons.networks.competitive import CompetitiveNetwork, SpikeTiming, build_competitive
from nanoneurons.networks.decoding import DECODERS
from nanoneurons.physics.spike_timing import SimplifiedLaw, TimingLaw

__all__ = ["STDP"]

_OURS = "choice of this project"
_TRIPLETS = "Pfister and Gerstner 2006, visual cortex"
_SIMPLE = "Querlioz et al. 2013"
_DIEHL = "Diehl and Cook 2015"

# In mV from rest: threshold -52, reset -60, rest -65; a spike adds its weight, one of the neuron 0.05 to its threshold.
_DIEHL_COOK = Competitors(
    time_constant=0.1, threshold=13.0, reset=5.0, refractory=0.005, gain=1 / -math.expm1(-0.01),
    adaptation_step=0.05 * 1e4, adaptation_time=1e4, adapts="threshold",
)  # fmt: skip
_FRESH = Presentation(step=1e-3, duration=0.25, amplitude=1.0, filter_time=0.0, fresh=True)


@dataclass(frozen=True)
class STDP(LayerRule):
    """Unsupervised learning from the times of spikes; neurons are labelled afterwards."""

    title: ClassVar[str] = "spike-timing dependent plasticity (STDP)"
    local: ClassVar[str] = "a synapse needs the traces of its input neuron and its output neuron"
    citation: ClassVar[str] = (
        "@article{querlioz2013immunity, title={Immunity to device variations in a spiking neural network with "
        "memristive nanodevices}, author={Querlioz, Damien and Bichler, Olivier and Dollfus, Philippe and Gamrat, "
        "Christian}, journal={IEEE Transactions on Nanotechnology}, volume={12}, number={3}, pages={288--295}, "
        "year={2013}}\n"
        "@article{pfister2006triplets, title={Triplets of spikes in a model of spike timing-dependent plasticity}, "
        "author={Pfister, Jean-Pascal and Gerstner, Wulfram}, journal={Journal of Neuroscience}, volume={26}, "
        "number={38}, pages={9673--9682}, year={2006}}"
    )
    in_situ: ClassVar[bool] = True
    layers: ClassVar[tuple[str, ...]] = ("spiking",)
    default_epochs: ClassVar[int] = 1
    default_batch: ClassVar[int] = 100
    default_updates: ClassVar[int] = 60
    passes: ClassVar[str] = "presentations"

    form: str = param("pair", doc="what the rule looks at", source=_OURS, choices=("pair", "triplet", "simplified"))
    up: float = param(0.003, doc="strengthening, A2+ (or A+)", source=_OURS, low=0.0, high=1.0)
    down: float = param(0.0, doc="weakening at an input spike, A2- (or A-)", source=_OURS, low=0.0, high=1.0)
    tau_up: float = param(0.03, "s", doc="trace of an input spike", source=_OURS, low=1e-9, high=10.0)
    tau_down: float = param(0.02, "s", doc="trace of an output spike", source=_DIEHL, low=1e-9, high=10.0)
    offset: float = param(0.4, doc="trace that counts as zero at an output spike", source=_OURS, low=0.0, high=10.0)
    bound: float = param(0.0, doc="exponent of the weight dependence: 0 additive, 1 multiplicative", source=_OURS,
                         low=0.0, high=4.0)  # fmt: skip
    pairing: str = param("nearest", doc="spikes that a trace counts", source=_OURS, choices=("all", "nearest"))
    triplet_up: float = param(
        6.2e-3, doc="triplets: strengthening, A3+", source=_TRIPLETS, low=0.0, high=1.0, verified=False
    )
    triplet_down: float = param(
        2.3e-4, doc="triplets: weakening, A3-", source=_TRIPLETS, low=0.0, high=1.0, verified=False
    )
    tau_x: float = param(
        0.101, "s", doc="triplets: second trace of an input", source=_TRIPLETS, low=1e-9, high=10.0, verified=False
    )
    tau_y: float = param(
        0.125, "s", doc="triplets: second trace of an output", source=_TRIPLETS, low=1e-9, high=10.0, verified=False
    )
    window: float = param(0.025, "s", doc="simplified: age of an input spike that strengthens", source=_OURS,
                          low=1e-9, high=10.0)  # fmt: skip
    steepness: float = param(
        3.0, doc="simplified: exponent of the weight dependence", source=_SIMPLE, low=0.0, high=20.0, verified=False
    )
    inputs: str = param("current", doc="how pixels become spikes", source=_OURS, choices=("current", "poisson"))
    rate: float = param(63.75, "Hz", doc="Poisson inputs: rate of a full pixel", source=_DIEHL, low=1e-3, high=1e6)
    normalise: float = param(
        0.0, doc="mean weight to which every neuron is scaled after a sample; 0 for none, software only",
        source=_DIEHL, low=0.0, high=1.0,
    )  # fmt: skip
    inhibition: float = param(
        0.01, "s", doc="time for which a spike holds the other neurons at rest", source=_OURS, low=0.0, high=1.0
    )
    read_gain: float = param(
        1.0, doc="factor of the input current while nothing is learnt", source=_OURS, low=1e-3, high=1e6
    )
    decoder: str = param("likelihood", doc="read-out of the spikes of labelled neurons", source=_OURS, choices=DECODERS)

    @property
    def law(self) -> TimingLaw | SimplifiedLaw:
        """The law of one synapse."""
        if self.form == "simplified":
            return SimplifiedLaw(self.up, self.down, self.window, self.steepness, self.steepness)
        more = {}
        if self.form == "triplet":
            more = {"triplet_up": self.triplet_up, "triplet_down": self.triplet_down}
        return TimingLaw(
            self.up, self.down, self.tau_up, self.tau_down, tau_x=self.tau_x, tau_y=self.tau_y,
            bound_up=self.bound, bound_down=self.bound, offset=self.offset,
            pairing="nearest" if self.pairing == "nearest" else "all", **more,
        )  # fmt: skip

    def build_network(self, spec: str, **common: Any) -> CompetitiveNetwork:
        """A layer of competing neurons, see `nanoneurons.networks.competitive`; settings given here go first."""
        choices: dict[str, Any] = {
            "competitors": Competitors(inhibition=self.inhibition),
            "presentation": Presentation(read_gain=self.read_gain),
            "decoder": self.decoder,
        }
        if self.inputs == "poisson":
            choices["cells"] = PoissonInputs(self.rate)
            choices["competitors"] = replace(_DIEHL_COOK, inhibition=self.inhibition)
            choices["presentation"] = replace(_FRESH, read_gain=self.read_gain)
        return build_competitive(spec, **{**choices, **common})

    def accept(self, circuit: Circuit) -> None:
        """Refuse circuits that make no spiking synapses, devices without intermediate states, and normalisation."""
        if circuit.layers != "spiking":
            raise RefusedError(
                f"rule 'stdp' trains synapses of spiking neurons, but a {circuit.title} makes {circuit.layers} layers; "
                "use the circuit 'synapse-array'"
            )
        if not getattr(circuit.device, "graded", True):
            raise RefusedError(
                f"{type(circuit.device).__name__} has no intermediate states, in which small changes could add up; use "
                "a graded device"
            )
        if self.normalise:
            raise RefusedError("devices cannot be scaled to a sum after every sample; set normalise = 0")

    def start(self, network: nn.Module, steps_per_epoch: int, epochs: int) -> STDPState:
        """One training run."""
        if not isinstance(network, CompetitiveNetwork):
            raise RefusedError(f"rule 'stdp' trains a CompetitiveNetwork, not a {type(network).__name__}")
        circuit = network.synapses.circuit
        if circuit is not None and network.synapses.fabricated:
            self.accept(circuit)
        names = ("window",) if self.form == "simplified" else ("tau_up", "tau_down")
        names += ("tau_x", "tau_y") if self.form == "triplet" else ()
        shortest = min(names, key=lambda name: getattr(self, name))
        if network.presentation.step > getattr(self, shortest):
            raise ParameterError(
                f"a step of {network.presentation.step:g} s is longer than {shortest} of rule 'stdp', "
                f"{getattr(self, shortest):g} s; take shorter steps"
            )
        return STDPState(network, self)


class STDPState(RuleState):
    """STDP at work on one network."""

    network: CompetitiveNetwork

    def __init__(self, network: CompetitiveNetwork, rule: STDP) -> None:
        super().__init__(network)
        self.timing = SpikeTiming(rule.law, rule.normalise)
        self.chips = network.chips or 1

    def learn(self, x: torch.Tensor, y: torch.Tensor, generator: torch.Generator, chosen: torch.Tensor) -> torch.Tensor:
        """Show the samples of a mini-batch one after the other; there is no loss (0)."""
        self.network.present(x, self.timing, generator)
        return torch.zeros(())

    def step(self, generator: torch.Generator) -> None:
        """There are no gradients."""
        raise RefusedError("rule 'stdp' knows no gradients; use learn()")

    def conclude(self, x: torch.Tensor, y: torch.Tensor, progress: Callable[[float, str], None] | None = None) -> None:
        """Label the neurons by the training samples."""
        self.network.label(x, y, progress)
