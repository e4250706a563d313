"""The JSON Schema of ``experiment.yaml``, for editors: ``python -m discovery.experiment.schema``."""

from __future__ import annotations

import json
from typing import Any

from discovery.deploy.backends import BACKENDS
from discovery.experiment.models import Experiment
from discovery.workload.scenarios import SCENARIOS


def experiment_schema() -> dict[str, Any]:
    """The schema of the model, with the registries' names where the model checks against them."""
    schema = Experiment.model_json_schema()
    tier = schema["$defs"]["TierSettings"]["properties"]
    tier["backends"]["items"]["enum"] = list(BACKENDS)
    tier["scenarios"]["items"]["enum"] = list(SCENARIOS)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def main() -> None:
    """Print the schema, as it lies in ``workflow/schemas/experiment.schema.json``."""
    print(json.dumps(experiment_schema(), indent=2))


if __name__ == "__main__":
    main()
