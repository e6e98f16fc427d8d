"""The pretend GPU in processes of their own."""

import json
import os
import subprocess
import sys

import pytest

CHILD = """
import os, torch
assert torch.cuda.device_count() == {count}, torch.cuda.device_count()
print(torch.ones(3, device="cuda:{last}").sum().item())
graph = torch.cuda.CUDAGraph()
x = torch.ones(3, device="cuda:{last}")
torch.cuda.set_device({last})
with torch.cuda.graph(graph):
    x.add_(1)
if os.fork() == 0:
    try:
        torch.ones(3, device="cuda")
    except RuntimeError as error:
        print(error)
    os._exit(0)
os.wait()
"""


def run(env, count, **more):
    child = CHILD.format(count=count, last=count - 1)
    done = subprocess.run(
        [sys.executable, "-c", child], env={**os.environ, **env, **more},
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_python_process_sees_the_devices_it_is_told_of(gpu_env, tmp_path):
    out = run(gpu_env(devices=2), 2)
    assert out.startswith("3.0\n") and "Cannot re-initialize CUDA in forked subprocess" in out
    (line,) = map(json.loads, (tmp_path / "gpu.log").read_text().splitlines())
    assert (line["event"], line["device"], line["operations"]) == ("capture", 1, 1)


@pytest.mark.slow
def test_invisible_devices_are_left_out(gpu_env):
    run(gpu_env(devices=2), 1, CUDA_VISIBLE_DEVICES="1")
