import itertools
import math

import numpy as np
import pytest
import torch

from nanoneurons import data
from nanoneurons.core.errors import ParameterError
from nanoneurons.data.mackey_glass import integrate_delay


def test_first_delay_has_a_closed_form():
    # With x = c in the past the equation is linear until tau: x relaxes to 2 c / (1 + c^10) at rate 0.1.
    c, tau, step = 1.25, 17.0, 0.1
    x = integrate_delay(c, tau, step, 170)
    t = np.arange(171) * step
    rest = 2 * c / (1 + c**10)
    # error of the scheme per unit of time about (0.1 h)^4 / 120
    np.testing.assert_allclose(x, rest + (c - rest) * np.exp(-0.1 * t), rtol=0, atol=1e-9)


def test_fourth_order():
    # Up to t = 60 the jumps of the derivatives lie on the grid; chaos has not yet amplified the error.
    def at_60(step):
        return integrate_delay(1.2, 17.0, step, round(60 / step))[-1]

    exact = at_60(0.0078125)
    errors = [abs(at_60(step) - exact) for step in (0.5, 0.25, 0.125)]
    orders = [math.log2(a / b) for a, b in itertools.pairwise(errors)]
    assert min(orders) > 3.7  # 4 in the limit; these steps are finite
    assert max(orders) < 4.5


def test_series_has_the_known_statistics():
    x = data.load_series("mackey-glass", train=5000, test=5000).inputs
    # A public series of 10,000 samples: minimum 0.4187, maximum 1.3191, mean 0.930, standard deviation 0.226. The mean
    # over 10,000 time units, some 200 periods, varies by about 0.001 from seed to seed.
    assert float(x.mean()) == pytest.approx(0.930, abs=0.005)
    assert float(x.std()) == pytest.approx(0.226, abs=0.005)
    assert float(x.min()) == pytest.approx(0.4187, abs=0.02)
    assert float(x.max()) == pytest.approx(1.3191, abs=0.02)


def test_target_is_the_input_some_samples_later():
    series = data.load_series("mackey-glass", horizon=6, train=100, test=50)
    assert series.sizes == (100, 50)
    assert torch.equal(series.targets[:-6], series.inputs[6:])
    none = data.load_series("mackey-glass", horizon=0, train=100, test=50)
    assert torch.equal(none.targets, series.inputs)


def test_interval_takes_every_so_many_steps():
    fine = data.load_series("mackey-glass", interval=0.5, train=100, test=100).inputs
    coarse = data.load_series("mackey-glass", train=50, test=50).inputs
    assert torch.equal(fine[::2], coarse)


@pytest.mark.parametrize("setting", [{"tau": 17.05}, {"interval": 0.25}, {"step": 0.3}])
def test_times_off_the_grid_are_refused(setting):
    with pytest.raises(ParameterError, match="multiple of 'step'"):
        data.load_series("mackey-glass", **setting)


def test_a_series_that_would_not_fit_is_refused():
    with pytest.raises(ParameterError, match="ask for fewer samples"):
        data.load_series("mackey-glass", step=1e-4, train=10**6)
