"""fsspec's own conformance suite (copy, get, put, pipe) over gcsfs and `seamount serve`. Its test of open("xb") is left
out: gcsfs asks nothing of a server when it opens a file for writing."""

from __future__ import annotations

import os

import fsspec.tests.abstract as abstract
import pytest
from test_clients import lab_with_winds

os.environ["GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT"] = "false"
import gcsfs  # noqa: E402


@pytest.fixture(scope="module")
def lab(seamount_binary, tmp_path_factory):
    with lab_with_winds(seamount_binary, tmp_path_factory.mktemp("lab")) as lab:
        yield lab


class Fixtures(abstract.AbstractFixtures):
    @pytest.fixture(scope="class")
    def fs(self, lab):
        gcsfs.GCSFileSystem.clear_instance_cache()
        return gcsfs.GCSFileSystem(project="lab", token=str(lab.admin_key), endpoint_url=lab.endpoint)

    @pytest.fixture
    def fs_path(self):
        return "winds"

    @pytest.fixture
    def supports_empty_directories(self):
        return False


class TestCopy(abstract.AbstractCopyTests, Fixtures):
    pass


class TestGet(abstract.AbstractGetTests, Fixtures):
    pass


class TestPut(abstract.AbstractPutTests, Fixtures):
    pass


class TestPipe(abstract.AbstractPipeTests, Fixtures):
    pass
