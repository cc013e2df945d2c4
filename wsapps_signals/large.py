"""Settings that suit large signals, which the usual ones would take hours for."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from wsapps.config.left_open import left_open
from wsapps_signals.config import FitConfig, fit_config
from wsapps_signals.kinds.signal import Signal

_log = logging.getLogger("wsapps")


def suited(config: FitConfig, signal: Signal, arguments: Sequence[str]) -> FitConfig:
    """The configuration of a fit, with ``large.settings`` of its kind where the signal is large.

    What was given counts over them, and where a method was chosen, settings of the method are left to it.

    Args:
        config: as the ``arguments`` alone give it.
        signal: what is fitted; the settings must not change it.
        arguments: ``key=value``, of the command.
    """
    settings = config.large.settings.get(config.signal.name, [])
    count = len(signal.coordinates)
    if any(argument.startswith("tiles=") for argument in arguments):
        settings = [setting for setting in settings if not setting.startswith("tile_points=")]
    settings = left_open(settings, arguments)
    if count <= config.large.above or not settings:
        return config
    _log.info("%s has %d points: %s (large.above= sets from where)", signal.title, count, " ".join(settings))
    given = [argument for argument in arguments if argument != "lr=auto"]  # which settings of a kind have
    return fit_config([*settings, *given])
