"""Equilibrium propagation of the CIFAR-10 network of laborieux2021-scaling-ep: time of an iteration and of an epoch.

For every precision: milliseconds per iteration of the free and of the nudged phases, per mini-batch step by step and
recorded, cosine of the estimated gradient with that in exact single precision (before and after some training), and
the fall of the loss. On an accelerator under a minute; on a CPU use --quick.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable
from dataclasses import replace

import torch

from nanoneurons.core.errors import DataError
from nanoneurons.core.random import generator_for
from nanoneurons.learning import _equilibrium as ep
from nanoneurons.learning.equilibrium_propagation import Descent
from nanoneurons.networks.energy_network import EnergyNetwork
from nanoneurons.papers._shifts import Shifts
from nanoneurons.papers.laborieux2021_scaling_ep._images import Images
from nanoneurons.papers.laborieux2021_scaling_ep.experiment import Config, network_of, place_of, rule_of, set_rates

IMAGES = 50_000
CANDIDATES = (
    ("published", (1.0, 1.0, 1.0, 1.0), 0),
    ("larger gains", (1.0, 1.5, 1.5, 1.5), 0),
    ("larger gains, warm-up", (1.0, 1.5, 1.5, 1.5), 400),
)


def wait(place: torch.device) -> None:
    """Until all work handed over is done."""
    if place.type == "cuda":
        torch.cuda.synchronize()


def milliseconds(work: Callable[[], object], place: torch.device, times: int) -> float:
    """Mean time of one of several calls, after one that is not counted."""
    work()
    wait(place)
    started = time.perf_counter()
    for _ in range(times):
        work()
    wait(place)
    return 1e3 * (time.perf_counter() - started) / times


@torch.no_grad()
def estimate(network: EnergyNetwork, config: Config, x: torch.Tensor, y: torch.Tensor) -> list[torch.Tensor]:
    """Centred estimate for every coupling."""
    target, clamped = network.targets(y), network.clamp(x)
    free = network.relax(clamped).states
    wanted = ep.points("centred", config.beta)
    nudged = network.nudge(clamped, free, target, [p.beta for p in wanted])
    lists = ep.pairs(network, clamped, list(zip(wanted, nudged, strict=True)))
    return [e.coupling.hebbian(p) for e, p in zip(network.edges, lists, strict=True)]


def exactly(exact: bool) -> None:
    """Whether single precision may round its factors to ten bits."""
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = not exact


def described(network: EnergyNetwork, x: torch.Tensor) -> str:
    """Residual of a free phase after so many steps, and mean activity of every group."""
    with torch.no_grad():
        clamped = network.clamp(x)
        residuals = [f"{s}: {network.relax(clamped, steps=s, measure=True).residual:.1e}" for s in (10, 20, 30, 40, 60)]
        states = network.relax(clamped).states
    return f"residual after {', '.join(residuals)}; activity {', '.join(f'{float(s.mean()):.3f}' for s in states)}"


def settled(network: EnergyNetwork, config: Config, x: torch.Tensor, y: torch.Tensor) -> str:
    """Cosine of the estimate with that of many more steps, by layer, for shorter and longer phases."""
    usual, texts = network.relaxation, []
    network.relaxation = replace(usual, steps=120, nudged_steps=60)
    truth = estimate(network, config, x, y)
    for steps, nudged in ((15, 6), (20, 10), (30, 10), (30, 15), (60, 20)):
        network.relaxation = replace(usual, steps=steps, nudged_steps=nudged)
        found = estimate(network, config, x, y)
        texts.append(f"{steps}+{nudged}: {cosines(found, truth)}")
    network.relaxation = usual
    return "; ".join(texts)


def cosines(found: list[torch.Tensor], truth: list[torch.Tensor]) -> str:
    """By layer."""
    return " ".join(
        f"{torch.cosine_similarity(a.flatten().double(), b.flatten().double(), dim=0):.4f}"
        for a, b in zip(found, truth, strict=True)
    )


def measured(precision: str, config: Config, x: torch.Tensor, y: torch.Tensor, truth: list[torch.Tensor]) -> str:
    """Times of one precision, and how well its estimate agrees."""
    batch, place = config.batch, x.device
    exactly(precision == "exact")
    kind = "single" if precision == "exact" else precision
    network = network_of(replace(config, precision=kind), tuple(x.shape[1:]), 10, 0, place)
    state = rule_of(config, "centred").start(network, IMAGES // batch, 1)
    assert isinstance(state, Descent)
    set_rates(config, state)
    state.warned = True
    with torch.no_grad():
        clamped, target = network.clamp(x), network.targets(y)
        free = network.relax(clamped).states
        few = 2 if place.type == "cpu" else 5
        once = milliseconds(lambda: network.relax(clamped), place, few) / config.free_steps
        both = milliseconds(lambda: network.nudge(clamped, free, target, [1.0, -1.0]), place, few)
    similar = cosines(estimate(network, config, x, y), truth)
    draw, chosen = generator_for(0, "benchmark"), torch.arange(batch)
    state.recording = False
    stepwise = milliseconds(lambda: state.learn(x, y, draw, chosen), place, few)
    state.recording = True
    recorded = milliseconds(lambda: state.learn(x, y, draw, chosen), place, 3 * few)
    epoch = recorded * IMAGES / batch / 1e3
    failed = "" if state.recorder.failed is None else f" (NOT RECORDED: {state.recorder.failed})"
    return (
        f"free {once:.3f} ms, nudged {both / config.nudged_steps:.3f} ms per iteration of {batch} and 2 x {batch}; "
        f"mini-batch {stepwise:.2f} ms step by step, {recorded:.2f} ms recorded{failed}; epoch {epoch:.1f} s, "
        f"{450 / epoch:.0f} epochs in 450 s; cosine with exact: {similar}"
    )


def train(title: str, precision: str, config: Config, images: Images, updates: int, plain: EnergyNetwork) -> None:
    """Some updates at the highest rates: fall of the loss, activity, and what phases and precision do then."""
    place, batch = images.x.device, config.batch
    exactly(precision == "exact")
    kind = "single" if precision == "exact" else precision
    network = network_of(replace(config, precision=kind), tuple(images.x.shape[1:]), 10, 0, place)
    state = rule_of(config, "centred").start(network, 50 * IMAGES // batch, 1)
    assert isinstance(state, Descent)
    set_rates(config, state)
    shifts, losses = Shifts(config.shift, config.flip, 0), []
    draw = generator_for(0, "order")
    every, started = max(updates // 8, 1), time.perf_counter()
    for step in range(1, updates + 1):
        chosen = torch.randint(len(images.x), (batch,), generator=draw).to(place)
        losses.append(state.learn(shifts(images.x[chosen]), images.y[chosen], draw, chosen))
        if step % every == 0:
            recent = float(torch.stack(losses[-every:]).mean())
            print(f"{title}, update {step}: loss {recent:.4f}, {time.perf_counter() - started:.1f} s", flush=True)
    x, y = images.x[:batch], images.y[:batch]
    print(f"{title}, trained: {described(network, x)}", flush=True)
    found = estimate(network, config, x, y)
    exactly(True)
    plain.load_state_dict(network.state_dict())
    print(f"{title}, trained, cosine with exact: {cosines(found, estimate(plain, config, x, y))}", flush=True)
    print(f"{title}, trained, exact, cosine of phases with 120+60: {settled(plain, config, x, y)}", flush=True)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--quick", action="store_true", help="a narrow network, few mini-batches")
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--free", type=int, default=Config().free_steps)
    parser.add_argument("--nudged", type=int, default=Config().nudged_steps)
    parser.add_argument("--updates", type=int, default=200)
    parser.add_argument("--gains", type=float, nargs="*", help="instead of the candidates")
    parser.add_argument("--precisions", nargs="*", default=["mixed", "half", "single", "exact"])
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    config = Config(
        free_steps=given.free, nudged_steps=given.nudged, batch=given.batch,
        train_samples=0 if not given.quick else 600, test_samples=100,
    )  # fmt: skip
    if given.quick:
        config = replace(config, channels=(8, 16, 32, 32), batch=min(given.batch, 16))
        given.updates = min(given.updates, 6)
    place = place_of(config)
    started = time.perf_counter()
    try:
        images = Images.of("cifar10", config.train_samples, config.test_samples, 0, place)
    except DataError:
        images = Images.of("mnist", config.train_samples, config.test_samples, 0, place)
    name = torch.cuda.get_device_name(place) if place.type == "cuda" else "CPU"
    print(
        f"{name}; {len(images.x)} images {tuple(images.x.shape[1:])} in {time.perf_counter() - started:.1f} s",
        flush=True,
    )
    shape, batch = tuple(images.x.shape[1:]), config.batch
    x, y = images.x[:batch], images.y[:batch]
    exactly(True)
    plain = network_of(replace(config, precision="single"), shape, 10, 0, place)
    truth = estimate(plain, config, x, y)
    print("exact:", described(plain, x), flush=True)
    for precision in given.precisions:
        print(f"{precision}: {measured(precision, config, x, y, truth)}", flush=True)
    for title, gains, warm_up in CANDIDATES:
        gains = gains if given.gains is None else tuple(given.gains)
        chosen = replace(config, gains=gains, warm_up=warm_up)
        train(f"{title}, gains {gains}", given.precisions[0], chosen, images, given.updates, plain)
        if given.gains is not None:
            break
    if place.type == "cuda":
        print(f"memory {torch.cuda.max_memory_allocated() / 2**30:.1f} GiB", flush=True)


if __name__ == "__main__":
    main()
