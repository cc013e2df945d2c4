"""``wsapps-signals VERB key=value ...``, that is ``python -m wsapps_signals.<verb>``."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from wsapps.console import run_verb

VERBS = {
    "fit": "fit a field to an image, a sound, a shape, a map or a video",
    "compare": "methods x signals x seeds, as tables and a page",
    "analyze": "why weight scaling trains faster, on a signal of yours: figures and a page",
    "resample": "a fitted field on another grid, in the signal's own format",
    "web": "a fitted field as one HTML file, to explore in a browser",
}


def main(arguments: Sequence[str] | None = None) -> int:
    return run_verb("wsapps_signals", VERBS, arguments)


if __name__ == "__main__":
    sys.exit(main())
