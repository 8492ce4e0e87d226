"""Watch lists: `lists/*.yaml` in, the values that fill the placeholders of Sigma rules (`%admins%`) out."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Final

from pydantic import BeforeValidator, ConfigDict, WithJsonSchema
from pydantic_core import PydanticCustomError

from kyber.problem import Place, Problem
from kyber.register import Record, read_all

GLOB: Final = "lists/*.yaml"


def _scalar(value: object) -> object:
    if isinstance(value, bool) or not isinstance(value, str | int) or value == "":
        raise PydanticCustomError("scalar", "not text or a whole number")
    return str(value)


Value = Annotated[str, BeforeValidator(_scalar), WithJsonSchema({"type": ["string", "integer"]})]


class WatchLists(Record):
    """One file of lists: each key is the name of a list, its value the list."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, tuple[Value, ...]]

    @property
    def lists(self) -> Mapping[str, tuple[str, ...]]:
        """The lists of this file by name."""
        return self.__pydantic_extra__

    def names(self) -> tuple[tuple[str, Place], ...]:
        """The name and place of each list."""
        return tuple((name, self.where(name)) for name in self.lists)


def load_lists(root: Path) -> tuple[Mapping[str, tuple[str, ...]], tuple[Problem, ...]]:
    """The watch lists of the workspace at `root` by name, and what is to be mended in their files.

    Where two files hold a list of the same name, the values of both count.
    """
    files, problems = read_all(root, GLOB, WatchLists)
    lists: dict[str, tuple[str, ...]] = {}
    for file in files:
        for name, values in file.lists.items():
            lists[name] = tuple(dict.fromkeys(lists.get(name, ()) + values))
    return lists, problems
