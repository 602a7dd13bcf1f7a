"""Unsupervised learning by STDP in a 784x100 winner-take-all network: ours against BindsNET, one thread, one run.

Both see the same digits as the same Poisson spike trains (128 Hz at a full pixel), 250 steps of 1 ms, with the neurons,
thresholds, normalisation and rule of pairs of BindsNET's ``DiehlAndCook2015v2`` (``PostPre``, traces set to 1 by a
spike). They differ in how one neuron silences the others: BindsNET subtracts 17.5 mV from them, ours holds them at rest
for 20 ms; where several cross the threshold in a step, BindsNET draws the one that fires, ours takes the highest.
BindsNET's time leaves out the drawing of spikes, ours includes it. Its batches share synapses and add up changes, as
ours do. BindsNET (AGPL-3) is no dependency of this package: ``pip install bindsnet`` (tried with 0.3.4).
"""

from __future__ import annotations

import importlib.util
import math
import sys
import time

import numpy as np
import torch
from _bench import Result, arguments, images, one_thread, report

from nanoneurons.networks._input_events import poisson_events
from nanoneurons.networks.competition import Competitors, PoissonInputs, Presentation
from nanoneurons.networks.competitive import CompetitiveNetwork, SpikeTiming
from nanoneurons.networks.decoding import class_means, class_scores
from nanoneurons.physics.spike_timing import TimingLaw

STEPS, NEURONS, RATE = 250, 100, 128.0
TARGETS = {1: 200.0, 32: 20.0}
LAW = TimingLaw(1e-2, 1e-4, 0.02, 0.02, pairing="nearest")
# DiehlAndCook2015v2 in mV from rest: threshold -52, reset -60, rest -65; a spike adds its weight.
COMPETITORS = Competitors(
    time_constant=0.1, threshold=13.0, reset=5.0, refractory=0.005, gain=1 / -math.expm1(-0.01),
    adaptation_step=0.05 * 1e4, adaptation_time=1e4, inhibition=0.02, adapts="threshold",
)  # fmt: skip


def our_network(batch: int) -> CompetitiveNetwork:
    """The network of this package."""
    shown = Presentation(step=1e-3, duration=0.25, amplitude=1.0, filter_time=0.0, fresh=True, together=batch)
    network = CompetitiveNetwork(
        784, NEURONS, 10, cells=PoissonInputs(RATE), competitors=COMPETITORS, presentation=shown
    )
    network.synapses.weight.mul_(0.3)
    return network


def bindsnet_network():
    """The network of BindsNET."""
    from bindsnet.models import DiehlAndCook2015v2

    torch.manual_seed(0)
    return DiehlAndCook2015v2(784, NEURONS, inpt_shape=(784,))


def trains(x: torch.Tensor, shown: int) -> torch.Tensor:
    """Spikes ``(steps, samples, in)`` as our network draws them."""
    offsets = np.zeros((1, len(x), STEPS + 1), np.int64)
    which = poisson_events((x * (RATE * 1e-3)).float().numpy(), STEPS, our_network(1).noise_key, shown, offsets)
    spikes = torch.zeros(STEPS, len(x), x.shape[1], dtype=torch.uint8)
    for s in range(len(x)):
        for k in range(STEPS):
            spikes[k, s, which[offsets[0, s, k] : offsets[0, s, k + 1]]] = 1
    return spikes


def show(network, x: torch.Tensor, batch: int, shown: int) -> tuple[torch.Tensor, float]:
    """Counts of spikes in BindsNET, and CPU seconds of its runs alone."""
    from bindsnet.network.monitors import Monitor

    if "counts" not in network.monitors:
        network.add_monitor(Monitor(network.layers["Y"], ["s"], time=STEPS), "counts")
    counts, seconds = [], 0.0
    for start in range(0, len(x), batch):
        spikes = trains(x[start : start + batch], shown + start)
        begun = time.process_time()
        network.run({"X": spikes}, time=STEPS)
        counts.append(network.monitors["counts"].get("s").sum(0))
        network.reset_state_variables()
        seconds += time.process_time() - begun
    return torch.cat(counts).reshape(1, len(x), NEURONS).int(), seconds


def score(read: torch.Tensor, test: torch.Tensor, y_read: torch.Tensor, y_test: torch.Tensor) -> float:
    """Accuracy in per cent from spikes of digits that label and of digits that test."""
    means, sizes = class_means(read, y_read, 10)
    return 100 * float((class_scores("sum", test, means, sizes)[0].argmax(-1) == y_test).float().mean())


def compare(batch: int, trained: int, read: int) -> Result:
    """Train both on the same digits, then label and test them on others."""
    x, y, what = images(trained + 2 * read)
    parts = (slice(0, trained), slice(trained, trained + read), slice(trained + read, None))
    network, timing = our_network(batch), SpikeTiming(LAW, normalise=0.1)
    our_network(batch).present(x[: 2 * batch], SpikeTiming(LAW, normalise=0.1))  # compile
    begun = time.process_time()
    fired = network.present(x[parts[0]], timing)
    ours = (time.process_time() - begun) / trained
    right = score(network.present(x[parts[1]]), network.present(x[parts[2]]), y[parts[1]], y[parts[2]])
    peer = bindsnet_network()
    theirs, seconds = show(peer, x[parts[0]], batch, 0)
    peer.train(mode=False)
    peer.learning = False
    counts = [show(peer, x[part], 50, trained + i * read)[0] for i, part in enumerate(parts[1:])]
    right_peer = score(*counts, y[parts[1]], y[parts[2]])
    note = (
        f"{what}, {trained} digits to learn, {read} to label, {read} to test: {right:.1f} % right (BindsNET "
        f"{right_peer:.1f} %), {fired.sum() / trained:.1f} output spikes a digit ({theirs.sum() / trained:.1f}); "
        f"{1 / ours:.0f} digits a second ({trained / seconds:.1f})"
    )
    return Result(
        f"STDP, 784-{NEURONS}, batch {batch}", ours, seconds / trained, seconds / trained / ours, TARGETS[batch], False,
        "BindsNET", note,
    )  # fmt: skip


def main() -> None:
    """Run and print."""
    if importlib.util.find_spec("bindsnet") is None:
        sys.exit("bindsnet is not installed; pip install bindsnet")
    one_thread()
    args = arguments((__doc__ or "").splitlines()[0])
    sizes = {1: 20, 32: 64} if args.quick else {1: 500, 32: 1024}
    report([compare(batch, count, 20 if args.quick else 500) for batch, count in sizes.items()], args.json)


if __name__ == "__main__":
    main()
