"""`GET /v1/cookbook`: what it lists runs as it stands, over HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from queries.cookbook import RECIPES

if TYPE_CHECKING:
    from tests.support.server import Server


@pytest.fixture(scope="module")
def listed(server: Server) -> list[dict[str, Any]]:
    """The recipes as somebody gets them."""
    answer = server.http.get("/v1/cookbook")
    assert 200 == answer.status_code, answer.text
    return answer.json()["recipes"]


def test_it_lists_every_recipe(listed: list[dict[str, Any]]) -> None:
    """In the order of the pages, each with all that the package says of it."""
    assert [recipe.name for recipe in RECIPES] == [one["name"] for one in listed]
    for recipe, one in zip(RECIPES, listed, strict=True):
        assert (recipe.title, recipe.group, recipe.about, recipe.sql) == (
            one["title"],
            one["group"],
            one["about"],
            one["sql"],
        )
        assert (one["chart"] is None) == (recipe.chart is None)


def test_each_is_a_body_of_query_and_of_a_saved_query(server: Server, listed: list[dict[str, Any]]) -> None:
    """`sql` with the defaults as `params` is answered; `sql` and `params` as they stand can be saved."""
    for one in listed:
        values = {name: declared["default"] for name, declared in one["params"].items()}
        answer = server.http.post("/v1/query", json={"sql": one["sql"], "params": values})
        assert 200 == answer.status_code, answer.text
    with_parameters = next(one for one in listed if one["params"])
    saved = {"sql": with_parameters["sql"], "params": with_parameters["params"]}
    assert server.http.put(f"/v1/queries/{with_parameters['name']}", json=saved).is_success
    assert server.http.get(f"/v1/queries/{with_parameters['name']}/result").is_success


def test_the_openapi_document_types_it(server: Server) -> None:
    """A recipe has a schema, and its fields their descriptions."""
    document = server.http.get("/openapi.json").json()
    answer = document["paths"]["/v1/cookbook"]["get"]["responses"]["200"]["content"]["application/json"]
    assert {"$ref": "#/components/schemas/Cookbook"} == answer["schema"]
    recipe = document["components"]["schemas"]["ShownRecipe"]
    assert {"name", "title", "group", "about", "sql", "params", "chart"} == recipe["properties"].keys()
    assert "how to read it" in recipe["properties"]["about"]["description"]
