"""Every equation of the package: both engines take the same steps.

The list of equations is computed; an equation without an example fails with what to do.
"""

import importlib
import pkgutil
from dataclasses import dataclass

import pytest
import torch

from nanoneurons import physics
from nanoneurons.physics.auto_oscillator import AutoOscillator
from nanoneurons.physics.macrospin import Macrospin
from nanoneurons.physics.vortex import VortexCore
from nanoneurons.solvers import Equation, Spiking, integrate

SHAPE = (3, 4)  # chips, devices
STEPS = 200


def equations():
    """Equations in the modules of `nanoneurons.physics`, by name."""
    found = {}
    for info in pkgutil.iter_modules(physics.__path__, f"{physics.__name__}."):
        for value in vars(importlib.import_module(info.name)).values():
            equation = value.equation if isinstance(value, Spiking) else value
            if isinstance(equation, Equation):
                found[equation.name] = equation
    return found


@dataclass(frozen=True)
class Example:
    """Parameters with a spread, sizes of states, constant inputs and a step in s for a sensible random run."""

    parameters: dict
    sizes: tuple[float, ...]
    inputs: dict
    dt: float


EXAMPLES = {
    "adaptive exponential": Example(
        {
            "capacitance": 2e-10, "leak": 3e-8, "rest": -0.01, "slope": 0.05, "threshold": 0.05, "time": 1e-2,
            "a": 4e-9, "reset": -0.01, "b": 1e-10, "peak": 0.5,
        },
        (0.02, 1e-9), {"current": 5e-10}, 5e-6,
    ),
    "FitzHugh-Nagumo": Example(
        {"scale": 1e-3, "a": 0.7, "b": 0.8, "slowness": 12.5, "peak": 1.0, "rearm": 0.1},
        (1.0, 0.5), {"drive": 0.4}, 1e-5,
    ),
    "Izhikevich": Example(
        {
            "quadratic": 4e4, "linear": 5e3, "constant": 140.0, "a": 20.0, "b": 200.0, "pivot": 0.01, "decay": 0.9,
            "c": -0.065, "d": 6.0, "peak": 0.03, "speed": 1.1,
        },
        (0.02, 5.0), {"drive": 10.0}, 1e-7,
    ),
    "auto-oscillator": Example(
        AutoOscillator(2e9, -1e9, 1e8, 2.0, 1e11, q2=0.5, thermal=1e6).parameters(1.9e9),
        (0.4, 0.4),
        {"current": 1.8e-3, "fx": 1e6, "fy": -2e6},
        2e-11,
    ),
    "macrospin": Example(
        Macrospin(
            8e5, 1e-24, 1e-9, 0.05, hk=2e5, axis=(1, 2, -1), demagnetisation=(0.1, 0.2, 0.7), polarisation=0.5,
            reference=(1, 0, 2), field_like=0.2, spin_hall=0.2, spin_orbit_field=0.1, vcma=6e-14, temperature=300.0,
        ).parameters(),
        (1.0, 1.0, 1.0),
        {"current": 2e-5, "density": 1e11, "voltage": 0.3, "hx": 1e4, "hy": -2e4, "hz": 3e4},
        3e-13,
    ),
    "phase-oscillator": Example(
        {"omega": 2e9, "diffusion": 1e6}, (1.0,), {"push": 1e8, "c": 2e7, "s": -3e7}, 2e-11,
    ),
    "vortex core": Example(
        VortexCore(187.5e-9, 6e-9, 6.5e5, 10.1e5, 0.44, 0.5, 0.01, 33e-9, 2.0, temperature=300.0).parameters(1e9),
        (0.3, 0.3),
        {"current": 1.5e-3, "fx": 1e6, "fy": -2e6},
        2e-11,
    ),
}  # fmt: skip


def random(equation, example, seed):
    """States and parameters that differ from device to device by some per cent of the example."""
    g = torch.Generator().manual_seed(seed)
    sizes = torch.tensor(example.sizes, dtype=torch.float64)
    y0 = sizes * torch.randn(*SHAPE, len(sizes), generator=g, dtype=torch.float64)
    unit = [equation.states.index(name) for name in equation.norm]
    if unit:
        y0[..., unit] /= y0[..., unit].norm(dim=-1, keepdim=True)
    values = {
        name: value * (1 + 0.05 * torch.randn(*SHAPE, generator=g, dtype=torch.float64))
        for name, value in example.parameters.items()
    }
    return y0, values


@pytest.mark.parametrize("name", sorted(equations()))
def test_every_equation_has_an_example(name):
    assert name in EXAMPLES, (
        f"add an entry {name!r} to EXAMPLES in this file: parameters, sizes of states, inputs, a step"
    )
    equation, example = equations()[name], EXAMPLES[name]
    assert set(example.parameters) == set(equation.parameters)
    assert set(example.inputs) == set(equation.inputs), "drive every input, so that every term is compared"


@pytest.mark.parametrize("method", ["rk4", "stochastic-heun"])
@pytest.mark.parametrize("name", sorted(equations()))
def test_engines_agree(name, method):
    """To 1e-12 of the size of each state: some hundred steps of rounding errors of 1e-16 that do not grow much."""
    equation, example = equations()[name], EXAMPLES[name]
    if method == "stochastic-heun" and equation.noise is None:
        pytest.skip("this equation has no noise")
    key = 5 if method == "stochastic-heun" else None
    y0, parameters = random(equation, example, 1)
    runs = [
        integrate(
            equation, y0, parameters, dt=example.dt, steps=STEPS, every=20, method=method, key=key, engine=engine,
            drive=example.inputs,
        )
        for engine in ("numba", "torch")
    ]  # fmt: skip
    difference = (runs[0].y - runs[1].y).abs() / torch.tensor(example.sizes, dtype=torch.float64)
    assert float(difference.max()) < 1e-12
    moved = (runs[0].last - y0).abs().amax((0, 1)) / torch.tensor(example.sizes, dtype=torch.float64)
    assert float(moved.max()) > 1e-3, "the example hardly moves"
