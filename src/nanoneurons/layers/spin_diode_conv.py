"""Convolutions by chains of resonators, patch after patch or everywhere at once."""

from __future__ import annotations

import dataclasses
import math
from typing import Literal

import torch
from torch.nn import functional as F

from nanoneurons.circuits.rf_chain import RfChain
from nanoneurons.core.energy import Counts
from nanoneurons.core.errors import ParameterError, RefusedError
from nanoneurons.core.update import OuterProducts, Update
from nanoneurons.devices import State

from ._receptive_fields import ReceptiveFields, output_size, windows
from .binary import chip_conv2d
from .spin_diode import RfLayer, rf_chain

__all__ = ["SpinDiodeConv2d"]


class SpinDiodeConv2d(RfLayer):
    r"""Drop-in `nn.Conv2d` made of spin diodes: powers of pixels in W to voltages of chains in V.

    .. math:: V_{oyx} = \sum_i W_{(oyx)\,i}\,g(P_i) + b_o

    with the weights of `RfChain`. A kernel of K = in_channels k k weights is K resonances in Hz, the parameter
    `resonance`, ``(*chips, out, K)``, given at K reference tones, the frequency plan of K tones.

    ``layout="sequential"``: one chain of K resonators per output channel. The patches of the image come one after the
    other on those K tones, so *i* counts places in the patch and the layer is a convolution with one kernel, crosstalk
    included; padding is a tone without power.

    ``layout="parallel"``: every input pixel has a tone of its own, the frequency plan of in_channels h w tones in order
    of channel, row and column, and every output pixel and channel a chain of its own, all at work at once. A resonator
    stands at the tone of its pixel; weights are shared by shifting all resonators of one weight by the same share of
    their frequency, as one line per weight would. At the edge, resonators without a pixel are left out. In its two
    arrangements, ``listening="all"`` has one line with all tones along all chains, and ``listening="field"`` brings to
    a chain only the tones of its own field. With ``crosstalk=0`` of the circuit, every resonator hears its own pixel
    alone, as on a field line of its own; then both agree with the sequential layout.

    On a geometric plan without padding, nominal chains differ only by where they start in the plan, so their weights
    are computed once for all positions.

    Not modelled: how patches are stored and sent one after the other, delays. That a parallel network has two
    arrangements which tune shared weights together is read in the abstract of the source; which ones they are is not,
    so these are ours.

    Source: Leroux et al., arXiv:2111.04961 (2022), abstract.

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output.
        kernel_size: rows and columns of the square kernel.
        stride: pixels from one position of the kernel to the next.
        padding: rows and columns of nothing around the image.
        bias: voltage added to each channel.
        circuit: chains and their devices; `RfChain` of `SpinDiode` when not given.
        chips: number of chips side by side; the input is then ``(batch, in, h, w)``, the same for every chip, or
            ``(chips, batch, in, h, w)``, the output ``(chips, batch, out, h', w')``.
        seed: seed of the initial resonances and of the layer's own noise stream.
        layout: ``"sequential"`` or ``"parallel"``.
        listening: what reaches a chain of the parallel layout: ``"all"`` tones or those of its ``"field"``.
        image: height and width of the input; needed by the parallel layout and for `counts`.
        sources: what sends the tones: a clean ``"generator"``, or ``"oscillators"`` with their own spread.

    Raises:
        ParameterError: an unknown layout, a kernel larger than the image, a tone outside the tuning range.
    """

    fields: ReceptiveFields | None

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        stride: int = 1,
        padding: int = 0,
        bias: bool = True,
        *,
        circuit: RfChain | None = None,
        chips: int | None = None,
        seed: int = 0,
        layout: Literal["sequential", "parallel"] = "sequential",
        listening: Literal["all", "field"] = "all",
        image: tuple[int, int] | None = None,
        sources: Literal["generator", "oscillators"] = "generator",
    ) -> None:
        if layout not in ("sequential", "parallel"):
            raise ParameterError(f"layout must be 'sequential' or 'parallel', not {layout!r}")
        if listening not in ("all", "field"):
            raise ParameterError(f"listening must be 'all' or 'field', not {listening!r}")
        if layout == "parallel" and image is None:
            raise ParameterError("the parallel layout has chains for every pixel; give image=(height, width)")
        wired = rf_chain(circuit)
        fields = None
        if image is not None:
            output_size(image, kernel_size, stride, padding)
        if layout == "parallel" and image is not None:
            fields = ReceptiveFields.of(in_channels, image, kernel_size, stride, padding)
        centres = wired.tones(in_channels * kernel_size**2)
        super().__init__(
            out_channels, centres if fields is None else wired.tones(fields.count), centres, bias, wired, chips, seed,
            sources,
        )  # fmt: skip
        self.in_channels, self.out_channels, self.kernel_size = in_channels, out_channels, kernel_size
        self.stride, self.padding = stride, padding
        self.layout, self.listening, self.image, self.fields = layout, listening, image, fields

    def initial(self, weight_shape: tuple[int, ...], generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        """Resonances scattered by equal shares of their frequencies, biases around zero."""
        wired, centres = self._start
        channels, resonators = weight_shape
        share = torch.randn(weight_shape, generator=generator) * (wired.initial_shift / math.sqrt(resonators))
        offset = torch.randn(channels, generator=generator) * (wired.initial_bias / math.sqrt(channels))
        return centres.float() * (1 + share), offset

    @property
    def units(self) -> tuple[torch.Tensor, float]:  # type: ignore[override]
        """Half linewidth of every resonator in Hz, and a millivolt."""
        return self.chain.device.nominal_damping * self.centres, 1e-3

    # -- weights --------------------------------------------------------------------------------------

    def _matrix(self, state: State | None) -> torch.Tensor:
        """Weights in V/W: the kernel ``(*chips, out, K)``, or of all chains ``(*chips, out h' w', tones)``."""
        if self.fields is None:
            return super()._matrix(state)
        if self.listening == "all":
            return self._line(state)
        compact = self._field(state).transpose(-3, -2)  # (*chips, out, positions, K)
        pixels, present = self.fields.pixels.to(compact.device), self.fields.present.to(compact)
        dense = compact.new_zeros((*compact.shape[:-1], self.fields.count))
        return dense.scatter_add(-1, pixels.expand(compact.shape), compact * present).flatten(-3, -2)

    def _own(self, state: State | None) -> torch.Tensor:
        """Resonances in Hz of every chain, ``(*chips, out, positions, K)``."""
        wanted = self._spread(self.resonance)
        if state is None:
            return wanted
        nominal = state["nominal"]
        if self.fabricated:  # the value is what each was tuned to, the gradient that of the shared weight
            wanted = wanted + (nominal + state["shift"] - wanted).detach()
        return wanted + (nominal * state["deviation"]).to(wanted)

    def _spread(self, shared: torch.Tensor) -> torch.Tensor:
        """Frequencies or shifts at the reference tones, carried over to the tones of the pixels."""
        return shared.unsqueeze(-2) * (self._pixel_tones() / self.centres).to(shared)

    def _pixel_tones(self) -> torch.Tensor:
        assert self.fields is not None
        return self.tones[self.fields.pixels.to(self.tones.device)]

    def _line(self, state: State | None) -> torch.Tensor:
        assert self.fields is not None
        own = self._own(state).flatten(-3, -2)
        pixels, present = (
            t.to(own.device).repeat(self.out_channels, 1) for t in (self.fields.pixels, self.fields.present)
        )
        if state is None:
            return self.chain.matrix(own, self.tones, None, present, pixels)
        held = {name: state[name].flatten(-3, -2) for name in ("damping", "sensitivity")}
        return self.chain.matrix(own, state["tones"], held, present, pixels)

    def _field(self, state: State | None) -> torch.Tensor:
        """Weights of every chain for the tones of its field, ``(*chips, positions, out, K)``."""
        assert self.fields is not None
        own = self._own(state).transpose(-3, -2)
        pixels, present = (t.to(own.device) for t in (self.fields.pixels, self.fields.present))
        if state is None:
            return self.chain.matrix(own, self.tones[pixels], None, present.unsqueeze(-2))
        held = {name: state[name].transpose(-3, -2) for name in ("damping", "sensitivity")}
        return self.chain.matrix(own, state["tones"][..., pixels], held, present.unsqueeze(-2))

    @property
    def _alike(self) -> bool:
        """Whether nominal chains differ only by a factor in frequency."""
        return self.chain.plan == "geometric" and not self.padding

    def _steps(self, numbers: torch.Tensor) -> torch.Tensor:
        """Frequencies so many steps of the geometric plan above its first tone."""
        low, high, count = self.chain.band_low, self.chain.band_high, self.tones.shape[-1]
        step = math.log(high / low) / max(count - 1, 1)
        return (float(self.tones[0]) * torch.exp(step * numbers.double())).to(self.resonance)

    def _first_field(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Pixels of the first position, and the resonances of its chains."""
        assert self.fields is not None
        pixels = self.fields.pixels[0].to(self.resonance.device)
        return pixels, self.resonance * (self._steps(pixels) / self.centres)

    def _shared_line(self, seen: torch.Tensor) -> torch.Tensor:
        """Voltages of nominal chains on one line: weights depend on steps of the plan, pixel minus first pixel."""
        assert self.fields is not None and self.image is not None
        count = self.fields.count
        pixels, resonance = self._first_field()
        distance = torch.arange(1 - count, count, device=seen.device)
        own = (pixels + count - 1).expand(resonance.shape[-2:])
        weights = self.chain.matrix(resonance, self._steps(distance), None, None, own)
        steps = (self.stride * self.image[1], self.stride)
        chains = windows(weights.flatten(0, -2), count, self.fields.size, steps)
        chains = chains.reshape(*weights.shape[:-2], -1, count)
        return (seen.flatten(-3) @ chains.transpose(-2, -1)).unflatten(-1, (self.out_channels, -1))

    # -- product --------------------------------------------------------------------------------------

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Voltages in V of powers in W."""
        return self.weigh(x)

    def _voltage(self, seen: torch.Tensor, state: State | None) -> torch.Tensor:
        alike = state is None and self._alike
        if self.fields is None:
            return self._convolve(seen, self._matrix(state))
        if alike and self.listening == "field":
            pixels, resonance = self._first_field()
            return self._convolve(seen, self.chain.matrix(resonance, self._steps(pixels)))
        if alike:
            voltage = self._shared_line(seen)
        elif self.listening == "all":
            voltage = (seen.flatten(-3) @ self._line(state).transpose(-2, -1)).unflatten(-1, (self.out_channels, -1))
        else:
            images = seen.flatten(0, -4)
            patches = F.unfold(images, self.kernel_size, padding=self.padding, stride=self.stride)
            patches = patches.unflatten(0, seen.shape[:-3]).movedim(-1, -3)  # (..., positions, batch, K)
            voltage = torch.matmul(patches, self._field(state).transpose(-2, -1)).movedim(-3, -1)
        voltage = voltage.unflatten(-1, self.fields.size)
        return voltage if self.bias is None else voltage + self.bias[..., None, :, None, None]

    def _convolve(self, seen: torch.Tensor, matrix: torch.Tensor) -> torch.Tensor:
        kernel = matrix.unflatten(-1, (self.in_channels, self.kernel_size, self.kernel_size))
        if self.chips is None:
            return F.conv2d(seen, kernel, self.bias, self.stride, self.padding)
        return chip_conv2d(seen, kernel, self.bias, self.stride, self.padding)

    def _in_series(self) -> torch.Tensor:
        if self.fields is None:
            return super()._in_series()
        return self.fields.present.sum(-1).to(self.resonance).reshape(self.fields.size)

    def check_power(self, power: torch.Tensor) -> None:
        """Refuse images of the wrong size, and powers that are negative or not finite.

        Raises:
            ParameterError: says what is wrong and what is expected.
        """
        size, wanted = tuple(power.shape), "h, w" if self.image is None else f"{self.image[0]}, {self.image[1]}"
        axes = (4,) if self.chips is None else (4, 5)
        fits = len(size) in axes and size[-3] == self.in_channels and (self.image is None or size[-2:] == self.image)
        if not fits or (len(size) == 5 and size[0] != self.chips):
            raise ParameterError(
                f"{type(self).__name__} takes images (batch, {self.in_channels}, {wanted}), not shape {size}"
            )
        output_size((size[-2], size[-1]), self.kernel_size, self.stride, self.padding)
        self._check_values(power)

    # -- chips ----------------------------------------------------------------------------------------

    def _fabricated(self, chain: RfChain, generator: torch.Generator) -> State:
        if self.fields is None:
            return super()._fabricated(chain, generator)
        lead, (channels, resonators) = tuple(self.resonance.shape[:-2]), self.resonance.shape[-2:]
        shape = (*lead, channels, self.fields.positions, resonators)
        fed = self.sources == "oscillators"
        return chain.fabricate(shape, self._pixel_tones(), self.tones, fed, generator, lead)

    @torch.no_grad()
    def refresh(self, generator: torch.Generator | None = None) -> None:
        """Read the devices into `resonance`; in the parallel layout the mean over all that share a weight."""
        if self.fields is None:
            return super().refresh(generator)
        self._require()
        state, present = self.state, self.fields.present.to(self.resonance)
        share = (state["shift"] / state["nominal"] * present).sum(-2) / present.sum(-2)
        self.resonance.data = (self.centres * (1 + share)).to(self.resonance.dtype)

    @torch.no_grad()
    def program(self, target: torch.Tensor, generator: torch.Generator) -> None:
        """Tune to target resonances in Hz; in the parallel layout all that share a weight by the same share."""
        if self.fields is None:
            return super().program(target, generator)
        self._require()
        self.apply_update(Update(target - self.resonance), generator)

    @torch.no_grad()
    def apply_update(self, update: Update | OuterProducts, generator: torch.Generator) -> None:
        """Hand a wanted change to the circuit; in the parallel layout every resonator of a weight gets its share."""
        if self.fields is not None and isinstance(update, Update):
            change = self._spread(update.change) * self.fields.present.to(update.change)
            update = dataclasses.replace(update, change=change)
        super().apply_update(update, generator)

    @property
    def products(self) -> None:
        """None: a kernel of resonances looks like the matrix of a dense layer."""
        return None

    def counts(self) -> Counts:
        """Events of one image, one chip: every chain read at every position.

        Raises:
            RefusedError: the size of the image is not known.
        """
        if self.image is None:
            raise RefusedError("the readings per image depend on its size; give image=(height, width) to the layer")
        if self.fields is not None:
            return self.chain.inference(self.out_channels, int(self.fields.present.sum()))
        height, width = output_size(self.image, self.kernel_size, self.stride, self.padding)
        return self.chain.inference(*self.resonance.shape[-2:]) * (height * width)

    def counts_of(self, x: torch.Tensor) -> Counts:
        """Events of one image, one chip, under powers like those of `x` in W, as kernels meet them."""
        met = F.unfold(x.double().flatten(0, -4), self.kernel_size, padding=self.padding, stride=self.stride)
        resonators = met[0].numel() if self.fields is None else int(self.fields.present.sum())
        return self.chain.under_power(self.counts(), float(met.sum()) / (len(met) * resonators))

    def extra_repr(self) -> str:
        heard = f", listening={self.listening}" if self.fields is not None else ""
        return (
            f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}, "
            f"padding={self.padding}, layout={self.layout}{heard}, chips={self.chips}"
        )
