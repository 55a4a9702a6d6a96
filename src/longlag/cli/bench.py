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

from longlag.cli.arguments import CommandParser
from longlag.cli.bench_request import BenchRequest, keys_explained, requested
from longlag.cli.requests import RequestError
from longlag.runs.files import write_whole

if TYPE_CHECKING:
    from longlag.benchmark.bench import Bench, Plan
    from longlag.benchmark.contenders import Contender
    from longlag.benchmark.figures import Report
    from longlag.benchmark.given import Make, Size

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
        " backward, of our engines (native, triton, eager, torch, scan; compiled if asked for), PyTorch's own module"
        " (bare), and where they are installed JAX (jax), torchrecurrent and, on a GPU, flashrnn. All have the same"
        " weights and sequences; the gradient of each is held to the eager loop's in float64 first, and one that is off"
        " by more than 1e-4 is not timed. Then they are measured in turn, in rounds, another one first in each, and"
        " beside them matrix products: what a step would take at the best rate of those is the floor. Where torch wants"
        " much memory it has this process keep what is freed, from which bare gains too: contenders=bare measures it"
        " without. Ctrl-C ends it with what is measured by then.",
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
    """Check, before minutes of measuring, that it can be written where it should.

    Raises:
        RequestError: it cannot.

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
    """Return what is to be measured.

    Raises:
        RequestError: a cell, the device, the threads or a contender is wrong.

    """
    from longlag.cli.check import names_apart
    from longlag.cli.configs import all_settings_of

    settings = all_settings_of(request.cells, config_dir)
    cells = [each["cell"] for each in settings]
    names = names_apart([each["run"]["cell"] for each in settings], cells)

    import torch

    from longlag.benchmark.bench import Plan
    from longlag.benchmark.given import Size
    from longlag.cli.assemble import cell_of

    if request.device == "cuda" and not torch.cuda.is_available():
        raise RequestError("device=cuda: PyTorch finds no GPU here")
    threads, cores = request.numbers["threads"], os.cpu_count() or 1
    if threads > cores:
        raise RequestError(f"threads={threads}: there are {cores} cores here")

    def maker(cell: dict[str, Any]) -> "Make":
        return lambda I, H: cell_of({**cell, "hidden_size": H}, I)  # noqa: E741 -- the field's names

    makes = dict(zip(names, map(maker, cells), strict=True))
    sizes: list[tuple[Size, Make]] = []
    for cell, H in itertools.product(makes, request.sizes["H"]):
        makes[cell](request.numbers["I"], H)  # a wrong setting is said before anything is measured
        for B, T, R in itertools.product(*(request.sizes[name] for name in ("B", "T", "R"))):
            sizes.append((Size(cell, H, B, T, R, request.numbers["I"]), makes[cell]))
    rounds, seed = request.numbers["rounds"], request.numbers["seed"]
    return Plan(sizes, _contenders(request), rounds, threads, request.device, seed)


def _contenders(request: BenchRequest) -> "list[type[Contender]]":
    """Return who takes part.

    Raises:
        RequestError: there is no such contender.

    """
    from longlag.benchmark.contenders import CONTENDERS

    known = {kind.name: kind for kind in CONTENDERS}
    for name in request.contenders:
        if name not in known:
            raise RequestError(f"no contender {name!r}; there are: {', '.join(known)}")
    wanted = {*request.contenders, *(["compiled"] if request.compiled else [])}
    if not request.contenders:
        wanted |= known.keys() - {"compiled"}
    return [kind for kind in CONTENDERS if kind.name in wanted]


def _measure(plan: "Plan", request: BenchRequest, options: Namespace) -> int:
    from longlag.benchmark.bench import Bench
    from longlag.benchmark.machine import load

    errors = Console(stderr=True)
    before = load()
    with _telling(errors, len(plan.sizes)) as tell:
        bench = Bench(plan, tell)
        count = f"{len(plan.sizes)} size{'s' if len(plan.sizes) > 1 else ''}"
        said = f"{count}, about {_duration(bench.expected())}; Ctrl-C ends it with what is measured by then"
        errors.print(said, highlight=False, soft_wrap=True)
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
    from longlag.benchmark.figures import Report, left_out, rows_of
    from longlag.benchmark.machine import machine

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
def _telling(errors: Console, count: int) -> "Iterator[Callable[[Size, int, str, float], None]]":
    """Give what is told of the progress: to a terminal all of it, elsewhere a line a size."""
    last = 0
    with errors.status("a first measurement") as status:

        def tell(size: "Size", number: int, doing: str, left: float) -> None:
            nonlocal last
            line = rf"\[{number}/{count}] {size}"
            ahead = f"about {_duration(left)} left"
            if errors.is_terminal:
                status.update(f"{line}: {doing}; {ahead}")
            elif number > last:
                errors.print(f"{line}: {ahead}", highlight=False, soft_wrap=True)
            last = number

        yield tell


def _write(report: "Report", options: Namespace) -> None:
    """Print the report, or what is asked for instead, and save the files.

    Raises:
        RequestError: one cannot be written.

    """
    from longlag.benchmark.figures import as_csv, as_json
    from longlag.benchmark.picture import save_picture
    from longlag.benchmark.table import markdown, print_report

    texts: dict[str, Callable[[], str]] = {
        "json": lambda: json.dumps(as_json(report), indent=1, allow_nan=False) + "\n",
        "csv": lambda: as_csv(report),
        "md": lambda: markdown(report),
    }
    printed = next((name for name in texts if getattr(options, name) == "-"), None)
    if printed is None:
        print_report(report, Console() if sys.stdout.isatty() else Console(width=200))
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


def _duration(seconds: float) -> str:
    """Return seconds as a person says them."""
    if seconds < 59.5:
        return f"{max(1, round(seconds))} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02} min"
