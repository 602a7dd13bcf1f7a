r"""Fits the generic pulsed device: a state-space model of each device, a mixed model over them.

Every device *i* has its own steps, bounds and (linear shape) losses of step, :math:`b_i \sim N(\mu, s^2)`; shape
constants and noises are shared. The likelihood of a device's readings comes from an assumed-density filter
(`_state_space`), its maximum by scoring, spreads by restricted maximum likelihood of the linearised model (`_mixed`).

Identified: what pulses show. Not identified: the reference (`centred`, `reference_spread`), `level_spacing`,
`noise_floor`, `noise_slope`; they are kept.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy.special import ndtri

from nanoneurons.core.errors import DataError, ParameterError
from nanoneurons.devices import MemoryDevice
from nanoneurons.devices.pulsed import Pulsed
from nanoneurons.fitting import _pulsed_predict as predictions
from nanoneurons.fitting._fitter import Fit, Fitter, Prediction, Progress
from nanoneurons.fitting._graded import GRADED, fit_graded, predict_graded, refusal_graded
from nanoneurons.fitting._pulsed_bias import displacement
from nanoneurons.fitting._pulsed_course import everywhere, likeliest
from nanoneurons.fitting._pulsed_drawn import Chain
from nanoneurons.fitting._pulsed_estimates import even
from nanoneurons.fitting._pulsed_law import KINDS
from nanoneurons.fitting._pulsed_point import Point, gain_over_plain
from nanoneurons.fitting._pulsed_readings import events_of, wild_re_reads
from nanoneurons.fitting._pulsed_result import finish
from nanoneurons.fitting._pulsed_sampler import FEWEST, Draws, sample
from nanoneurons.fitting._pulsed_task import LIMIT, Task, prepared
from nanoneurons.measurements import Measurements, Pulses

__all__ = ["PulsedFitter"]

_FAILED = -1.0  # log-likelihood per reading, against changes that are alike, below which a search has failed
_FEWEST = 4  # devices from which on the posterior is drawn from
_READINGS, _ENOUGH = 80_000, 40  # readings above which not all devices tell the population, and how many do at least
_NO_DRAWS = "The posterior could not be drawn from; the intervals are those of the likelihood's curvature."
_REMEDY = "try another shape, or measure more devices or pulses"


class PulsedFitter(Fitter):
    """Fits step shape, bounds, spreads and noises to readings after pulses; variants are the step shapes.

    Levels, noise series and retention tell the range and the noises (`_graded`).
    """

    kinds = ("pulses", *GRADED)

    def variants(self, data: Measurements) -> tuple[str, ...]:
        """All step shapes, in the order of their number of constants."""
        if not isinstance(data, Pulses):
            return ("",)
        return tuple(KINDS)

    def refusal(self, data: Measurements) -> str | None:
        """Nothing to learn without pulses between readings."""
        if (wrong := super().refusal(data)) is not None:
            return wrong
        if not isinstance(data, Pulses):
            return refusal_graded(data)
        events = events_of(data)
        inner = (events.first == 0) & (events.count > 0) & (events.pulses != 0)
        if inner.sum() < 12:
            return f"it needs at least 12 readings with pulses before them, and these data have {int(inner.sum())}"
        return None

    def fit(self, data: Measurements, base: MemoryDevice, variant: str = "", progress: Progress | None = None) -> Fit:
        """Fit one step shape; the empty variant is that of `base`."""
        return self._fitted(data, base, variant, progress, trial=False)

    def trial(self, data: Measurements, base: MemoryDevice, variant: str = "", progress: Progress | None = None) -> Fit:
        """The same without draws: what predictions need, with intervals from the likelihood's curvature."""
        return self._fitted(data, base, variant, progress, trial=True)

    def _fitted(
        self, data: Measurements, base: MemoryDevice, variant: str, progress: Progress | None, *, trial: bool
    ) -> Fit:
        if (wrong := self.refusal(data)) is not None:
            raise DataError(f"pulsed: {wrong}")
        if not isinstance(data, Pulses):
            return fit_graded("pulsed", data, base)
        assert isinstance(base, Pulsed)
        tell = progress or (lambda share, text: None)
        wild = wild_re_reads(data)
        data = data.without(wild)
        task, dead, events = prepared(data, base, variant or base.step_shape)
        if wild.any():
            task.notes.append(f"{int(wild.sum())} re-reads disagree by far more than the others and were set aside.")
        try:
            with np.errstate(over="ignore", invalid="ignore", divide="ignore"):  # a search that fails is told below
                some = _chosen(task)
                part = replace(task, events=task.events.of_devices(some), live=task.live[some])
                sampled = not trial and len(some) >= _FEWEST
                point, rival = likeliest(part, lambda x: tell(0.5 * x, f"pulsed, {task.shape}"), sampled)
                found = None
                if gain_over_plain(point) > _FAILED:
                    chains = _drawn(part, point, rival, tell) if sampled else []
                    if chains:
                        own = chains[0].draws.own.mean(0)
                        point = replace(point, x=np.concatenate([own, point.x[:, own.shape[1] :]], axis=1))
                    if len(some) < len(task.live):
                        point = everywhere(task, point, some)
                    found = finish(task, point, data, dead, events, chains)
        except (ParameterError, np.linalg.LinAlgError, FloatingPointError) as error:
            raise DataError(f"pulsed: the search for {task.shape} steps failed ({error}); {_REMEDY}") from error
        if found is None:
            raise DataError(
                f"pulsed: the search for {task.shape} steps found nothing that says nearly as much of these readings "
                f"as one mean change in each direction; {_REMEDY}"
            )
        return replace(found, outliers=wild | found.outliers)

    def predict(self, fit: Fit, data: Measurements) -> Prediction:
        """Predict every reading; a device that is not in the fit is learned from its readings so far."""
        if not isinstance(data, Pulses):
            return predict_graded(fit, data)
        return predictions.predict(fit.private, events_of(data), data.reading, LIMIT)


def _chosen(task: Task) -> np.ndarray:
    """Devices that tell the population: all of them, or evenly chosen ones where there are very many readings."""
    number = len(task.live)
    if len(task.events.y) <= _READINGS or number <= _ENOUGH:
        return np.arange(number)
    some = max(_ENOUGH, int(_READINGS * number / len(task.events.y)))
    task.notes.append(
        f"The population is told by {some} of the {number} devices, evenly chosen; more of them would take long. The "
        "others are each placed in it."
    )
    return np.linspace(0, number - 1, some).round().astype(int)


def _drawn(task: Task, point: Point, rival: Point | None, tell: Progress) -> list[Chain]:
    """Draws of the law, and of the other law of the noise where that is nearly as likely."""
    both = [point] if rival is None else [point, rival]
    odds = np.exp([p.marginal - point.marginal for p in both])
    chains = []
    for k, (p, weight) in enumerate(zip(both, odds / odds.sum(), strict=True)):

        def share(x: float, k: int = k) -> None:
            tell(0.5 + 0.5 * (k + x) / len(both), f"pulsed, {task.shape}: intervals")

        try:
            draws = sample(p, progress=share)
        except (FloatingPointError, np.linalg.LinAlgError):
            if k == 0:
                task.notes.append(_NO_DRAWS)
                return []
            break
        if draws.effective < FEWEST:
            task.notes.append(
                f"The draws behind the intervals hang together: they are worth {draws.effective:.0f} independent ones."
            )
        draws = _put_right(p, draws)
        chains.append(Chain(p, draws, float(weight)))
    return chains


def _put_right(point: Point, draws: Draws) -> Draws:
    """Draws without what the filter's collapse displaces, and as much wider as that is not known."""
    moved, doubt = displacement(point, draws.beta.mean(0), np.exp(np.log(draws.spread).mean(0)))
    size, ways = np.linalg.eigh(doubt)
    noise = ndtri(even(np.random.default_rng(0), len(draws.beta), len(moved))).T * np.sqrt(size.clip(min=0.0))
    return replace(draws, beta=draws.beta - moved + noise @ ways.T)
