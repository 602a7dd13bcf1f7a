"""Convergence orders on equations with closed solutions, deterministic and strong stochastic."""

import math

import numpy as np
import pytest
import torch

from nanoneurons.solvers import Equation, Held, Sampled, Tones, integrate


def _logistic(x, rate, push):
    return (rate * x * (1.0 - x) + push,)


LOGISTIC = Equation("logistic", ("x",), ("rate",), ("push",), _logistic)


def _geometric(x, drift, size, force):
    return (drift * x + size * x * force,)


def _unit(x, drift, size):
    return (1.0,)


GEOMETRIC = Equation("geometric", ("x",), ("drift", "size"), ("force",), _geometric, noise=_unit)


def _decay(x, y, rate, fx, fy):
    return -rate * x + fx, -rate * y + fy


DECAY = Equation("decay", ("x", "y"), ("rate",), ("fx", "fy"), _decay)


@pytest.mark.parametrize("engine", ["numba", "torch"])
@pytest.mark.parametrize(("method", "order"), [("euler", 1), ("heun", 2), ("rk4", 4)])
def test_deterministic_order(method, order, engine):
    exact = 0.1 * math.exp(2.0) / (1 + 0.1 * (math.exp(2.0) - 1))
    y0 = torch.full((1, 1, 1), 0.1, dtype=torch.float64)
    errors = []
    for steps in (20, 40, 80):
        run = integrate(LOGISTIC, y0, {"rate": 1.0}, dt=2 / steps, steps=steps, method=method, engine=engine)
        errors.append(abs(float(run.last) - exact))
    slopes = np.log2(np.array(errors[:-1]) / np.array(errors[1:]))
    # the next term of the error is a factor dt smaller: 0.2 is 2/20 with a constant of two
    assert np.abs(slopes - order).max() < 0.2


@pytest.mark.parametrize("method", ["heun", "rk4"])
@pytest.mark.parametrize("kind", ["held", "sampled", "tones"])
def test_order_with_a_drive(method, kind):
    """A drive is seen at the stages of the method, so it keeps the method's order."""
    rate, omega = 1.3, 2.1
    y0 = torch.tensor([[[0.2, -0.1]]], dtype=torch.float64)
    c0 = complex(0.2, -0.1)

    def end(steps):
        dt = 2.0 / steps
        if kind == "held":
            drive = {"fx": Held(torch.tensor([1.0, -0.5]), 1.0)}
        elif kind == "sampled":
            drive = {"fx": Sampled(torch.tensor([0.0, 1.0, 0.5]), 1.0)}
        else:
            drive = {
                ("fx", "fy"): Tones(
                    torch.tensor([0.7], dtype=torch.float64), torch.tensor([omega], dtype=torch.float64), 0.4
                )
            }
        run = integrate(DECAY, y0, {"rate": rate}, dt=dt, steps=steps, method=method, drive=drive)
        return complex(*run.last[0, 0].tolist())

    if kind == "held":
        half = c0 * math.exp(-rate) + 1.0 * (1 - math.exp(-rate)) / rate
        exact = half * math.exp(-rate) - 0.5 * (1 - math.exp(-rate)) / rate
    elif kind == "sampled":
        ramp = (1 - (1 - math.exp(-rate)) / rate) / rate  # response to t from 0 to 1
        step = (1 - math.exp(-rate)) / rate
        exact = (c0 * math.exp(-rate) + ramp) * math.exp(-rate) + step - 0.5 * ramp
    else:
        f = 0.7 * np.exp(-0.4j)
        particular = f / (rate - 1j * omega)
        exact = (c0 - particular) * math.exp(-rate * 2) + particular * np.exp(-2j * omega)
    errors = [abs(end(steps) - exact) for steps in (40, 80)]
    assert math.log2(errors[0] / errors[1]) == pytest.approx({"heun": 2, "rk4": 4}[method], abs=0.2)


def _path(steps, paths, seed):
    """Unit normals of the finest steps."""
    return torch.from_numpy(np.random.default_rng(seed).standard_normal((steps, 1, 1, paths)))


def _coarser(normals):
    return (normals[::2] + normals[1::2]) / math.sqrt(2)


def test_strong_order_of_stochastic_heun():
    """dX = a X dt + b X o dW has X = X0 exp(a t + b W); Heun converges to it (Stratonovich) with strong order one."""
    drift, size, paths = 0.5, 0.8, 4000
    normals = _path(256, paths, 1)
    exact = torch.exp(drift + size * normals.sum(0) / 16)[0, 0]
    errors = []
    for _ in range(4):
        steps = len(normals)
        run = integrate(
            GEOMETRIC, torch.ones(1, paths, 1), {"drift": drift, "size": size}, dt=1 / steps, steps=steps,
            method="stochastic-heun", engine="torch", normals=normals, every=steps,
        )  # fmt: skip
        errors.append(float((run.last[0, :, 0] - exact).abs().mean()))
        normals = _coarser(normals)
    slopes = np.diff(np.log2(errors))
    # one noise: strong order 1; 4000 paths give the mean error to 3 %, so a slope to 0.06, and the next order adds dt
    assert np.abs(slopes - 1.0).max() < 0.2


def test_stratonovich_mean():
    """The mean of dX = b X o dW grows as exp(b^2 t / 2); an Ito solver would keep it constant."""
    paths = 40_000
    run = integrate(
        GEOMETRIC, torch.ones(1, paths, 1), {"drift": 0.0, "size": 1.0}, dt=1 / 64, steps=64,
        method="stochastic-heun", key=5, every=64,
    )  # fmt: skip
    x = run.last[0, :, 0]
    error = float(x.std()) / math.sqrt(paths)
    assert (
        abs(float(x.mean()) - math.exp(0.5)) < 4 * error
    )  # four standard errors; 64 steps bias it by less than 0.3 of one
    assert error < 0.02
