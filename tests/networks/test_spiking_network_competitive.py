"""The network of competing neurons is a special case of the general spiking network."""

from __future__ import annotations

import pytest
import torch

from nanoneurons.circuits.synapse_array import SynapseArray
from nanoneurons.core.random import generator_for
from nanoneurons.core.update import Update
from nanoneurons.devices.lif import LeakyIntegrateAndFire
from nanoneurons.devices.pulsed import Pulsed
from nanoneurons.layers.synapses import Synapses
from nanoneurons.networks._plasticity import VDSP
from nanoneurons.networks.competition import Competitors, Inputs, Presentation
from nanoneurons.networks.competitive import CompetitiveNetwork
from nanoneurons.networks.connections import Connection
from nanoneurons.networks.encoders import ConstantCurrent
from nanoneurons.networks.plasticity_hook import Change, Moment
from nanoneurons.networks.populations import Population, WinnerTakeAll
from nanoneurons.networks.spiking_network import SpikingNetwork

INPUTS, NEURONS, SAMPLES, DT = 30, 6, 12, 1e-3
# Where they differ on purpose: adaptation is solved exactly here and with Euler's method there, so there is none; a
# refractory time ends inside a step here and with it there, so competitors have none and run on a clock; the inhibition
# ends before a winner can fire again, so that neither has to say whether it begins anew.
CELLS = Inputs(time_constant=0.03, reset=-1.0, refractory=5e-3)
COMPETITORS = Competitors(adaptation_step=0.0, inhibition=2e-3, refractory=0.0)
SHOWN = Presentation(step=DT, duration=0.1, amplitude=4.0, filter_time=5e-3)


def leaky(reset: float, refractory: float) -> LeakyIntegrateAndFire:
    return LeakyIntegrateAndFire(
        time_constant=0.03, resistance=1.0, rest=0.0, threshold=1.0, reset=reset, floor=-1.0, refractory=refractory,
        noise=0.0, threshold_spread=0.0, time_constant_spread=0.0,
    )  # fmt: skip


class PotentialRule:
    """VDSP written for the general network; for one sample at a time."""

    listens = ("out",)
    law, values = VDSP, (0.01, 0.01)

    def __init__(self, chips: int | None) -> None:
        self.chips = chips

    def wanted(self, before: torch.Tensor, weights: torch.Tensor, quiet: torch.Tensor | None = None) -> Update:
        up = (1 - weights) * torch.expm1(-before.clamp(max=0))
        down = weights * torch.expm1(before.clamp(min=0))
        return Update((0.01 * (up - down)).to(weights.dtype))

    def __call__(self, moment: Moment) -> list[Change]:
        chip, neuron = moment.spikes("out")[:, 0].nonzero(as_tuple=True)
        where = (chip, neuron) if self.chips else (neuron,)
        wanted = self.wanted(moment.read("in")[chip, 0], moment.weight("in-out")[where])
        return [Change("in-out", where, wanted)]


def both(circuit: SynapseArray | None, chips: int | None) -> tuple[CompetitiveNetwork, SpikingNetwork]:
    special = CompetitiveNetwork(
        INPUTS, NEURONS, 2, circuit=circuit, chips=chips, seed=3, cells=CELLS, competitors=COMPETITORS,
        presentation=SHOWN,
    )  # fmt: skip
    layer = Synapses(INPUTS, NEURONS, circuit=circuit, chips=chips, seed=3)
    assert torch.equal(layer.weight, special.synapses.weight)
    groups = {
        "in": Population(INPUTS, leaky(-1.0, 5e-3)),
        "out": Population(
            NEURONS, leaky(0.0, 0.0), inhibition=WinnerTakeAll(winner="highest", hold=2e-3), clocked=True
        ),
    }
    link = Connection("in", "out", layer, amplitude=2.0 * 4.0, time_constant=5e-3)
    general = SpikingNetwork(groups, [link], dt=DT, chips=chips)
    general.neurons["in"].device_potential = special.v_in.clone()
    return special, general


# chips of the special network stop one by one, so devices would draw their noise in another order
@pytest.mark.parametrize(
    ("devices", "learns", "chips"),
    [(d, learns, c) for d in (False, True) for learns in (False, True) for c in (None, 2) if not (d and learns and c)],
)
def test_the_general_network_gives_the_spikes_of_the_special_one(
    learns: bool, devices: bool, chips: int | None
) -> None:
    circuit = SynapseArray(Pulsed()) if devices else None
    special, general = both(circuit, chips)
    if devices:
        special.program_initial(generator_for(1))
        general.synapses["in-out"].load_state_dict(special.synapses.state_dict())
    x = torch.rand(SAMPLES, INPUTS, generator=generator_for(9))
    rule = PotentialRule(chips) if learns else None
    start, pulses = special.synapses.weight.clone(), special.synapses.pulses_applied
    expected = special.present(x, rule, generator_for(2))
    state, noise, found = None, generator_for(2), []
    for drive in ConstantCurrent(gain=4.0, offset=0.5).encode(x):
        run = general.run({"in": drive}, 0.1, state=state, generator=noise, plasticity=rule)
        state = run.state
        found.append(run.counts["out"] if chips else run.counts["out"][None])
    assert float(expected.sum()) > 60 * (chips or 1)
    assert torch.equal(torch.cat(found, 1), expected.float())
    layer = general.synapses["in-out"]
    assert learns != torch.equal(layer.weight, start)
    torch.testing.assert_close(layer.weight, special.synapses.weight, atol=2e-6, rtol=0)
    if devices:
        assert run.energy.events["read"] == run.energy.events["synaptic_event"] > 0
        assert layer.pulses_applied == pytest.approx(special.synapses.pulses_applied - pulses)
        assert learns == (layer.pulses_applied > 0)
