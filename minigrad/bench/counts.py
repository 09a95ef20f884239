"""What a training step has to do, counted from the sizes of its layers: calls, launches, bytes, FLOPs.

For a batch of B rows, layers l = 1..L of n_l inputs and m_l outputs, P parameters, float32 (4 bytes):

    FLOPs      sum_l 2 B n_l m_l (forward, weight gradient; and input gradient but for l = 1)
    operations 2 (L + 1) + 1: forward and rule of each layer and of the loss, and the update
    launches   5 L + 1: two a layer forward (product, bias with activation), three backward (slope with bias gradient,
               weight gradient, input gradient, which the first layer does not need), the loss with its gradient, the
               update
    bytes      4 sum_l 5 B m_l + 4 * 4 B C + 4 (3 + 2 S) P: what passes outside the products. A layer reads and writes
               its output once forward (bias and activation) and reads gradient and output and writes the gradient
               backward; the loss reads and writes (B, C) twice; the update reads p, g and S state buffers, and writes p
               and the buffers.

Bytes inside the products are left out: the products are timed by themselves, and their time contains them. The counts
are lower bounds: temporaries that an implementation makes come on top.
"""

from __future__ import annotations

from dataclasses import dataclass

from .sizes import Net

ITEM = 4
"""Bytes of a float32."""
LABEL = 8
"""Bytes of a label."""


@dataclass(frozen=True)
class Product:
    """A matrix product (m, k) @ (k, n)."""

    m: int
    k: int
    n: int

    @property
    def flops(self) -> int:
        """2 m k n."""
        return 2 * self.m * self.k * self.n


def products(net: Net, batch: int) -> list[Product]:
    """Every matrix product of a step, in its order."""
    forward = [Product(batch, n, m) for n, m in net.layers]
    backward: list[Product] = []
    for i, (n, m) in reversed(list(enumerate(net.layers))):
        backward += [Product(batch, m, n)] if i else []
        backward.append(Product(m, batch, n))
    return forward + backward


def flops(net: Net, batch: int) -> int:
    """FLOPs of the products of a step."""
    return sum(p.flops for p in products(net, batch))


def operations(net: Net) -> int:
    """Operations of the tape in a step, backward counted too, and the update."""
    return 2 * (len(net.layers) + 1) + 1


def launches(net: Net) -> int:
    """Launches of a step on an accelerator, where the kernels of the library take it all."""
    return 5 * len(net.layers) + 1


def passed_bytes(net: Net, batch: int, states: int) -> int:
    """Bytes that a step reads and writes outside its products.

    Args:
        net: the network.
        batch: rows.
        states: state buffers of the optimizer.
    """
    layers = sum(5 * batch * m for _, m in net.layers)
    loss = 4 * batch * net.sizes[-1]
    return ITEM * (layers + loss + (3 + 2 * states) * net.parameters)


def held_bytes(net: Net, states: int) -> int:
    """Bytes that stay from step to step: parameters, gradients, state."""
    return ITEM * (2 + states) * net.parameters


def row_bytes(net: Net) -> int:
    """Bytes of a step that each row adds: input and label, outputs of the layers, two gradients of the widest, loss.

    4 (n_1 + sum m_l + 2 max m_l + 3 C) + 8
    """
    widths = [m for _, m in net.layers]
    return ITEM * (net.sizes[0] + sum(widths) + 2 * max(widths) + 3 * net.sizes[-1]) + LABEL


def estimated_bytes(net: Net, batch: int, states: int) -> int:
    """Bytes that training with such batches takes: an estimate, checked against measurements to a factor of two."""
    return held_bytes(net, states) + batch * row_bytes(net)


def largest_batch(net: Net, states: int, free: int) -> int:
    """The largest batch whose estimate fits into `free` bytes, 0 where not even the parameters do."""
    return max(0, (free - held_bytes(net, states)) // row_bytes(net))
