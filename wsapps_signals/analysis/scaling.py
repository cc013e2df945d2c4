"""The two ways to scale an initialisation that are compared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from wsapps.fields import SinusoidalConfig

Kind = Literal["weights", "frequency"]
KINDS: tuple[Kind, ...] = ("weights", "frequency")
WORDS = {"weights": "weight scaling", "frequency": "frequency scaling"}
SYMBOLS = {"weights": "alpha", "frequency": "gain"}


@dataclass(frozen=True)
class Scaling:
    """A kind of scaling and its factor; 1 is SIREN in both.

    ``weights`` multiplies the matrices of all layers but the last by alpha, ``frequency`` the first one
    alone.
    """

    kind: Kind
    factor: float

    @property
    def name(self) -> str:
        """For folders and keys: ``weights_2.5``, and ``siren`` where the factor is 1."""
        return "siren" if self.factor == 1 else f"{self.kind}_{self.factor:g}"

    @property
    def label(self) -> str:
        """For legends: ``alpha 2.5``, ``gain 2.5``."""
        return f"{SYMBOLS[self.kind]} {self.factor:g}"

    def of(self, method: SinusoidalConfig) -> SinusoidalConfig:
        """The settings of a field with this scaling and everything else as given."""
        alpha, gain = (self.factor, 1.0) if self.kind == "weights" else (1.0, self.factor)
        return replace(method, alpha=alpha, frequency_gain=gain)


def scalings(factors: Sequence[float], kind: Kind) -> list[Scaling]:
    """One kind at each factor, ascending, SIREN first."""
    return [Scaling(kind, factor) for factor in sorted({1.0, *factors})]


def all_scalings(factors: Sequence[float]) -> list[Scaling]:
    """Both kinds at each factor; SIREN, which belongs to both, once."""
    return [*scalings(factors, "weights"), *(s for s in scalings(factors, "frequency") if s.factor != 1)]
