"""Fitting many small fields at once, each as if it were alone."""

from wsapps_weightspace.fitting.choice import make_fitter, resolve_engine
from wsapps_weightspace.fitting.config import FittingConfig
from wsapps_weightspace.fitting.fitter import Fitted, Fitter

__all__ = ["Fitted", "Fitter", "FittingConfig", "make_fitter", "resolve_engine"]
