"""The classifier keeps scikit-learn's contract, agrees with the machine inside, and tells what it lost and why."""

import pickle
import subprocess
import sys
import warnings

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from nanoneurons import circuits, devices
from nanoneurons.circuits._bayesian_logic import MODES, BayesianLogic
from nanoneurons.core.errors import ParameterError, RefusedError, UnknownNameError
from nanoneurons.machines import BayesianMachineClassifier

CHECKED = [BayesianMachineClassifier(), BayesianMachineClassifier("logarithmic", columns=None, prior="uniform")]


@parametrize_with_checks(CHECKED)
def test_scikit_learn_contract(estimator, check):
    check(estimator)


def task(n=400, seed=0):
    """Three unequally frequent classes; features 0 and 2 tell them apart, 1 and 3 are noise."""
    rng = np.random.default_rng(seed)
    y = rng.choice(3, n, p=[0.5, 0.3, 0.2])
    x = rng.normal(size=(n, 4))
    x[:, 0] += 2.5 * (y == 1)
    x[:, 2] += 2.5 * (y == 2)
    return x, np.array(["left", "middle", "right"])[y]


# -- decisions -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", MODES)
def test_answers_are_those_of_the_logic_on_the_stored_words(mode):
    x, y = task()
    found = BayesianMachineClassifier(mode, columns=2).fit(x, y)
    assert sorted(found.tables_.chosen) == [0, 2]
    observed = np.concatenate([np.zeros((len(x), 1), int), found.tables_.observe(x)], 1)
    decision = BayesianLogic(3, mode).decide(found.words_, observed)
    assert (found.decide(x).winner == decision.winner).all()
    decided = decision.decided
    assert (found.predict(x)[decided] == found.classes_[decision.winner][decided]).all()
    assert (found.predict(x)[~decided] == "left").all()
    assert found.score(x, y) == np.mean(found.predict(x) == y) > (0.7 if mode == "first" else 0.8)


def test_probabilities_follow_from_counts():
    x, y = task()
    full = BayesianMachineClassifier(columns=2, power=1.0).fit(x, y)
    counts = full.decide(x).counts
    some = counts.sum(1) > 0
    assert full.predict_proba(x)[some] == pytest.approx((counts / np.maximum(counts.sum(1, keepdims=True), 1))[some])
    log = BayesianMachineClassifier("logarithmic", columns=2, decades=6.0).fit(x, y)
    share = 10 ** (-log.decide(x).counts * 6.0 / 255)
    assert log.predict_proba(x) == pytest.approx(share / share.sum(1, keepdims=True))


@pytest.mark.parametrize("mode", ["full", "logarithmic"])
def test_probabilities_are_close_to_naive_bayes_on_the_tables(mode):
    x, y = task(2000)
    found = BayesianMachineClassifier(mode, columns=2).fit(x, y)
    t = found.tables_
    exact = t.prior * np.prod(t.tables[:, np.arange(2), t.observe(x)], -1).T
    exact /= exact.sum(1, keepdims=True)
    assert np.abs(found.predict_proba(x) - exact).mean() < 0.05


def test_what_is_undecided_is_left_to_the_prior():
    x, y = task()
    found = BayesianMachineClassifier(columns=4, power=4.0, rescale="column", prior=[1, 3, 2]).fit(x, y)
    undecided = ~found.decide(x).decided
    assert undecided.any()
    assert found.predict_proba(x)[undecided] == pytest.approx(np.tile([1 / 6, 1 / 2, 1 / 3], (undecided.sum(), 1)))
    assert (found.predict(x)[undecided] == "middle").all()
    log = BayesianMachineClassifier("logarithmic", decades=0.05, rescale="column", prior="uniform").fit(x, y)
    assert (~log.decide(x).decided).any()
    assert log.predict_proba(x)[~log.decide(x).decided] == pytest.approx(1 / 3)


def test_missing_observations_take_no_part():
    x, y = task()
    found = BayesianMachineClassifier(columns=2).fit(x, y)
    nothing = np.full((1, 4), np.nan)
    assert found.predict(nothing) == ["left"]  # the most frequent
    assert found.predict_proba(nothing)[0] == pytest.approx(found.prior_, abs=0.03)
    partly = x.copy()
    partly[::5, 0] = np.nan
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        again = BayesianMachineClassifier(columns=2).fit(partly, y)
    assert again.score(x, y) > 0.8
    assert 0.6 < again.score(partly, y) < again.score(x, y)


def test_equal_priors_take_no_column():
    x, y = task()
    assert BayesianMachineClassifier(columns=2, prior="uniform").fit(x, y).words_.shape == (3, 2, 64)
    assert BayesianMachineClassifier(columns=2, prior=[2, 2, 2]).fit(x, y).words_.shape == (3, 2, 64)
    assert BayesianMachineClassifier(columns=2, prior=[1, 2, 3]).fit(x, y).words_.shape == (3, 3, 64)


# -- scikit-learn ----------------------------------------------------------------------------------------


def test_works_in_pipelines_searches_and_copies():
    x, y = task(150)
    search = GridSearchCV(
        make_pipeline(StandardScaler(), BayesianMachineClassifier()),
        {"bayesianmachineclassifier__mode": list(MODES), "bayesianmachineclassifier__columns": [1, 2]},
        cv=3,
    ).fit(x, y)
    assert search.best_params_["bayesianmachineclassifier__columns"] == 2
    assert cross_val_score(search.best_estimator_, x, y, cv=3).mean() > 0.7
    model = search.best_estimator_[-1]
    again = pickle.loads(pickle.dumps(model))
    z = search.best_estimator_[0].transform(x)
    assert (again.predict_proba(z) == model.predict_proba(z)).all()
    with pytest.raises(NotFittedError):
        clone(model).predict(x)


def test_names_of_features_are_kept():
    pandas = pytest.importorskip("pandas")
    x, y = task(100)
    frame = pandas.DataFrame(x, columns=["a", "b", "c", "d"])
    found = BayesianMachineClassifier(columns=2).fit(frame, y)
    assert list(found.feature_names_in_) == ["a", "b", "c", "d"]
    assert set(found.explain(frame.iloc[[0]]).observations) == {"prior", "a", "c"}
    assert set(found.explain(x[0]).observations) == {"prior", "a", "c"}


def test_names_may_be_given_to_an_explanation():
    x, y = task(100)
    found = BayesianMachineClassifier(columns=2, prior="uniform").fit(x, y)
    assert set(found.explain(x[0], list("abcd")).observations) == {"a", "c"}
    with pytest.raises(ParameterError, match="3 names for 4 features"):
        found.explain(x[0], list("abc"))


def test_importing_the_package_stays_quick():
    code = "import sys, nanoneurons.machines as m; print('sklearn' in sys.modules, 'torch' in sys.modules, dir(m))"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert shown.startswith("False False") and "BayesianMachineClassifier" in shown


# -- devices --------------------------------------------------------------------------------------------


def test_chips_are_read_with_their_errors():
    x, y = task()
    perfect = circuits.catalogue["bayesian-array"](device=devices.get("hfox-binary").ideal())
    plain = BayesianMachineClassifier(columns=2).fit(x, y)
    ideal = BayesianMachineClassifier(columns=2, circuit=perfect, chips=2).fit(x, y)
    assert (ideal.machine_.memory.words() == plain.words_).all()
    assert (ideal.predict(x) == plain.predict(x)).all()
    worse = circuits.catalogue["bayesian-array"](device=devices.get("hfox-binary"), sense_offset=3.0, sense_noise=1.0)
    found = BayesianMachineClassifier(columns=2, circuit=worse, chips=8).fit(x, y)
    assert (found.machine_.memory.words() != plain.words_).any((1, 2, 3)).all()
    scores = found.chip_scores(x, y)
    assert scores.shape == (8,) and scores.std() > 0
    assert found.score(x, y) == pytest.approx(scores.mean())
    assert scores[0] == np.mean(found.predict(x) == y)
    assert found.losses_.steps[-1].step == "read errors of the devices"
    again = BayesianMachineClassifier(columns=2, circuit=worse, chips=8).fit(x, y)
    other = BayesianMachineClassifier(columns=2, circuit=worse, chips=8, random_state=1).fit(x, y)
    assert (again.chip_scores(x, y) == scores).all() and (other.chip_scores(x, y) != scores).any()
    few = BayesianMachineClassifier(columns=2, circuit=worse, chips=3).fit(x, y)
    assert (few.chip_scores(x, y) == scores[:3]).all()


def test_a_device_may_be_named():
    x, y = task(100)
    found = BayesianMachineClassifier(columns=2, circuit="hfox-binary").fit(x, y)
    assert found.machine_.memory.circuit.device == devices.get("hfox-binary")
    assert found.score(x, y) > 0.7


# -- losses and explanations ------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("estimate", ["gaussian", "histogram"])
def test_losses_name_every_step_and_add_up(mode, estimate):
    x, y = task()
    found = BayesianMachineClassifier(mode, columns=2, estimate=estimate).fit(x, y)
    losses = found.losses(x, y)
    first = [] if estimate == "histogram" else ["densities"]
    words = "8-bit logarithms" if mode == "logarithmic" else "8-bit likelihoods"
    assert [loss.step for loss in losses][:-1] == [*first, "64 bins", words]
    assert losses.steps[-1].accuracy == found.score(x, y)
    assert losses.steps[-1].undecided == np.mean(~found.decide(x).decided)
    t = found.tables_
    binned = found.classes_[(t.prior * np.prod(t.tables[:, np.arange(2), t.observe(x)], -1).T).argmax(1)]
    assert losses.steps[len(first)].accuracy == np.mean(binned == y)
    lost = losses.steps[0].accuracy - sum(loss.lost for loss in losses)
    assert lost == pytest.approx(losses.steps[-1].accuracy)
    assert found.losses_.samples == 400
    assert str(losses).count("\n") == len(losses.steps)


def test_losses_show_what_the_machine_loses():
    x, y = load_breast_cancer(return_X_y=True)
    found = BayesianMachineClassifier(columns=None, power=1.0, rescale="column").fit(
        x, y
    )  # as published: too many columns
    assert found.losses_.steps[-1].undecided > 0.9 and found.losses_.steps[-1].lost > 0.2
    assert BayesianMachineClassifier(columns=None).fit(x, y).losses_.steps[-1].undecided < 0.02


def test_gaussian_densities_classify_as_gaussian_naive_bayes():
    from sklearn.naive_bayes import GaussianNB

    x, y = task()
    found = BayesianMachineClassifier(columns=4).fit(x, y)
    assert found.losses(x, y).steps[0].accuracy == GaussianNB().fit(x, y).score(x, y)


@pytest.mark.parametrize("mode", MODES)
def test_bits_of_an_explanation_add_up_to_the_evidence(mode):
    x, y = task()
    found = BayesianMachineClassifier(mode, columns=2).fit(x, y)
    chosen = next(i for i in range(5, 400) if not found.explain(x[i]).excluded.any())
    told = found.explain(x[chosen])
    assert told.observations[0] == "prior" and set(told.observations[1:]) == {"feature 0", "feature 2"}
    assert told.bits.mean(1) == pytest.approx(0)
    t = found.tables_
    place = t.observe(x[chosen : chosen + 1])[0]
    exact = np.log2(t.tables[:, np.arange(2), place].T)
    exact = np.concatenate([np.log2(t.prior)[None], exact])
    exact -= exact.mean(1, keepdims=True)
    if mode == "logarithmic":  # rounding: half a step
        rounding = np.full(exact.shape, 0.5 * found.decades_ / 255 * np.log2(10))
    else:
        words = found.words_[:, np.arange(3), [0, *place]].T.astype(float)
        rounding = np.log2(words / (words - 0.5)) / found.power_
    assert (np.abs(told.bits - exact) <= rounding + rounding.mean(1, keepdims=True) + 1e-9).all()
    assert told.evidence == pytest.approx(told.bits.sum(0))
    assert told.over_runner_up.sum() == pytest.approx(told.evidence[told.decision] - told.evidence[told.runner_up])
    if mode == "logarithmic":
        counts = found.decide(x[chosen : chosen + 1]).counts[0]
        assert counts.max() < 255
        steps = told.over_runner_up.sum() * 255 / found.decades_ / np.log2(10)
        assert steps == pytest.approx(counts[told.runner_up] - counts[told.decision])
    assert told.hypotheses[told.decision] == found.predict(x[chosen : chosen + 1])[0]


def test_an_explanation_prints_as_a_table():
    x, y = task()
    found = BayesianMachineClassifier(columns=2).fit(x, y)
    sample = x[5].copy()
    sample[2] = np.nan
    told = found.explain(sample)
    shown = str(told)
    lines = shown.splitlines()
    assert lines[0].startswith(f"decided for {told.hypotheses[told.decision]}; bits relative to the mean")
    assert "missing" in shown and f"{sample[0]:.4g}" in shown
    assert told.bits[told.observations.index("feature 2")] == pytest.approx(0)
    assert len({len(line) for line in lines[1:]}) == 1
    assert lines[-2].split()[0] == "sum" and lines[-2].split()[-1] == f"{told.over_runner_up.sum():+.2f}"


def test_many_observations_and_exclusions_are_summed_up():
    rng = np.random.default_rng(0)
    y = np.arange(400) % 10
    x = rng.normal(size=(400, 25)) * 0.05 + y[:, None]
    found = BayesianMachineClassifier(columns=25, power=1.0).fit(x, y)
    told = found.explain(x[3])
    shown = str(told)
    assert "(6 of 10 shown)" in shown and "9 more" in shown and "rules the hypothesis out" in shown
    assert told.excluded.any() and np.isfinite(told.bits).all()
    assert told.decision == 3


# -- refusals ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "settings, error, message",
    [
        ({"mode": "fast"}, ParameterError, "modes full, first, logarithmic, not 'fast'"),
        ({"cycles": 256}, ParameterError, "whole number from 1 to 255, not 256"),
        ({"bins": 1024}, ParameterError, "1024 bins, but a block of the memory holds 512 words"),
        ({"bins": 8.5}, ParameterError, "bins must be a whole number from 2, not 8.5"),
        ({"columns": 0}, ParameterError, "columns must be a whole number from 1, or None for all, not 0"),
        ({"columns": "all"}, ParameterError, "columns must be a whole number from 1"),
        ({"estimate": "normal"}, ParameterError, "estimate must be one of gaussian, kernel, histogram, not 'normal'"),
        ({"features": "best"}, ParameterError, "feature choice must be one of first, information, accuracy"),
        ({"prior": "equal"}, ParameterError, "prior must be one of uniform, frequencies or numbers"),
        ({"prior": [0.5, 0.5]}, ParameterError, "positive number for each of the 3 classes"),
        ({"prior": [0.5, 0.5, 0.0]}, ParameterError, "positive number for each of the 3 classes"),
        ({"prior": [0.5, 0.5, np.nan]}, ParameterError, "positive number for each of the 3 classes"),
        ({"rescale": "values"}, ParameterError, "rescale must be one of column, value, not 'values' .did you mean"),
        ({"smoothing": 0.0}, ParameterError, "smoothing must be a positive number"),
        ({"power": 0.0}, ParameterError, "power must be a positive number"),
        ({"seeds": [1, 0, 3]}, ParameterError, "the seed of column 1 is 0"),
        ({"seeds": [1, 2]}, ParameterError, "2 seeds for 3 columns"),
        ({"circuit": "hfox-binry"}, UnknownNameError, "did you mean 'hfox-binary'"),
        ({"circuit": "hfox-binary", "chips": 0}, ParameterError, "chips must be a whole number from 1, not 0"),
    ],
)
def test_bad_settings_are_one_clear_line(settings, error, message):
    x, y = task(60)
    with pytest.raises(error, match=message) as caught:
        BayesianMachineClassifier(**{"columns": 2, **settings}).fit(x, y)
    assert "\n" not in str(caught.value)


def test_bad_input_is_refused():
    x, y = task(60)
    crossbar = circuits.catalogue["crossbar"](device=devices.get("hfox-binary"))
    with pytest.raises(RefusedError, match="holds no likelihoods; give a 'bayesian-array'"):
        BayesianMachineClassifier(circuit=crossbar).fit(x, y)
    found = BayesianMachineClassifier(columns=2).fit(x, y)
    with pytest.raises(ValueError, match="infinity"):
        found.predict(np.full((1, 4), np.inf))
    with pytest.raises(ParameterError, match="one decision is explained at a time, not 2"):
        found.explain(x[:2])
    with pytest.raises(ParameterError, match="a sample needs 4 finite numbers"):
        found.explain(x[0, :3])
    with pytest.raises(ParameterError, match="label 'up' was not among the training labels"):
        found.losses(x[:2], ["up", "left"])


def test_equal_seeds_warn():
    x, y = task(60)
    with pytest.warns(UserWarning, match="columns 0 and 2 have the same seed 7"):
        BayesianMachineClassifier(columns=2, seeds=(7, 9, 7)).fit(x, y)
