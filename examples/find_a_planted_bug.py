"""Find a bug that three plausible tests miss, and let hypothesis shrink it to the smallest call that shows it.

    python examples/find_a_planted_bug.py

The operation is layer normalisation without scale and shift. Its rule forgets one of three terms, and only that one
which disappears when the gradient of the output happens to be uncorrelated with the output.
"""

import argparse

import hypothesis
import numpy as np

import minigrad as mg
from minigrad.testing import WrongGradientError, gradcheck, strategies


def forward(xp, x):
    centred = x - x.mean(axis=-1, keepdims=True)
    return centred / xp.sqrt((centred * centred).mean(axis=-1, keepdims=True) + 1e-3)


def right_rule(g, out, x):
    scale = mg.sqrt(mg.var(x, axis=-1, keepdims=True) + 1e-3)
    along = out * (g * out).mean(axis=-1, keepdims=True)
    return (g - g.mean(axis=-1, keepdims=True) - along) / scale


def planted_rule(g, out, x):
    scale = mg.sqrt(mg.var(x, axis=-1, keepdims=True) + 1e-3)
    return (g - g.mean(axis=-1, keepdims=True)) / scale  # the scale depends on x as well: that term is missing


right = mg.Op("normalise", forward).defvjp(right_rule)
planted = mg.Op("normalise (planted)", forward).defvjp(planted_rule)


def plausible_tests(op):
    """What one writes first. All of it passes."""
    x = mg.tensor(np.array([[1.0, 2.0, 4.0]]), requires_grad=True)
    out = op(x)
    out.sum().backward()
    value = np.allclose(out.detach().numpy().mean(), 0, atol=1e-6)
    zero = np.allclose(x.grad.numpy(), 0, atol=1e-6)  # a shift of the outputs' mean is impossible
    return {"the output has mean 0": value, "its sum has gradient 0": zero, "shapes fit": x.grad.shape == x.shape}


def smallest_counterexample(op, examples):
    """The input that hypothesis ends at, and what gradcheck says there; None where nothing fails."""
    seen = {"cases": 0}

    @hypothesis.settings(max_examples=examples, deadline=None, database=None, derandomize=True)
    @hypothesis.given(x=strategies.tensors(shape=strategies.shapes(min_dims=1, max_dims=3, min_side=1)))
    def check(x):
        seen["cases"] += 1
        try:
            gradcheck(op, x, order=1, seed=1)
        except WrongGradientError as error:
            seen.update(x=x.data, report=error.report)
            if "first" not in seen:
                seen["first"] = x.data
            raise

    try:
        check()
    except WrongGradientError:
        return seen
    return None


def main():
    parser = argparse.ArgumentParser(description="Find a planted bug.")
    parser.add_argument("--examples", type=int, default=200, help="cases to try (default %(default)s)")
    parser.add_argument("--smoke", action="store_true", help="fewer cases: does it run at all?")
    args = parser.parse_args()
    examples = 30 if args.smoke else args.examples

    print("Plausible tests of the planted rule:")
    for name, passed in plausible_tests(planted).items():
        print(f"  {name:24} {'passed' if passed else 'FAILED'}")
    print()

    found = smallest_counterexample(planted, examples)
    if found is None:
        raise SystemExit("the planted bug was not found: it should have been")
    print(f"gradcheck on drawn arrays: wrong. The first input that failed, of shape {found['first'].shape}:")
    print(np.array2string(found["first"], prefix="  "))
    print(f"After {found['cases']} cases hypothesis has made it as simple as it gets:")
    print(np.array2string(found["x"], prefix="  "))
    print()
    print(found["report"].failing)
    print()
    print("To see it again, define f and run:")
    print("    " + found["report"].snippet.rstrip().replace("\n", "\n    "))
    print()

    if smallest_counterexample(right, examples) is not None:
        raise SystemExit("the right rule failed: it should not have")
    print(f"With the missing term put back: {examples} cases, nothing found.")


if __name__ == "__main__":
    main()
