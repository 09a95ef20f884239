"""See gradient descent: pictures, animations and numbers of one topic.

The pictures (PNG), animations (GIF) and everything that was printed (report.txt) go into a folder, lab/<topic> if no
other is named; files of the same names are replaced.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from ..lab import TOPICS
from ..lab import run as run_topic
from .options import Parser, integer, path
from .output import Printer

ALL = "all"


def add_arguments(parser: Parser) -> None:
    """The options of lab."""
    parser.add_argument("topic", choices=(*TOPICS, ALL), metavar="TOPIC", help="one of those below, or all of them")
    parser.add_argument("--out", type=path, metavar="DIR", help="folder to write (lab/<topic>)")
    parser.add_argument("--seed", type=integer(0), default=0, metavar="K", help="fixes everything that is drawn (0)")
    parser.add_argument("--device", default="cpu", metavar="NAME", help="cpu, cuda, cuda:<index> or auto (cpu)")
    parser.add_argument(
        "--smoke", action="store_true", help="tiny, done in seconds; without --out nothing of it is kept"
    )
    summaries = ((name, (module.__doc__ or "").partition("\n")[0]) for name, module in TOPICS.items())
    parser.epilog = "topics:\n" + "\n".join(f"  {name:16s}{text}" for name, text in summaries)


def run(arguments: argparse.Namespace) -> int:
    """Run a topic, or all."""
    chosen = tuple(TOPICS) if arguments.topic == ALL else (arguments.topic,)
    with tempfile.TemporaryDirectory() as temporary:
        base = Path(temporary) if arguments.smoke and arguments.out is None else arguments.out
        for topic in chosen:
            out = Path("lab", topic) if base is None else base / topic if arguments.topic == ALL else base
            run_topic(
                topic,
                out,
                seed=arguments.seed,
                smoke=arguments.smoke,
                device=arguments.device,
                say=Printer(False),
            )
    return 0
