"""Write docs/params.schema.json: run `python tests/write_params_schema.py`."""

from __future__ import annotations

import ast
import inspect
import json
import textwrap
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic.json_schema import GenerateJsonSchema

from benchmark.params.params import Params

if TYPE_CHECKING:
    from pydantic import BaseModel
    from pydantic_core.core_schema import ModelSchema


class Described(GenerateJsonSchema):
    """Describes each key by the text below its field."""

    def model_schema(self, schema: ModelSchema) -> dict[str, Any]:
        made = super().model_schema(schema)
        texts = field_texts(schema["cls"])
        for key, value in made.get("properties", {}).items():
            if key in texts:
                value["description"] = texts[key]
        return made


def field_texts(model: type[Any]) -> dict[str, str]:
    """Map each field of a model to the text that stands below it in the source."""
    texts: dict[str, str] = {}
    for cls in reversed(model.__mro__):
        if "__annotations__" not in vars(cls) or cls.__module__.startswith("pydantic"):
            continue
        (body,) = ast.parse(textwrap.dedent(inspect.getsource(cls))).body
        assert isinstance(body, ast.ClassDef)
        for field, below in pairwise(body.body):
            match field, below:
                case (
                    ast.AnnAssign(target=ast.Name(id=name)),
                    ast.Expr(value=ast.Constant(value=str(text))),
                ):
                    texts[name] = inspect.cleandoc(text)
    return texts


def schema_of(model: type[BaseModel]) -> dict[str, Any]:
    return model.model_json_schema(schema_generator=Described)


def schema_text(model: type[BaseModel]) -> str:
    return json.dumps(schema_of(model), indent=1, sort_keys=True) + "\n"


if __name__ == "__main__":
    path = Path(__file__).parents[1] / "docs/params.schema.json"
    path.write_text(schema_text(Params), "utf-8")
