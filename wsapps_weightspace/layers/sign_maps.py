"""Maps that are even or odd in some of their arguments: what flips of neurons allow.

Source: the sign case of Kalogeropoulos et al., Scale equivariant graph metanetworks, NeurIPS 2024:
Inv(x) = phi(rho(x) + rho(-x)) and Eq(x) = (Gamma x) * Inv(x), Gamma without a bias.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class EvenUnits(nn.Module):
    """``(..., C)`` to ``(..., out)``, the same for x and -x: rho(x) + rho(-x) for rho(x) = silu(W x + a).

    W x is computed once. The affine map that would follow in rho belongs to what reads the units.
    """

    def __init__(self, channels: int, out: int):
        super().__init__()
        self.weight = nn.Linear(channels, out, bias=False)
        self.threshold = nn.Parameter(0.5 * torch.randn(out))

    def forward(self, x: Tensor) -> Tensor:
        y = self.weight(x)
        return F.silu(self.threshold + y) + F.silu(self.threshold - y)


class OddNorm(nn.Module):
    """``x / sqrt(1 + mean square of x)`` over the channels, times a learned factor for each: odd and bounded.

    LayerNorm's bias would not be odd, and a division by the size alone would tear at 0, where the sine of a
    small phase changes its sign.
    """

    def __init__(self, channels: int):
        super().__init__()
        self.factor = nn.Parameter(torch.ones(channels))

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.rsqrt(1 + x.square().mean(dim=-1, keepdim=True)) * self.factor


class SignUpdate(nn.Module):
    """New odd and even features of a node from its own and from messages.

        units = silu(U cat(even, Inv(odd, odd messages), even messages))
        even' = even + V units
        odd'  = odd + Gamma cat(odd, odd messages) * (1 + V' units)

    Args:
        features: odd ones of a node, and as many even ones.
        odd_messages: channels of the messages that change their sign with ``odd``.
        even_messages: channels of those that never do.
    """

    def __init__(self, features: int, odd_messages: int, even_messages: int = 0):
        super().__init__()
        odd = features + odd_messages
        self.norm_odd, self.norm_even = OddNorm(features), nn.LayerNorm(features)
        self.invariant = EvenUnits(odd, features)
        self.units = nn.Linear(2 * features + even_messages, 2 * features)
        self.output = nn.Linear(2 * features, 2 * features)
        self.gamma = nn.Linear(odd, features, bias=False)

    def forward(
        self, odd: Tensor, even: Tensor, odd_messages: Tensor, even_messages: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        seen = torch.cat([self.norm_odd(odd), odd_messages], dim=-1)
        parts = [self.norm_even(even), self.invariant(seen)]
        if even_messages is not None:
            parts.append(even_messages)
        units = F.silu(self.units(torch.cat(parts, dim=-1)))
        change, gate = self.output(units).chunk(2, dim=-1)
        return odd + self.gamma(seen) * (1 + gate), even + change
