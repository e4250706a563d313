# Reads the configuration before Snakemake does, which has a traceback for what is no clear YAML.
import sys
from pathlib import Path

from discovery.errors import DiscoveryError, sentence
from discovery.experiment.load import read_yaml

CONFIGURATION = Path("workflow/config/config.yaml")

try:
    read_yaml(CONFIGURATION)
except DiscoveryError as error:
    print(sentence(error), file=sys.stderr)
    sys.exit(error.exit_code)
