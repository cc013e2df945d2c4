"""A relational transformer on the graph of a network: neurons as nodes, weights as edges.

Source: Kofinas et al., Graph neural networks for learning equivariant representations of neural networks,
ICLR 2024, whose attention is that of Diao & Loynd (2023). There every node attends to every node, most pairs
having no edge; here a node attends to its neighbours, in the layer before and the layer after, which is a
quarter of the pairs of a 2-32-32-1 network.

Shape suffixes: B fields, I and O nodes before and after a layer, n nodes of one layer, H heads, A channels a
head, E channels of an edge, V channels of a node.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from wsapps_weightspace.layers.mlp import mlp

Graph = tuple[list[Tensor], list[Tensor]]  # nodes (B, n, V) of each layer, edges (B, I, O, E) between them


class RelationalAttention(nn.Module):
    """Attention over neighbours, with edges in queries, keys and values:

        q_ij = q_i + q^e_ij,  k_ij = k_j + k^e_ij,  v_ij = v_j * m^e_ij + v^e_ij

    for a node i and its neighbour j, softmax over all neighbours. Edges have maps of their own for each
    direction.
    """

    def __init__(self, nodes: int, edges: int, width: int, heads: int):
        super().__init__()
        if width % heads:
            raise ValueError(f"attention of width {width} cannot be divided among {heads} heads")
        self.heads = heads
        self.node = nn.Linear(nodes, 3 * width, bias=False)
        self.edge_forward = nn.Linear(edges, 4 * width, bias=False)
        self.edge_backward = nn.Linear(edges, 4 * width, bias=False)
        self.output = nn.Linear(width, nodes)

    def forward(self, graph: Graph) -> list[Tensor]:
        nodes, edges = graph
        own = [self._split(self.node(x), 3) for x in nodes]  # q, k, v of (B, n, H, A)
        # For each layer, scores (B, n, neighbours, H) and values (B, n, neighbours, H, A) of its neighbours.
        heard: list[list[tuple[Tensor, Tensor]]] = [[] for _ in nodes]
        for layer, edge_BIOE in enumerate(edges):
            incoming = self._split(self.edge_forward(edge_BIOE.transpose(1, 2)), 4)
            outgoing = self._split(self.edge_backward(edge_BIOE), 4)
            heard[layer + 1].append(_messages(own[layer + 1], own[layer], incoming))
            heard[layer].append(_messages(own[layer], own[layer + 1], outgoing))
        return [self.output(_attend(messages)) for messages in heard]

    def _split(self, values: Tensor, parts: int) -> tuple[Tensor, ...]:
        """``(..., parts H A)`` to ``parts`` of ``(..., H, A)``."""
        return values.unflatten(-1, (parts, self.heads, -1)).unbind(dim=-3)


def _messages(
    here: tuple[Tensor, ...], there: tuple[Tensor, ...], edge: tuple[Tensor, ...]
) -> tuple[Tensor, Tensor]:
    """Scores and values of the neighbours ``there`` for the nodes ``here``; edges are (here, there, ...)."""
    q_BnHA, (_, k_BnHA, v_BnHA) = here[0], there
    q_edge, k_edge, v_edge, factor = edge
    query, key = q_BnHA[:, :, None] + q_edge, k_BnHA[:, None] + k_edge
    scores = (query * key).sum(dim=-1) / key.shape[-1] ** 0.5
    return scores, v_BnHA[:, None] * factor + v_edge


def _attend(messages: list[tuple[Tensor, Tensor]]) -> Tensor:
    scores = torch.cat([score for score, _ in messages], dim=2).softmax(dim=2)
    values = torch.cat([value for _, value in messages], dim=2)
    return (scores[..., None] * values).sum(dim=2).flatten(2)


class NeuralGraphLayer(nn.Module):
    """Attention and a perceptron on the nodes, then a perceptron on each edge and the nodes at its ends.

    Each is residual with LayerNorm before it. Equivariant to permutations of every layer's nodes.

    Args:
        nodes, edges: V and E.
        width: of the attention, a multiple of ``heads``.
        heads: H.
        last: leave the edges as they are, for nobody reads them.
    """

    def __init__(
        self, nodes: int, edges: int, width: int, heads: int, dropout: float = 0.0, last: bool = False
    ):
        super().__init__()
        self.attention = RelationalAttention(nodes, edges, width, heads)
        self.attention_norm, self.edge_norm = nn.LayerNorm(nodes), nn.LayerNorm(edges)
        self.node_norm = nn.LayerNorm(nodes)
        self.node = mlp([nodes, 2 * nodes, nodes], dropout=dropout)
        self.edge_update = None if last else EdgeUpdate(nodes, edges)

    def forward(self, graph: Graph) -> Graph:
        nodes, edges = graph
        seen = [self.attention_norm(x) for x in nodes], [self.edge_norm(e) for e in edges]
        heard = self.attention(seen)
        nodes = [x + message for x, message in zip(nodes, heard, strict=True)]
        nodes = [x + self.node(self.node_norm(x)) for x in nodes]
        if self.edge_update is not None:
            edges = [
                e + self.edge_update(e, before, after)
                for e, before, after in zip(edges, nodes[:-1], nodes[1:], strict=True)
            ]
        return nodes, edges


class EdgeUpdate(nn.Module):
    """A perceptron on an edge and the two nodes that it joins."""

    def __init__(self, nodes: int, edges: int):
        super().__init__()
        self.norm = nn.LayerNorm(edges)
        self.edge = nn.Linear(edges, 2 * edges)
        self.source = nn.Linear(nodes, 2 * edges, bias=False)
        self.target = nn.Linear(nodes, 2 * edges, bias=False)
        self.output = nn.Linear(2 * edges, edges)

    def forward(self, edge_BIOE: Tensor, before_BIV: Tensor, after_BOV: Tensor) -> Tensor:
        ends = self.source(before_BIV)[:, :, None] + self.target(after_BOV)[:, None]
        return self.output(F.silu(self.edge(self.norm(edge_BIOE)) + ends))
