"""``wsapps-nerf <train|eval|render> key=value ...``, the same as ``python -m wsapps_nerf.<verb>``."""

from __future__ import annotations

import difflib
import importlib
import sys
from collections.abc import Sequence

# What each verb does; the module wsapps_nerf.<verb> is imported when it is asked for.
VERBS = {
    "train": "train a radiance field on posed pictures",
    "eval": "PSNR and SSIM of a run, to eval_<split>.json",
    "render": "videos of a run, colour and depth",
}


def usage() -> str:
    """What ``--help`` prints."""
    lines = ["usage: wsapps-nerf VERB [key=value ...]", ""]
    lines += [f"  {verb:<8}{words}" for verb, words in VERBS.items()]
    return "\n".join([*lines, "", "wsapps-nerf VERB --help lists the keys."])


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a verb and return the exit code (see :func:`wsapps.command.run_command`)."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if not given or given[0] in ("--help", "-h"):
        print(usage(), file=sys.stdout if given else sys.stderr)
        return 0 if given else 2
    verb, *rest = given
    if verb not in VERBS:
        near = difflib.get_close_matches(verb, VERBS, 1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        print(f"error: unknown verb {verb!r}; {hint}choose one of {', '.join(VERBS)}", file=sys.stderr)
        return 2
    return importlib.import_module(f"wsapps_nerf.{verb}").main(rest)


if __name__ == "__main__":
    sys.exit(main())
