"""``alpha=auto``: choosing the weight scaling for the user, by trials and one rule.

Each application makes the trials that suit it, such as short runs one after the other
(:func:`choose_by_short_runs`), to whose curves :func:`choose` applies the rule. Where samples decide, as
those of signals, no trial is needed (:func:`alpha_by_samples`).
:func:`chosen_once` keeps the choice in the run folder.
"""

from wsapps.alpha.by_samples import alpha_by_samples
from wsapps.alpha.config import AutoAlphaConfig, check_has_alpha, with_alpha, with_auto_alpha
from wsapps.alpha.curve import Curve
from wsapps.alpha.in_turn import try_in_turn
from wsapps.alpha.interpolation import Interpolation, interpolation
from wsapps.alpha.once import Found, chosen_once
from wsapps.alpha.patches import alpha_patches
from wsapps.alpha.prediction import choose_predicted
from wsapps.alpha.record import draw_choice, read_record, told, write_record
from wsapps.alpha.rule import REFERENCE, Choice, Verdict, choose, untried
from wsapps.alpha.short_runs import Trial, choose_by_short_runs

__all__ = [
    "REFERENCE",
    "AutoAlphaConfig",
    "Choice",
    "Curve",
    "Found",
    "Interpolation",
    "Trial",
    "Verdict",
    "alpha_by_samples",
    "alpha_patches",
    "check_has_alpha",
    "choose",
    "choose_by_short_runs",
    "choose_predicted",
    "chosen_once",
    "draw_choice",
    "interpolation",
    "read_record",
    "told",
    "try_in_turn",
    "untried",
    "with_alpha",
    "with_auto_alpha",
    "write_record",
]
