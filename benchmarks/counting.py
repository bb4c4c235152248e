"""Counts bytes: of tensors that are alive, and of those that autograd keeps for the backward pass."""

import math
import re
import weakref
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch._subclasses.fake_tensor import FakeTensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

# What Python code asks for the number in a tensor with.
ASKING = (torch.ops.aten._local_scalar_dense.default, torch.ops.aten.item.default, torch.ops.aten.is_nonzero.default)


class Live(TorchDispatchMode):  # type: ignore[misc]
    """Adds up the bytes of all tensors that are alive, whoever holds them.

    Attributes:
        now: Bytes alive.
        peak: The most that there were, with what kernels allocate inside.
        places: How many places are found where somebody looks for some, as for virtual tokens.
    """

    def __init__(self) -> None:
        super().__init__()
        self.now = self.peak = self.places = 0
        self.sizes: dict[int, int] = {}

    def __torch_dispatch__(self, func: Any, _types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func in ASKING:
            return known(args[0])
        if func in (torch.ops.aten.index.Tensor, torch.ops.aten.index_put.default, torch.ops.aten.index_put_.default):
            args = (args[0], all_of(args[1]), *args[2:])
        if func is torch.ops.aten.sparse_mask.default:  # as many numbers as the mask has, which torch leaves open
            dense, mask = args
            values = torch.empty(mask._nnz(), dtype=dense.dtype)
            func, args = torch.sparse_coo_tensor, (mask._indices(), values, mask.shape)
        if func is torch.ops.aten.nonzero.default:
            func, args = torch.zeros, (self.places, args[0].ndim)
            kwargs = {"dtype": torch.long}
        result = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(result):
            if isinstance(tensor, torch.Tensor):
                self.add(tensor)
        self.peak = max(self.peak, self.now + inside(str(func), args))
        return result

    def add(self, tensor: torch.Tensor) -> None:
        """Counts a tensor's storage, if it is not counted yet, until it dies."""
        holder, key, size = memory_of(tensor)
        if key not in self.sizes:
            self.sizes[key] = size
            self.now += size
            self.peak = max(self.peak, self.now)
            weakref.finalize(holder, self._remove, key)

    def _remove(self, key: int) -> None:
        self.now -= self.sizes.pop(key)


def memory_of(tensor: torch.Tensor) -> tuple[Any, int, int]:
    """What holds a tensor's memory, a number that nothing else has while that lives, and its bytes."""
    if tensor.layout is torch.sparse_coo:  # indices in 8 bytes, and values
        return tensor, id(tensor), tensor._nnz() * (8 * tensor.sparse_dim() + tensor.element_size())
    storage = tensor.untyped_storage()
    return storage, storage._cdata, storage.nbytes()


def known(tensor: torch.Tensor) -> Any:
    """What Python code gets that asks for the number in a tensor: that number if there is one, else 1."""
    if not isinstance(tensor, FakeTensor):
        return tensor.tolist()
    return True if tensor.dtype is torch.bool else 1.0 if tensor.is_floating_point() else 1


def all_of(indices: Sequence[torch.Tensor | None]) -> list[torch.Tensor | None]:
    """The indices with masks, of which nobody knows how much they let through, letting all through."""
    return [
        torch.arange(index.numel()) if index is not None and index.dtype is torch.bool and index.ndim == 1 else index
        for index in indices
    ]


def inside(operation: str, args: tuple[Any, ...]) -> int:
    """Bytes that a kernel allocates for itself on a GPU, where they are many."""
    if operation.startswith("bitsandbytes.gemm_4bit"):  # many rows: the weight is made anew in the compute type
        return int(math.prod(args[2]) * args[0].element_size())
    if operation.startswith("torch_attn._varlen_attn_backward"):  # fp32 sums for queries; keys and values of each head
        query = args[1]
        return int(query.numel() * (4 + 2 * query.element_size()))
    return 0


class Saved:
    """Counts what autograd keeps for the backward pass: each storage once, parameters not at all.

    Attributes:
        by_place: Bytes by the module that was running, the tensor's shape and its type; all layers' together.
    """

    def __init__(self, model: torch.nn.Module) -> None:
        self.by_place: Counter[tuple[str, tuple[int, ...], str]] = Counter()
        self.seen = {p.untyped_storage()._cdata: p.untyped_storage() for p in model.parameters()}
        self.running = [""]
        for name, module in model.named_modules():
            module.register_forward_pre_hook(lambda _module, _args, name=name: self.running.append(name))
            module.register_forward_hook(self._left)

    def _left(self, *_: Any) -> None:
        self.running.pop()

    @property
    def total(self) -> int:
        """Bytes of all."""
        return sum(self.by_place.values())

    def pack(self, tensor: torch.Tensor) -> torch.Tensor:
        """What autograd calls with each tensor that it saves."""
        holder, key, size = memory_of(tensor)
        if key not in self.seen:
            self.seen[key] = holder  # held, so that no other storage gets its number
            where = re.sub(r".*\blayers\.\d+", "layer", self.running[-1])
            self.by_place[where, tuple(tensor.shape), str(tensor.dtype).removeprefix("torch.")] += size
        return tensor

    @contextmanager
    def counting(self) -> Iterator[None]:
        """Counts what is saved inside."""
        with torch.autograd.graph.saved_tensors_hooks(self.pack, lambda tensor: tensor):
            yield
        self.seen.clear()
