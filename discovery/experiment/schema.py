"""The JSON Schema of ``experiment.yaml``: ``python -m discovery.experiment.schema`` prints it."""

from __future__ import annotations

import json
from typing import Any

from discovery.experiment.models import Experiment


def experiment_schema() -> dict[str, Any]:
    """The schema of the model, the names of back ends and scenarios in it."""
    dialect = "https://json-schema.org/draft/2020-12/schema"
    return {"$schema": dialect, **Experiment.model_json_schema()}


def main() -> None:
    """Print the schema, as it lies in ``workflow/schemas/experiment.schema.json``."""
    print(json.dumps(experiment_schema(), indent=2))


if __name__ == "__main__":
    main()
