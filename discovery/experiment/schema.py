"""The JSON Schemas of ``experiment.yaml``, one per service that an experiment can be about.

``python -m discovery.experiment.schema keystone`` prints the one of Keystone's.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from discovery.experiment.studies import MODELS

FILES = {"keystone": "experiment.schema.json", "nova": "nova-experiment.schema.json"}
"""The files in ``workflow/schemas/`` that the schemas lie in."""


def experiment_schema(service: str) -> dict[str, Any]:
    """The schema of the model, the names of back ends and scenarios in it."""
    dialect = "https://json-schema.org/draft/2020-12/schema"
    return {"$schema": dialect, **MODELS[service].model_json_schema()}


def main(service: str) -> None:
    """Print the schema of experiments on ``service``, as it lies in ``workflow/schemas/``."""
    print(json.dumps(experiment_schema(service), indent=2))


if __name__ == "__main__":
    main(sys.argv[1])
