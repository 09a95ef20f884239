"""Train an MLP on scikit-learn's handwritten digits (8 x 8 pixels) and print its accuracy on digits it never saw.

One network, or several seeds of a larger one:

    python examples/train_digits.py
    python examples/train_digits.py --seeds 5 --hidden 256 128 --epochs 50

The loop in `train` is written out by hand; every line of it is also how PyTorch would have it.
"""

import argparse
import statistics
import sys

import minigrad as mg
from minigrad import data, nn, optim
from minigrad.nn import functional as F

try:
    from tqdm import tqdm
except ImportError:  # train without a progress bar
    tqdm = None


def accuracy(model, x, y):
    """The share of the samples whose largest logit is that of their class."""
    model.eval()
    with mg.no_grad():
        right = model(x).argmax(axis=1) == y
    return right.data.mean().item()


def train(args, seed):
    """Train one network from one seed; return its accuracy on the test set."""
    mg.manual_seed(seed)  # fixes the split, the initial weights, dropout and the order of the batches

    digits = data.load("digits")
    x_train, x_test, y_train, y_test = data.train_test_split(digits, stratify=digits.y)
    scaler = data.StandardScaler().fit(x_train)  # on the training set only: the test set stays unseen
    test = [mg.tensor(a, device=args.device) for a in (scaler.transform(x_test), y_test)]

    loader = data.DataLoader((scaler.transform(x_train), y_train), args.batch_size, device=args.device)
    model = nn.MLP(64, args.hidden, 10, dropout=args.dropout).to(args.device)
    optimizer = optim.Adam(model.parameters(), lr=args.lr)

    for epoch in progress(range(1, args.epochs + 1), f"seed {seed}"):
        model.train()
        total = 0.0
        for x, y in loader:
            optimizer.zero_grad()
            loss = F.cross_entropy(model(x), y)
            loss.backward()
            optimizer.step()
            total += loss.detach() * len(y)  # stays on the device: nothing waits for it here

        if epoch % args.report == 0 or epoch == args.epochs:
            mean_loss = total.item() / len(y_train)
            say(f"epoch {epoch:3d}   training loss {mean_loss:.4f}   test accuracy {accuracy(model, *test):.4f}")

    return accuracy(model, *test)


def progress(epochs, name):
    """The epochs behind a progress bar; bare where tqdm is missing or nobody watches a terminal."""
    if tqdm is None:
        return epochs
    return tqdm(epochs, desc=name, unit="epoch", leave=False, disable=not sys.stderr.isatty())


def say(line):
    """Print without tearing the progress bar."""
    print(line, flush=True) if tqdm is None else tqdm.write(line)


def arguments():
    parser = argparse.ArgumentParser(description="Train an MLP on handwritten digits.")
    parser.add_argument("--epochs", type=int, default=40, help="passes over the training set (default %(default)s)")
    parser.add_argument("--batch-size", type=int, default=64, help="samples a step (default %(default)s)")
    parser.add_argument("--lr", type=float, default=2e-3, help="Adam's learning rate (default %(default)s)")
    parser.add_argument("--hidden", type=int, nargs="*", default=[128, 64], help="hidden sizes (default 128 64)")
    parser.add_argument("--dropout", type=float, default=0.2, help="of hidden units (default %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="the first seed (default %(default)s)")
    parser.add_argument("--seeds", type=int, default=1, help="train this many seeds (default %(default)s)")
    parser.add_argument("--device", default="cpu", help="cpu, cuda, cuda:<index> or auto (default %(default)s)")
    parser.add_argument("--report", type=int, default=5, help="epochs between two lines (default %(default)s)")
    parser.add_argument("--smoke", action="store_true", help="two epochs of a tiny network: does it run at all?")
    args = parser.parse_args()
    if args.smoke:
        args.epochs, args.hidden = 2, [16]
    for name in ("epochs", "report", "seeds"):
        if getattr(args, name) < 1:
            parser.error(f"--{name} must be at least 1, got {getattr(args, name)}")
    return args


def main():
    args = arguments()
    results = []
    for seed in range(args.seed, args.seed + args.seeds):
        results.append(train(args, seed))
        if args.seeds > 1:
            say(f"seed {seed}: test accuracy {results[-1]:.4f}")
    spread = f" (standard deviation {statistics.stdev(results):.4f} over {args.seeds} seeds)" if args.seeds > 1 else ""
    print(f"test accuracy: {statistics.mean(results):.4f}{spread}")


if __name__ == "__main__":
    main()
