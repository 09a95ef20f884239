"""Full batch, mini-batch, one sample: the same loop with another batch size; then the lab's topic `batches`.

    python examples/batches.py                  pictures go to lab/batches
    python examples/batches.py --out pictures --smoke

The options are those of `python -m minigrad lab batches`; the code behind the pictures is minigrad/lab/batches.py.
"""

import sys
import time

import minigrad as mg
from minigrad import data, nn, optim
from minigrad.cli import main
from minigrad.nn import functional as F

BASE_BATCH, BASE_LR = 16, 0.1


def train(batch_size: int, lr: float, epochs: int) -> None:
    """Train one network on two half moons, and say what it cost."""
    mg.manual_seed(0)
    moons = data.moons(512, noise=0.2, seed=0)
    loader = data.DataLoader((moons.x, moons.y), batch_size)
    model = nn.MLP(2, [16], 2, activation="tanh")
    optimizer = optim.SGD(model.parameters(), lr)
    start = time.perf_counter()
    for _ in range(epochs):
        for x, y in loader:
            optimizer.zero_grad()
            F.cross_entropy(model(x), y).backward()
            optimizer.step()
    seconds = time.perf_counter() - start
    with mg.no_grad():
        loss = F.cross_entropy(model(mg.tensor(moons.x)), moons.y).item()
    print(f"batch {batch_size:3d}, rate {lr:<5g}: loss {loss:.4f} after {epochs} epochs in {seconds:.3f} s")


if __name__ == "__main__":
    for batch_size in (1, 16, 128, 512):  # the learning rate grows with the batch
        train(batch_size, optim.scale_lr(BASE_LR, BASE_BATCH, batch_size), epochs=3)
    sys.exit(main(["lab", "batches", *sys.argv[1:]]))
