"""``wsapps-nerf <verb> key=value ...``, or ``python -m wsapps_nerf.<verb>``."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from wsapps.console import run_verb

VERBS = {
    "train": "train a radiance field on posed pictures",
    "inspect": "cameras and box of your own photographs, and what is assumed about them",
    "eval": "PSNR and SSIM of a run, to eval_<split>.json",
    "render": "videos of a run along a camera path: colours, depths, normals; raw depths",
    "view": "a run in the browser, rendered here (needs viser)",
    "web": "a radiance field as one HTML file, to orbit in a browser",
    "export_mesh": "its surface as a coloured mesh or point cloud: GLB, PLY, OBJ",
}


def main(arguments: Sequence[str] | None = None) -> int:
    return run_verb("wsapps_nerf", VERBS, arguments)


if __name__ == "__main__":
    sys.exit(main())
