"""Populations on a GPU against runs alone, cuDNN and flashrnn: microseconds of a run and training step.

Each section runs in a process of its own, which is ended when its time is over; all of them take less than eight
minutes together. What has not been measured is called so, with the reason. Without a GPU the command ends with code 2.
"""

import argparse
import importlib.metadata
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import torch
from gpu_figures import CUDNN, FLASH, POPULATION, SOLO, Asked, Figure, versions

#: section -> the seconds that it may take: 450 in all
LIMITS = {"recurrence": 130, "flashrnn": 130, "training": 190}
TITLES = {
    "recurrence": "The recurrence alone, forward and back",
    "training": "Whole training steps: drawing, recurrence, readout, loss, optimizer",
}
COLUMNS = {"recurrence": (POPULATION, SOLO, CUDNN, FLASH), "training": (POPULATION, SOLO, CUDNN)}
_ENDED = "the time of the section was over"
Key = tuple[int, int, str]


def measured(section: str, options: argparse.Namespace) -> dict[Key, Figure]:
    """Return the figures of a section, measured in a process that is ended in time."""
    command = [sys.executable, __file__, *sys.argv[1:], "--section", section]
    with tempfile.TemporaryFile("w+") as said, tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen(command, stdout=said, stderr=log, start_new_session=True)
        limit, why = min(LIMITS[section], options.limit), _ENDED
        try:
            code = process.wait(limit)
            log.seek(0)
            lines = log.read().strip().splitlines() or [""]
            why = f"the process ended with code {code}: {lines[-1]}"[:200]
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)  # its compilers too
            process.wait()
        said.seek(0)
        figures = [Figure(*json.loads(line)) for line in said.read().splitlines() if line.startswith("[")]
    found = {(figure.H, figure.R, figure.way): figure for figure in figures}
    return {**{key: Figure(*key, None, why) for key in _wanted(section, options)}, **found}


def _wanted(section: str, options: argparse.Namespace) -> Iterator[Key]:
    for H in options.hidden:
        if section != "flashrnn":
            yield from ((H, 1, SOLO), (H, 1, CUDNN))
        yield from ((H, R, FLASH if section == "flashrnn" else POPULATION) for R in options.runs)


def table(section: str, figures: Mapping[Key, Figure], options: argparse.Namespace) -> str:
    """Return a Markdown table of a section, and below why a figure is missing."""
    ways = COLUMNS[section]
    lines = [f"## {TITLES[section]}", "", f"| H | runs | {' | '.join(ways)} |", f"|{'---|' * (2 + len(ways))}"]
    reasons: dict[tuple[str, str], list[str]] = {}
    for H in options.hidden:
        for R in options.runs:
            cells = []
            for way in ways:
                figure = figures[H, 1 if way in (SOLO, CUDNN) else R, way]
                if figure.microseconds is None:
                    places = reasons.setdefault((way, figure.why), [])
                    places += [] if (place := f"H={figure.H} R={figure.R}") in places else [place]
                    cells.append("not measured")
                else:
                    cells.append(f"{figure.microseconds:,.1f}")
            lines.append(f"| {H} | {R} | {' | '.join(cells)} |")
    lines += [""] + [f"- not measured: {way}, {', '.join(places)}: {why}" for (way, why), places in reasons.items()]
    return "\n".join(lines).rstrip() + "\n"


def head(options: argparse.Namespace) -> str:
    """Return what the figures depend on."""
    device = "the CPU, Triton's interpreter: a trial of the script" if options.pretend else torch.cuda.get_device_name()
    packages = []
    for name in ("triton", "flashrnn", "lightning"):
        try:
            packages.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            packages.append(f"{name} not installed")
    return (
        f"# Populations on {device}\n\n{versions()}, {', '.join(packages)}\n\nMicroseconds of a run and training step,"
        f" LSTM, B={options.B}, T={options.T}, float32; medians. A population trains all runs at once; the figure of a"
        " run alone is the same for any number of runs.\n"
    )


def arguments() -> argparse.Namespace:
    """Return what was typed."""

    def numbers(text: str) -> list[int]:
        return [int(number) for number in text.split(",")]

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--hidden", type=numbers, default=[32, 64, 128], help="default: 32,64,128")
    parser.add_argument("--runs", type=numbers, default=[1, 16, 64, 256], help="default: 1,16,64,256")
    parser.add_argument("--B", type=int, default=32, help="sequences of a batch (default: 32)")
    parser.add_argument("--T", type=int, default=60, help="the lag (default: 60)")
    parser.add_argument("--seconds", type=float, default=1.5, help="of each figure (default: 1.5)")
    parser.add_argument("--limit", type=float, default=1e9, help="seconds of a section, at most")
    parser.add_argument("--write", type=Path, default=Path("outputs/gpu.md"), help="default: outputs/gpu.md")
    parser.add_argument("--pretend", action="store_true", help="try the script on the CPU (TRITON_INTERPRET=1)")
    parser.add_argument("--section", choices=LIMITS, help=argparse.SUPPRESS)
    return parser.parse_args()


def main() -> int:
    """Measure, print and write the tables; return the exit code."""
    options = arguments()
    if not (options.pretend or torch.cuda.is_available()):
        print("bench/gpu.py measures on a GPU, and there is none here", file=sys.stderr)
        return 2
    if options.section:
        from gpu_sections import SECTIONS  # which takes seconds to import

        device = "cpu" if options.pretend else "cuda"
        asked = Asked(options.hidden, options.runs, options.B, options.T, options.seconds, device)
        for figure in SECTIONS[options.section](asked):
            print(json.dumps(figure), flush=True)
        return 0
    page = head(options)
    print(page, flush=True)
    figures = {section: measured(section, options) for section in ("recurrence", "flashrnn")}
    for section, of_section in (
        ("recurrence", lambda: figures["recurrence"] | figures["flashrnn"]),
        ("training", lambda: measured("training", options)),
    ):
        part = table(section, of_section(), options)
        print(part, flush=True)
        page += "\n" + part
    options.write.parent.mkdir(parents=True, exist_ok=True)
    options.write.write_text(page)
    return 0


if __name__ == "__main__":
    sys.exit(main())
