r"""A layer of competing spiking neurons that learns on its own: inputs, synapses, winner-take-all, labels.

Each pixel drives a leaky integrate-and-fire neuron; its spikes pass through plastic synapses *w* and a low-pass filter,

.. math:: y_j \leftarrow e^{-\Delta t/\tau_s} y_j + (1 - e^{-\Delta t/\tau_s})\, a \sum_i w_{ji} s_i,

into adaptive neurons of which only the one with the highest potential may fire. Samples follow each other without
pause; states are carried over. After learning, every neuron gets the label of the class it answers most.

Not modelled: wires, the circuits of the neurons (their imperfections), delays beyond one step.

Source: Garg et al., Front. Neurosci. 16:983950 (2022), arXiv:2203.11022, and its published program (order of a step).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import nn

from nanoneurons.circuits import Circuit
from nanoneurons.core.energy import Counts
from nanoneurons.core.errors import ParameterError, RunawayError, StudyError
from nanoneurons.core.random import draw_key, generator_for, uniform
from nanoneurons.layers._layer import DeviceLayer
from nanoneurons.layers.synapses import Synapses

from ._event_driven import SpikeTiming, present_events
from ._voltage_driven import Plasticity, present_by_voltage
from .competition import Competitors, Inputs, PoissonInputs, Presentation
from .decoding import DECODERS, class_means, class_scores, labels_of

__all__ = ["CompetitiveNetwork", "Plasticity", "SpikeTiming", "build_competitive"]

_STATE = ("v_in", "rf_in", "last", "v_out", "rf_out", "adaptation", "held", "filtered", "clock")
_PIECE = 500  # samples between two reports of progress
_BUSY = 0.75  # share of steps with an output spike beyond which learning has run away
_PIXELS = 784  # inputs that published amplitudes are meant for
_INPUTS, _COMPETITORS, _PRESENTATION = Inputs(), Competitors(), Presentation()


class CompetitiveNetwork(nn.Module):
    """Inputs, synapses and competing neurons; see the module.

    Args:
        inputs: number of input neurons.
        neurons: number of competing neurons.
        classes: classes of the labels.
        circuit: circuit of the synapses, a ``synapse-array``; None for software synapses.
        chips: chips side by side, or None for one without a chip axis.
        seed: seed of weights and of the inputs' first potentials (uniform between 0 and the threshold).
        decoder: read-out, ``"sum"``, ``"active"`` or ``"likelihood"``, see `nanoneurons.networks.decoding`.

    Attributes:
        labels: class of every neuron, ``(chips, neurons)``; -1 before `label`, and of neurons that never fired.
        means: mean spikes of every neuron for every class, ``(chips, neurons, classes)``; `sizes` samples of a class.
    """

    labels: torch.Tensor
    means: torch.Tensor
    sizes: torch.Tensor
    v_in: torch.Tensor
    rf_in: torch.Tensor
    adaptation: torch.Tensor
    shown: torch.Tensor
    last: torch.Tensor
    clock: torch.Tensor
    input_spikes: torch.Tensor

    def __init__(
        self,
        inputs: int,
        neurons: int,
        classes: int,
        *,
        circuit: Circuit | None = None,
        chips: int | None = None,
        seed: int = 0,
        cells: Inputs | PoissonInputs = _INPUTS,
        competitors: Competitors = _COMPETITORS,
        presentation: Presentation = _PRESENTATION,
        decoder: str = "sum",
    ) -> None:
        super().__init__()
        if decoder not in DECODERS:
            raise ParameterError(f"decoder must be one of {', '.join(DECODERS)}, not {decoder!r}")
        shortest = {"time_constant of the inputs": cells.time_constant} if isinstance(cells, Inputs) else {}
        shortest["time_constant of the competitors"] = competitors.time_constant
        for name, tau in shortest.items():
            if presentation.step > tau:
                raise ParameterError(
                    f"a step of {presentation.step:g} s is longer than the {name}, {tau:g} s; take shorter steps"
                )
        self.synapses = Synapses(inputs, neurons, circuit=circuit, chips=chips, seed=seed)
        self.chips, self.classes, self.decoder = chips, classes, decoder
        self.cells, self.competitors, self.presentation = cells, competitors, presentation
        lead = chips or 1
        level = cells.threshold if isinstance(cells, Inputs) else 0.0
        first = uniform(draw_key(generator_for(seed, "first potentials")), (lead, inputs)).double() * level
        self.noise_key = draw_key(generator_for(seed, "input spikes"))
        self.register_buffer("shown", torch.zeros((), dtype=torch.int64))
        self.register_buffer("v_in", first)
        self.register_buffer("last", torch.full((lead, inputs), -(1 << 40)))
        self.register_buffer("clock", torch.zeros(lead, dtype=torch.int64))
        self.register_buffer("rf_in", torch.zeros(lead, inputs, dtype=torch.float64))
        for name in ("v_out", "rf_out", "adaptation", "filtered"):
            self.register_buffer(name, torch.zeros(lead, neurons, dtype=torch.float64))
        self.register_buffer("held", torch.zeros(lead, neurons, dtype=torch.int64))
        self.register_buffer("labels", torch.full((lead, neurons), -1))
        self.register_buffer("means", torch.zeros(lead, neurons, classes, dtype=torch.float64))
        self.register_buffer("sizes", torch.zeros(classes, dtype=torch.float64))
        self.register_buffer("input_spikes", torch.zeros((), dtype=torch.float64))

    @property
    def device_layers(self) -> list[DeviceLayer]:
        """The synapses."""
        return [self.synapses]

    def fabricate(self, generator: torch.Generator) -> None:
        """Draw the devices of the synapses."""
        self.synapses.fabricate(generator)

    def program_initial(self, generator: torch.Generator) -> None:
        """Fabricate, then write the initial software weights."""
        initial = self.synapses.weight.detach().clone()
        self.synapses.fabricate(generator)
        self.synapses.program(initial, generator)

    def refresh(self, generator: torch.Generator | None = None) -> None:
        """Read the devices anew."""
        self.synapses.refresh(generator)

    def check_input(self, x: torch.Tensor) -> None:
        """Refuse samples of the wrong length, out of the range 0 to 1, or NaN.

        Raises:
            ParameterError: names what is wrong.
        """
        if x[0].numel() != self.synapses.in_features:
            raise ParameterError(
                f"samples have {x[0].numel()} values, but the network {self.synapses.in_features} inputs"
            )
        low, high = torch.aminmax(x)
        if not (low >= 0 and high <= 1):  # also for NaN
            raise ParameterError(f"inputs lie between {float(low):g} and {float(high):g}; scale pixels to 0 to 1")

    @torch.no_grad()
    def present(
        self,
        x: torch.Tensor,
        plasticity: Plasticity | SpikeTiming | None = None,
        generator: torch.Generator | None = None,
        progress: Callable[[float, str], None] | None = None,
    ) -> torch.Tensor:
        """Show samples one after the other, from where the last ones left the neurons; learn, if told how.

        Args:
            x: ``(samples, *shape)``, between 0 and 1.
            plasticity: change of synapses at output spikes; None leaves them as they are.
            generator: noise of the devices.

        Returns:
            spikes of every neuron, ``(chips, samples, neurons)``, int32.
        """
        if len(x) == 0:
            raise ParameterError("there is no sample to show; give at least one")
        self.check_input(x)
        cells = self.cells
        if plasticity is None or isinstance(plasticity, SpikeTiming):
            if isinstance(cells, PoissonInputs) or self.presentation.fresh or plasticity is not None:
                return present_events(self, x, plasticity, generator, progress)
        elif self.presentation.fresh or self.presentation.together > 1:
            raise ParameterError("samples that begin fresh, or side by side, need a rule of spike timing")
        if isinstance(cells, PoissonInputs):
            raise ParameterError("Poisson inputs have no potentials to learn from; use a rule of spike timing")
        return present_by_voltage(self, x, plasticity, generator, progress)

    def check_calm(self, counts: torch.Tensor) -> None:
        """Stop where learning makes some neuron fire in nearly every step.

        Raises:
            RunawayError: says which and how often.
        """
        busy = float(counts.sum(-1).double().mean()) / self.presentation.steps
        if busy > _BUSY:
            raise RunawayError(
                f"the competitors run away: one of them fires in {100 * busy:.0f} % of all steps; lower the amplitude "
                "of a spike, or give them a longer inhibition"
            )

    @torch.no_grad()
    def label(self, x: torch.Tensor, y: torch.Tensor, progress: Callable[[float, str], None] | None = None) -> None:
        """Show labelled samples without learning; a neuron takes the class with its highest mean number of spikes."""
        means, sizes = class_means(self.present(x, progress=progress), y, self.classes)
        self.means.copy_(means)
        self.sizes.copy_(sizes)
        self.labels.copy_(labels_of(means))

    def decode(self, counts: torch.Tensor) -> torch.Tensor:
        """Scores per class ``(chips, samples, classes)`` from spikes ``(chips, samples, neurons)``."""
        return class_scores(self.decoder, counts, self.means, self.sizes)

    @torch.no_grad()
    def forward(self, x: torch.Tensor, progress: Callable[[float, str], None] | None = None) -> torch.Tensor:
        """Scores per class, ``(samples, classes)`` or ``(chips, samples, classes)``.

        Begins where labelling ended and leaves the neurons there, so that equal samples give equal scores.
        """
        kept = {name: getattr(self, name).clone() for name in (*_STATE, "shown")}
        scores = self.decode(self.present(x, progress=progress))
        for name, value in kept.items():
            getattr(self, name).copy_(value)
        return scores if self.chips is not None else scores[0]

    def inference_counts(self, x: torch.Tensor | None = None) -> Counts:
        """Events of a sample, one chip, as far as seen: every input spike reads the synapses of all neurons."""
        circuit = self.synapses.wired
        per_spike = circuit.inference(self.synapses.out_features, 1)
        return Counts({name: n * float(self.input_spikes) for name, n in per_spike.events.items()})


def build_competitive(
    spec: str,
    *,
    shape: tuple[int, ...],
    classes: int,
    kind: str = "spiking",
    circuit: Circuit | None = None,
    chips: int | None = None,
    seed: int = 0,
    **more: Any,
) -> CompetitiveNetwork:
    """A competitive network from ``784-100`` or ``784-100-10`` (the last number are the classes of the labels).

    Args:
        spec: ``auto`` has 100 neurons.
        more: passed to `CompetitiveNetwork`; the amplitude of a spike is meant for 784 inputs and grows where there are
            fewer.

    Raises:
        StudyError: the description is malformed or does not fit the data.
    """
    if kind != "spiking":
        raise StudyError(f"competing neurons have spiking synapses, not {kind!r} weights")
    pixels = math.prod(shape)
    tokens = [str(pixels), "100"] if spec == "auto" else spec.split("-")
    if not all(t.isdigit() and int(t) > 0 for t in tokens) or len(tokens) not in (2, 3):
        raise StudyError(f"network {spec!r}: competing neurons are written as inputs-neurons, such as 784-100")
    sizes = [int(t) for t in tokens]
    if sizes[0] != pixels:
        raise StudyError(f"network {spec!r} begins with {sizes[0]} inputs, but a sample has {pixels} values")
    if len(sizes) == 3 and sizes[2] != classes:
        raise StudyError(f"network {spec!r} ends with {sizes[2]}, but the data have {classes} classes")
    shown = more.pop("presentation", _PRESENTATION)
    more["presentation"] = replace(shown, amplitude=shown.amplitude * _PIXELS / pixels)
    return CompetitiveNetwork(sizes[0], sizes[1], classes, circuit=circuit, chips=chips, seed=seed, **more)
