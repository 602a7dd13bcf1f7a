"""Learning by voltage-dependent plasticity, 784 inputs and 100 competing neurons on MNIST, against Nengo; one thread.

The peer is the published network built in Nengo: neuron types with the published reset, adaptation and winner-take-all,
and a node that holds the weights and changes the whole matrix at every step, as that of the published program does.
Both sides begin with the same weights and potentials and see the same images; their spikes must be equal. Nengo fetches
large blocks of memory anew at every step, so it is also timed with settings of the C library that keep them. Nengo is
no dependency of this package: ``pip install nengo`` (tried with 4.1.0) before running this script.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import time

import numpy as np
from _bench import KEEP, Result, arguments, images, one_thread, report

from nanoneurons.learning.vdsp import VDSP
from nanoneurons.networks.competitive import CompetitiveNetwork

NEURONS, RATE = 100, 0.01
TARGET = 80.0
STEPS, STEP, TAU, REFRACTORY, HOLD = 70, 0.005, 0.03, 0.005, 2


def nengo_network(x: np.ndarray, w: np.ndarray, v: np.ndarray) -> tuple:
    """Simulator of the published network, and a box that holds its weights and spikes."""
    import nengo

    def charge(voltage, rest, current, dt):
        rest -= dt
        voltage -= (current - voltage) * np.expm1(-np.clip(dt - rest, 0, dt) / TAU)
        return voltage > 1

    def crossing(voltage, current, dt):
        return dt + TAU * np.log1p(-(voltage - 1) / (current - 1))

    class Pixel(nengo.LIF):
        def step(self, dt, J, output, voltage, refractory_time):
            fired = charge(voltage, refractory_time, J, dt)
            refractory_time[fired] = REFRACTORY + crossing(voltage[fired], J[fired], dt)
            voltage[fired] = -1
            output[:] = fired * (self.amplitude / dt)

    class Competitor(nengo.AdaptiveLIF):
        state = {**nengo.AdaptiveLIF.state, "held": nengo.dists.Choice([0])}  # noqa: RUF012

        def step(self, dt, J, output, voltage, refractory_time, adaptation, held):
            current = J - adaptation
            over = charge(voltage, refractory_time, current, dt)
            fired = over & (voltage == voltage.max())
            if fired.any():
                held[~fired & (held == 0)] = HOLD
                voltage[~fired] = 0
            voltage[held != 0] = 0
            lost = over & (voltage == 0)
            kept = over & ~lost
            refractory_time[kept] = REFRACTORY + crossing(voltage[kept], current[kept], dt)
            refractory_time[lost] = 0
            voltage[kept] = 0
            voltage[refractory_time > 0] = 0
            output[:] = fired / dt
            adaptation += dt / self.tau_n * (self.inc_n * output - adaptation)
            held[held != 0] -= 1

    box = {"w": w.copy(), "spikes": np.zeros((len(x), len(w)), int), "step": 0}

    def synapses(_, spikes):
        v, out = box["v"].reshape(1, -1), box["out"].reshape(-1, 1)
        up = (v < 0) * RATE * (1 - box["w"]) * (np.exp(-v) - 1)
        down = (v > 0) * RATE * box["w"] * (np.exp(v) - 1)
        box["w"] = np.clip(box["w"] + STEP * (up - down) * out, 0, 1)
        box["kept"] = box["w"].copy()
        box["spikes"][min(box["step"] // STEPS, len(x) - 1)] += box["out"] > 0
        box["step"] += 1
        return box["w"] @ (spikes * STEP)

    with nengo.Network(seed=0) as model:
        shown = nengo.Node(nengo.processes.PresentInput(x, presentation_time=STEPS * STEP))
        common = {"dimensions": 1, "encoders": nengo.dists.Choice([[1]])}
        first = {"voltage": nengo.dists.Samples(v)}
        pixels = nengo.Ensemble(
            x.shape[1], gain=nengo.dists.Choice([4]), bias=nengo.dists.Choice([0.5]),
            neuron_type=Pixel(tau_rc=TAU, tau_ref=REFRACTORY, min_voltage=-1, amplitude=0.05, initial_state=first),
            **common,
        )  # fmt: skip
        rest = {"voltage": nengo.dists.Choice([0])}
        layer = nengo.Ensemble(
            len(w), gain=nengo.dists.Choice([2]), bias=nengo.dists.Choice([0]),
            neuron_type=Competitor(tau_rc=TAU, tau_ref=REFRACTORY, tau_n=1, inc_n=0.01, initial_state=rest), **common,
        )  # fmt: skip
        nengo.Connection(shown, pixels.neurons, synapse=None)
        node = nengo.Node(synapses, size_in=x.shape[1], size_out=len(w))
        nengo.Connection(pixels.neurons, node, synapse=None)
        nengo.Connection(node, layer.neurons, synapse=0.005)
    simulator = nengo.Simulator(model, dt=STEP, optimize=True, progress_bar=False)
    box["v"] = simulator.signals[simulator.model.sig[pixels.neurons]["voltage"]]
    box["out"] = simulator.signals[simulator.model.sig[layer.neurons]["out"]]
    return simulator, box


def speed(count: int, many: int) -> dict:
    """CPU seconds per image of both, `count` images in Nengo and `many` in ours, and how their results differ."""
    x, _, what = images(many)
    network = CompetitiveNetwork(x.shape[1], NEURONS, 10).double()
    state = VDSP(rate=RATE).start(network, 1, 1)
    w, v = network.synapses.weight.numpy().copy(), network.v_in[0].numpy().copy()
    simulator, box = nengo_network(x[:count].double().numpy(), w, v)
    with simulator:
        start = time.process_time()
        simulator.run_steps(count * STEPS)
        peer = (time.process_time() - start) / count
    spikes = network.present(x[:count], state)[0].numpy()
    equal = bool((spikes == box["spikes"]).all())
    differ = float(np.abs(network.synapses.weight.numpy() - box["w"]).max())
    network = CompetitiveNetwork(x.shape[1], NEURONS, 10)  # single precision, as in use
    state = VDSP(rate=RATE).start(network, 1, 1)
    network.present(x[:10], state)
    start = time.process_time()
    network.present(x, state)
    ours = (time.process_time() - start) / many
    return {"ours": ours, "peer": peer, "equal": equal, "differ": differ, "spikes": int(spikes.sum()), "data": what}


def child(task: list, extra: dict[str, str]) -> dict:
    """Run this file in a process of its own."""
    command = [sys.executable, __file__, "--child", json.dumps(task)]
    one = {name: "1" for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")}
    done = subprocess.run(command, env={**os.environ, **one, **extra}, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    return json.loads(done.stdout)


def main() -> None:
    """Run and print."""
    if importlib.util.find_spec("nengo") is None:
        sys.exit("nengo is not installed; pip install nengo")
    if "--child" in sys.argv:
        one_thread()
        print(json.dumps(speed(*json.loads(sys.argv[-1]))))
        return
    args = arguments((__doc__ or "").splitlines()[0])
    count, many = (20, 400) if args.quick else (100, 4000)
    results, equal = [], True
    for extra in ({}, KEEP):
        found = child([count, many], extra)
        equal &= found["equal"]
        note = f"{found['data']}, {count} images in Nengo and {many} in ours; {found['spikes']} spikes of the first "
        note += f"{count} "
        note += f"{'all equal' if found['equal'] else 'NOT EQUAL'}, weights within {found['differ']:.0e}"
        name = f"learning an image, 784-{NEURONS}" + ", memory kept" * bool(extra)
        ours, peer = found["ours"], found["peer"]
        results.append(Result(name, ours, peer, peer / ours, TARGET, False, "Nengo", note))
    report(results, args.json)
    if not equal:
        raise SystemExit("the two networks do not fire the same spikes")


if __name__ == "__main__":
    main()
