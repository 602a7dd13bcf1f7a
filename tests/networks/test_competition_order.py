"""Competing neurons against a plain restatement, step by step, and against a run of the authors' network in Nengo."""

import math
import os
from pathlib import Path

import numpy as np
import pytest
import torch

from nanoneurons import data
from nanoneurons.networks._plasticity import VDSP
from nanoneurons.networks.competition import Competitors, Inputs, Presentation
from nanoneurons.networks.competitive import CompetitiveNetwork

FOLDER = os.environ.get("NANONEURONS_DATA")  # read before the fixture of every test hides it
TRACE = Path(FOLDER or ".") / "vdsp" / "nengo_trace.npz"


class Learning:
    law, values = VDSP, (0.02, 0.03)


def charge(v, drive, wait, dt, tau):
    wait = wait - dt
    free = np.clip(dt - wait, 0, dt)
    return v + (drive - v) * (1 - np.exp(-free / tau)), wait


def crossing(v, drive, threshold, dt, tau):
    """Time after the start of the step at which the threshold was crossed."""
    return dt + tau * np.log1p(-(v - threshold) / (drive - threshold))


def plain(net, x, law=None, gain=1.0):
    """The published order of a step, all neurons at every step: outputs, inputs, weights, filter."""
    cells, out, shown = net.cells, net.competitors, net.presentation
    dt, hold = shown.step, round(out.inhibition / shown.step)
    w = net.synapses.weight.numpy().copy()
    n, m = w.shape
    v_in, wait_in = net.v_in[0].numpy().copy(), np.zeros(m)
    v, wait, y, adapted, held = np.zeros(n), np.zeros(n), np.zeros(n), np.zeros(n), np.zeros(n, int)
    keep = math.exp(-dt / shown.filter_time)
    counts, input_spikes = np.zeros((len(x), n), int), 0
    for s, image in enumerate(x):
        for _ in range(shown.steps):
            drive = out.gain * y + out.bias - adapted
            v, wait = charge(v, drive, wait, dt, out.time_constant)
            over = v > out.threshold
            fires = over & (v == v.max())
            if fires.any():
                held[~fires & (held == 0)] = hold
                v[~fires] = 0
            v[held != 0] = 0
            lost = over & (v == 0)
            wait[lost] = 0
            for j in np.flatnonzero(over & ~lost):
                wait[j] = out.refractory + crossing(v[j], drive[j], out.threshold, dt, out.time_constant)
                v[j] = out.reset
            v[wait > 0] = out.reset
            adapted += dt * (out.adaptation_step * fires / dt - adapted) / out.adaptation_time
            held[held != 0] -= 1
            counts[s] += fires

            drive_in = cells.gain * image + cells.bias
            v_in, wait_in = charge(v_in, drive_in, wait_in, dt, cells.time_constant)
            sent = v_in > cells.threshold
            at = crossing(v_in[sent], drive_in[sent], cells.threshold, dt, cells.time_constant)
            wait_in[sent] = cells.refractory + at
            v_in[sent] = cells.reset
            input_spikes += sent.sum()

            if law is not None:
                up, down = law
                for j in np.flatnonzero(fires):
                    rise = np.where(v_in < 0, up * (1 - w[j]) * (np.exp(-v_in) - 1), 0)
                    fall = np.where(v_in > 0, down * w[j] * (np.exp(v_in) - 1), 0)
                    w[j] = np.clip(w[j] + rise - fall, 0, 1)
            y = keep * y + (1 - keep) * gain * shown.amplitude * w[:, sent].sum(1)
    return counts, w, v_in, input_spikes


def images(count, pixels, seed=0):
    """Random images of which many pixels are black and some are full."""
    draw = torch.Generator().manual_seed(seed)
    x = (1.6 * torch.rand(count, pixels, generator=draw, dtype=torch.float64) - 0.5).clamp(0, 1)
    x[:, ::7] = 0
    return x


SETTINGS = {
    "published": {},
    "no pause after a spike": {"cells": Inputs(refractory=0.0), "competitors": Competitors(refractory=0.0)},
    "long pauses": {"cells": Inputs(refractory=0.017), "competitors": Competitors(refractory=0.013, inhibition=0.02)},
    "short steps": {"presentation": Presentation(step=1e-3, duration=0.12, amplitude=1.5)},
    "no inhibition": {"competitors": Competitors(inhibition=0.0)},
    "other levels": {
        "cells": Inputs(reset=-2.5, threshold=1.5, bias=-1.0, gain=9.0),
        "competitors": Competitors(reset=-0.5),
    },
}  # fmt: skip


@pytest.mark.parametrize("learns", [True, False])
@pytest.mark.parametrize("name", SETTINGS)
def test_every_spike_is_that_of_the_plain_restatement(name, learns):
    settings = {"presentation": Presentation(amplitude=1.0), **SETTINGS[name]}
    net = CompetitiveNetwork(37, 9, 3, seed=4, **settings).double()
    x = images(12, 37)
    counts, w, v_in, sent = plain(net, x.numpy(), Learning.values if learns else None)
    ours = net.present(x, Learning() if learns else None)
    assert counts.sum() > 20
    assert np.array_equal(ours[0].numpy(), counts)
    assert np.abs(net.synapses.weight.numpy() - w).max() < 1e-12
    assert np.abs(net.v_in[0].numpy() - v_in).max() < 1e-11
    assert float(net.input_spikes) * len(x) == pytest.approx(sent)


def test_every_spike_with_the_larger_drive_of_the_published_read_out():
    net = CompetitiveNetwork(37, 9, 3, seed=4, presentation=Presentation(amplitude=1.0, read_gain=200.0)).double()
    x = images(12, 37)
    counts, *_ = plain(net, x.numpy(), gain=200.0)
    ours = net.present(x)
    assert np.array_equal(ours[0].numpy(), counts)
    assert (counts.sum(1) > 60).all()  # at almost every step, one neuron


@pytest.mark.parametrize("every_step", [True, False])
@pytest.mark.skipif(not TRACE.is_file(), reason="needs vdsp/nengo_trace.npz in NANONEURONS_DATA")
def test_every_spike_and_weight_of_the_authors_network_in_nengo(monkeypatch, every_step):
    monkeypatch.setenv("NANONEURONS_DATA", str(FOLDER))
    x = data.load("mnist").x_train[:20].reshape(20, -1)
    if len(data.load("mnist").x_train) < 60000:
        pytest.skip("needs all of MNIST in NANONEURONS_DATA")
    trace = np.load(TRACE)
    net = CompetitiveNetwork(784, 100, 10).double()
    net.synapses.weight.data.copy_(torch.from_numpy(trace["w_init"]))
    net.v_in.copy_(torch.from_numpy(trace["v_in_init"])[None])
    x = (x.double() * 255).round() / 255
    rule = Learning()
    rule.values = (0.01, 0.01)
    if every_step:
        net.presentation = Presentation(duration=net.presentation.step)  # each step is a sample of its own
        assert np.array_equal(net.present(x.repeat_interleave(70, 0), rule)[0].numpy(), trace["out_spikes"])
        assert round(float(net.input_spikes) * 1400) == trace["in_spikes"].sum()
    else:
        for k in range(20):
            net.present(x[k : k + 1], rule)
            assert float(net.input_spikes) == trace["in_spikes"][70 * k : 70 * k + 70].sum()
            for name, theirs in (("v_out", "v_out"), ("adaptation", "adapt")):
                assert np.abs(getattr(net, name)[0].numpy() - trace[theirs][70 * k + 69]).max() < 1e-12
    assert np.abs(net.synapses.weight.numpy() - trace["w_end"]).max() < 1e-12
