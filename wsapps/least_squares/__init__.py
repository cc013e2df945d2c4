"""Minimising sums of squares by Gauss and Newton's curvature, with the damping of Levenberg and Marquardt.

``sample_rows.py`` says what an objective has to tell, ``linearization.py`` makes normal equations of it, and
``levenberg_marquardt.py`` steps. :mod:`wsapps.stages` runs it.
"""

from wsapps.least_squares.levenberg_marquardt import LevenbergMarquardt
from wsapps.least_squares.linearization import FrozenResiduals, LeastSquares, Linearization
from wsapps.least_squares.sample_rows import LeastSquaresObjective, SampleRows

__all__ = [
    "FrozenResiduals",
    "LeastSquares",
    "LeastSquaresObjective",
    "LevenbergMarquardt",
    "Linearization",
    "SampleRows",
]
