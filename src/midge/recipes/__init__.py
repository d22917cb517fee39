"""Whole applications, one package each, from recordings to a report of what runs on the device.

A recipe is data: a row of stages. `run_recipe` runs those that are not done yet.
"""

from midge.recipes.recipe import Recipe, Settings, Stage
from midge.recipes.registry import find_recipe, recipe_summaries
from midge.recipes.run import run_recipe
from midge.recipes.stage_context import StageContext

__all__ = [
    "Recipe",
    "Settings",
    "Stage",
    "StageContext",
    "find_recipe",
    "recipe_summaries",
    "run_recipe",
]
