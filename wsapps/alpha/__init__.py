"""``alpha=auto``: choosing the weight scaling for the user, by trials and one rule.

Each application makes the trials that suit it, side by side (:func:`race` on :class:`EnsembleTrials`) or one
after the other (:func:`try_in_turn`), and :func:`choose` applies the rule to their learning curves.
"""

from wsapps.alpha.config import AutoAlphaConfig
from wsapps.alpha.curve import Curve
from wsapps.alpha.ensemble_trials import EnsembleTrials, Points
from wsapps.alpha.in_turn import try_in_turn
from wsapps.alpha.race import most_training, race
from wsapps.alpha.record import draw_choice, read_record, told, write_record
from wsapps.alpha.rule import REFERENCE, Choice, Verdict, choose, untried

__all__ = [
    "REFERENCE",
    "AutoAlphaConfig",
    "Choice",
    "Curve",
    "EnsembleTrials",
    "Points",
    "Verdict",
    "choose",
    "draw_choice",
    "most_training",
    "race",
    "read_record",
    "told",
    "try_in_turn",
    "untried",
    "write_record",
]
