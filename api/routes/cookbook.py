"""The cookbook as JSON: tested queries to start from. The pages offer the same ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Request

from api.requests import caller
from queries.cookbook import RECIPES
from queries.documented import Documented

if TYPE_CHECKING:
    from queries.cookbook import Recipe

router = APIRouter()


@dataclass(frozen=True, slots=True)
class RecipeParameter(Documented):
    """A parameter, declared as those of saved queries are."""

    type: str
    """text, integer, number, boolean, timestamp or date; with [] a list of these."""
    default: Any
    """The value with which the recipe runs as it stands."""


@dataclass(frozen=True, slots=True)
class RecipeChart(Documented):
    """How the answer is drawn; all but the mark are names of its columns."""

    mark: str
    """line, bar, point or histogram."""
    x: str
    y: str | None
    color: str | None


@dataclass(frozen=True, slots=True)
class ShownRecipe(Documented):
    """A question, and the query that answers it."""

    name: str
    title: str
    group: str
    about: str
    """What it answers, and how to read it."""
    sql: str
    """The `sql` of `POST /v1/query`, with the defaults of `params` as its `params`."""
    params: dict[str, RecipeParameter]
    chart: RecipeChart | None


@dataclass(frozen=True, slots=True)
class Cookbook(Documented):
    """All recipes, by group and title."""

    recipes: list[ShownRecipe]


def _shown(recipe: Recipe) -> ShownRecipe:
    chart = recipe.chart
    return ShownRecipe(
        name=recipe.name,
        title=recipe.title,
        group=recipe.group,
        about=recipe.about,
        sql=recipe.sql,
        params={one.name: RecipeParameter(one.type, one.default) for one in recipe.params},
        chart=chart and RecipeChart(chart.mark, chart.x, chart.y, chart.color),
    )


COOKBOOK = Cookbook([_shown(recipe) for recipe in RECIPES])


@router.get("/v1/cookbook")
async def cookbook(request: Request) -> Cookbook:
    """List tested queries for common questions; each runs as it stands, in every workspace."""
    caller(request, "query")
    return COOKBOOK
