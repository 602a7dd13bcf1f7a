"""One layer of 64 spin diodes per chain and ten chains on the 8x8 digits, against logistic regression."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from nanoneurons import data, learning, networks
from nanoneurons.circuits.rf_chain import RfChain
from nanoneurons.core.random import generator_for
from nanoneurons.devices.spin_diode import SpinDiode
from nanoneurons.layers.spin_diode import SpinDiodeLinear

if TYPE_CHECKING:
    from .experiment import Config

__all__ = ["SWEEPS", "Split", "conditions", "damping_at", "perceptron", "software", "split"]

SWEEPS = ("spacing", "band", "symmetric", "spread")
SPREAD_RULES = ("plain", "injected", "twin-ideal", "twin-calibrated")
Split = tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]
Progress = Callable[[float, str], None]
_PIXELS = 64


def split(seed: int) -> Split:
    """Training and held-out images and labels: all 1797 images, a fifth of every class held out, by seed."""
    found = data.load("digits")
    x = torch.cat([found.x_train, found.x_test]).flatten(1)
    y = torch.cat([found.y_train, found.y_test])
    draw = generator_for(seed, "split")
    held = torch.zeros(len(y), dtype=torch.bool)
    for label in range(found.classes):
        members = torch.nonzero(y == label).squeeze(1)
        held[members[torch.randperm(len(members), generator=draw)[: round(len(members) / 5)]]] = True
    return x[~held], y[~held], x[held], y[held]


def damping_at(config: Config, spacing: float) -> float:
    """Damping at which the tones of the band stand `spacing` full linewidths apart."""
    ratio = (config.band_high / config.band_low) ** (1 / (_PIXELS - 1))
    return (ratio - 1) / (ratio + 1) / spacing


def conditions(config: Config) -> list[str]:
    """Names of what is swept, as ``sweep/value``, or ``spread/rule/value``."""
    found = []
    for name in SWEEPS:
        for value in getattr(config, f"sweep_{name}"):
            found += (
                [f"spread/{rule}/{value:g}" for rule in SPREAD_RULES] if name == "spread" else [f"{name}/{value:g}"]
            )
    return found


def perceptron(config: Config, condition: str, seed: int, progress: Progress) -> dict[str, Any]:
    """Accuracy in percent on training and held-out images, one number per chip, and roughness of ideal weights.

    Roughness is the mean square difference of the weights of neighbouring pixels of a row over their mean square: 2 for
    unrelated weights. Conditions: ``with`` and ``without`` crosstalk; ``shuffled``: with it, but pixels given to tones
    at random, so that neighbours in frequency are none in the image; or one of `conditions`.
    """
    kind, *rest = condition.split("/")
    value = float(rest[-1]) if rest else 0.0
    circuit = _circuit(config, kind, value)
    x, y, x_held, y_held = split(seed)
    tone = torch.arange(_PIXELS)
    if kind == "shuffled":
        tone = torch.randperm(_PIXELS, generator=generator_for(seed, "shuffle"))
    parts = (x[:, tone], y, x_held[:, tone], y_held)
    if kind != "spread":
        network = _network(circuit, None, seed)
        _fit(config, network, "backpropagation", {}, parts, seed, progress)
    else:
        network = _network(circuit, config.chips, seed)
        if rest[0] in ("plain", "injected"):  # one training for all chips, which are then written
            source = _network(circuit, None, seed)
            options = {"injected": 1.0} if rest[0] == "injected" else {}
            _fit(config, source, "backpropagation", options, parts, seed, progress)
            network.fabricate(generator_for(seed, "chips"))
            network.program(source, generator_for(seed, "program"))
        else:
            network.program_initial(generator_for(seed, "chips"))
            _fit(config, network, "physics-aware", {"twin": rest[0].removeprefix("twin-")}, parts, seed, progress)
    accuracy = [100 * learning.accuracy(network, *part) for part in (parts[:2], parts[2:])]
    answer: dict[str, Any] = {"train": accuracy[0].tolist(), "held_out": accuracy[1].tolist()}
    if kind != "spread":
        answer["roughness"] = _roughness(network, tone)
    return answer


def software(seed: int) -> dict[str, dict[str, list[float]]]:
    """Logistic regression, with scikit-learn's default penalty and without a penalty."""
    from sklearn.linear_model import LogisticRegression

    x, y, x_held, y_held = (part.numpy() for part in split(seed))
    answer = {}
    for name, inverse in (("penalty", 1.0), ("no-penalty", np.inf)):
        fitted = LogisticRegression(C=inverse, max_iter=10_000, tol=1e-6).fit(x, y)
        answer[name] = {
            "train": [100 * float(fitted.score(x, y))],
            "held_out": [100 * float(fitted.score(x_held, y_held))],
        }
    return answer


@torch.no_grad()
def _roughness(network: networks.FeedForward, tone: torch.Tensor) -> float:
    (layer,) = network.device_layers
    assert isinstance(layer, SpinDiodeLinear)
    weights = torch.empty(10, _PIXELS)
    weights[:, tone] = layer.ideal_matrix()
    image = weights.reshape(10, 8, 8)
    return float(image.diff(dim=2).square().mean() / image.square().mean())


def _circuit(config: Config, kind: str, value: float) -> RfChain:
    device = SpinDiode(damping=config.damping).ideal()
    settings: dict[str, Any] = {
        "band_low": config.band_low, "band_high": config.band_high, "full_power": config.full_power,
        "crosstalk": 0.0 if kind == "without" else 1.0, "initial_shift": config.initial_shift,
    }  # fmt: skip
    if kind == "spacing":  # the initial spread of resonances stays the same share of a linewidth
        device = device.replace(damping=damping_at(config, value))
        settings["initial_shift"] *= device.damping / config.damping
    elif kind == "band":
        ratio = (1 + config.damping * value) / (1 - config.damping * value)
        settings["band_high"] = config.band_low * ratio ** (_PIXELS - 1)
    elif kind == "symmetric":
        device = device.replace(symmetric=value)
    elif kind == "spread":
        device = device.replace(resonance_spread=value)
    return RfChain(device, **settings)


def _network(circuit: RfChain, chips: int | None, seed: int) -> networks.FeedForward:
    return networks.build(
        f"{_PIXELS}-10", kind="rf", circuit=circuit, chips=chips, shape=(_PIXELS,), classes=10, seed=seed
    )


def _fit(
    config: Config,
    network: networks.FeedForward,
    rule: str,
    options: dict[str, Any],
    parts: Split,
    seed: int,
    progress: Progress,
) -> None:
    made = learning.get(rule, lr=config.learning_rate, **options)
    assert isinstance(made, learning.LayerRule)
    learning.fit(
        network, made, parts[0], parts[1], epochs=config.epochs, batch=config.batch, seed=seed, progress=progress
    )
