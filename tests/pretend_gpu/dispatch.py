"""What every operation goes through: devices are checked, waits and copies noted, launches counted
and recorded; the numbers are computed on the CPU.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

import torch
from torch import Tensor

from pretend_gpu import backward, graphs, streams
from pretend_gpu.graphs import Operation
from pretend_gpu.kernels import kernel
from pretend_gpu.machine import Machine
from pretend_gpu.memory import Region
from pretend_gpu.tensors import PretendTensor

CPU = torch.device("cpu")
NO_LAUNCH = frozenset(
    ("empty", "empty_strided", "empty_like", "empty_permuted", "new_empty", "new_empty_strided",
     "detach", "lift_fresh", "set_", "resize_", "record_stream", "is_pinned")
)  # fmt: skip
READS = frozenset(
    ("_local_scalar_dense", "nonzero", "masked_select", "equal", "bincount", "is_nonzero",
     "unique_dim", "unique_consecutive", "_unique", "_unique2")
)  # fmt: skip
"""Their result's shape, or a Python number, is read from the device."""
COPIES = frozenset(("copy_", "_to_copy", "_foreach_copy_"))
OVERWRITES = frozenset(("copy_", "zero_", "fill_", "_foreach_copy_", "_foreach_zero_"))
INDEXING = frozenset(["index", "index_put", "index_put_", "_index_put_impl_", "_unsafe_index"])


def dispatch(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Compute an operation, wherever its tensors say they are."""
    machine = streams.machine
    name = func._schema.name.removeprefix("aten::")
    flat = list(_leaves(args, kwargs))
    ours = [a for a in flat if type(a) is PretendTensor]
    target = next((torch.device(a) for a in flat if isinstance(a, torch.device)), None)
    to_gpu = target is not None and target.type == "cuda"
    if not ours and not to_gpu:
        return _on_host(func, name, args, kwargs)
    machine.initialize()
    device = machine.index(target if to_gpu else ours[0].device)
    _same_device(name, args, flat, ours)
    _waits(machine, func, name, args, kwargs, ours, target)
    launches = name not in NO_LAUNCH and not _is_view(func)
    draws = torch.Tag.nondeterministic_seeded in func.tags and launches
    if draws:
        machine.forbid(f"random draw ({name})")
    if launches and machine.fault is not None and machine.fault.strikes(machine):
        machine.run_out(0, device)
    inner_args = _mapped(_inner, args)
    inner_kwargs = {k: _mapped(_inner, v) for k, v in kwargs.items()}
    if inner_kwargs.get("pin_memory"):
        inner_kwargs["pin_memory"] = False
    computed = kernel(func, name, inner_args)
    with _from_generator(machine, device, draws):
        out = computed(*inner_args, **inner_kwargs)
    known = {id(a.inner): a for a in ours}
    gone = target is not None and target.type != "cuda" and name == "_to_copy"

    def outer(x: Any) -> Any:
        if not isinstance(x, Tensor) or gone:
            return x
        return known[id(x)] if id(x) in known else PretendTensor(x, device)

    if name == "copy_" and not isinstance(args[0], PretendTensor):
        result, gone = args[0], True
    else:
        result = _mapped(outer, out)
    if launches:
        made = [r for r in _leaves((result,)) if type(r) is PretendTensor]
        call = Call(func, computed, args, kwargs, inner_args, inner_kwargs, out)
        _launch(machine, name, call, ours, made, device)
    return result


class Call(NamedTuple):
    """An operation as it was called, and as it was computed."""

    func: Any
    computed: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    inner_args: tuple[Any, ...]
    inner_kwargs: dict[str, Any]
    out: Any


def _leaves(args: Sequence[Any], kwargs: Mapping[str, Any] | None = None) -> Iterator[Any]:
    """All arguments, those in lists one by one: operations nest them no further."""
    for value in (*args, *(kwargs or {}).values()):
        if isinstance(value, list | tuple):
            yield from value
        else:
            yield value


def _mapped(change: Callable[[Any], Any], value: Any) -> Any:
    if isinstance(value, list | tuple):
        return type(value)([_mapped(change, v) for v in value])
    return change(value)


def _on_host(func: Any, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    if kwargs.get("pin_memory"):  # page-locked memory takes a driver
        kwargs = {**kwargs, "pin_memory": False}
    if name == "_pin_memory":
        return args[0].clone()
    if name == "is_pinned":
        return False
    return func(*args, **kwargs)


def _inner(x: Any) -> Any:
    if type(x) is PretendTensor:
        return x.inner
    if isinstance(x, torch.device) and x.type == "cuda":
        return CPU
    return x


@cache
def _is_view(func: Any) -> bool:
    returns = [r.alias_info for r in func._schema.returns]
    return any(r is not None and not r.is_write for r in returns)


def _same_device(
    name: str, args: tuple[Any, ...], flat: list[Any], ours: list[PretendTensor]
) -> None:
    """Raise as torch does for tensors of several devices."""
    if name in COPIES or not ours:
        return
    hosts = [
        a
        for a in flat
        if isinstance(a, Tensor) and type(a) is not PretendTensor and a.device.type != "meta"
    ]
    if name in INDEXING and type(args[0]) is PretendTensor:
        hosts = []  # indices on the host are copied, which is noted as a wait
    found = {str(a.device) for a in ours} | {str(h.device) for h in hosts if h.ndim}
    if len(found) > 1:
        raise RuntimeError(
            f"Expected all tensors to be on the same device, but found at least two devices, "
            f"{' and '.join(sorted(found))}! (when checking arguments for {name})"
        )


def _waits(
    machine: Machine,
    func: Any,
    name: str,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    ours: list[PretendTensor],
    target: torch.device | None,
) -> None:
    """Note where the host waits, or copies."""
    if name in READS or (name == "repeat_interleave" and func._overloadname == "Tensor"):
        machine.wait(name)
    if name in INDEXING and type(args[0]) is PretendTensor:
        given = [i for i in args[1] if i is not None]
        booleans = [i for i in given if i.dtype in (torch.bool, torch.uint8)]
        fills = len(args) > 2 and args[2].numel() == 1 and len(booleans) == len(given)
        if booleans and not fills:
            machine.wait(f"{name} by booleans")
        if any(type(i) is not PretendTensor and i.ndim for i in given):
            machine.copy(f"{name} by indices on the host", blocking=True)
    if name == "copy_":
        there, from_there = (type(a) is PretendTensor for a in args[:2])
        blocking = not (kwargs.get("non_blocking") or (len(args) > 2 and args[2]))
        if there != from_there:
            machine.copy("copy to the device" if there else "copy to the host", blocking)
    if name == "_to_copy":
        there = target is not None and target.type == "cuda"
        if bool(ours) != there and (there or (target is not None and target.type == "cpu")):
            blocking = not kwargs.get("non_blocking")
            machine.copy("copy to the device" if there else "copy to the host", blocking)


@contextlib.contextmanager
def _from_generator(machine: Machine, device: int, draws: bool) -> Iterator[None]:
    """Draw from the device's generator where none is given, as modules do."""
    if not draws:
        yield
        return
    of_host, of_device = torch.default_generator, machine.generators[device]
    before = of_host.get_state()
    of_host.set_state(of_device.get_state())
    try:
        yield
    finally:
        of_device.set_state(of_host.get_state())
        of_host.set_state(before)


def _launch(
    machine: Machine,
    name: str,
    call: Call,
    ours: list[PretendTensor],
    made: list[PretendTensor],
    device: int,
) -> None:
    """Count it, put it on its stream, and record it where that is captured."""
    machine.launches[name] += 1
    written = _written(call)
    used = {Region.of(a) for a in ours}
    blocks = {r.block for r in used}
    writes = written | {Region.of(m) for m in made if m.block not in blocks}
    reads = used - written if name in OVERWRITES else used
    stream = backward.stream_of_node(machine, device, {r.block for r in reads})
    devices = {r.block.device for r in reads | writes} - {device}
    peers = [streams.current_stream(i) for i in devices]
    for peer in peers:  # a copy between devices, which torch puts between both
        stream.wait_stream(peer)
    stream.tick()
    for peer in peers:
        peer.wait_stream(stream)
    streams.merge(streams.everything.setdefault(device, {}), stream.clock)
    capture = machine.capture
    captured = (
        capture is not None
        and stream in capture.streams
        and capture.thread is threading.current_thread()
    )
    backward.wrote(machine, stream, {r.block for r in writes})
    table = capture.accesses if captured and capture else graphs.outside
    streams.check(stream, name, reads, writes, table)  # type: ignore[arg-type]
    if captured and capture is not None:
        run = _again(call, ours)
        operation = Operation(
            name, stream.stream_id, frozenset(reads), frozenset(writes), run, call.out
        )
        capture.operations.append(operation)


def _again(call: Call, ours: list[PretendTensor]) -> Callable[[], Any]:
    """The operation as a replay does it: numbers from the host are part of the launch, and stay
    what they were.
    """
    mine = {id(a.inner) for a in ours}

    def fixed(x: Any) -> Any:
        return x.clone() if isinstance(x, Tensor) and id(x) not in mine else x

    args = _mapped(fixed, call.inner_args)
    kwargs = {k: _mapped(fixed, v) for k, v in call.inner_kwargs.items()}
    return lambda: call.computed(*args, **kwargs)


@cache
def _arguments_written(func: Any) -> list[tuple[int, str]]:
    """Place and name of the arguments that an operation changes."""
    return [
        (i, a.name)
        for i, a in enumerate(func._schema.arguments)
        if a.alias_info is not None and a.alias_info.is_write
    ]


def _written(call: Call) -> set[Region]:
    """What the operation changes of its arguments."""
    found: set[Region] = set()
    for i, name in _arguments_written(call.func):
        given = call.args[i] if i < len(call.args) else call.kwargs.get(name)
        found |= {Region.of(t) for t in _leaves((given,)) if type(t) is PretendTensor}
    return found
