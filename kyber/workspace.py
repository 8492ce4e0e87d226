"""The workspace: a folder in, its settings and the paths of its parts out; passed on explicitly, never looked up."""

from dataclasses import dataclass
from pathlib import Path

from kyber.errors import WorkspaceError
from kyber.problem import Place, Problem, Severity
from kyber.register import read, validate
from kyber.settings import FILE, Settings, check_settings
from kyber.text import words_for
from kyber.yamltext import Located, YamlError, load


@dataclass(frozen=True, slots=True)
class Workspace:
    """One workspace. `root` is the folder as the user named it; every path below is under it."""

    root: Path
    settings: Settings

    @property
    def settings_file(self) -> Path:
        return self.root / FILE

    @property
    def people(self) -> Path:
        return self.root / "people.yaml"

    @property
    def sources(self) -> Path:
        return self.root / "sources"

    @property
    def rules(self) -> Path:
        return self.root / "rules"

    @property
    def lists(self) -> Path:
        return self.root / "lists"

    @property
    def state(self) -> Path:
        """What kyber keeps for itself: events, cursors, findings, ledger. Never in git."""
        return self.root / ".kyber"


def find(start: Path) -> Workspace | None:
    """The workspace that `start` is in: the nearest folder, from `start` upward, that holds a `kyber.yaml`.

    Raises WorkspaceError where the settings there cannot be used.
    """
    folder = folder_of(start)
    return None if folder is None else at(folder)


def folder_of(start: Path) -> Path | None:
    """The root of the workspace that `start` is in, without reading its settings."""
    return next((folder for folder in (start, *start.resolve().parents) if (folder / FILE).is_file()), None)


def at(folder: Path) -> Workspace:
    """The workspace whose root is `folder`. Raises WorkspaceError where there is none or its settings are unusable."""
    workspace, problems = examine(folder)
    errors = [problem for problem in problems if problem.severity is Severity.ERROR]
    if errors:
        words = words_for(workspace.settings.language)
        raise WorkspaceError("\n".join(f"{problem.place}: {' '.join(words.problem(problem))}" for problem in errors))
    return workspace


def examine(folder: Path) -> tuple[Workspace, tuple[Problem, ...]]:
    """The workspace at `folder` as far as its settings can be used, and all that is to be mended in them.

    What cannot be used is taken to be absent. Raises WorkspaceError where there is no settings file to read.
    """
    file = folder / FILE
    try:
        text = file.read_bytes()
    except OSError as error:
        problem = Problem(Place(str(file)), "S01", {"folder": folder, "reason": error.strerror or str(error)})
        raise WorkspaceError(" ".join(words_for("en").problem(problem))) from None
    settings, problems = read(text, str(file), Settings)
    if settings is None:
        settings = _salvaged(text, str(file))
    else:
        problems += tuple(check_settings(settings))
    return Workspace(folder, settings), problems


def _salvaged(text: bytes, file: str) -> Settings:
    """The settings without the top-level fields that cannot be used."""
    try:
        documents = load(text, file)
    except YamlError:
        documents = []
    kept = Located(organisation="?")
    kept.line, kept.lines = 1, {}
    if documents and isinstance(documents[0], Located):
        given = documents[0]
        for key, value in given.items():
            trial = Located(kept | {key: value})
            trial.line, trial.lines = 1, {**kept.lines, key: given.lines[key]}
            if validate(trial, file, Settings)[0] is not None:
                kept = trial
    settings, _ = validate(kept, file, Settings)
    if settings is None:
        raise AssertionError("settings that were tried one by one do not hold together")
    return settings
