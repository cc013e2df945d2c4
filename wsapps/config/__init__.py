"""Configurations: a folder of YAML files, typed dataclasses, and ``key=value`` arguments.

An application owns a dataclass and a folder that holds ``<name>.yaml`` and one sub-folder for each group,
and calls :func:`load_config`. Hydra composes the files and supplies the grammar of lists and numbers. The
types are checked here rather than by OmegaConf, which accepts "5" for an int, turns ``path=1e5`` into a
number, and knows neither ``Literal`` nor tuples. No value is evaluated, imported, or taken from the
environment.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from wsapps.config.compose import Composition, compose_files, find_groups, select_option
from wsapps.config.overrides import Argument, insert, parse_arguments, wants_help
from wsapps.config.retired import without_retired
from wsapps.config.schema import Builder, FieldError, choice, doc, file_folder, walk
from wsapps.config.yaml_files import dump_yaml, parse_yaml
from wsapps.errors import UserError

__all__ = [
    "FieldError",
    "choice",
    "default_config_dir",
    "differences",
    "doc",
    "file_folder",
    "from_yaml",
    "help_text",
    "load_config",
    "load_or_help",
    "to_yaml",
    "wants_help",
]

C = TypeVar("C")


def load_config(cls: type[C], name: str, *, config_dir: Path | str, overrides: Sequence[str] = ()) -> C:
    """An instance of the dataclass ``cls`` from ``<config_dir>/<name>.yaml`` and ``key=value`` arguments.

    ``group=option`` selects ``<config_dir>/<group>/<option>.yaml``, or the YAML file at that path. Other keys
    set one value: text and paths verbatim after the first ``=``, everything else in Hydra's value grammar. Of
    a repeated key the last one counts; groups are selected first, values set afterwards.

    Raises:
        UserError: any fault of the files or the arguments, in one line that names the place.
    """
    config_dir = Path(config_dir).absolute()
    arguments = parse_arguments(overrides)
    composition = _compose(cls, name, config_dir, arguments)
    where = _where(composition.arguments, composition.lines, str(config_dir / f"{name}.yaml"))
    return Builder(cls, where).build(composition.tree)


def load_or_help(
    cls: type[C], name: str, application: str, program: str, arguments: Sequence[str]
) -> C | None:
    """What a command begins with: its configuration; or None, after ``--help`` was asked for and printed.

    Args:
        cls, name: as in :func:`load_config`.
        application: whose configuration folder is used (see :func:`default_config_dir`).
        program: how the command is called, for the help.

    Raises:
        UserError: as :func:`load_config`.
    """
    config_dir = default_config_dir(application)
    if wants_help(arguments):
        print(help_text(cls, name, config_dir=config_dir, program=program, overrides=arguments))
        return None
    return load_config(cls, name, config_dir=config_dir, overrides=arguments)


def _compose(cls: type, name: str, config_dir: Path, arguments: Sequence[Argument]) -> Composition:
    """The merged data with the arguments in it, types not yet checked."""
    groups = find_groups(cls, config_dir)
    chosen = {a.key: select_option(groups[a.key], a) for a in arguments if a.key in groups}
    composition = compose_files(config_dir, name, groups, chosen)
    composition.arguments = [argument for argument in arguments if argument.key not in groups]
    insert(composition.tree, composition.arguments)
    return composition


def _where(arguments: Iterable[Argument], lines: Mapping[str, str], main: str) -> Callable[[str], str]:
    """A function from a key to the place that set it: the command line, or a line of a file.

    A node that both set gets both: "train.yaml line 3 with trainer.seed=-1".
    """
    arguments = list(arguments)

    def file_of_group(path: str) -> str | None:
        """Of a key that is missing: the file that set the others of its group."""
        group = path.partition(".")[0] + "."
        places = [place for key, place in lines.items() if key.startswith(group)]
        return places[-1].rpartition(" line ")[0] if places else None

    def where(path: str) -> str:
        inside = f"{path}." if path else ""
        given = [a for a in arguments if a.key == path] or [a for a in arguments if a.key.startswith(inside)]
        shown_arguments = " ".join(str(argument) for argument in given)
        in_files = any(key == path or key.startswith(inside) for key in lines)
        if given and (given[0].key == path or not in_files):
            return f"command line: {shown_arguments}"
        nearest_key = path
        while nearest_key and nearest_key not in lines:  # keys have lines, entries of lists do not
            nearest_key = nearest_key[: max(nearest_key.rfind("."), nearest_key.rfind("["), 0)]
        place = lines.get(nearest_key) or file_of_group(path) or main
        return f"{place} with {shown_arguments}" if given else place

    return where


def to_yaml(config: Any) -> str:
    """A configuration as plain YAML, every key with its value, which :func:`from_yaml` reads back."""
    return dump_yaml(_plain(config))


def from_yaml(cls: type[C], text: str, source: str = "config.yaml") -> C:
    """Read what :func:`to_yaml` wrote; keys that are not there take their defaults.

    Raises:
        UserError: broken YAML, an unknown key or a wrong type, with ``source`` and the line.
    """
    stored = parse_yaml(text, source, interpolation=True)
    lines = {key: f"{source} line {line}" for key, line in stored.lines.items()}
    return Builder(cls, _where([], lines, source), required_mark=None).build(
        without_retired(cls, stored.data)
    )


def differences(stored: Any, now: Any, ignore: Sequence[str] = ("out",)) -> list[str]:
    """The keys in which two configurations differ, a line each: "trainer.seed: 0 in the run folder, 1 now".

    ``ignore`` lists keys that may differ, with all keys below them.
    """
    before, after = _flat(_plain(stored)), _flat(_plain(now))
    lines = []
    for key in [*before, *(key for key in after if key not in before)]:
        ignored = any(key == skip or key.startswith(f"{skip}.") for skip in ignore)
        old, new = (repr(side[key]) if key in side else "not set" for side in (before, after))
        if old != new and not ignored:  # by repr, so that nan equals nan and 1 differs from True
            lines.append(f"{key}: {old} in the run folder, {new} now")
    return lines


def help_text(
    cls: type, name: str, *, config_dir: Path | str, program: str, overrides: Sequence[str] = ()
) -> str:
    """What ``--help`` prints: the choices of every group, and every key with its default, type and unit.

    Defaults are those of the composed files, so that ``method=relu --help`` shows the keys of that method.

    Raises:
        UserError: as :func:`load_config`, except that required keys may be missing and types are not checked.
    """
    from wsapps.config.help import render

    config_dir = Path(config_dir).absolute()
    arguments = parse_arguments([given for given in overrides if not wants_help([given])])
    composition = _compose(cls, name, config_dir, arguments)
    groups = find_groups(cls, config_dir)
    return render(program, list(groups.values()), composition.selected, list(walk(cls, composition.tree)))


def default_config_dir(application: str) -> Path:
    """The configuration folder of one of our applications ("nerf"), in the wheel or in a source checkout.

    Raises:
        UserError: the installation has no such folder.
    """
    package = Path(__file__).resolve().parent.parent
    # The wheel's place first: beside an installed package, a folder "configs" may be somebody else's.
    places = [package / "configs" / application, package.parent / "configs" / application]
    for place in places:
        if place.is_dir():
            return place
    looked = " and ".join(str(place) for place in places)
    raise UserError(f"no configurations for {application!r} (looked in {looked}); install wsapps again")


def _plain(value: Any) -> Any:
    """Nested dicts, lists, numbers, text and None."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: _plain(getattr(value, f.name)) for f in dataclasses.fields(value) if f.init}
    if isinstance(value, dict):
        return {str(key): _plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(entry) for entry in value]
    if isinstance(value, Path):
        return str(value)
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise TypeError(f"a configuration cannot hold a {type(value).__name__}: {value!r}")


def _flat(tree: Mapping[str, Any], path: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in tree.items():
        here = f"{path}.{name}" if path else name
        flat |= _flat(value, here) if isinstance(value, dict) and value else {here: value}
    return flat
