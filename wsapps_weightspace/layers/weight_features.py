"""Features on the weights of fields, with a last dimension of channels."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class WeightFeatures:
    """``weights[l]`` is ``(B, I, O, C)`` and ``biases[l]`` is ``(B, O, C)``: C numbers an edge and a node.

    A permutation of the neurons permutes the entries of I and O; channels are never mixed up with them.
    """

    weights: tuple[Tensor, ...]
    biases: tuple[Tensor, ...]

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        return iter(zip(self.weights, self.biases, strict=True))

    def __len__(self) -> int:
        return len(self.weights)

    def map(self, function: Callable[[Tensor], Tensor]) -> WeightFeatures:
        """The same function on the channels of every edge and node."""
        return WeightFeatures(
            tuple(function(w) for w in self.weights), tuple(function(b) for b in self.biases)
        )

    def __add__(self, other: WeightFeatures) -> WeightFeatures:
        return WeightFeatures(
            tuple(a + b for a, b in zip(self.weights, other.weights, strict=True)),
            tuple(a + b for a, b in zip(self.biases, other.biases, strict=True)),
        )


def permute(features: WeightFeatures, sources: list[Tensor]) -> WeightFeatures:
    """Features after a permutation of each hidden layer: neuron k is what ``sources[layer][:, k]`` was.

    Args:
        sources: ``(B, H)`` int64 for each hidden layer.
    """
    weights, biases = list(features.weights), list(features.biases)
    for layer, source_BH in enumerate(sources):
        w, b, u = weights[layer], biases[layer], weights[layer + 1]
        weights[layer] = w.gather(2, source_BH[:, None, :, None].expand_as(w))
        biases[layer] = b.gather(1, source_BH[:, :, None].expand_as(b))
        weights[layer + 1] = u.gather(1, source_BH[:, :, None, None].expand_as(u))
    return WeightFeatures(tuple(weights), tuple(biases))
