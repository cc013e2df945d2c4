"""Quasi-Newton minimisers on flat vectors.

``minimize.py`` is the way in, ``minimizer.py`` the loop body, ``line_search.py`` how far to go. H is a matrix
(``dense.py``, its update rules in ``self_scaled.py``) or the last few steps (``limited_memory.py``).
``frozen.py`` makes such a function of an Objective, ``config.py`` and ``stage_state.py`` belong to
:mod:`wsapps.stages`.
"""

from wsapps.quasi_newton.config import QuasiNewtonConfig
from wsapps.quasi_newton.dense import DenseInverse
from wsapps.quasi_newton.limited_memory import LimitedMemory
from wsapps.quasi_newton.line_search import LineSearch
from wsapps.quasi_newton.minimize import make_inverse, minimize
from wsapps.quasi_newton.minimizer import Minimizer, Stopping

__all__ = [
    "DenseInverse",
    "LimitedMemory",
    "LineSearch",
    "Minimizer",
    "QuasiNewtonConfig",
    "Stopping",
    "make_inverse",
    "minimize",
]
