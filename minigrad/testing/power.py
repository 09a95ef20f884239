"""How much a checker sees: the share of planted faults that it finds, per oracle."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from .gradcheck import gradcheck
from .mutants import Mutant
from .oracles import ORACLES, Oracle, oracle_named
from .report import InconclusiveError, WrongGradientError


@dataclass
class KillRow:
    """What became of the mutants under one oracle.

    Args:
        oracle: its name.
        killed: found wrong.
        inconclusive: NOISY or DOMAIN, which is no kill.
        unsupported: inconclusive on the right function as well: nothing that this oracle can judge, and not counted.
        survivors: names of the mutants that passed.
    """

    oracle: str
    killed: int = 0
    inconclusive: int = 0
    unsupported: int = 0
    survivors: list[str] = field(default_factory=list)

    @property
    def mutants(self) -> int:
        return self.killed + self.inconclusive + len(self.survivors)

    @property
    def rate(self) -> float:
        """Killed mutants as a share of all; 1 where there are none."""
        return self.killed / self.mutants if self.mutants else 1.0


@dataclass
class PowerReport:
    """The kill rates of some oracles.

    Args:
        rows: one per oracle.
        equal: mutants left out because they change no gradient at the inputs.
        crashed: mutants left out because the faulty rule raised before any oracle was asked.
    """

    rows: dict[str, KillRow]
    equal: int = 0
    crashed: int = 0

    def __str__(self) -> str:
        """A table with a row per oracle."""
        lines = [f"{'oracle':18}{'mutants':>8}{'killed':>8}{'open':>6}{'survived':>10}{'rate':>9}{'unsupported':>13}"]
        for row in self.rows.values():
            counts = f"{row.mutants:8}{row.killed:8}{row.inconclusive:6}{len(row.survivors):10}"
            lines.append(f"{row.oracle:18}{counts}{row.rate:9.2%}{row.unsupported:13}")
        return "\n".join([*lines, f"left out: {self.equal} equal to the original here, {self.crashed} that raised"])


def power(
    f: Callable[..., Any],
    *xs: Any,
    mutants: Iterable[Mutant],
    oracles: Sequence[str | Oracle] = tuple(ORACLES),
    order: int = 2,
    argnums: Sequence[int] | None = None,
    seed: int = 0,
    report: PowerReport | None = None,
    **options: Any,
) -> PowerReport:
    """Check f with each mutant planted, by each oracle.

    Args:
        f: function of Tensors that uses the mutants' operations; it must pass gradcheck itself.
        *xs: its arguments.
        mutants: what to plant.
        oracles: names or instances.
        order: highest order to check.
        argnums: positions of the arguments to differentiate.
        seed: of the random cotangents and directions.
        report: counts are added to it; None starts a new one.
        **options: of gradcheck.

    Returns:
        Kill rates per oracle.
    """
    chosen = [oracle_named(o) for o in oracles]
    report = PowerReport({}) if report is None else report
    for mutant in mutants:
        try:
            differs = mutant.differs(f, *xs, order=order, argnums=argnums, seed=seed)
        except Exception:  # a rule that raises is found without a check
            report.crashed += 1
            continue
        if not differs:
            report.equal += 1
            continue
        for oracle in chosen:
            row = report.rows.setdefault(oracle.name, KillRow(oracle.name))

            def check(oracle: Oracle = oracle) -> str:
                try:
                    gradcheck(f, *xs, order=order, argnums=argnums, seed=seed, oracle=oracle, **options)
                except WrongGradientError:
                    return "killed"
                except InconclusiveError:
                    return "inconclusive"
                return "survived"

            with mutant.planted():
                result = check()
            if result == "killed":
                row.killed += 1
            elif result == "survived":
                row.survivors.append(mutant.name)
            elif check() == "inconclusive":
                row.unsupported += 1
            else:
                row.inconclusive += 1
    return report
