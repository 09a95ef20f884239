"""Device memory of the strict device: pools as CuPy has them, and the limit of the machine.

The bytes themselves are NumPy's; what is modelled is the accounting: blocks of 512 bytes, free lists per stream, split
and merged blocks, limits. So the growth of a pool, a leak and a peak are numbers a test can assert.
"""

from __future__ import annotations

import bisect
from typing import Any

import numpy as np

UNIT = 512
"""Every allocation is rounded up to a multiple of so many bytes."""


def aligned_like(host: np.ndarray) -> np.ndarray:
    """Memory for an array of the shape, dtype and order of axes of `host`, without gaps, aligned as CuPy's."""
    if host.flags.c_contiguous:  # the usual case, and a quicker way
        raw = np.empty(host.nbytes + UNIT, np.uint8)
        return np.ndarray(host.shape, host.dtype, raw, -raw.ctypes.data % UNIT)
    axes = sorted(range(host.ndim), key=lambda i: -abs(host.strides[i]))
    raw = np.empty(host.nbytes + UNIT, np.uint8)
    skip = -raw.ctypes.data % UNIT
    flat = raw[skip : skip + host.nbytes].view(host.dtype)
    return flat.reshape([host.shape[i] for i in axes]).transpose(np.argsort(axes))


class OutOfMemoryError(MemoryError):
    """Stands for cupy.cuda.memory.OutOfMemoryError, with its message."""

    def __init__(self, size: int, total: int, limit: int = 0) -> None:
        message = f"Out of memory allocating {size:,} bytes (allocated so far: {total:,} bytes"
        super().__init__(message + (f", limit set to: {limit:,} bytes)." if limit else ")."))


class _Block:
    """A piece of a segment that the pool got from the device; neighbours are of the same segment."""

    __slots__ = ("after", "before", "device", "free", "number", "size", "stream")

    def __init__(self, size: int, device: int, stream: int, number: int) -> None:
        self.size, self.device, self.stream, self.number = size, device, stream, number
        self.before: _Block | None = None
        self.after: _Block | None = None
        self.free = False

    def key(self) -> tuple[int, int]:
        return self.size, self.number


class Buffer:
    """One allocation, held by the array made for it and by all its views; freed with the last of them."""

    __slots__ = ("__weakref__", "_block", "device_id", "nbytes", "pool")

    def __init__(self, pool: MemoryPool, block: _Block | None, nbytes: int, device_id: int) -> None:
        self.pool, self._block, self.nbytes, self.device_id = pool, block, nbytes, device_id

    def __del__(self) -> None:
        if self._block is not None:
            self.pool._release(self._block, self.nbytes)


class MemoryPool:
    """Stands for cupy.cuda.MemoryPool on each device.

    Args:
        machine: the StrictDevice whose memory it takes.
    """

    def __init__(self, machine: Any) -> None:
        self._machine = machine
        self._free: dict[tuple[int, int], list[_Block]] = {}  # by device and stream, smallest first
        self._total: dict[int, int] = {}
        self._used: dict[int, int] = {}
        self._limit: dict[int, int] = {}
        self._numbers = 0
        self.growths = 0
        """How often memory was taken from the device."""

    # --- what CuPy offers -------------------------------------------------------------------------------------------

    def used_bytes(self) -> int:
        return self._used.get(self._machine.current, 0)

    def total_bytes(self) -> int:
        return self._total.get(self._machine.current, 0)

    def free_bytes(self) -> int:
        return self.total_bytes() - self.used_bytes()

    def n_free_blocks(self) -> int:
        return sum(len(blocks) for (device, _), blocks in self._free.items() if device == self._machine.current)

    def set_limit(self, size: int | None = None) -> None:
        self._limit[self._machine.current] = size or 0

    def get_limit(self) -> int:
        return self._limit.get(self._machine.current, 0)

    def free_all_blocks(self, stream: Any = None) -> None:
        """Give free segments back to the device, which waits for it to be idle."""
        self._machine.synchronise("free_all_blocks")
        self._give_back(self._machine.current)

    def malloc(self, size: int) -> MemoryPointer:
        buffer = self.allocate(size)
        return MemoryPointer(np.empty(size, np.uint8), buffer)

    # --- allocation -------------------------------------------------------------------------------------------------

    def allocate(self, nbytes: int) -> Buffer:
        """A buffer on the current device, in the arena of the current stream."""
        machine, device = self._machine, self._machine.current
        if nbytes == 0:
            return Buffer(self, None, 0, device)
        size = -(-nbytes // UNIT) * UNIT
        stream = machine.stream().ptr
        block = self._take(device, stream, size) or self._grow(device, stream, size)
        self._used[device] = self._used.get(device, 0) + block.size
        machine.allocated(nbytes)
        return Buffer(self, block, nbytes, device)

    def _take(self, device: int, stream: int, size: int) -> _Block | None:
        """The smallest free block that is large enough; what is left of it stays free."""
        free = self._free.get((device, stream), [])
        at = bisect.bisect_left(free, (size, 0), key=_Block.key)
        if at == len(free):
            return None
        block = free.pop(at)
        block.free = False
        if block.size > size:
            self._numbers += 1
            rest = _Block(block.size - size, device, stream, self._numbers)
            rest.before, rest.after = block, block.after
            if block.after is not None:
                block.after.before = rest
            block.after, block.size = rest, size
            self._insert(rest)
        return block

    def _grow(self, device: int, stream: int, size: int) -> _Block:
        machine = self._machine
        limit, total = self._limit.get(device, 0), self._total.get(device, 0)
        if machine.capturing() and machine.warm_pool_only:
            raise RuntimeError(
                f"a capture asks for {size:,} bytes more than the pool holds ({total:,} bytes): warm it up first"
            )
        if (limit and total + size > limit) or machine.reserved[device] + size > machine.memory_limit:
            if machine.capturing():  # CuPy would wait for the device to give memory back, which a capture forbids
                raise OutOfMemoryError(size, total, limit)
            self._give_back(device)
            total = self._total.get(device, 0)
            if limit and total + size > limit:
                raise OutOfMemoryError(size, total, limit)
            if machine.reserved[device] + size > machine.memory_limit:
                raise OutOfMemoryError(size, total, machine.memory_limit)
        self.growths += 1
        self._numbers += 1
        self._total[device] = total + size
        machine.reserved[device] += size
        return _Block(size, device, stream, self._numbers)

    def _insert(self, block: _Block) -> None:
        block.free = True
        bisect.insort(self._free.setdefault((block.device, block.stream), []), block, key=_Block.key)

    def _remove(self, block: _Block) -> None:
        free = self._free[block.device, block.stream]
        del free[bisect.bisect_left(free, block.key(), key=_Block.key)]

    def _release(self, block: _Block, nbytes: int) -> None:
        """Called when the last array on a buffer is gone: merge the block with free neighbours."""
        self._used[block.device] -= block.size
        self._machine.freed(nbytes)
        if (after := block.after) is not None and after.free:
            self._remove(after)
            block.size += after.size
            block.after = after.after
            if after.after is not None:
                after.after.before = block
        if (before := block.before) is not None and before.free:
            self._remove(before)
            before.size += block.size
            before.after = block.after
            if block.after is not None:
                block.after.before = before
            block = before
        self._insert(block)

    def _give_back(self, device: int) -> None:
        """Return the free blocks that are whole segments."""
        whole = [
            block
            for (where, _), blocks in self._free.items()
            for block in blocks
            if where == device and block.before is None and block.after is None
        ]
        for block in whole:
            self._remove(block)
            self._total[device] -= block.size
            self._machine.reserved[device] -= block.size

    def __del__(self) -> None:
        # free blocks go back to the device with the pool; a live array keeps its pool alive
        for device, total in self._total.items():
            self._machine.reserved[device] -= total


class MemoryPointer:
    """What `array.data` is: an address, and the pool's buffer behind it."""

    __slots__ = ("_array", "mem")

    def __init__(self, array: np.ndarray, mem: Buffer) -> None:
        self._array, self.mem = array, mem

    @property
    def ptr(self) -> int:
        return int(self._array.__array_interface__["data"][0])

    @property
    def device_id(self) -> int:
        return self.mem.device_id

    def __int__(self) -> int:
        return self.ptr
