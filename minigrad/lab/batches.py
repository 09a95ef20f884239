"""Batches: what changes with the number of examples that a step looks at.

curves.png     full batch, mini-batch and one sample a step on one problem: loss against epochs, and against time
hundred.png    100 examples in one step, 100 steps of one example each, and one and the same example 100 times
noise.png      variance of a batch's gradient, and its cosine to the full gradient, against the size of the batch
rates.png      the learning rate kept, or scaled with the batch: how far ten epochs come
minimum.png    a full batch settles in the minimum it began beside; noise leads out of it
"""

from __future__ import annotations

import time

import numpy as np

from .. import optim
from . import style
from .batch_rates import draw_rates
from .gradient_noise import draw_noise
from .notebook import Notebook
from .problem import Moons
from .worse_minimum import draw_minimum

KINDS = (("full batch", 1.0, 2000), ("mini-batch of 32", 0.3, 200), ("one sample", 0.03, 40))
"""Each with a good learning rate, and with epochs enough that all take seconds rather than minutes."""


def run(lab: Notebook) -> None:
    """The whole topic."""
    problem = Moons(lab, lab.pick(512, 32))
    draw_curves(lab, problem)
    draw_hundred(lab)
    draw_noise(lab, problem)
    draw_rates(lab, problem)
    draw_minimum(lab)


def draw_curves(lab: Notebook, problem: Moons) -> None:
    """Three sizes of a batch, each at a good rate."""
    sizes = (problem.rows, 32, 1)
    figure = style.figure(11, 3.8, f"{problem.rows} examples, plain SGD: what a step costs, and what it brings")
    by_epoch, by_step, by_time = axes = list(figure.subplots(1, 3))
    lab.say(f"moons, {problem.rows} examples:")
    for i, ((name, rate, long), size) in enumerate(zip(KINDS, sizes, strict=True)):
        epochs, look = lab.pick(long, 2), lab.pick(KINDS[-1][2], 2)
        model = problem.model()
        optimizer = optim.SGD(model.parameters(), rate)
        losses, seconds = problem.train(model, optimizer, size, epochs, lab.generator("order"))
        steps = -(-problem.rows // size)
        key = name.replace(" ", "_").replace("-", "_")
        lab.say(f"  {name}, rate {rate:g}, {steps} steps an epoch")
        lab.number(f"{key}_loss", losses[look], f"    loss after {look} epochs {{:.4f}}")
        lab.number(f"{key}_end", losses[-1], f"    loss after {epochs} epochs {{:.4f}}")
        lab.number(f"seconds_{key}", seconds[-1], "    in {:.2f} s")
        done = np.arange(epochs + 1)
        for axis, x in zip(axes, (done, done * steps, np.array(seconds)), strict=True):
            axis.plot(x[1:], losses[1:], **style.line(i, max(1, epochs // 8)), label=f"{name}, rate {rate:g}")
    for axis, label in ((by_epoch, "epochs"), (by_step, "steps"), (by_time, "seconds")):
        axis.set(xlabel=label, ylabel="training loss", title=f"loss against {label}")
        style.plain_log(axis, (0.1, 0.2, 0.3, 0.5))
    by_epoch.set_xlim(0, lab.pick(KINDS[-1][2], 2))
    by_step.set_xscale("log")
    by_time.set_xscale("log")
    by_step.legend(loc="lower left")
    lab.picture("curves", figure)


def draw_hundred(lab: Notebook) -> None:
    """Three ways to look at an example a hundred times, all at one learning rate."""
    problem, rate = Moons(lab, 100), 0.3
    rows = {
        "all at once,\n1 step": [np.arange(100)],
        "one by one,\n100 steps": [np.array([i]) for i in range(100)],
        "the same one,\n100 steps": [np.array([0])] * 100,
    }
    figure = style.figure(10, 3.8, f"A hundred looks at an example, rate {rate}")
    loss_axis, one_axis, time_axis = figure.subplots(1, 3)
    lab.say(f"a hundred looks at an example, rate {rate}:")
    start = problem.whole_loss(problem.model())
    lab.number("hundred_loss_before", start, "  before                        loss {:.4f}")
    for i, (name, batches) in enumerate(rows.items()):
        model = problem.model()
        optimizer = optim.SGD(model.parameters(), rate)
        problem.gradient(model, batches[0])  # what runs for the first time is slower
        clock = time.perf_counter()
        for batch in batches:
            optimizer.zero_grad()
            problem.loss(model, batch).backward()
            optimizer.step()
        loss, seconds = problem.whole_loss(model), time.perf_counter() - clock
        own = float(problem.loss(model, np.array([0])).item())
        key, text = ("at_once", "one_each", "same")[i], name.replace("\n", " ")
        lab.number(f"hundred_{key}", loss, f"  {text:29s} loss of all {{:.4f}}")
        lab.number(f"hundred_{key}_first", own, f"  {'':29s} loss of the first example {{:.4f}}")
        lab.number(f"seconds_hundred_{key}", 1000 * seconds, f"  {'':29s} {{:.2f}} ms")
        colour = {"color": style.SERIES[i][0], "edgecolor": "black", "hatch": ("", "//", "..")[i]}
        for axis, value, form in (
            (loss_axis, loss, "{:.3f}"),
            (one_axis, own, "{:.3f}"),
            (time_axis, 1000 * seconds, "{:.1f}"),
        ):
            bar = axis.bar(name, value, **colour, width=0.6)
            axis.bar_label(bar, [form.format(value)], fontsize=8, padding=2)
    loss_axis.axhline(start, color=style.BLACK, linestyle=":", linewidth=1)
    loss_axis.text(-0.35, start * 0.99, "before", fontsize=8, va="top")
    loss_axis.set(ylabel="loss of all 100 examples", title="what was learnt")
    one_axis.set(ylabel="loss of the first example", title="what was learnt by heart")
    time_axis.set(ylabel="milliseconds", title="what it cost")
    for axis in (loss_axis, one_axis, time_axis):
        axis.tick_params("x", labelsize=8)
        axis.margins(y=0.15)
        axis.grid(False, axis="x")
    lab.picture("hundred", figure)
