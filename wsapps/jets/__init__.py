"""Jets: a function's value and derivatives at many points, computed in one pass forward.

A :class:`JetSpace` says which derivatives, a :class:`Jet` carries them, :mod:`~wsapps.jets.functions` acts
on jets as on tensors, and :func:`field_jet` takes a jet through a field.

Source: Griewank & Walther, *Evaluating Derivatives*, 2nd ed., SIAM 2008, chapter 13 (Taylor arithmetic).
"""

from wsapps.jets.functions import FUNCTIONS, abs, cat, cos, exp, log, relu, sin, sqrt, stack, tan, tanh, where
from wsapps.jets.jet import Jet, compose
from wsapps.jets.rules import field_jet, has_jet
from wsapps.jets.space import Index, JetSpace, Operator, laplacian

__all__ = [
    "FUNCTIONS",
    "Index",
    "Jet",
    "JetSpace",
    "Operator",
    "abs",
    "cat",
    "compose",
    "cos",
    "exp",
    "field_jet",
    "has_jet",
    "laplacian",
    "log",
    "relu",
    "sin",
    "sqrt",
    "stack",
    "tan",
    "tanh",
    "where",
]
