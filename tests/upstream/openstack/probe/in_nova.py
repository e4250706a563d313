"""Nova with the probe, on SQLite: what is watched, and what a few accesses leave in the record.

    in_nova.py FOLDER threads|eventlet

Prints JSON: ``watched`` functions, the ``modules`` whose transactions are calls, and ``strays``
of the accesses. The record is in FOLDER/records.
"""

import contextlib
import importlib
import json
import os
import pkgutil
import sys
from pathlib import Path

FOLDER, MODE = Path(sys.argv[1]), sys.argv[2]
os.environ["OS_NOVA_DISABLE_EVENTLET_PATCHING"] = "1" if MODE == "threads" else "0"
sys.argv = ["nova-conductor"]

from nova import monkey_patch  # noqa: E402

monkey_patch.patch(backend="threading")

import nova.objects  # noqa: E402
from nova import config, context, exception, objects, utils  # noqa: E402
from nova.db.api import api as api_db  # noqa: E402
from nova.db.api import models as api_models  # noqa: E402
from nova.db.main import api as main_db  # noqa: E402
from nova.db.main import models as main_models  # noqa: E402

from discovery.probe import driver, layer  # noqa: E402
from discovery.probe.lines import read  # noqa: E402

CONFIGURATION = """
[DEFAULT]
transport_url = fake:/
state_path = {folder}
host = site-2-control
[database]
connection = sqlite:///{folder}/main.db
[api_database]
connection = sqlite:///{folder}/api.db
[oslo_messaging_notifications]
driver = discovery-probe
[discovery_probe]
folder = {folder}/records
site = site-2
"""
WORKERS = 6


def record():
    (file,) = (FOLDER / "records").iterdir()
    return read(file)


def access(number):
    admin = context.get_admin_context()
    name = f"host-{number}"
    service = objects.Service(admin, host=name, binary="nova-compute", topic="compute")
    service.create()
    objects.Service.get_by_compute_host(admin, name)
    objects.FlavorList.get_all(admin)
    with contextlib.suppress(exception.InstanceMappingNotFound):
        objects.InstanceMapping.get_by_instance_uuid(admin, "0" * 36)
    with contextlib.suppress(exception.ServiceNotFound):
        main_db.service_get(admin, 10_000)


def together():
    if MODE == "eventlet":
        import eventlet  # noqa: PLC0415

        assert utils.concurrency_mode_threading() is False
        pool = eventlet.GreenPool()
        for number in range(WORKERS):
            pool.spawn(access, number)
        pool.waitall()
        return
    import threading  # noqa: PLC0415

    threads = [threading.Thread(target=access, args=(n,)) for n in range(WORKERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def main():
    file = FOLDER / "nova.conf"
    file.write_text(CONFIGURATION.format(folder=FOLDER))
    config.parse_args(["nova-conductor", "--config-file", str(file)])
    objects.register_all()
    driver.start(config.CONF)  # again: nothing is watched twice
    api_models.BASE.metadata.create_all(api_db.get_engine())
    main_models.BASE.metadata.create_all(main_db.get_engine())
    before = record()[0].strays
    together()
    modules = {module: importlib.import_module(module) for module in layer.MODULES}
    print(
        json.dumps(
            {
                "watched": {name: layer.functions(module) for name, module in modules.items()},
                "twice": [
                    function
                    for name, module in modules.items()
                    for function in layer.functions(module)
                    if "discovery/probe"
                    in getattr(module, function).__wrapped__.__code__.co_filename
                ],
                "not_calls": sorted(
                    name for name in layer.NOT_CALLS if not hasattr(modules[layer.MODULES[0]], name)
                ),
                "objects": len(list(pkgutil.iter_modules(nova.objects.__path__))),
                "strays": record()[0].strays - before,
            }
        )
    )


main()
