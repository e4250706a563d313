"""Print, as JSON, what loading all of ours changes in the modules of a running Keystone.

Every name in them, and every name in the classes that they define, has to be what it was.
"""

import json
import sys

import keystone.server.flask.application
import keystone.server.wsgi  # noqa: F401 - with all that they load
from sqlalchemy.engine import make_url

from discovery.replay.middleware import Replay
from discovery.replay.settings import Settings

DRIVERS = ("cockroachdb+oslo", "postgresql+oslo", "rome")


def names():
    """The identity of whatever a name means, by module, class and name."""
    found = {}
    for module_name, module in list(sys.modules.items()):
        if module_name.partition(".")[0] != "keystone" or module is None:
            continue
        for name, value in vars(module).items():
            found[f"{module_name}.{name}"] = id(value)
            if isinstance(value, type) and value.__module__ == module_name:
                inside = vars(value).items()
                found |= {f"{module_name}.{name}.{inner}": id(it) for inner, it in inside}
    return found


def main():
    before = names()
    for driver in DRIVERS:
        make_url(f"{driver}://h/d").get_dialect().import_dbapi()
    Replay(lambda environ, start_response: [], Settings())
    after = names()
    changed = sorted(name for name, it in before.items() if after.get(name) != it)
    print(json.dumps({"names": len(before), "changed": changed}))


if __name__ == "__main__":
    main()
