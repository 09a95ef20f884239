"""Sums, differences, products and quotients."""

from __future__ import annotations

from ..core.op import HOST_MODULE, Op

# On the host by NumPy's functions, for `+` would join two lists; on a device by operators, which alone let a Spec among
# the operands (what a rule reads but its op did not save) say what is wrong.
add = Op(
    "add",
    lambda xp, x, y: xp.add(x, y) if xp is HOST_MODULE else x + y,
    saves=(),
    broadcasts=True,
    doc="x + y, elementwise with broadcasting.",
)
add.defvjp(lambda g, out, x, y: g, lambda g, out, x, y: g)

subtract = Op(
    "subtract",
    lambda xp, x, y: xp.subtract(x, y) if xp is HOST_MODULE else x - y,
    saves=(),
    broadcasts=True,
    doc="x - y, elementwise with broadcasting.",
)
subtract.defvjp(lambda g, out, x, y: g, lambda g, out, x, y: -g)

multiply = Op(
    "multiply",
    lambda xp, x, y: xp.multiply(x, y) if xp is HOST_MODULE else x * y,
    saves=(0, 1),
    broadcasts=True,
    doc="x * y, elementwise with broadcasting.",
)
multiply.defvjp(lambda g, out, x, y: g * y, lambda g, out, x, y: g * x)

divide = Op(
    "divide",
    lambda xp, x, y: xp.divide(x, y) if xp is HOST_MODULE else x / y,
    saves=(1, "out"),
    broadcasts=True,
    doc="x / y, elementwise with broadcasting.",
)
divide.defvjp(lambda g, out, x, y: g / y, lambda g, out, x, y: g * out / -y)

negative = Op("negative", lambda xp, x: xp.negative(x) if xp is HOST_MODULE else -x, saves=(), doc="-x, elementwise.")
negative.defvjp(lambda g, out, x: -g)

positive = Op("positive", lambda xp, x: xp.positive(x), saves=(), doc="+x, elementwise: a copy.")
positive.defvjp(lambda g, out, x: g)

true_divide = divide

NUMPY = ("add", "subtract", "multiply", "divide", "true_divide", "negative", "positive")
