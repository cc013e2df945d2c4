"""Console scripts with verbs: ``wsapps-nerf train`` is ``python -m wsapps_nerf.train``."""

from __future__ import annotations

import difflib
import importlib
import sys
from collections.abc import Mapping, Sequence


def run_verb(package: str, verbs: Mapping[str, str], arguments: Sequence[str] | None = None) -> int:
    """Run ``<package>.<verb>.main`` and return its exit code (see :func:`wsapps.command.run_command`).

    Args:
        package: "wsapps_nerf"; its module of a verb is imported when the verb is asked for.
        verbs: what each verb does, for ``--help``.
        arguments: of the command line; by default this process's.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    program = package.replace("_", "-")
    if not given or given[0] in ("--help", "-h"):
        print(usage(program, verbs), file=sys.stdout if given else sys.stderr)
        return 0 if given else 2
    verb, *rest = given
    if verb not in verbs:
        near = difflib.get_close_matches(verb, verbs, 1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        print(f"error: unknown verb {verb!r}; {hint}choose one of {', '.join(verbs)}", file=sys.stderr)
        return 2
    return importlib.import_module(f"{package}.{verb}").main(rest)


def usage(program: str, verbs: Mapping[str, str]) -> str:
    """What ``--help`` prints."""
    lines = [f"usage: {program} VERB [key=value ...]", ""]
    column = max(map(len, verbs)) + 2
    lines += [f"  {verb:<{column}}{words}" for verb, words in verbs.items()]
    return "\n".join([*lines, "", f"{program} VERB --help lists the keys."])
