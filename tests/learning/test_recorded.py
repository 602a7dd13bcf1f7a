"""Phases that are recorded and replayed: the same as those that run step by step."""

from __future__ import annotations

import pytest
import torch

from nanoneurons.learning._recorded import Recorder
from nanoneurons.learning.equilibrium_propagation import Descent, EquilibriumPropagation
from nanoneurons.networks.dynamics import Dynamics, Relaxation
from nanoneurons.networks.energy_build import build_energy


def network(place="cpu"):
    return build_energy(
        "1x12x12-3c3-mp2-4c3-mp2-5", shape=(1, 12, 12), classes=5, cost="cross-entropy", seed=2, bias_start="uniform",
        dynamics=Dynamics(activation="half-hard-sigmoid"), relaxation=Relaxation(12, 6, "alternating"),
    ).to(place)  # fmt: skip


class Replayed:
    """Stands for a recording: does the work again into the same memory."""

    def __init__(self, phases, images, wanted, betas, found):
        self.work, self.found = lambda: phases(images, wanted, betas), found

    def replay(self):
        clamped, free, nudged = self.work()
        for new, old in zip([clamped.x, *free, *nudged[0], *nudged[1]], self.memory(), strict=True):
            old.copy_(new)

    def memory(self):
        clamped, free, nudged = self.found
        return [clamped.x, *free, *nudged[0], *nudged[1]]


def learnt(net, replays, batches=(6, 6, 4, 6)):
    rule = EquilibriumPropagation(lr=0.05, digital_lr=0.05, momentum=0.9, settled=10.0)
    state = rule.start(net, 4, 1)
    assert isinstance(state, Descent)
    draw = torch.Generator().manual_seed(0)
    place = next(net.parameters()).device
    losses, state.recording = [], replays
    for size in batches:
        x, y = torch.rand(size, 1, 12, 12, generator=draw).to(place), (torch.arange(size) % 5).to(place)
        losses.append(float(state.learn(x, y, draw, torch.arange(size))))
        net(x)  # an evaluation in between prepares weights of its own
    return losses, state


def test_replays_follow_inputs_and_weights(monkeypatch):
    made = []

    def record(self, x, target, betas):
        made.append(tuple(x.shape))
        images, wanted = x.clone(), target.clone()
        clamped, free, nudged = self.phases(images, wanted, betas)
        found = clamped, [s.clone() for s in free], [[s.clone() for s in n] for n in nudged]
        return (
            Replayed(self.phases, images, wanted, betas, found),
            images,
            wanted,
            [c.held for c in self.couplings],
            found,
        )

    monkeypatch.setattr(Recorder, "_record", record)
    monkeypatch.setattr(
        "nanoneurons.learning._equilibrium_state.EquilibriumState._repeats", lambda self, x: self.recording
    )
    plain, _ = learnt(network(), False)
    replayed, _ = learnt(network(), True)
    assert made == [(6, 1, 12, 12), (4, 1, 12, 12)]
    assert replayed == pytest.approx(plain, rel=1e-6)


def test_what_cannot_be_recorded_runs_step_by_step(monkeypatch):
    def refuse(self, x, target, betas):
        raise RuntimeError("operation not permitted when stream is capturing")

    monkeypatch.setattr(Recorder, "_record", refuse)
    monkeypatch.setattr(
        "nanoneurons.learning._equilibrium_state.EquilibriumState._repeats", lambda self, x: self.recording
    )
    plain, _ = learnt(network(), False)
    other, state = learnt(network(), True)
    assert other == plain
    assert "not permitted" in str(state.recorder.failed)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an accelerator")
def test_recordings_on_an_accelerator_learn_the_same():
    plain, _ = learnt(network("cuda"), False)
    recorded, state = learnt(network("cuda"), True)
    assert state.recorder.failed is None
    assert len(state.recorder.kept) == 2
    assert recorded == pytest.approx(plain, rel=1e-4)
