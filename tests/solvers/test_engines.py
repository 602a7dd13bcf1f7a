"""The two engines agree, noise belongs to the device, and bad input is told before work."""

import math

import pytest
import torch

from nanoneurons.core.errors import ParameterError, UnknownNameError
from nanoneurons.physics.auto_oscillator import AUTO_OSCILLATOR, AutoOscillator
from nanoneurons.solvers import METHODS, Equation, Held, Sampled, Tones, UnstableError, integrate, step_advice
from nanoneurons.solvers.ops import exp, maximum, minimum, sin, where

DEVICE = AutoOscillator(omega0=2e9, shift=-1e9, damping=1e8, q=2.0, sigma=1e11, q2=0.5, thermal=1e6)
SHAPE = (3, 5)


def start(seed=0):
    return 0.3 * torch.randn(*SHAPE, 2, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def drives(kind):
    g = torch.Generator().manual_seed(1)

    def rand(*shape):
        return torch.rand(*shape, generator=g, dtype=torch.float64)

    return {
        "constant": {"current": 1.8e-3},
        "held": {"current": Held(2e-3 * rand(7, *SHAPE), 20e-11)},
        "sampled": {"current": Sampled(2e-3 * rand(70, 3, 1), 2e-11), "fx": 1e6},
        "tones": {"current": 1.5e-3, ("fx", "fy"): Tones(1e7 * rand(3, 1, 2), 1e9 * rand(3, 1, 2), 0.3)},
    }[kind]


@pytest.mark.parametrize("kind", ["constant", "held", "sampled", "tones"])
@pytest.mark.parametrize("method", METHODS)
def test_engines_agree(method, kind):
    keywords = {"dt": 2e-11, "steps": 300, "every": 7, "method": method, "drive": drives(kind)}
    if method == "stochastic-heun":
        keywords["key"] = 11
    fast = integrate(AUTO_OSCILLATOR, start(), DEVICE.parameters(1.9e9), **keywords)
    slow = integrate(AUTO_OSCILLATOR, start(), DEVICE.parameters(1.9e9), engine="torch", **keywords)
    assert fast.y.shape == (300 // 7 + 1, *SHAPE, 2)
    assert float((fast.y - slow.y).abs().max()) < 1e-12
    assert float((fast.last - slow.last).abs().max()) < 1e-12


@pytest.mark.parametrize("per_chip", [False, True])
@pytest.mark.parametrize("method", ["rk4", "stochastic-heun"])
def test_engines_agree_with_coupling(method, per_chip):
    g = torch.Generator().manual_seed(2)
    shape = (*SHAPE[:1], 5, 5) if per_chip else (5, 5)
    coupling = 1e7 * torch.randn(*shape, generator=g, dtype=torch.complex128)
    keywords = {
        "dt": 2e-11,
        "steps": 300,
        "every": 10,
        "method": method,
        "drive": drives("tones"),
        "coupling": coupling,
    }
    if method == "stochastic-heun":
        keywords["key"] = 11
    fast = integrate(AUTO_OSCILLATOR, start(), DEVICE.parameters(1.9e9), **keywords)
    slow = integrate(AUTO_OSCILLATOR, start(), DEVICE.parameters(1.9e9), engine="torch", **keywords)
    assert float((fast.y - slow.y).abs().max()) < 1e-12


def test_noise_does_not_depend_on_the_split():
    keywords = {"dt": 2e-11, "steps": 200, "method": "stochastic-heun", "drive": {"current": 2e-3}, "key": 7}
    whole = integrate(AUTO_OSCILLATOR, start(), DEVICE.parameters(), **keywords)
    part = integrate(AUTO_OSCILLATOR, start()[1:], DEVICE.parameters(), first_chip=1, **keywords)
    assert torch.equal(whole.y[:, 1:], part.y)
    first = integrate(AUTO_OSCILLATOR, start(), DEVICE.parameters(), **{**keywords, "steps": 80})
    second = integrate(AUTO_OSCILLATOR, first.last, DEVICE.parameters(), first_step=80, **{**keywords, "steps": 120})
    assert torch.equal(whole.last, second.last)
    assert float(second.t[0]) == pytest.approx(80 * 2e-11)
    fewer = integrate(AUTO_OSCILLATOR, start()[:, :2], DEVICE.parameters(), **keywords)
    assert torch.equal(whole.y[:, :, :2], fewer.y)


def test_many_lanes_and_threads_give_the_same():
    y0 = 0.3 * torch.ones(1, 1000, 2, dtype=torch.float64)
    keywords = {
        "dt": 2e-11,
        "steps": 300,
        "every": 300,
        "method": "stochastic-heun",
        "drive": {"current": 2e-3},
        "key": 7,
    }
    threads = torch.get_num_threads()
    try:
        results = []
        for count in (1, 3):
            torch.set_num_threads(count)
            results.append(integrate(AUTO_OSCILLATOR, y0, DEVICE.parameters(), **keywords).last)
    finally:
        torch.set_num_threads(threads)
    assert torch.equal(*results)
    assert len(torch.unique(results[0])) == 2000  # every device has noise of its own


def test_continued_tones_keep_their_phase():
    keywords = {"dt": 2e-11, "drive": drives("tones")}
    whole = integrate(AUTO_OSCILLATOR, start(), DEVICE.parameters(), steps=500, **keywords)
    first = integrate(AUTO_OSCILLATOR, start(), DEVICE.parameters(), steps=123, **keywords)
    second = integrate(AUTO_OSCILLATOR, first.last, DEVICE.parameters(), steps=377, first_step=123, **keywords)
    assert float((whole.last - second.last).abs().max()) < 1e-12


def test_gradients_are_those_of_finite_differences():
    def end(y0, omega0, current, amplitude, coupling):
        device = {**DEVICE.parameters(), "omega0": 1e9 * omega0}
        run = integrate(
            AUTO_OSCILLATOR, y0, device, dt=5e-11, steps=12, engine="torch", coupling=1e8 * coupling,
            drive={"current": Held(1e-3 * current, 3e-10), ("fx", "fy"): Tones(1e8 * amplitude, torch.tensor([2e9]))},
        )  # fmt: skip
        return run.last

    g = torch.Generator().manual_seed(3)

    def made(*shape, dtype=torch.float64):
        return torch.randn(*shape, generator=g, dtype=dtype).requires_grad_()

    arguments = (made(1, 2, 2), made(1, 2), made(2, 1, 2), made(1), made(2, 2, dtype=torch.complex128))
    assert torch.autograd.gradcheck(end, arguments, eps=1e-6, atol=1e-6)


def test_checkpointing_changes_memory_not_gradients():
    def gradient(checkpoint):
        omega0 = torch.tensor(2e9, dtype=torch.float64, requires_grad=True)
        device = {**DEVICE.parameters(1.9e9), "omega0": omega0}
        run = integrate(
            AUTO_OSCILLATOR, start(), device, dt=2e-11, steps=50, every=5, engine="torch", method="stochastic-heun",
            key=3, drive={"current": 1.8e-3}, checkpoint=checkpoint,
        )  # fmt: skip
        (run.y[5:] ** 2).mean().backward()
        return omega0.grad

    assert torch.allclose(gradient(0), gradient(9), rtol=1e-12)


def _bistable(x, size, push):
    high = maximum(x, minimum(size, 0.5))
    return (where(x > 0.0, exp(-high) - sin(x), -x) + push,)


def test_every_function_of_ops_compiles():
    equation = Equation("bistable", ("x",), ("size",), ("push",), _bistable)
    y0 = torch.linspace(-1, 1, 9, dtype=torch.float64)[None, :, None]
    runs = [
        integrate(equation, y0, {"size": torch.linspace(0, 1, 9)}, dt=0.05, steps=40, engine=engine)
        for engine in ("numba", "torch")
    ]
    assert float((runs[0].y - runs[1].y).abs().max()) < 1e-12


def _rotation(x, y, z, rate, bx):
    return rate * y, -rate * x, bx


def test_norm_is_kept_where_asked():
    equation = Equation("rotation", ("x", "y", "z"), ("rate",), ("bx",), _rotation, norm=("x", "y", "z"))
    y0 = torch.tensor([[[0.6, 0.0, 0.8]]], dtype=torch.float64)
    for engine in ("numba", "torch"):
        run = integrate(equation, y0, {"rate": 1.0}, dt=0.1, steps=1000, method="heun", engine=engine)
        assert float((run.y.norm(dim=-1) - 1).abs().max()) < 1e-14


def run_with(**changes):
    keywords = {"dt": 2e-11, "steps": 10, "drive": {"current": 2e-3}, **changes}
    y0 = keywords.pop("y0", start())
    parameters = keywords.pop("parameters", DEVICE.parameters())
    return integrate(keywords.pop("equation", AUTO_OSCILLATOR), y0, parameters, **keywords)


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"dt": 1e-8}, UnstableError, r"too large for rk4: chip \d, device \d.* use .* s or less"),
        ({"dt": 0.0}, ParameterError, "must be positive"),
        ({"method": "rk5"}, UnknownNameError, "did you mean 'rk4'"),
        ({"drive": {"curent": 1e-3}}, UnknownNameError, "did you mean 'current'"),
        ({"drive": {"current": float("nan")}}, ParameterError, r"input 'current': nan at index \[0, 0\]"),
        ({"drive": {"current": Held(torch.ones(3), 3e-11)}}, ParameterError, "not a whole number of steps"),
        ({"drive": {"current": Held(torch.ones(3, 2), 2e-11)}}, ParameterError, r"does not fit \(3, 5\)"),
        ({"drive": {"fx": Tones(torch.ones(1), torch.ones(1))}}, ParameterError, "pair of inputs"),
        ({"y0": torch.zeros(3, 5)}, ParameterError, r"expected \(chips, devices, 2\)"),
        ({"y0": torch.full((3, 5, 2), math.inf)}, ParameterError, "initial state: inf"),
        ({"parameters": {}}, ParameterError, "parameter 'omega0' is not given"),
        ({"parameters": {**DEVICE.parameters(), "omga0": 1.0}}, UnknownNameError, "did you mean 'omega0'"),
        ({"coupling": torch.zeros(4, 4)}, ParameterError, r"expected \(5, 5\) or \(3, 5, 5\)"),
        ({"key": 1}, ParameterError, "needs method 'stochastic-heun'"),
        ({"engine": "jax"}, ParameterError, "unknown engine"),
        ({"every": 0}, ParameterError, "at least 1"),
    ],
)
def test_bad_input_is_told(changes, error, message):
    with pytest.raises(error, match=message):
        run_with(**changes)


def test_a_drive_with_nan_names_its_place():
    values = torch.ones(4, 3, 5)
    values[2, 1, 3] = float("nan")
    with pytest.raises(ParameterError, match="nan at time index 2, chip 1, device 3"):
        Held(values, 1e-9)


def _runaway(x, rate, push):
    return (rate * x * x * x + push,)


@pytest.mark.parametrize("engine", ["numba", "torch"])
def test_blow_up_names_device_and_time(engine):
    equation = Equation("runaway", ("x",), ("rate",), ("push",), _runaway)
    y0 = torch.tensor([[[0.0], [0.0]], [[0.0], [1.0]]], dtype=torch.float64)
    with pytest.raises(UnstableError, match=r"chip 1, device 1 left the finite numbers by .* s; .* grow without limit"):
        integrate(equation, y0, {"rate": 1.0}, dt=0.01, steps=1000, engine=engine, checkpoint=100)


def test_step_advice_is_what_it_says():
    rates = torch.tensor([[1.0, 5e6]])
    advice = step_advice(AUTO_OSCILLATOR, torch.zeros(1, 2, 2), {**DEVICE.parameters(), "omega0": rates}, method="rk4")
    assert advice == pytest.approx(0.06 / abs(complex(1e8, 5e6)), rel=1e-3)  # |eigenvalue| of damping and rotation


def _wrong(x, rate):
    return (rate,)


def _uses_numpy(x, rate, push):
    return (torch.sin(x),)


def test_an_equation_that_does_not_fit_is_refused():
    with pytest.raises(TypeError, match="expected"):
        Equation("wrong", ("x",), ("rate",), ("push",), _wrong)
    with pytest.raises(TypeError, match="stands twice"):
        Equation("wrong", ("x",), ("x",), ("push",), _wrong)


def test_an_equation_without_source_is_told():
    names = {}
    exec("def growth(x, rate, push):\n    return (rate * x + push,)", names)
    equation = Equation("typed in", ("x",), ("rate",), ("push",), names["growth"])
    keywords = {"dt": 0.1, "steps": 10, "drive": {"push": 0.0}}
    run = integrate(equation, torch.ones(1, 1, 1), {"rate": 1.0}, engine="torch", **keywords)
    assert float(run.last) == pytest.approx(math.e, rel=1e-5)
    with pytest.raises(TypeError, match="write it into a file, or use engine 'torch'"):
        integrate(equation, torch.ones(1, 1, 1), {"rate": 1.0}, **keywords)


def test_kernels_compile_once_and_survive_an_unwritable_folder(tmp_path, monkeypatch):
    from nanoneurons.solvers import _kernels
    from nanoneurons.solvers._codegen import Shape

    monkeypatch.setattr(_kernels, "_folders", lambda: [tmp_path / "file" / "below"])
    monkeypatch.setattr(_kernels.tempfile, "gettempdir", lambda: str(tmp_path / "temporary"))
    (tmp_path / "file").write_text("no folder")
    equation = Equation("alone", ("x",), ("rate",), ("push",), _runaway)
    compiled = _kernels.kernel(equation, Shape("euler"))
    assert compiled is _kernels.kernel(equation, Shape("euler"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "temporary"]
