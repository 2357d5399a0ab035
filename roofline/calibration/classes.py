"""Classes of layers whose kernels are alike, and the fit of their factors to times of layers of several models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from roofline.calibration.fit import KNEE, band, determined
from roofline.calibration.record import ANY_CLASS, Band, ClassFactors, Coefficient, TimeFit
from roofline.counting import LayerCount
from roofline.model import predicted

Array = NDArray[np.float64]
_MIDDLES = np.log([1.5, 1.5, 5e-6])
"""Prior: 1.5 times slower than the ceilings, 5 us per kernel."""
_WIDTHS = np.array([0.7, 0.7, 1.5])
_ROBUST = 0.3
_WEAK = 0.1
_FEW_CHANNELS = 4


class Profile(NamedTuple):
    """One model as it was measured layer by layer, and what its roofline says of the same layers."""

    workload: str
    classes: tuple[str, ...]
    """Class of each layer."""
    compute_s: Array
    """(layers,)."""
    memory_s: Array
    """(layers,)."""
    blocks: tuple[tuple[tuple[int, ...], float], ...]
    """Layers that were measured as one, and their time."""
    time_s: float
    """The whole run."""


def layer_class(layer: LayerCount) -> str:
    """Return the class of a layer: its op class, some by what their kernels do.

    ``batch normalization``: at inference a scale and an offset per channel, where other normalizations reduce first.
    ``convolution 1x1``, ``convolution depthwise``, ``convolution stem`` (up to four input channels: a matrix unit is
    hardly filled) and ``convolution``.
    """
    if layer.node.op_type == "BatchNormalization":
        return "batch normalization"
    if layer.op_class != "convolution":
        return layer.op_class
    weight = layer.node.input(1)
    shape = weight.shape if weight is not None else None
    if shape is None or len(shape) < 3:
        return layer.op_class
    group = layer.node.attributes.get("group", 1)
    if group > 1 and shape[1] == 1:
        return "convolution depthwise"
    if int(np.prod(shape[2:])) == 1:
        return "convolution 1x1"
    return "convolution stem" if shape[1] * group <= _FEW_CHANNELS else "convolution"


def fit_classes(profiles: Sequence[Profile]) -> TimeFit:
    """Fit compute factor, memory factor and time per kernel of each class to measured layers; robust, weak priors.

    A block's weight is its share of its model's time. Times of layers are scaled down where they add up to more than
    the whole run. The knee is 2: t = hypot(a*C, b*M) + k.
    """
    from scipy.optimize import least_squares

    names = sorted({name for profile in profiles for name in profile.classes})
    place = {name: i for i, name in enumerate(names)}
    middles, widths = np.repeat(_MIDDLES, len(names)), np.repeat(_WIDTHS, len(names))
    layers = _Layers(profiles, place)

    def residual(x: Array) -> Array:
        return np.concatenate([layers.weight * layers.logs(x), _WEAK * (x - middles) / widths])

    def jacobian(x: Array) -> Array:
        return np.concatenate([layers.weight[:, None] * layers.slopes(x), np.diag(_WEAK / widths)])

    found = least_squares(residual, middles, jacobian, loss="soft_l1", f_scale=_ROBUST, max_nfev=60).x
    standing = np.array(determined(layers.logs, found, widths)).reshape(3, -1)
    values = np.exp(found).reshape(3, -1)
    classes = {
        name: ClassFactors(*(
            Coefficient(float(values[row, i]), "fitted" if standing[row, i] else "not determined") for row in range(3)
        ))
        for name, i in place.items()
    }  # fmt: skip
    classes[ANY_CLASS] = ClassFactors(*(Coefficient(float(v), "prior") for v in np.exp(_MIDDLES)))
    return TimeFit(Coefficient(KNEE, "prior"), Coefficient(0.0, "prior"), MappingProxyType(classes), Band(1, 1), 0.0)


class _Layers:
    """All measured layers of several models in one row, and what log-factors (3 x classes) make of their blocks."""

    def __init__(self, profiles: Sequence[Profile], place: Mapping[str, int]) -> None:
        compute: list[float] = []
        memory: list[float] = []
        which: list[int] = []
        block: list[int] = []
        target: list[float] = []
        weight: list[float] = []
        for profile in profiles:
            total = sum(time for _, time in profile.blocks)
            # profiling slows a run down: its layers add up to more than the run that was not profiled
            scale = min(1.0, profile.time_s / total)
            for layers, time in profile.blocks:
                index = list(layers)
                compute += list(profile.compute_s[index])
                memory += list(profile.memory_s[index])
                which += [place[profile.classes[i]] for i in index]
                block += [len(target)] * len(index)
                target.append(time * scale)
                weight.append(time / total)
        self.compute, self.memory = np.array(compute), np.array(memory)
        self.which, self.block, self.target = np.array(which), np.array(block), np.array(target)
        self.weight = np.sqrt(np.array(weight))
        """Of each block: its share of its model's time; a square root, for residuals are squared."""

    def logs(self, x: Array) -> Array:
        """Return log(predicted/measured) of each block."""
        _, _, time = self._parts(x)
        return np.asarray(np.log(np.bincount(self.block, time.sum(axis=0), len(self.target)) / self.target))

    def slopes(self, x: Array) -> Array:
        """Return the derivatives of `logs`, (blocks, 3 x classes)."""
        compute, memory, (both, kernel) = self._parts(x)
        total = np.bincount(self.block, both + kernel, len(self.target))
        found = np.zeros((len(self.target), 3, len(x) // 3))
        both = np.maximum(both, 1e-300)
        for row, part in enumerate((compute**2 / both, memory**2 / both, kernel)):
            np.add.at(found[:, row], (self.block, self.which), part / total[self.block])
        return found.reshape(len(self.target), -1)

    def _parts(self, x: Array) -> tuple[Array, Array, Array]:
        compute, memory, kernel = np.exp(x).reshape(3, -1)[:, self.which]
        compute, memory = compute * self.compute, memory * self.memory
        return compute, memory, np.stack([np.hypot(compute, memory), kernel])


def layer_times(fit: TimeFit, profile: Profile) -> Array:
    """Return the predicted time of every layer of a model, (layers,), s; the host's time of a run is in none."""
    factors = [fit.classes.get(name, fit.classes[ANY_CLASS]) for name in profile.classes]
    columns = np.array([[f.compute.value, f.memory.value, f.kernel_s.value] for f in factors]).T
    return _times(profile, np.arange(len(factors)), columns)


def model_time(fit: TimeFit, profile: Profile) -> float:
    """Return the predicted time of a whole model, s."""
    return float(layer_times(fit, profile).sum()) + fit.host_s.value


def _times(profile: Profile, index: NDArray[np.intp], values: Array) -> Array:
    compute, memory, kernel = values[:, index]
    found = predicted.layer_times(profile.compute_s[None, :], profile.memory_s[None, :], compute, memory, kernel, KNEE)
    return np.asarray(found[0])


def across_models(profiles: Sequence[Profile]) -> tuple[TimeFit, Mapping[str, float]]:
    """Return the fit to all models, its band and error of models left out one by one; and what those came out at.

    Raises:
        ValueError: fewer than three models.
    """
    left_out = {
        profile.workload: model_time(fit_classes([p for p in profiles if p is not profile]), profile)
        for profile in profiles
    }
    ratio = np.array([profile.time_s / left_out[profile.workload] for profile in profiles])
    fit = fit_classes(profiles)
    return fit._replace(band=band(np.log(ratio)), error=float(np.abs(1 / ratio - 1).mean())), left_out
