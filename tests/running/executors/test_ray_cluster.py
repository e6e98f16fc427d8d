"""Connecting to a cluster, and what its workers are, with a pretended Ray."""

from __future__ import annotations

import os
import socket
import sys
from types import SimpleNamespace
from typing import Any

import pytest

from lth_bench.errors import UserError
from lth_bench.running.executors import ray_cluster
from lth_bench.running.executors.ray_cluster import RayCluster, connected
from lth_bench.running.request import Execution


class PretendedRay(SimpleNamespace):
    """Remembers how it was started, and with which variables."""

    def __init__(self) -> None:
        super().__init__(asked=[])

    def is_initialized(self) -> bool:
        return bool(self.__dict__.get("theirs"))

    def init(self, **options: Any) -> None:
        self.options, self.folder = options, os.getcwd()
        self.env = {k: v for k, v in os.environ.items() if k.startswith("RAY_")}
        if self.__dict__.get("error"):
            raise self.error

    def shutdown(self) -> None:
        self.ended = True


@pytest.fixture
def ray(monkeypatch: pytest.MonkeyPatch) -> PretendedRay:
    for name in [name for name in os.environ if name.startswith("RAY_")]:
        monkeypatch.delenv(name)
    found = PretendedRay()
    monkeypatch.setattr(ray_cluster, "_require_reachable", found.asked.append)
    monkeypatch.setitem(sys.modules, "ray", found)  # type: ignore[arg-type]  # in a module's place
    return found


def test_without_ray_one_message_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(UserError, match=r'needs Ray: pip install "ray>=2.60"'):
        connected(None, 2).__enter__()


def test_a_cluster_of_ones_own_has_a_token_that_no_other_knows(ray: PretendedRay) -> None:
    tokens = set()
    for _ in range(2):
        with connected(None, 3) as found:
            assert found is ray
            assert ray.env["RAY_AUTH_MODE"] == "token"
            tokens.add(ray.env["RAY_AUTH_TOKEN"])
        assert not [name for name in os.environ if name.startswith("RAY_AUTH")]
    (token,) = tokens  # Ray reads it once in a process
    assert len(token) == 64
    assert ray.options["address"] == "local" and ray.options["num_cpus"] == 3
    assert ray.ended
    # workers import from that folder; the current one may be a stranger's
    assert ray.folder == "/" and os.getcwd() != "/"


def test_another_cluster_is_used_with_its_token(ray: PretendedRay, monkeypatch: Any) -> None:
    monkeypatch.setenv("RAY_AUTH_TOKEN", "t")
    with connected("10.0.0.1:6379", None):
        pass
    assert ray.options["address"] == "10.0.0.1:6379"
    assert (ray.env["RAY_AUTH_MODE"], ray.env["RAY_AUTH_TOKEN"]) == ("token", "t")
    monkeypatch.setenv("RAY_ADDRESS", "10.0.0.2:6379")
    with connected(None, None):
        pass
    assert ray.options["address"] == "10.0.0.2:6379"
    assert ray.asked == ["10.0.0.1:6379", "10.0.0.2:6379"]


def test_a_cluster_that_the_caller_is_connected_to_stays_theirs(ray: PretendedRay) -> None:
    ray.theirs = True
    with connected(None, 2) as found:
        assert found is ray
    assert not hasattr(ray, "options") and not hasattr(ray, "ended")


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (ConnectionRefusedError(111, "refused"), "no Ray cluster can be reached at 10.0.0.1:6379"),
        (ConnectionError("Failed to connect"), "set RAY_AUTH_TOKEN or RAY_AUTH_TOKEN_PATH"),
    ],
)
def test_a_cluster_that_cannot_be_reached_is_one_message(
    ray: PretendedRay, error: Exception, says: str
) -> None:
    ray.error = error
    with pytest.raises(UserError) as found:
        connected("10.0.0.1:6379", None).__enter__()
    assert says in found.value.message


def test_an_address_without_a_cluster_is_found_before_ray_tries_for_minutes() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
        # while the port is taken, or another process could listen at it
        with pytest.raises(UserError, match=f"no Ray cluster can be reached at {address}"):
            ray_cluster._require_reachable(address)
    with socket.create_server(("127.0.0.1", 0)) as server:
        ray_cluster._require_reachable(f"127.0.0.1:{server.getsockname()[1]}")
    ray_cluster._require_reachable("auto")  # Ray's to find


@pytest.mark.parametrize("address", ["10.0.0.1", ":6379", "host:port", "host:99999999999"])
def test_an_address_is_a_host_and_a_port(address: str) -> None:
    with pytest.raises(UserError, match=f"{address}"):
        ray_cluster._require_reachable(address)


def test_a_client_address_is_refused(ray: PretendedRay) -> None:
    with pytest.raises(UserError, match="ray job submit"):
        connected("ray://10.0.0.1:10001", None).__enter__()


@pytest.mark.parametrize(
    ("have", "asked", "devices", "workers", "each"),
    [
        ({"CPU": 8.0}, {}, ("cpu",), 8, {"num_cpus": 1}),
        ({"CPU": 8.0, "GPU": 2.0}, {"device": "cpu"}, ("cpu",), 8, {"num_cpus": 1}),
        ({"CPU": 8.0, "GPU": 2.0}, {}, ("cuda:0",), 2, {"num_cpus": 1, "num_gpus": 1}),
        # four workers on two GPUs have half of one each
        (
            {"CPU": 8.0, "GPU": 2.0},
            {"workers": 4},
            ("cuda:0",),
            4,
            {"num_cpus": 1, "num_gpus": 0.5},
        ),
        # an autoscaler has not started its machines
        ({}, {"workers": 40}, ("cpu",), 40, {"num_cpus": 1}),
        ({}, {"workers": 40, "device": "cuda"}, ("cuda:0",), 40, {"num_cpus": 1, "num_gpus": 1}),
    ],
)
def test_workers_of_a_cluster(have, asked, devices, workers, each) -> None:
    ray = SimpleNamespace(cluster_resources=lambda: have)
    found = RayCluster(ray, Execution(executor="ray", **asked))
    assert (found.devices.names, len(found.workers)) == (devices, workers)
    assert found.resources == each
    shared = each.get("num_gpus", 1) < 1
    assert [note.partition(":")[0] for note in found.devices.notes] == (
        ["2 workers share a GPU"] if shared else []
    )


@pytest.mark.parametrize(
    ("have", "asked", "says"),
    [
        ({}, {}, "--workers N"),
        ({"CPU": 8.0}, {"device": "cuda"}, "no node of the cluster has a GPU"),
        ({"CPU": 8.0, "GPU": 1.0}, {"device": "cuda:0"}, "Ray chooses"),
    ],
)
def test_what_a_cluster_does_not_have(have, asked, says) -> None:
    ray = SimpleNamespace(cluster_resources=lambda: have)
    with pytest.raises(UserError, match=says):
        RayCluster(ray, Execution(executor="ray", **asked))
