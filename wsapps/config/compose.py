"""From a folder of YAML files and the chosen group options to one nested dict, composed by Hydra.

Hydra keeps its state in singletons: nothing of it remains after a call, and calls wait for each other.
"""

from __future__ import annotations

import copy
import dataclasses
import os
import threading
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from hydra import compose, initialize_config_dir
from hydra.core.config_store import ConfigStore
from hydra.core.global_hydra import GlobalHydra
from hydra.core.plugins import Plugins
from hydra.types import RunMode
from omegaconf import OmegaConf
from omegaconf.errors import GrammarParseError

from wsapps.config.conversion import nearest, nested_dataclass
from wsapps.config.overrides import Argument, shown
from wsapps.config.schema import Choice, config_fields, join
from wsapps.config.yaml_files import YamlFile, read_yaml
from wsapps.errors import UserError

_FROM_FILE = (
    "<file>"  # the name under which Hydra knows a YAML file that the user gave; no file can be called so
)
_hydra_state = threading.RLock()


@dataclass(frozen=True)
class Group:
    """A key whose value is chosen among the YAML files of a folder, or, without a folder, among classes."""

    key: str
    options: tuple[str, ...]
    has_folder: bool
    choice: Choice | None = None
    words: str = ""
    folder_key: str | None = None  # of the field that is told where the user's file is

    @property
    def folder(self) -> str:
        return self.key.replace(".", "/")


@dataclass
class Composition:
    """``tree``: the merged data; ``lines``: "FILE line N" by key; ``selected``: the option of each group.

    ``arguments`` are those of the command line that set single values.
    """

    tree: dict[str, Any]
    lines: dict[str, str] = field(default_factory=dict)
    selected: dict[str, str] = field(default_factory=dict)
    arguments: list[Argument] = field(default_factory=list)


def find_groups(cls: type, config_dir: Path, path: str = "") -> dict[str, Group]:
    """The groups of a configuration by key: nested dataclasses with a folder of YAML files, and choices."""
    groups: dict[str, Group] = {}
    for f, kind, selected in config_fields(cls):
        here, nested = join(path, f.name), nested_dataclass(kind)
        folder, words = config_dir.joinpath(*here.split(".")), f.metadata.get("doc") or ""
        if (nested or selected) and folder.is_dir():
            options = tuple(sorted(file.stem for file in folder.glob("*.yaml")))
            groups[here] = Group(here, options, True, selected, words, _folder_key(nested))
        elif selected:
            groups[here] = Group(here, tuple(selected.classes), False, selected, words)
        if nested:
            groups.update(find_groups(nested, config_dir, here))
    return groups


def _folder_key(cls: type | None) -> str | None:
    """The field made by :func:`~wsapps.config.schema.file_folder`, if there is one."""
    fields = dataclasses.fields(cls) if cls else ()
    return next((f.name for f in fields if f.metadata.get("file_folder")), None)


def select_option(group: Group, argument: Argument) -> str | YamlFile:
    """What ``group=value`` names: an option of the group, or the YAML file at that path.

    Raises:
        UserError: neither; with the nearest option and all of them.
    """
    text, where = argument.text, f"command line: {argument}"
    if text in group.options:
        return text
    is_yaml = text.lower().endswith((".yaml", ".yml"))
    if is_yaml and os.path.isfile(text):
        return read_yaml(Path(text))
    near = nearest(text.removesuffix(".yaml"), list(group.options))
    hint = f"did you mean {near}? " if near else ""
    fault = (
        f"there is no file {shown(text)} here ({Path.cwd()})"
        if is_yaml
        else f"no {group.key} is named {shown(text)!r}"
    )
    choices = ", ".join(group.options) or "(none)"
    raise UserError(f"{where}: {fault}; {hint}choices: {choices}, or the path of a YAML file")


def compose_files(
    config_dir: Path, name: str, groups: Mapping[str, Group], chosen: Mapping[str, str | YamlFile]
) -> Composition:
    """Merge ``<config_dir>/<name>.yaml`` with the options that its defaults list and ``chosen`` select.

    Raises:
        UserError: a file is missing, broken or does not fit the others; with its name.
    """
    if not config_dir.is_dir():
        raise UserError(f"there is no configuration folder {config_dir}")
    primary = read_yaml(config_dir / f"{name}.yaml")
    if "hydra" in primary.data:
        raise UserError(
            f"{primary.source} line {primary.lines['hydra']}: Hydra's own settings are not accepted"
        )
    chosen = {**_default_options(primary, groups), **chosen}
    listed = _listed_groups(primary)
    arguments = []
    for key, option in chosen.items():
        group = groups[key]
        if group.has_folder or isinstance(option, YamlFile):
            plus = "" if group.folder in listed else "+"
            arguments.append(
                f"{plus}{group.folder}={_quoted(option if isinstance(option, str) else _FROM_FILE)}"
            )
    files = {
        f"{groups[key].folder}/{_FROM_FILE}": file
        for key, file in chosen.items()
        if isinstance(file, YamlFile)
    }
    composition = _run_hydra(config_dir, name, arguments, files)
    for key, option in chosen.items():
        folder_key = groups[key].folder_key
        if isinstance(option, YamlFile) and folder_key:
            given = option.data.get(folder_key) or ""
            folder = Path(option.source).absolute().parent / str(given)
            _named(composition.tree, key)[folder_key] = str(folder)
        if isinstance(option, str) and not groups[key].has_folder:
            _named(composition.tree, key)["name"] = option
            composition.selected[key] = option
    return composition


def _named(tree: dict[str, Any], key: str) -> dict[str, Any]:
    for part in key.split("."):
        tree = tree.setdefault(part, {})
    return tree


def _default_options(primary: YamlFile, groups: Mapping[str, Group]) -> dict[str, str | YamlFile]:
    """The choices that the main YAML file neither lists in its defaults nor fills itself."""
    listed = _listed_groups(primary)
    return {
        key: group.choice.default
        for key, group in groups.items()
        if group.choice and group.has_folder and group.choice.default in group.options
        if group.folder not in listed and key not in primary.lines
    }


def _listed_groups(primary: YamlFile) -> set[str]:
    defaults = primary.data.get("defaults")
    names = (
        [str(key) for item in defaults if isinstance(item, dict) for key in item]
        if isinstance(defaults, list)
        else []
    )
    return {name.split()[-1].lstrip("/").split("@")[0] for name in names if name.strip()}


def _quoted(option: str) -> str:
    return "'" + option.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _run_hydra(
    config_dir: Path, name: str, arguments: Sequence[str], files: Mapping[str, YamlFile]
) -> Composition:
    try:
        with _hydra(config_dir, files), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            loader = GlobalHydra.instance().config_loader()
            listing = loader.compute_defaults_list(name, list(arguments), RunMode.RUN)
            used = [entry for entry in listing.defaults if (entry.package or "").split(".")[0] != "hydra"]
            lines = _lines_of(config_dir, [(str(e.config_path), e.package or "") for e in used], files)
            tree = OmegaConf.to_container(compose(name, list(arguments)), resolve=False)
    except UserError:
        raise
    except Exception as error:
        raise _explained(error, config_dir, name, files) from error
    known = listing.overrides.known_choices.items()
    selected = {
        key.replace("/", "."): option for key, option in known if option and not key.startswith("hydra/")
    }
    selected |= {path.rsplit("/", 1)[0].replace("/", "."): file.source for path, file in files.items()}
    assert isinstance(tree, dict)
    return Composition({str(key): value for key, value in tree.items()}, lines, selected)


@contextmanager
def _hydra(config_dir: Path, files: Mapping[str, YamlFile]) -> Iterator[None]:
    """Hydra set up on ``config_dir``; on leaving, its singletons are as they were."""
    with _hydra_state:
        Plugins.instance()  # they put their options into the store, once a process: not into a copy of it
        running, store = GlobalHydra.instance().hydra, ConfigStore.instance()
        repository = store.repo
        GlobalHydra.instance().clear()
        try:
            if files:
                store.repo = copy.deepcopy(repository)
            for path, file in files.items():
                group, option = path.rsplit("/", 1)
                store.store(group=group, name=option, node=OmegaConf.create(file.data))
            with initialize_config_dir(str(config_dir), version_base="1.3"):
                yield
        finally:
            store.repo = repository
            GlobalHydra.instance().hydra = running


def _lines_of(config_dir: Path, used: list[tuple[str, str]], files: Mapping[str, YamlFile]) -> dict[str, str]:
    """Where every key was set last, read from the files in the order in which Hydra merges them."""
    lines: dict[str, str] = {}
    for path, package in used:
        file = files.get(path) or read_yaml(config_dir / f"{path.removesuffix('.yaml')}.yaml")
        prefix = "" if package == "_global_" else package
        lines |= {join(prefix, key): f"{file.source} line {line}" for key, line in file.lines.items()}
    return lines


def _explained(error: Exception, config_dir: Path, name: str, files: Mapping[str, YamlFile]) -> UserError:
    """Hydra's error and its causes in one line; where a broken file is behind it, that file's own fault."""
    chain: list[BaseException] = [error]
    while (cause := chain[-1].__cause__ or chain[-1].__context__) is not None and cause not in chain:
        chain.append(cause)
    if any(isinstance(link, yaml.YAMLError | UnicodeDecodeError | GrammarParseError) for link in chain):
        marked = [getattr(getattr(link, "problem_mark", link), "name", None) for link in chain]
        named = [Path(file) for file in marked if isinstance(file, str) and os.path.isfile(file)]
        for file in named or sorted(config_dir.glob("*/**/*.yaml")):
            read_yaml(file)  # raises the fault with its file and line
    said: list[str] = []
    for link in chain:
        text = " ".join(str(link).split("Config search path")[0].split())
        for path, file in files.items():
            text = text.replace(path, file.source)
        if text and not any(text in earlier for earlier in said):
            said.append(text)
    return UserError(
        f"{config_dir / name}.yaml: cannot be composed: {'; '.join(said) or type(error).__name__}"
    )
