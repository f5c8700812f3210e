"""What the bodies of answers and requests have in common in the OpenAPI document."""

from __future__ import annotations

import ast
import inspect
import sys
from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator


class Documented:
    """What stands below a field is its description in the OpenAPI document; a field that is not there is refused.

    As pydantic's `use_attribute_docstrings`, but read when somebody asks for the document: pydantic parses a file once
    for each class in it while the server starts, which takes half a second.
    """

    __pydantic_config__ = {"extra": "forbid"}  # noqa: RUF012 - pydantic's own name

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: Any, handler: Any) -> dict[str, Any]:
        """Return the JSON schema of the class with its fields' descriptions."""
        made = handler(schema)
        fields = handler.resolve_ref_schema(made).get("properties", {})
        for base in cls.__mro__:
            for name, text in _described(base.__module__).get(base.__name__, {}).items():
                if name in fields:
                    fields[name].setdefault("description", text)
        return made


@cache
def _described(module: str) -> dict[str, dict[str, str]]:
    """Return what stands below the fields of the classes of one of our modules."""
    if module == "builtins":
        return {}
    tree = ast.parse(inspect.getsource(sys.modules[module]))
    return {one.name: dict(_below(one)) for one in tree.body if isinstance(one, ast.ClassDef)}


def _below(class_: ast.ClassDef) -> Iterator[tuple[str, str]]:
    for field, next_ in pairwise(class_.body):
        match field, next_:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str() as text)):
                yield name, inspect.cleandoc(text)
            case _:
                pass
