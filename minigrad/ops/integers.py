"""Bits and divisors of integers. Nothing here carries a gradient."""

from __future__ import annotations

from .comparison import constant

bitwise_and = constant("bitwise_and", lambda xp, x, y: xp.bitwise_and(x, y), doc="x & y, elementwise.")
bitwise_or = constant("bitwise_or", lambda xp, x, y: xp.bitwise_or(x, y), doc="x | y, elementwise.")
bitwise_xor = constant("bitwise_xor", lambda xp, x, y: xp.bitwise_xor(x, y), doc="x ^ y, elementwise.")
invert = constant("invert", lambda xp, x: xp.invert(x), doc="~x, elementwise.")
left_shift = constant("left_shift", lambda xp, x, y: xp.left_shift(x, y), doc="x << y, elementwise.")
right_shift = constant("right_shift", lambda xp, x, y: xp.right_shift(x, y), doc="x >> y, elementwise.")
bitwise_count = constant("bitwise_count", lambda xp, x: xp.bitwise_count(x), doc="How many bits of |x| are 1.")
gcd = constant("gcd", lambda xp, x, y: xp.gcd(x, y), doc="The greatest common divisor, elementwise.")
lcm = constant("lcm", lambda xp, x, y: xp.lcm(x, y), doc="The least common multiple, elementwise.")

bitwise_not = bitwise_invert = invert
bitwise_left_shift, bitwise_right_shift = left_shift, right_shift

NUMPY = (
    "bitwise_and", "bitwise_or", "bitwise_xor", "invert", "bitwise_not", "bitwise_invert", "left_shift", "right_shift",
    "bitwise_left_shift", "bitwise_right_shift", "bitwise_count", "gcd", "lcm",
)  # fmt: skip
