"""Sets of nodes with the edges between neighbouring sets, and the linear layer that permutations allow.

This is the common ground of NFN and DWS. Nodes of a layer are a set; each has features of its own, and each
pair of nodes of neighbouring layers has an edge. What a layer does to permutations inside the sets, it does
to its output: it mixes an entry's own channels with pooled rows, columns and totals.

Shape suffixes: B fields, S sets, n nodes of a set, C channels, G global features.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

Pool = Literal["mean", "max"]


@dataclass(frozen=True)
class SetGraph:
    """``nodes[s]`` is ``(B, n_s, C_s)``, ``edges[s]`` is ``(B, n_s, n_(s+1), C)``, ``whole`` is ``(B, G)``.

    C_s and G may be 0.
    """

    nodes: tuple[Tensor, ...]
    edges: tuple[Tensor, ...]
    whole: Tensor


@dataclass(frozen=True)
class Channels:
    """Channels of a :class:`SetGraph`: of the nodes of each set, of all edges, of the whole."""

    nodes: tuple[int, ...]
    edges: int
    whole: int


class SetGraphLinear(nn.Module):
    """Affine maps of entries, pooled rows, columns and totals to entries, equivariant to permutations.

    With the context of a node, ctx_s = cat(pool of its incoming edges, itself, pool of its outgoing edges),
    and g = cat(pools of all sets, pools of all edges, whole):

        edge'(i, j) = A edge(i, j) + R ctx_s(i) + C ctx_(s+1)(j) + G g
        node'(i)    = N ctx_s(i) + G' g
        whole'      = G'' g

    each with maps of its own for every set. With means this is the linear layer of Zhou et al. (NeurIPS
    2023); maxima, as in Navon et al. (ICML 2023), are not linear and as equivariant.

    Args:
        before, after: channels of input and output.
        pool: over rows, columns and sets.
    """

    def __init__(self, before: Channels, after: Channels, pool: Pool = "mean"):
        super().__init__()
        self.after, self.pool = after, pool
        sets = len(before.nodes)
        context = [c + before.edges * ((s > 0) + (s < sets - 1)) for s, c in enumerate(before.nodes)]
        total = sum(before.nodes) + before.edges * (sets - 1) + before.whole
        self.edge = nn.ModuleList(nn.Linear(before.edges, after.edges) for _ in range(sets - 1))
        self.edge_source = nn.ModuleList(nn.Linear(c, after.edges, bias=False) for c in context[:-1])
        self.edge_target = nn.ModuleList(nn.Linear(c, after.edges, bias=False) for c in context[1:])
        # Identity for sets whose nodes have no channels, as inputs have no bias.
        self.node = nn.ModuleList(
            nn.Linear(c, out) if out else nn.Identity() for c, out in zip(context, after.nodes, strict=True)
        )
        # One product for what g gives to all parts.
        self._sizes = [*after.nodes, *[after.edges] * (sets - 1), after.whole]
        self.total = nn.Linear(total, sum(self._sizes))

    def forward(self, graph: SetGraph) -> SetGraph:
        sets = len(graph.nodes)
        contexts, pools = self._context(graph)
        from_total = self.total(torch.cat([*pools, graph.whole], dim=-1)).split(self._sizes, dim=-1)
        nodes = tuple(
            self.node[s](contexts[s]) + from_total[s][:, None] if size else graph.nodes[s][..., :0]
            for s, size in enumerate(self.after.nodes)
        )
        edges = tuple(
            self.edge[s](edge)
            + (self.edge_source[s](contexts[s]) + from_total[sets + s][:, None])[:, :, None]
            + self.edge_target[s](contexts[s + 1])[:, None]
            for s, edge in enumerate(graph.edges)
        )
        return SetGraph(nodes, edges, from_total[-1])

    def _context(self, graph: SetGraph) -> tuple[list[Tensor], list[Tensor]]:
        """The context of the nodes of each set ``(B, n, .)``, and the pools of sets and edges ``(B, .)``."""
        incoming = [self._pooled(edge, 1) for edge in graph.edges]  # of sets 1 .. S-1
        outgoing = [self._pooled(edge, 2) for edge in graph.edges]  # of sets 0 .. S-2
        contexts = [
            torch.cat([*incoming[max(0, s - 1) : s], node, *outgoing[s : s + 1]], dim=-1)
            for s, node in enumerate(graph.nodes)
        ]
        pools = [self._pooled(values, 1) for values in (*graph.nodes, *outgoing)]
        return contexts, pools

    def _pooled(self, values: Tensor, dim: int) -> Tensor:
        return values.mean(dim=dim) if self.pool == "mean" else values.amax(dim=dim)
