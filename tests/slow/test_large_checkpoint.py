"""A checkpoint as large as the released ones: written to disk, loaded in bfloat16 within 18 GB of memory."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from answer_texts import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

PARAMETERS = 8_119_417_808
MOST_BYTES = 18e9
DISK_BYTES, MEMORY_BYTES = 36e9, 20e9


def available_bytes() -> int:
    """Return how much memory can be had without swapping."""
    return int(re.search(r"MemAvailable:\s+(\d+) kB", Path("/proc/meminfo").read_text())[1]) * 1024


@pytest.fixture
def folder(tmp_path):
    free, available = shutil.disk_usage(tmp_path).free, available_bytes()
    if free < DISK_BYTES:
        pytest.skip(f"{free / 1e9:.0f} GB free at {tmp_path}, {DISK_BYTES / 1e9:.0f} GB needed (see --basetemp)")
    if available < MEMORY_BYTES:
        pytest.skip(f"{available / 1e9:.0f} GB of memory available, {MEMORY_BYTES / 1e9:.0f} GB needed")
    yield tmp_path / "random-7b-d"
    # pytest keeps the folders of several runs, which would be a hundred gigabytes.
    shutil.rmtree(tmp_path)


def test_a_full_size_checkpoint_loads_in_bfloat16_within_18_gb(folder):
    subprocess.run([sys.executable, ROOT / "tools" / "random_checkpoint.py", folder], check=True)
    shards = sorted(folder.glob("*.safetensors"))
    assert len(shards) == 7 and 32.4e9 < sum(path.stat().st_size for path in shards) < 32.6e9
    command = [sys.executable, ROOT / "tests" / "measured_load.py", folder, "bfloat16"]
    report = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)
    print(report)
    assert report["parameters"] == PARAMETERS and report["dtypes"] == ["torch.bfloat16"]
    assert len(report["equal"]) == 4 and all(report["equal"].values()), report["equal"]
    # The peak that counts mapped pages of the files, too, although the kernel could drop those.
    assert max(report["VmHWM"], report["ru_maxrss"]) <= MOST_BYTES, report
    assert 2 * PARAMETERS <= report["RssAnon"] <= report["VmHWM"]
