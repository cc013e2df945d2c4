"""``wsapps-weightspace <verb> key=value ...``, that is ``python -m wsapps_weightspace.<verb>``."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from wsapps.console import run_verb

VERBS = {
    "build": "fit a field to every sample of a labelled set",
    "inspect": "what a dataset of fields holds, with pictures",
    "verify": "checksums, and the fields against their samples",
    "train": "a classifier of fields by their weights",
    "classify": "a trained classifier on a field file",
    "predict_psnr": "a field's PSNR from its weights",
    "retrieve": "the fields nearest to a field",
    "edit": "fields that are changed by their weights",
    "interpolate": "a picture of what lies between two fields",
}


def main(arguments: Sequence[str] | None = None) -> int:
    return run_verb("wsapps_weightspace", VERBS, arguments)


if __name__ == "__main__":
    sys.exit(main())
