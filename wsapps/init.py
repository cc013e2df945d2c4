"""Initialisation of sinusoidal networks: SIREN's rule, and weight scaling.

Notation (Yeom, Lee & Lee, ICLR 2025): an l-layer sinusoidal neural field is

    Z0 = X,   Z_i = sigma_i(W_i Z_(i-1) + b_i)  for i < l,   f = W_l Z_(l-1) + b_l,
    sigma_1(x) = sin(omega_0 x),   sigma_i(x) = sin(omega_h x).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

# Layers whose weight may have two dimensions and is no matrix that inputs are multiplied by.
_NOT_AFFINE = (nn.Embedding, nn.EmbeddingBag, nn.LayerNorm, nn.RMSNorm)
_CONVOLUTIONS = nn.modules.conv._ConvNd
#: What weight_norm, spectral_norm and pruning of the older kind leave in the place of a weight.
_COMPUTED = ("weight_g", "weight_orig")


def siren_first_(weight: Tensor) -> Tensor:
    """First layer of a SIREN, in place: ``W_1 ~ U(-1/d_0, 1/d_0)``, d_0 the number of coordinates.

    Source: Sitzmann et al., NeurIPS 2020, section 3.2. ``weight`` is ``(d_1, d_0)``; the omega_0 of
    the sine that follows does the spreading over frequencies.
    """
    bound = 1.0 / weight.shape[1]
    with torch.no_grad():
        return weight.uniform_(-bound, bound)


def siren_hidden_(weight: Tensor, omega_hidden: float) -> Tensor:
    """Hidden and last layers of a SIREN, in place: ``W_i ~ U(-b, b)``, ``b = sqrt(6/d_(i-1)) / omega_h``.

    Source: Sitzmann et al., NeurIPS 2020, section 3.2 and theorem 1.8. ``weight`` is
    ``(d_i, d_(i-1))``. The last layer is drawn by the same rule, although no sine follows it.
    """
    bound = math.sqrt(6.0 / weight.shape[1]) / omega_hidden
    with torch.no_grad():
        return weight.uniform_(-bound, bound)


def siren_(module: nn.Module, omega_hidden: float) -> nn.Module:
    """Draw every weight of a sine network anew by SIREN's rule; biases keep what they have.

    Works on any module that :func:`weight_matrices` can read, in registration order.
    """
    weights = weight_matrices(module)
    siren_first_(weights[0])
    for weight in weights[1:]:
        siren_hidden_(weight, omega_hidden)
    return module


def weight_scaling_(module: nn.Module, alpha: float, last: nn.Module | None = None) -> nn.Module:
    """Weight scaling, in place: multiply every weight matrix but the last by ``alpha``.

    Applied to a network drawn by SIREN's rule this gives (Yeom et al., ICLR 2025)

        W_1 ~ U(-alpha/d_0, alpha/d_0)
        W_i ~ U(-alpha sqrt(6) / (omega_h sqrt(d_(i-1))), +)   1 < i < l
        W_l ~ U(-sqrt(6) / (omega_h sqrt(d_(l-1))), +)         not scaled

    Biases are not scaled either, as in the authors' script. It works on anybody's sine network:
    see :func:`weight_matrices` for what counts as a layer. Calling it twice scales twice.

    Args:
        module: the network, already initialised.
        alpha: the factor; 1 changes nothing, the paper's images use 2.5. Finite and positive.
        last: the output layer, where it is not the one registered last. It stays as it is.

    Raises:
        ValueError: alpha is not finite and positive, fewer than two layers were found, or ``last`` is not
            among them.
    """
    if not (math.isfinite(alpha) and alpha > 0):
        raise ValueError(f"alpha must be finite and positive, got {alpha}")
    weights = weight_matrices(module)
    if last is None:
        unscaled = weights[-1:]
    else:
        unscaled = weight_matrices(last, at_least=1)
        if not {id(weight) for weight in unscaled} <= {id(weight) for weight in weights}:
            raise ValueError(f"last ({type(last).__name__}) is no part of the {type(module).__name__} scaled")
    kept = {id(weight) for weight in unscaled}
    with torch.no_grad():
        for weight in weights:
            if id(weight) not in kept:
                weight.mul_(alpha)
    return module


def frequency_scaling_(module: nn.Module, gain: float) -> nn.Module:
    """Frequency scaling, in place: multiply the first weight matrix, and nothing else, by ``gain``.

    The rival of weight scaling in Yeom et al., ICLR 2025: it moves the frequencies of the
    first sines from omega_0 W_1 to gain omega_0 W_1. A larger omega_0 would multiply the bias as well.
    The first matrix is the one registered first, see :func:`weight_matrices`; calling it twice scales twice.

    Args:
        module: the network, already initialised.
        gain: the factor; 1 changes nothing. Finite and positive.

    Raises:
        ValueError: gain is not finite and positive, or fewer than two layers were found.
    """
    if not (math.isfinite(gain) and gain > 0):
        raise ValueError(f"frequency gain must be finite and positive, got {gain}")
    first = weight_matrices(module)[0]
    with torch.no_grad():
        first.mul_(gain)
    return module


def weight_matrices(module: nn.Module, at_least: int = 2) -> list[nn.Parameter]:
    """The weight matrices of a network's affine layers, in the order in which they are registered.

    A layer is any submodule with a parameter of its own called ``weight`` that acts as a matrix: two
    dimensions, or more whose trailing ones are 1 (1x1 convolutions). That covers ``nn.Linear``, and
    layers that keep ``weight`` and ``bias`` themselves, as siren-pytorch does. Embeddings and norms
    are passed over, and a weight shared by two layers counts once.

    Raises:
        ValueError: fewer than ``at_least`` such layers; or one whose weight is computed from other
            parameters (weight_norm, pruning), or is a convolution wider than 1, which would be left out
            silently.
    """
    found: dict[int, nn.Parameter] = {}
    for layer in module.modules():
        _refuse_other_matrices(layer)
        weight = layer._parameters.get("weight")
        if weight is None or isinstance(layer, _NOT_AFFINE):
            continue
        if weight.dim() >= 2 and all(size == 1 for size in weight.shape[2:]):
            found.setdefault(id(weight), weight)
    if len(found) < at_least:
        raise ValueError(
            f"expected a network of at least {at_least} affine layers, found {len(found)} in "
            f"{type(module).__name__}; a layer is a submodule with a 2-d parameter named 'weight'"
        )
    return list(found.values())


def _refuse_other_matrices(layer: nn.Module) -> None:
    parametrized = "weight" in getattr(layer, "parametrizations", {})
    if parametrized or any(name in layer._parameters for name in _COMPUTED):
        raise ValueError(
            f"the weight of {type(layer).__name__} is computed from other parameters (weight_norm, "
            f"spectral_norm, pruning or another parametrization); scale before it is applied"
        )
    if isinstance(layer, _CONVOLUTIONS) and any(size != 1 for size in layer.kernel_size):
        raise ValueError(f"{layer} is wider than 1: not an affine layer on the features of one point")
