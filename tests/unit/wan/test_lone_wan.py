from __future__ import annotations

import pytest

from discovery.errors import WanError
from discovery.experiment.models import WanSettings
from discovery.testbed.wan.attach import attach
from discovery.testbed.wan.sites import SiteNetwork


def test_one_site_has_no_link_to_shape_measure_or_cut(tmp_path):
    alone = SiteNetwork("site-1", tmp_path, "10.0.1.0/24", "10.0.1.1")
    wan = attach([alone], tmp_path, None, [])
    wan.shape([[0.0]], WanSettings())
    (measured,) = wan.record["measurements"]
    assert (measured["when"], measured["pairs"]) == ("shaped", [])
    assert not list(tmp_path.iterdir())
    for change in (lambda: wan.cut(["site-1"]), wan.heal):
        with pytest.raises(WanError, match="site-1 is alone"):
            change()
    wan.close()
