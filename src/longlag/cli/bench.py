"""``longlag bench``: how fast is each way to run a cell over time, on this machine."""

import itertools
import json
import os
import sys
from argparse import Namespace
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape

from longlag.cli.arguments import CommandParser
from longlag.cli.bench_request import BenchRequest, keys_explained, requested
from longlag.errors import RequestError
from longlag.runs.files import write_whole
from longlag.terminal import duration, print_line, stdout_console

if TYPE_CHECKING:
    from longlag.benchmark.bench import Bench, Plan
    from longlag.benchmark.contenders import Contender
    from longlag.benchmark.results import Report
    from longlag.benchmark.workload import Make, Size

_FILES = ("json", "csv", "md", "png")
_COMPILE = "it compiles for 10 to 20 seconds or more at each size; compile=true lets it take part"


def run(arguments: Sequence[str]) -> int:
    """Run ``longlag bench`` and return its exit code.

    Raises:
        RequestError: the request was wrong.

    """
    parser = CommandParser(
        "bench",
        "How fast is each way to run a cell over time, on this machine? Microseconds per time step, forward and"
        " backward, of our engines (native, triton, eager, torch, scan; compiled if asked for), PyTorch's module"
        " (bare), and where they are installed JAX (jax), torchrecurrent and, on a GPU, flashrnn. All have the same"
        " weights and sequences; the gradient of each is held to the eager loop's in float64 first, and one that is off"
        " by more than 1e-4 is not timed. Then they are measured in turn, in rounds, another one first in each, and"
        " beside them matrix products: what a step would take at the best rate of those is the floor. Ctrl-C ends it"
        " with what is measured by then.",
        ["longlag bench", "longlag bench cell=lstm H=16,64 B=32,256 T=100,1000 R=1,16,64 --png speed.png",
         "longlag bench 'cell=glob(*)' H=32 contenders=eager,scan,native --json -"],
    )  # fmt: skip
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help=keys_explained().replace("%", "%%"))
    parser.add_argument("--config-dir", "-cd", metavar="DIR", help="a folder with more YAML files, cell/NAME.yaml")
    instead = "; - prints it instead of the table"
    parser.add_argument("--json", metavar="FILE", help=f"save all figures as JSON{instead}")
    parser.add_argument("--csv", metavar="FILE", help=f"the same as CSV, a row a size and contender{instead}")
    parser.add_argument("--md", metavar="FILE", help=f"save tables in Markdown{instead}")
    parser.add_argument("--png", metavar="FILE", help="save a picture: the time of a step against H")
    options = parser.parse_intermixed_args(list(arguments))
    _check_files(options)
    request = requested(options.overrides)
    plan = _plan(request, options.config_dir)
    return _measure(plan, request, options)


def _check_files(options: Namespace) -> None:
    """Check, before minutes of measuring, that the files can be written.

    Raises:
        RequestError: a file cannot be written.

    """
    printed = [name for name in _FILES if getattr(options, name) == "-"]
    if len(printed) > 1 or "png" in printed:
        raise RequestError(f"--{printed[-1]} -: one of --json, --csv and --md can be printed")
    for name in _FILES:
        value = getattr(options, name)
        if value is None or value == "-":
            continue
        path = Path(value)
        if not value or path.is_dir():
            raise RequestError(f"--{name}: {value!r} is a folder; a file is wanted")
        if not path.parent.is_dir():
            raise RequestError(f"--{name}: {path.parent} is no folder")
        if not os.access(path.parent, os.W_OK):
            raise RequestError(f"--{name}: cannot write to {path.parent}")


def _plan(request: BenchRequest, config_dir: str | None) -> "Plan":
    """Return the plan of the measurement.

    Raises:
        RequestError: a cell, the device, the threads or a contender is wrong.

    """
    from longlag.settings.compose import all_settings_of
    from longlag.settings.names import names_apart

    settings = all_settings_of(request.cells, config_dir)
    cells = [each["cell"] for each in settings]
    names = names_apart([each["run"]["cell"] for each in settings], cells)

    import torch

    from longlag.benchmark.bench import Plan
    from longlag.benchmark.workload import Size
    from longlag.settings.build import build_cell
    from longlag.settings.memory import check_fits

    if request.device == "cuda" and not torch.cuda.is_available():
        raise RequestError("device=cuda: PyTorch finds no GPU here")
    threads, cores = request.threads, os.cpu_count() or 1
    if threads > cores:
        raise RequestError(f"threads={threads}: there are {cores} cores here")

    def maker(cell: dict[str, Any]) -> "Make":
        return lambda I, H: build_cell({**cell, "hidden_size": H}, I)  # noqa: E741 -- the field's names

    makes = dict(zip(names, map(maker, cells), strict=True))
    sizes: list[tuple[Size, Make]] = []
    for cell, H in itertools.product(makes, request.H):
        makes[cell](request.I, H)  # report a wrong setting before measuring anything
        for B, T, R in itertools.product(request.B, request.T, request.R):
            size = Size(cell, H, B, T, R, request.I)
            check_fits(str(size), size.least_bytes)
            sizes.append((size, makes[cell]))
    return Plan(sizes, _contenders(request), request.rounds, threads, request.device, request.seed)


def _contenders(request: BenchRequest) -> "list[type[Contender]]":
    """Return the contenders that take part.

    Raises:
        RequestError: a contender does not exist.

    """
    from longlag.benchmark.contenders import CONTENDERS

    known = {kind.name: kind for kind in CONTENDERS}
    for name in request.contenders:
        if name not in known:
            raise RequestError(f"no contender {name!r}; there are: {', '.join(known)}")
    wanted = {*request.contenders, *(["compiled"] if request.compile else [])}
    if not request.contenders:
        wanted |= known.keys() - {"compiled"}
    return [kind for kind in CONTENDERS if kind.name in wanted]


def _measure(plan: "Plan", request: BenchRequest, options: Namespace) -> int:
    from longlag.benchmark.bench import Bench
    from longlag.benchmark.machine import load

    errors = Console(stderr=True)
    before = load()
    with _progress(errors, len(plan.sizes)) as show:
        bench = Bench(plan, show)
        count = f"{len(plan.sizes)} size{'s' if len(plan.sizes) > 1 else ''}"
        expected = f"{count}, about {duration(bench.expected())}; Ctrl-C ends it with what is measured by then"
        print_line(errors, expected)
        interrupted = False
        try:
            bench.run()
        except KeyboardInterrupt:
            interrupted = True
    report = _report(bench, request, before, interrupted)
    if not report.rows and not interrupted:
        why = next((why for each in bench.measured for why in each.absent.values()), "no contender")
        raise RequestError(f"nothing to measure: {why}")
    _write(report, options)
    return 1 if interrupted or any(row.state != "right" for row in report.rows) else 0


def _report(bench: "Bench", request: BenchRequest, before: float | None, interrupted: bool) -> "Report":
    from longlag.benchmark.machine import machine
    from longlag.benchmark.results import Report, left_out, rows_of

    plan, rate = bench.plan, bench.rate
    facts = machine(plan.threads, plan.device)
    rows, missing = rows_of(bench.measured, rate.best), left_out(bench.measured)
    if not any(kind.name == "compiled" for kind in plan.contenders) and not request.contenders:
        missing["compiled"] = {_COMPILE: []}
    notes = []
    if before is not None and before > int(facts["cores"] or 1) - plan.threads + 0.5:
        notes.append(
            f"in the minute before, {before:.1f} processes shared these {facts['cores']} cores: others have slowed this"
            " down, and of the figures the least suffers least"
        )
    for name in dict.fromkeys(row.contender for row in rows):
        busy = max((row.busy_cores or 0.0 for row in rows if row.contender == name), default=0.0)
        if busy > plan.threads + 0.25:
            notes.append(f"{name} kept up to {busy:.1f} cores busy, where {plan.threads} was meant")
    if interrupted:
        notes.append(f"interrupted after {bench.done} of {len(plan.sizes)} sizes")
    names = [kind.name for kind in plan.contenders]
    settings = {**request.settings, "contenders": names, "load_before": before, "interrupted": interrupted}
    return Report(facts, settings, rate.best / 1e9, rate.what, rows, missing, notes)


@contextmanager
def _progress(errors: Console, count: int) -> "Iterator[Callable[[Size, int, str, float], None]]":
    """Yield a function that shows the progress: every step in a terminal, elsewhere one line for each size."""
    last = 0
    with errors.status("a first measurement") as status:

        def show(size: "Size", number: int, doing: str, left: float) -> None:
            nonlocal last
            line = f"[{number}/{count}] {size}"
            ahead = f"about {duration(left)} left"
            if errors.is_terminal:
                status.update(escape(f"{line}: {doing}; {ahead}"))
            elif number > last:
                print_line(errors, f"{line}: {ahead}")
            last = number

        yield show


def _write(report: "Report", options: Namespace) -> None:
    """Print the report, or the format asked for instead, and save the files.

    Raises:
        RequestError: a file cannot be written.

    """
    from longlag.benchmark.picture import save_picture
    from longlag.benchmark.results import as_csv, as_json
    from longlag.benchmark.table import markdown, print_report

    texts: dict[str, Callable[[], str]] = {
        "json": lambda: json.dumps(as_json(report), indent=1, allow_nan=False) + "\n",
        "csv": lambda: as_csv(report),
        "md": lambda: markdown(report),
    }
    printed = next((name for name in texts if getattr(options, name) == "-"), None)
    if printed is None:
        print_report(report, stdout_console())
    else:
        print(texts[printed](), end="")
    for name in _FILES:
        value = getattr(options, name)
        if value is None or value == "-":
            continue
        try:
            if name != "png":
                write_whole(Path(value), texts[name]())
            elif report.rows:
                save_picture(report, Path(value))
        except OSError as error:
            raise RequestError(f"--{name}: cannot write {value}: {error.strerror}") from error
        print(value, file=sys.stdout if printed is None else sys.stderr)
