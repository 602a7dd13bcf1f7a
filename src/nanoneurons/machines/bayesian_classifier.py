r"""The Bayesian machine as a scikit-learn classifier: from samples to a machine, its decisions and their reasons.

.. math:: \hat y = \arg\max_y\; p(y) \prod_i p(o_i \mid y)

Source: Harabi et al., Nature Electronics 6, 52 (2023); Turck et al., Communications Engineering 4, 35 (2025).
"""

# pyright: basic
from __future__ import annotations

import math
import numbers
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.metrics import accuracy_score
from sklearn.utils import check_random_state
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from nanoneurons import circuits, devices
from nanoneurons.circuits import Circuit
from nanoneurons.circuits._bayesian_logic import BayesianLogic, Decision
from nanoneurons.core.errors import ParameterError, RefusedError, nearest
from nanoneurons.core.random import generator_for
from nanoneurons.learning._feature_choice import thinned
from nanoneurons.learning._likelihoods import LikelihoodTables, encode, estimate
from nanoneurons.networks.bayesian_machine import BayesianMachine

from ._explanation import Explanation
from ._losses import Losses, losses_of

__all__ = ["BayesianMachineClassifier"]

MOST_COLUMNS = 254
LOSS_SAMPLES = 500
PRIORS = ("uniform", "frequencies")
RESCALES = ("column", "value")


class BayesianMachineClassifier(ClassifierMixin, BaseEstimator):
    """A Bayesian machine whose tables are estimated from samples; scikit-learn's estimator.

    NaN stands for a missing value, in training and in use: a missing observation takes no part in the decision.

    Args:
        mode: how likelihoods are multiplied: ``"full"`` counts random bits over all cycles, ``"first"`` stops at the
            first row that gives 1 (or `ones` of them), ``"logarithmic"`` adds eight-bit logarithms.
        cycles: clock cycles of a decision at most, 1 to 255; the logarithmic mode takes no heed of it.
        ones: mode ``"first"`` stops when a row has given so many ones.
        columns: features used; None for all (254 at most).
        bins: values that an observation can take, 2 to 512.
        estimate: ``"gaussian"``, ``"kernel"`` or ``"histogram"``, class by class.
        features: how they are chosen where there are more than `columns`: the ``"first"``, by ``"information"`` or by
            cross-validated ``"accuracy"`` of naive Bayes.
        prior: ``"uniform"``, ``"frequencies"`` of the classes, or a probability per class in the order of `classes_`.
            A prior that is not uniform takes a column of the machine.
        rescale: what shares one largest likelihood: a ``"column"`` (as published) or each ``"value"`` that can be
            observed in it.
        decades: what the 255 steps of logarithms cover; None for as many as the training samples need.
        power: exponent of the likelihoods of stochastic modes (1 as published); None for one with which nearly all
            training samples are decided. It leaves the order of products as it is.
        smoothing: samples spread evenly over the bins of every class.
        outside: share of the training values outside the range of the bins.
        seeds: states of the columns' shift registers in cycle 1 (the prior's first); None to spread them.
        circuit: None for a machine in software, a circuit that holds likelihoods, or the name of a device for a
            ``bayesian-array`` of it.
        chips: chips fabricated when there is a circuit. `predict`, `predict_proba` and `explain` are those of the
            first; `score` is the mean over chips.
        random_state: of the devices; without a circuit nothing is random.

    Attributes:
        classes_: labels, ``(rows,)``.
        n_features_in_: features of a sample.
        tables_: estimated likelihoods, features and limits of bins (`LikelihoodTables`).
        prior_: p(y), ``(rows,)``.
        words_: content of the machine, uint8, ``(rows, columns, bins)``, with the prior as column 0 if there is one.
        decades_, power_: those used.
        software_: the machine without devices.
        machine_: the machine that decides: with devices if there is a circuit. Its memory is read once, after writing.
        losses_: accuracy on at most 500 training samples after each step from densities to the machine; see `losses`.
    """

    classes_: np.ndarray
    n_features_in_: int

    def __init__(
        self, mode: str = "full", *, cycles: int = 255, ones: int = 1, columns: int | None = 6, bins: int = 64,
        estimate: str = "gaussian", features: str = "accuracy", prior: str | Sequence[float] = "frequencies",
        rescale: str = "value", decades: float | None = None, power: float | None = None, smoothing: float = 0.3,
        outside: float = 0.01, seeds: Sequence[int] | None = None, circuit: Circuit | str | None = None,
        chips: int = 1, random_state: Any = 0,
    ) -> None:  # fmt: skip
        self.mode = mode
        self.cycles = cycles
        self.ones = ones
        self.columns = columns
        self.bins = bins
        self.estimate = estimate
        self.features = features
        self.prior = prior
        self.rescale = rescale
        self.decades = decades
        self.power = power
        self.smoothing = smoothing
        self.outside = outside
        self.seeds = seeds
        self.circuit = circuit
        self.chips = chips
        self.random_state = random_state

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags

    # -- training ---------------------------------------------------------------------------------------

    def fit(self, X: Any, y: Any) -> BayesianMachineClassifier:
        """Estimate the tables, write the machine and note what each step loses.

        Args:
            X: samples ``(samples, features)``; NaN where a value is missing.
            y: labels ``(samples,)``.

        Raises:
            ParameterError: a parameter that cannot be.
            RefusedError: a circuit that holds no likelihoods.
        """
        x: Any
        x, y = validate_data(self, X, y, dtype=np.float64, ensure_all_finite="allow-nan")
        check_classification_targets(y)
        self._check_numbers()
        circuit = _circuit(self.circuit)
        self.classes_, number = np.unique(y, return_inverse=True)
        rows, columns = len(self.classes_), min(self.columns or MOST_COLUMNS, x.shape[1])
        prior = self._prior(np.bincount(number) / len(number))
        held = bool(np.ptp(prior) > 0)  # equal priors decide nothing and need no column
        if self.rescale not in RESCALES:
            hint = nearest(str(self.rescale), RESCALES)
            raise ParameterError(f"rescale must be one of {', '.join(RESCALES)}, not {self.rescale!r}{hint}")
        mode: Any = self.mode
        logic = BayesianLogic(columns + held, mode, self.cycles, tuple(self.seeds or ()), self.ones)
        self.tables_: LikelihoodTables = estimate(
            x, number, classes=rows, columns=columns, bins=self.bins, method=self.estimate, select=self.features,
            smoothing=self.smoothing, outside=self.outside,
        )  # fmt: skip
        self.prior_ = prior
        encoded = encode(
            self.tables_, prior if held else None, x, self.mode, decades=self.decades, power=self.power,
            per_value=self.rescale == "value",
        )  # fmt: skip
        self.words_, self.decades_, self.power_ = encoded.words, encoded.decades, encoded.power
        self.software_ = BayesianMachine(x.shape[1], rows, columns, self.bins, logic=logic, prior=held)
        self.software_.store(self.tables_.chosen, self.tables_.edges, self.words_)
        self.machine_ = self.software_ if circuit is None else self._fabricated(circuit, logic, held)
        few = thinned(number, LOSS_SAMPLES)
        self.losses_ = self._losses(x[few], number[few])
        return self

    def _check_numbers(self) -> None:
        least = {"cycles": 1, "ones": 1, "bins": 2, "columns": 1, "chips": 1}
        for name, low in least.items():
            given = getattr(self, name)
            if given is None and name == "columns":
                continue
            if isinstance(given, bool) or not isinstance(given, numbers.Integral) or given < low:
                all_of_them = ", or None for all" if name == "columns" else ""
                raise ParameterError(f"{name} must be a whole number from {low}{all_of_them}, not {given!r}")

    def _prior(self, frequencies: np.ndarray) -> np.ndarray:
        if isinstance(self.prior, str):
            if self.prior not in PRIORS:
                raise ParameterError(f"prior must be one of {', '.join(PRIORS)} or numbers, not {self.prior!r}")
            return frequencies if self.prior == "frequencies" else np.full(len(frequencies), 1 / len(frequencies))
        given = np.asarray(self.prior, float)
        if given.shape != frequencies.shape or not (np.isfinite(given) & (given > 0)).all():
            raise ParameterError(
                f"a prior needs a positive number for each of the {len(frequencies)} classes, not {self.prior!r}"
            )
        return given / given.sum()

    def _fabricated(self, circuit: Circuit, logic: BayesianLogic, prior: bool) -> BayesianMachine:
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        soft = self.software_
        machine = BayesianMachine(
            soft.features, soft.memory.rows, len(soft.chosen), self.bins, logic=logic, prior=prior, circuit=circuit,
            chips=self.chips, seed=seed,
        )  # fmt: skip
        machine.fabricate(generator_for(seed, "chips"))
        machine.program(soft, generator_for(seed, "program"))
        return machine

    # -- use ----------------------------------------------------------------------------------------------

    def decide(self, X: Any) -> Decision:
        """Counts, winners, cycles, and whether there was a decision; with a leading axis of chips for a circuit.

        The winner of what is undecided is row 0, as in hardware; `predict` takes what the prior prefers.
        """
        x = self._checked(X)
        return self.machine_.decide(torch.from_numpy(x))

    def predict_proba(self, X: Any) -> np.ndarray:
        """Probabilities ``(samples, classes)``, for which the machine itself has no use.

        Stochastic modes: counts *n* of ones as :math:`n^{1/\\beta}`, normalised, :math:`\\beta` being `power_` (in mode
        ``first`` the bits of the deciding cycle, so mostly 0 and 1). Logarithmic mode: sums *n* as
        :math:`10^{-n D/255}`, normalised, *D* being `decades_`; a sum that has stopped at 255 counts as 255. Without a
        decision: the prior.
        """
        return self._probabilities(self.decide(X))

    def predict(self, X: Any) -> np.ndarray:
        """Labels ``(samples,)``: the most probable class, the first one of equal ones."""
        best = self.predict_proba(X).argmax(1)
        return self.classes_[best]

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Share of correct answers; mean over chips."""
        return float(self.chip_scores(X, y, sample_weight).mean())

    def chip_scores(self, X: Any, y: Any, sample_weight: Any = None) -> np.ndarray:
        """Share of correct answers of every chip, ``(chips,)``; of one without a circuit."""
        decision = self.decide(X)
        winners = np.where(decision.decided, decision.winner, self.prior_.argmax())
        answers = self.classes_[winners.reshape(-1, winners.shape[-1])]
        return np.array([accuracy_score(y, answer, sample_weight=sample_weight) for answer in answers])

    def losses(self, X: Any, y: Any) -> Losses:
        """Accuracy on samples after each step: densities, bins, eight-bit words, machine, devices.

        Every step uses the prior. Histograms have no density. Words: exact products, or sums without stop.

        Raises:
            ParameterError: a label that was not there in training.
        """
        x, y = self._checked(X), np.asarray(y)
        strange = ~np.isin(y, self.classes_)
        if strange.any():
            raise ParameterError(
                f"label {y[strange].tolist()[0]!r} was not among the training labels; leave its samples out"
            )
        return self._losses(x, np.searchsorted(self.classes_, y))

    def _losses(self, x: np.ndarray, number: np.ndarray) -> Losses:
        chips = None if self.machine_ is self.software_ else self.machine_
        return losses_of(x, number, self.tables_, self.prior_, self.words_, self.software_, chips)

    def explain(self, x: Any, names: Sequence[str] | None = None) -> Explanation:
        """Which observation spoke for which class, in bits, from the likelihoods that the (first) chip holds.

        Args:
            x: one sample, ``(features,)`` or ``(1, features)``.
            names: those of all features, where the training data had none.
        """
        sample = self._one(x)
        machine, held = self.machine_, int(self.machine_.prior)
        seen = machine.observe(torch.from_numpy(sample))
        decision = machine.decide_observed(seen)
        words = machine.memory.words()
        if words.ndim == 4:
            words = words[0]
        word = words[:, np.arange(seen.shape[1]), np.maximum(seen[0], 0)].T.astype(float)  # (columns, rows)
        if self.mode == "logarithmic":
            bits, excluded = -word * self.decades_ * math.log2(10) / 255, word == 255
        else:
            bits, excluded = np.log2(np.maximum(word, 0.5) / 255) / self.power_, word == 0
        missing = seen[0] < 0
        bits[missing], excluded[missing] = 0.0, False
        names = getattr(self, "feature_names_in_", None) if names is None else names
        if names is not None and len(names) != self.n_features_in_:
            raise ParameterError(f"{len(names)} names for {self.n_features_in_} features; give one for each")
        chosen = self.tables_.chosen
        observations = [f"feature {f}" if names is None else str(names[f]) for f in chosen]
        decided = bool(np.ravel(decision.decided)[0])
        winner = int(np.ravel(decision.winner)[0] if decided else self.prior_.argmax())
        return Explanation(
            tuple(map(str, self.classes_)), winner, decided,
            (*["prior"] * held, *observations), np.concatenate([np.full(held, np.nan), sample[0, chosen]]),
            seen[0].astype(int), bits - bits.mean(1, keepdims=True), excluded,
            decision.counts.reshape(-1, len(self.classes_))[0],
        )  # fmt: skip

    def _one(self, x: Any) -> np.ndarray:
        check_is_fitted(self)
        named = hasattr(x, "columns")  # a data frame, whose columns are to be those of the training
        sample = np.atleast_2d(self._checked(x) if named else np.asarray(x, float))
        if len(sample) != 1:
            raise ParameterError(f"one decision is explained at a time, not {len(sample)}; give one sample")
        if sample.shape[1] != self.n_features_in_ or np.isinf(sample).any():
            raise ParameterError(f"a sample needs {self.n_features_in_} finite numbers (NaN where missing), not {x!r}")
        return sample

    def _checked(self, X: Any) -> np.ndarray:
        check_is_fitted(self)
        x: Any = validate_data(self, X, dtype=np.float64, ensure_all_finite="allow-nan", reset=False)
        return x if x.flags.writeable else x.copy()

    def _probabilities(self, decision: Decision) -> np.ndarray:
        counts, decided = decision.counts, decision.decided
        if counts.ndim == 3:
            counts, decided = counts[0], decided[0]
        if self.mode == "logarithmic":
            share = np.power(10.0, (counts.min(1, keepdims=True) - counts.astype(float)) * self.decades_ / 255)
        else:
            share = (counts / np.maximum(counts.max(1, keepdims=True), 1)) ** (1 / self.power_)
        share[~decided] = self.prior_
        return share / share.sum(1, keepdims=True)


def _circuit(given: Circuit | str | None) -> Circuit | None:
    """The circuit itself, or an array of likelihoods made of the device of that name."""
    if isinstance(given, str):
        given = circuits.catalogue["bayesian-array"](device=devices.get(given))
    if given is not None and (not isinstance(given, Circuit) or given.layers != "likelihood"):
        title = given.title if isinstance(given, Circuit) else repr(given)
        raise RefusedError(f"{title} holds no likelihoods; give a 'bayesian-array', or the name of its device")
    return given
