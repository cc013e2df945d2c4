"""``wsapps-pde <describe | solve | library> key=value ...``, that is ``python -m wsapps_pde.<verb>``."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from wsapps.console import run_verb

VERBS = {
    "solve": "solve a problem, and say how well",
    "library": "solve many problems, and tabulate how well",
    "describe": "a problem as the solver understands it, with warnings",
}


def main(arguments: Sequence[str] | None = None) -> int:
    return run_verb("wsapps_pde", VERBS, arguments)


if __name__ == "__main__":
    sys.exit(main())
