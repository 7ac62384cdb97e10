"""Write docs/params.schema.json: run `python tests/write_params_schema.py`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from benchmark.params.params import Params

if TYPE_CHECKING:
    from pydantic import BaseModel


def schema_text(model: type[BaseModel]) -> str:
    return json.dumps(model.model_json_schema(), indent=1, sort_keys=True) + "\n"


if __name__ == "__main__":
    path = Path(__file__).parents[1] / "docs/params.schema.json"
    path.write_text(schema_text(Params), "utf-8")
