"""ThreadSanitizer on every kernel whose threads share memory: one std::thread for each CUDA thread."""

from __future__ import annotations

import re
import subprocess
from functools import cache
from pathlib import Path

import pytest
from kernel_support import entries_with_barriers, updates
from shim import build

from minigrad.backend import kernels

pytestmark = pytest.mark.gxx

FLAGS = ("-std=c++20", "-O1", "-g", "-w", "-pthread", "-fsanitize=thread", "-ffp-contract=off")

LAUNCHES = {
    **{
        entry: f"{name}::{entry}(p, g, {', '.join(['m', 'v', 'largest'][: len(states)])}, N, average, table, 1, 16, "
        "1, state, live, total, 255)"
        for entry, (name, states) in updates().items()
    },
    "sum_of_squares_f32": "norm::sum_of_squares_f32(g, N, partial, total, state, 0)",
    "clip_by_norm_f32": "norm::clip_by_norm_f32(p, N, partial, table, out)",
    "bias_act_backward_f32": "bias_act::bias_act_backward_f32(g, p, m, out, nullptr, nullptr, 40, 50, 40, 1, 1)",
    "bias_act_backward_f32, bands": "bias_act::bias_act_backward_f32(g, p, m, out, largest, state, 40, 50, 13, 1, 1)",
    "softmax_cross_entropy_f32": "cross_entropy::softmax_cross_entropy_f32(g, labels, p, 1, -100, m, out, v, "
    "largest, state, 20, 100, 1)",
    "softmax_cross_entropy_f32, wide": "cross_entropy::softmax_cross_entropy_f32(wide, labels, p, 1, -100, nullptr, "
    "out, v, nullptr, state, 3, 5000, 0)",
    "row_sum_f32, wide": "rows::row_sum_f32(wide, out, 3, 5000)",
    "row_max_f32": "rows::row_max_f32(g, out, 20, 100)",
}
"""Those without barriers and shuffles share nothing that a race could spoil."""

MAIN = """
int main(int argc, char** argv)
{
    static float p[2000], g[2000], m[2000], v[2000], largest[2000], average[2000], out[100], wide[15000];
    static double table[16], partial[8], total[1];
    static unsigned state[3];
    static unsigned char live[32];
    static long long labels[20];
    const long long N = 1999;
    for (int i = 0; i < 2000; i++)
        p[i] = g[i] = (float)(i % 7) - 3;
    for (int i = 0; i < 16; i++)
        table[i] = partial[i % 8] = 0.5;
    for (int i = 0; i < 32; i++)
        live[i] = 1;
    const char* which = argc > 1 ? argv[1] : "";
@
    return 3;
}
"""


@cache
def program(damaged: str = "") -> Path:
    """The kernel files, each in a namespace; the argument of the program names the launch.

    Args:
        damaged: the text of bias_act.cu to take, alone; "" for all files as they are.
    """
    texts = {"bias_act": damaged} if damaged else {name: kernels.source(name) for name in kernels.names()}
    spaces = "\n".join(f'#line 1 "{name}.cu"\nnamespace {name} {{\n{text}\n}}' for name, text in texts.items())
    cases = "\n".join(
        f'    if (!strcmp(which, "{name}"))\n        return launch(2, 96, [&] {{ {call}; }}), 0;'
        for name, call in LAUNCHES.items()
        if call.split("::")[0] in texts
    )
    return build(f'#include "cuda_threads.h"\n{spaces}\n#line 1 "main"\n{MAIN.replace("@", cases)}', FLAGS)


def run(name: str, damaged: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(program(damaged)), name], capture_output=True, text=True, check=False, timeout=120)


@pytest.mark.parametrize("name", LAUNCHES)
def test_no_race(name: str) -> None:
    ran = run(name)
    assert ran.returncode == 0, ran.stderr
    assert "data race" not in ran.stderr


def test_a_race_is_named() -> None:
    text, old = kernels.source("bias_act"), "    __syncthreads();\n    if (threadIdx.x < TILE"
    assert old in text
    ran = run("bias_act_backward_f32", text.replace(old, "    if (threadIdx.x < TILE"))
    assert ran.returncode != 0
    assert re.search(r"data race .*bias_act\.cu:\d+ in .*bias_act_backward_f32", ran.stderr), ran.stderr


def test_every_kernel_with_barriers_is_here() -> None:
    assert entries_with_barriers() == {launched.split(",")[0] for launched in LAUNCHES}
