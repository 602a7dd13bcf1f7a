"""Martin et al. 2021: pairs of spikes against their closed form, digits kept apart, and what is reported."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from nanoneurons.core.errors import ParameterError
from nanoneurons.networks.spiking_equilibrium import SpikingNeurons
from nanoneurons.papers.martin2021_eqspike import _figures, _network, experiment


def test_pairs_of_spikes_follow_the_closed_form():
    neurons = SpikingNeurons(step=0.5e-3)
    found = _network.pairs_of_spikes(neurons, 0.4, 60, seed=0)
    lag, change = np.array(found["lag"]), np.array(found["change"])
    assert len(lag) > 500
    assert lag.min() < -0.1 and lag.max() > 0.1
    apart = np.abs(lag) > 1e-9  # in one step, half a spike's own decay is in doubt
    wanted = _figures.pair_change(neurons, lag)
    assert np.allclose(change[apart], wanted[apart], atol=0.03 * wanted.max())
    assert change.max() > 0 > change.min()
    near, far = np.abs(lag) < 0.02, np.abs(lag) > 0.1
    assert (change[near] > 0).all()
    assert (change[far] < 0).all()


def test_the_window_of_pairs_has_no_net_area():
    """Two unrelated steady trains meet at all lags alike, so the weight between them stays."""
    neurons = SpikingNeurons()
    lag = np.linspace(0, 1.5, 300_001)
    change = _figures.pair_change(neurons, lag)
    assert abs(np.trapezoid(change, lag)) < 1e-4 * np.trapezoid(np.abs(change), lag)


def test_held_out_digits_are_training_digits_that_are_not_trained_with():
    (x, y, x_held, y_held), _ = _network.digits(0, 0, held_out=True)
    (whole, labels, x_test, _), _ = _network.digits(0, 0, held_out=False)
    assert torch.equal(torch.cat([x, x_held]), whole)
    assert torch.equal(torch.cat([y, y_held]), labels)
    assert len(x_held) == len(whole) // 6
    assert not torch.equal(x_held[:50], x_test[:50])
    few, _ = _network.digits(40, 30, held_out=True)
    assert [len(p) for p in few] == [40, 40, 30, 30]


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    config = replace(
        experiment.QUICK, seeds=1, hidden=40, epochs=1, betas=(3.0,), phases=(0.12,), sweep_samples=60, sweep_test=20,
        train_samples=320, test_samples=60, pairs=5,
    )  # fmt: skip
    folder = tmp_path_factory.mktemp("martin")
    (jobs,) = experiment.jobs(config)
    return config, {job: experiment.run(config, job, folder, lambda *_: None) for job in jobs}


def test_reports_both_forms_their_difference_and_events(results):
    config, found = results
    rows = {q.quantity: q for q in experiment.quantities(config, found)}
    event, window = (100 * found[f"{form}/seed0"]["accuracy"] for form in ("event", "window"))
    assert rows["event-minus-window"].measured == pytest.approx(event - window)
    assert event > 25 and window > 25  # chance is 10; ten mini-batches
    hidden, outputs = found["event/seed0"]["learning"]["spikes"]
    assert rows["spikes-learning"].measured == pytest.approx(hidden + outputs)
    assert rows["synaptic-events-learning"].measured == pytest.approx(10 * hidden + 40 * outputs)
    assert {f.name for f in experiment.figures(config, found)} == {"curves", "sweeps", "pairs"}


def test_settings_are_checked():
    with pytest.raises(ParameterError, match="forms = 'derivative' must be among event, window"):
        replace(experiment.QUICK, forms=("derivative",))
    with pytest.raises(ParameterError, match="phases"):
        replace(experiment.QUICK, phases=(0.001,))
