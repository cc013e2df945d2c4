"""All cores are used, shared among the ranks of the machine, and no more than the container's quota."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys

import pytest

from wsapps.cpu import available_cores, keep_freed_pages, quota_cores

SCRIPT = """
import json, os, torch
from wsapps.cpu import keep_freed_pages, prepare_cpu

found = {"before": torch.get_num_threads()}
prepare_cpu()
found["alone"] = torch.get_num_threads()
os.environ["LOCAL_WORLD_SIZE"] = "2"
prepare_cpu()
found["one of two"] = torch.get_num_threads()
os.environ["LOCAL_WORLD_SIZE"] = "1000"
prepare_cpu()
found["one of many"] = torch.get_num_threads()
prepare_cpu(3)
found["asked for three"] = torch.get_num_threads()
found["pages kept"] = keep_freed_pages()
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def found():
    """What a fresh process finds that ``accelerate launch`` gave one thread."""
    environment = {name: value for name, value in os.environ.items() if name != "LOCAL_WORLD_SIZE"}
    said = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        env={**environment, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return json.loads(said.stdout)


def test_all_cores_are_used_although_the_launcher_says_one_thread(found):
    assert found["before"] == 1
    assert found["alone"] == available_cores()


def test_the_ranks_of_a_machine_share_its_cores(found):
    assert found["one of two"] == max(1, available_cores() // 2)
    assert found["one of many"] == 1


def test_a_number_of_threads_is_obeyed(found):
    assert found["asked for three"] == 3


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc's allocator")
def test_glibc_takes_the_allocator_settings(found):
    assert found["pages kept"] == (platform.libc_ver()[0] == "glibc")


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="needs CPU affinity")
def test_affinity_counts_and_not_the_machine():
    cores = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(cores)})
        assert available_cores() == 1
    finally:
        os.sched_setaffinity(0, cores)


@pytest.mark.parametrize(
    ("files", "cores"),
    [
        ({"cpu.max": "200000 100000\n"}, 2.0),
        ({"cpu.max": "50000 100000\n"}, 0.5),
        ({"cpu.max": "max 100000\n"}, None),
        ({"cpu.max": "damaged"}, None),
        ({"cpu/cpu.cfs_quota_us": "150000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 1.5),
        ({"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, None),
        ({}, None),
    ],
)
def test_the_quota_of_a_container(tmp_path, files, cores):
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    assert quota_cores(tmp_path) == cores


def test_there_is_always_a_core(monkeypatch):
    monkeypatch.setattr("wsapps.cpu.quota_cores", lambda: 0.2)
    assert available_cores() == 1


def test_other_systems_are_left_alone(monkeypatch):
    monkeypatch.setattr("platform.system", lambda: "Darwin")
    assert keep_freed_pages() is False
