"""Prove the gradient of an operation of your own: write the rule, fill in one row of a table, run the battery.

    python examples/check_your_own_op.py

The operation is the "squareplus" activation, (x + sqrt(x^2 + b)) / 2, a smooth relative of relu.
"""

import argparse

import numpy as np

import minigrad as mg
from minigrad.testing import OpSpec, case_of, checks_of, gradcheck


def forward(xp, x, *, b):
    """xp is numpy or cupy, whichever the array is of: one text runs on both."""
    return (x + xp.sqrt(x * x + b)) / 2


# The rule uses operators and minigrad's functions only, so it can itself be differentiated. With s = sqrt(x^2 + b) the
# output is (x + s) / 2, and its derivative (1 + x / s) / 2. `saves` says what the rule reads: the argument.
squareplus = mg.Op("squareplus", forward, saves=(0,)).defvjp(
    lambda g, out, x, b: g * (1 + x / mg.sqrt(x * x + b)) / 2  # g: the gradient of the output
)

ROW = OpSpec(
    "squareplus",
    fn=squareplus,
    reference=lambda x, *, b: (x + np.sqrt(x**2 + b)) / 2,  # what the value must be, in plain NumPy
    domain=(-4.0, 4.0),
    params=({"b": 4.0}, {"b": 0.25}),
    batched=(0,),  # every row of x is treated by itself
)


def main():
    parser = argparse.ArgumentParser(description="Check an operation of your own.")
    parser.add_argument("--cases", type=int, default=50, help="cases for each check (default %(default)s)")
    parser.add_argument("--smoke", action="store_true", help="few cases: does it run at all?")
    args = parser.parse_args()
    cases = 3 if args.smoke else args.cases

    x = np.array([-3.0, -0.5, 0.0, 0.5, 3.0])
    print("squareplus of", x, "is", squareplus(x, b=4.0))
    print("relu gives   ", x, "  ", mg.relu(x))
    print()

    print("One check, number by number, to the third derivative:")
    report = gradcheck(lambda x: squareplus(x, b=4.0), x, order=3)
    print(f"  {report.verdict}: {report.comparisons} comparisons with central differences, of which the worst used")
    print(f"  {report.worst:.1%} of the error that was allowed (the allowance is measured, not chosen)")
    print()

    print(f"The battery, on {cases} cases each of other shapes, memory layouts, dtypes and parameters:")
    for check in checks_of(ROW):
        for seed in range(cases):
            check.run(case_of(ROW, seed))
        print(f"  {check.name:14} {check.run.__doc__.splitlines()[0]}")
    print()
    print("All of it holds. In a test suite the same is three lines, and hypothesis shrinks what fails:")
    print()
    print("    @given_op(ROW)")
    print("    def test_squareplus(case): ...")


if __name__ == "__main__":
    main()
