"""Input statistics of a dataset: per layer, which keeps symmetries, and per entry, which does not.

Shape suffixes: N fields, P parameters of one field, L affine layers.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from wsapps_weightspace.layers.weight_features import WeightFeatures
from wsapps_weightspace.weights import Architecture, FieldWeights

_LEAST = 1e-8  # a layer of zeros, as biases drawn as zeros and never trained are


class LayerScale(nn.Module):
    """Divides the weights of each layer, and its biases, by one number each: their root mean square.

    One number a layer commutes with permutations, and a factor without a shift with signs. Entry-wise
    statistics, as published code has them, do not: neuron 3 of one field and of another have nothing in
    common. Until :meth:`fit` is called the numbers are 1; they are buffers, saved with the model.
    """

    weight_scale_L: Tensor
    bias_scale_L: Tensor

    def __init__(self, architecture: Architecture):
        super().__init__()
        self.register_buffer("weight_scale_L", torch.ones(architecture.layers))
        self.register_buffer("bias_scale_L", torch.ones(architecture.layers))

    def fit(self, fields: FieldWeights) -> None:
        """Take the numbers from these fields."""
        for layer, (w, b) in enumerate(fields):
            self.weight_scale_L[layer] = w.square().mean().sqrt().clamp_min(_LEAST)
            self.bias_scale_L[layer] = b.square().mean().sqrt().clamp_min(_LEAST)

    def forward(self, fields: FieldWeights) -> FieldWeights:
        weights = tuple(w / self.weight_scale_L[layer] for layer, w in enumerate(fields.weights))
        biases = tuple(b / self.bias_scale_L[layer] for layer, b in enumerate(fields.biases))
        return FieldWeights(weights, biases)


class EntryStandardisation(nn.Module):
    """Subtracts from each of P numbers its mean over the dataset and divides by its deviation: ``(N, P)``.

    Not equivariant to anything; right where an entry means the same in every row, as with a shared init or
    after alignment.
    """

    mean_P: Tensor
    deviation_P: Tensor

    def __init__(self, parameters: int):
        super().__init__()
        self.register_buffer("mean_P", torch.zeros(parameters))
        self.register_buffer("deviation_P", torch.ones(parameters))

    def fit(self, flat_NP: Tensor) -> None:
        """Take mean and deviation from these rows."""
        self.mean_P.copy_(flat_NP.mean(dim=0))
        deviation_P = flat_NP.std(dim=0, correction=0)
        self.deviation_P.copy_(torch.where(deviation_P > _LEAST, deviation_P, 1.0))

    def forward(self, flat_NP: Tensor) -> Tensor:
        return (flat_NP - self.mean_P) / self.deviation_P


class ChannelNorm(nn.Module):
    """LayerNorm over the channels of each entry, another one for each layer's weights and biases."""

    def __init__(self, architecture: Architecture, channels: int):
        super().__init__()
        self.weights = nn.ModuleList(nn.LayerNorm(channels) for _ in range(architecture.layers))
        self.biases = nn.ModuleList(nn.LayerNorm(channels) for _ in range(architecture.layers))

    def forward(self, features: WeightFeatures) -> WeightFeatures:
        return WeightFeatures(
            tuple(norm(w) for norm, w in zip(self.weights, features.weights, strict=True)),
            tuple(norm(b) for norm, b in zip(self.biases, features.biases, strict=True)),
        )
