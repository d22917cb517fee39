"""Which recipes there are: the packages in this folder that have a module ``recipe``."""

from __future__ import annotations

import difflib
import importlib
import pkgutil
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

from midge.errors import InternalError, ToolError, UserError
from midge.recipes.recipe import Recipe

_PACKAGE = __name__.rpartition(".")[0]
_FOLDER = Path(__file__).parent


def recipe_summaries() -> Mapping[str, str]:
    """Name and one line of each recipe, without importing what it needs.

    The line is the first of the package's docstring.
    """
    found = {}
    for module in sorted(pkgutil.iter_modules([str(_FOLDER)]), key=lambda m: m.name):
        package = f"{_PACKAGE}.{module.name}"
        if module.ispkg and find_spec(f"{package}.recipe") is not None:
            summary = importlib.import_module(package).__doc__ or ""
            found[module.name] = summary.partition("\n")[0]
    return found


def find_recipe(name: str) -> Recipe:
    """Load a recipe.

    Raises:
        UserError: none has that name; the message lists those that there are.
        ToolError: a library that the recipe needs is not installed.
    """
    known = recipe_summaries()
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
        hint = f"did you mean {near[0]}? " if near else ""
        raise UserError(
            f"recipe: none is called {name!r}; {hint}there are {', '.join(known)}. "
            "`midge recipe list` describes them"
        )
    try:
        found = importlib.import_module(f"{_PACKAGE}.{name}.recipe").RECIPE
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("midge"):
            raise
        raise ToolError(
            f"recipe {name!r} needs {error.name}, which is not installed: "
            f"pip install 'midge[{name}]'"
        ) from None
    if not isinstance(found, Recipe):
        raise InternalError(f"midge.recipes.{name}.recipe: RECIPE is no Recipe")
    return found
