r"""From a voltage in time to powers of tones, and to what chains of resonators rectify of it.

A signal :math:`s(t)` in V over a matched load R carries at frequency f the power

.. math::
    P(f) = \frac{2|c(f)|^2}{R}, \qquad c(f) = \frac{\sum_n w_n\,s_n\,e^{-2\pi i f t_n}}{\sum_n w_n}

(w: window), which is :math:`A^2/2R` for a tone of amplitude A. A chain needs no such measurement: it answers to the
whole signal, and its dc voltage is the sum over all bins of the periodogram,

.. math::
    V_j = \sum_{bins\ f} P(f)\,G_j(f) + b_j

with the weights of `RfChain` at the bins as tones. This is the time average of the signal times the oscillation of the
resistance it drives, for a linear resonance of one mode, :math:`\dot c = -(i\omega_r + \Gamma)c + F s`,
:math:`\Gamma = \alpha\omega_r`, in the rotating-wave approximation: what that leaves out is
:math:`2\Gamma/(\omega + \omega_r)` of a full weight, about :math:`\alpha`. Different tones do not mix into the
average; they beat, which a reading longer than the beats does not see.

Not modelled: the counter-rotating part, the transient (a signal repeats itself), compression that acts on the whole
signal, harmonics, reflections.

Source: Parseval's theorem; for the line see `physics.spin_diode`.
"""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import nn

from nanoneurons.circuits.rf_chain import RfChain
from nanoneurons.core.errors import ParameterError, RefusedError

from .spin_diode import RfLayer, rf_chain

__all__ = ["PowerSpectrum", "SignalLinear", "Window", "periodogram"]

Window = Literal["rectangular", "hann"]
_ON_BIN = 1e-9  # distance of a tone from a bin, in bins, below which they are the same
_LOBE = {"rectangular": 1.0, "hann": 2.0}  # distance of tones in bins from which a window tells them apart


def periodogram(signal: torch.Tensor, resistance: float = 50.0, window: Window = "rectangular") -> torch.Tensor:
    r"""Power in W in every bin k f_s/N from 0 to half the sample rate, ``(..., N // 2 + 1)``, of a signal in V.

    .. math:: P_k = \frac{m_k}{R}\,\frac{|\sum_n w_n s_n e^{-2\pi i k n/N}|^2}{N \sum_n w_n^2}, \qquad m_k = 2

    (1 at 0 and at half the sample rate). The bins add up to the mean power of the windowed signal over that of the
    window: exactly :math:`\overline{s^2}/R` without one.
    """
    samples = signal.shape[-1]
    w = _window(window, samples, signal)
    found = torch.fft.rfft(signal * w).abs().square()
    sides = torch.full((found.shape[-1],), 2.0, dtype=signal.dtype, device=signal.device)
    sides[0] = 1.0
    if samples % 2 == 0:
        sides[-1] = 1.0
    return found * (sides / (resistance * samples * w.square().sum()))


class PowerSpectrum(nn.Module):
    """Power in W of given tones in a signal in V: a receiver in front of layers that take powers.

    Tones on bins of the signal's length are read from one FFT, others are projected out one by one; both are the same
    sum. Signal ``(*chips or none, batch, samples)``, power ``(*chips or none, batch, tones)``; differentiable.

    Args:
        sample_rate: Hz.
        frequencies: tones in Hz, ``(tones,)``, below half the sample rate.
        resistance: load in ohm that takes the signal up.
        window: ``"rectangular"``, exact where the signal holds whole periods of all tones, or ``"hann"``, which keeps
            the tones of other signals from leaking into each other, and tells apart half as many.

    Raises:
        ParameterError: no tones, tones that cannot be sampled, or resistance or rate that is not positive; when
            called: a signal that is not finite or too short to tell the tones apart.
    """

    frequencies: torch.Tensor

    def __init__(
        self,
        sample_rate: float,
        frequencies: torch.Tensor,
        resistance: float = 50.0,
        window: Window = "rectangular",
    ) -> None:
        super().__init__()
        _check_receiver(sample_rate, resistance, window)
        tones = torch.as_tensor(frequencies, dtype=torch.float64).detach().clone()
        if tones.dim() != 1 or not len(tones):
            raise ParameterError(f"frequencies must be a list of tones in Hz, not of shape {tuple(tones.shape)}")
        for index, f in enumerate(tones.tolist()):
            if not 0 < f < sample_rate / 2:  # also True for NaN
                raise ParameterError(
                    f"tone {index} at {f:g} Hz is not below half of the sample rate {sample_rate:g} Hz; "
                    "sample faster, or mix the band down first"
                )
        # Two tones, or a tone and its mirror image at negative frequency, must be told apart.
        gaps = torch.cat([tones.sort().values.diff(), 2 * tones.min()[None], sample_rate - 2 * tones.max()[None]])
        self.closest = float(gaps.min())
        if self.closest <= 0:
            raise ParameterError("two tones have one frequency; give distinct frequencies")
        self.sample_rate, self.resistance = sample_rate, resistance
        self.window: Window = window
        self.register_buffer("frequencies", tones, persistent=False)
        self._waves: tuple[object, torch.Tensor] | None = None

    @property
    def least_samples(self) -> int:
        """Samples that a signal needs for its tones to be told apart."""
        return math.ceil(_LOBE[self.window] * self.sample_rate / self.closest - 1e-6)

    def forward(self, signal: torch.Tensor) -> torch.Tensor:
        """Power in W of every tone."""
        _check_signal(signal, type(self).__name__)
        samples = signal.shape[-1]
        if samples < self.least_samples:
            raise ParameterError(
                f"PowerSpectrum: {samples} samples are too short for tones {self.closest:g} Hz apart; give "
                f"{self.least_samples} samples or more, or fewer tones"
            )
        w = _window(self.window, samples, signal)
        bins = self.frequencies.double() * (samples / self.sample_rate)
        if bool(((bins - bins.round()).abs() < _ON_BIN).all()):
            found = torch.fft.rfft(signal * w)[..., bins.round().long().to(signal.device)]
            square = found.real.square() + found.imag.square()
        else:
            square = (signal @ self._projection(samples, w)).square()
            square = square.unflatten(-1, (2, -1)).sum(-2)
        return square * (2 / (self.resistance * float(w.double().sum()) ** 2))

    def _projection(self, samples: int, w: torch.Tensor) -> torch.Tensor:
        """Windowed cosines and sines, ``(samples, 2 tones)``, kept for signals of the same length."""
        key = (samples, w.dtype, w.device)
        if self._waves is None or self._waves[0] != key:
            time = torch.arange(samples, dtype=torch.float64, device=w.device) / self.sample_rate
            turns = torch.outer(time, self.frequencies.to(time))
            phase = 2 * math.pi * (turns - turns.round())
            both = torch.cat([phase.cos(), phase.sin()], 1)
            self._waves = key, (w.double().unsqueeze(1) * both).to(w.dtype)
        return self._waves[1]

    def extra_repr(self) -> str:
        return f"{len(self.frequencies)} tones, {self.sample_rate:g} Hz, {self.resistance:g} ohm, {self.window}"


class SignalLinear(RfLayer):
    """Chains of resonators fed by a signal in V: their dc voltages, ``(*chips or none, batch, out_features)``.

    Every bin of the signal's periodogram that the line passes is a tone to every resonator; see the head of this module
    for the equation. Signal ``(batch, samples)``, the same for every chip, or ``(chips, batch, samples)``.

    Args:
        samples: length of the signals; their bins are ``sample_rate / samples`` apart.
        out_features: chains.
        sample_rate: Hz.
        resonators: resonances of a chain as planned in Hz, or how many the circuit's frequency plan has.
        bias: voltage added to each chain.
        circuit: chains and their devices; `RfChain` of `SpinDiode` when not given. The detector must follow a square
            law: another one would depend on how finely the signal is cut into bins.
        resistance: impedance of the line in ohm.
        window: as of `PowerSpectrum`; ``"hann"`` for signals that do not hold whole periods.
        line: lowest and highest frequency in Hz that the line passes; the range of the resonators when not given.
        chips: chips side by side.
        seed: seed of the initial resonances and of the layer's own noise stream.

    Raises:
        ParameterError: a resonator out of range or above half the sample rate, a signal too short to resolve the
            narrowest resonance, not finite, or of another length.
        RefusedError: the detector does not follow a square law, or crosstalk is switched off.
    """

    def __init__(
        self,
        samples: int,
        out_features: int,
        *,
        sample_rate: float,
        resonators: torch.Tensor | int,
        bias: bool = True,
        circuit: RfChain | None = None,
        resistance: float = 50.0,
        window: Window = "rectangular",
        line: tuple[float, float] | None = None,
        chips: int | None = None,
        seed: int = 0,
    ) -> None:
        wired = rf_chain(circuit)
        _check_receiver(sample_rate, resistance, window)
        centres = wired.tones(resonators) if isinstance(resonators, int) else torch.as_tensor(resonators).double()
        _check_detector(wired)
        _check_length(samples, sample_rate, centres, wired.device.nominal_damping)
        low, high = line or wired.device.frequency_range()
        bins = torch.arange(samples // 2 + 1, dtype=torch.float64) * (sample_rate / samples)
        kept = (bins >= low) & (bins <= high) & (bins > 0)
        if not bool(kept.any()):
            raise ParameterError(f"no bin of the signal lies between {low:g} and {high:g} Hz; widen the line")
        super().__init__(out_features, bins[kept], centres, bias, wired, chips, seed)
        self.samples, self.out_features, self.sample_rate = samples, out_features, sample_rate
        self.resistance = resistance
        self.window: Window = window
        self.first = int(kept.nonzero()[0])

    def forward(self, signal: torch.Tensor) -> torch.Tensor:
        """Voltages in V of signals in V."""
        name = type(self).__name__
        _check_signal(signal, name)
        if signal.shape[-1] != self.samples:
            raise ParameterError(
                f"{name} takes {self.samples} samples, but the signal has shape {tuple(signal.shape)}; "
                f"give (batch, {self.samples})"
            )
        power = periodogram(signal, self.resistance, self.window)
        return self.weigh(power[..., self.first : self.first + len(self.tones)])

    def extra_repr(self) -> str:
        return (
            f"{self.samples} samples, {self.out_features}, sample_rate={self.sample_rate:g}, "
            f"resonators={self.resonance.shape[-1]}, bias={self.bias is not None}, chips={self.chips}"
        )


def _check_detector(wired: RfChain) -> None:
    probe = torch.tensor([0.0, 1e-9, 1e-6, 1e-3], dtype=torch.float64)
    if not torch.allclose(wired.device.detected(probe), probe, rtol=1e-12, atol=0.0):
        raise RefusedError(
            "a signal is weighed bin by bin, which needs a detector that follows a square law; give a device without "
            "power law and compression, or measure the tones by PowerSpectrum first"
        )
    if wired.crosstalk != 1:
        raise RefusedError("every resonator hears every bin of a signal; leave crosstalk at 1")


def _check_length(samples: int, sample_rate: float, centres: torch.Tensor, damping: float) -> None:
    low, high = float(centres.min()), float(centres.max())
    if not high * (1 + damping) < sample_rate / 2:
        raise ParameterError(
            f"a resonator at {high:g} Hz needs a sample rate above {2 * high * (1 + damping):g} Hz, not {sample_rate:g}"
        )
    least = math.ceil(sample_rate / (damping * low) - 1e-6)
    if samples < least:
        raise ParameterError(
            f"{samples} samples last {samples / sample_rate:.3g} s, too short for a half linewidth of "
            f"{damping * low:g} Hz at {low:g} Hz; give {least} samples or more"
        )


def _check_receiver(sample_rate: float, resistance: float, window: str) -> None:
    for name, value, unit in (("sample_rate", sample_rate, "Hz"), ("resistance", resistance, "ohm")):
        if not 0 < value < math.inf:
            raise ParameterError(f"{name} = {value:g} {unit} must be positive and finite")
    if window not in _LOBE:
        raise ParameterError(f"window must be 'rectangular' or 'hann', not {window!r}")


def _check_signal(signal: torch.Tensor, name: str) -> None:
    if signal.dim() < 2 or not signal.dtype.is_floating_point:
        raise ParameterError(
            f"{name}: a signal is (batch, samples) of real numbers in V, not {signal.dtype} of shape "
            f"{tuple(signal.shape)}"
        )
    if not bool(torch.isfinite(signal).all()):
        raise ParameterError(f"{name}: the signal holds NaN or infinite samples; give voltages in V")


def _window(window: Window, samples: int, like: torch.Tensor) -> torch.Tensor:
    if window == "rectangular":
        return torch.ones(samples, dtype=like.dtype, device=like.device)
    return torch.hann_window(samples, dtype=like.dtype, device=like.device)
