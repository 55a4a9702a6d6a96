"""``longlag horizon``: the searches of a command in turn, their table, JSON and figure."""

import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from longlag.cli.horizon.request import HELP, HorizonRequest, read_request
from longlag.errors import RequestError
from longlag.terminal import print_line, stdout_console

if TYPE_CHECKING:
    from longlag.cli.horizon.search import Search
    from longlag.horizon import Horizon

# torch is imported when a search begins, not to print a help text: hence the imports inside of functions.


def run(arguments: Sequence[str]) -> int:
    """Run ``longlag horizon`` and return its exit code.

    Raises:
        RequestError: the request was wrong.

    """
    if any(argument in ("-h", "--help") for argument in arguments):
        print(HELP, end="")
        return 0
    request = read_request(arguments)
    from longlag.cli.horizon.runs import Runs, RunsToDoError, UnfinishedError
    from longlag.cli.horizon.search import Search

    runs = Runs(request)
    titles = _titles(runs.settings)
    searches = [
        Search(runs, words, " ".join(filter(None, title)), _say)
        for words, title in zip(runs.settings, titles, strict=True)
    ]
    _say(_rule(request))
    entries: list[dict[str, Any]] = []
    unfinished: list[str] = []
    for search, (setting, task) in zip(searches, titles, strict=True):
        try:
            found = search.run()
        except RunsToDoError as missing:
            print(f"{search.title}: {missing}")
            continue
        except UnfinishedError as error:
            _say(f"longlag: {search.title}: {error}")
            unfinished.append(search.title)
            continue
        entries.append({"setting": setting, "task": task, **_facts(search, found)})
        _say(f"{search.title}: horizon {found.text}, {found.interval_text}")
        if not request.dry:
            _write(search, entries)
    _print(entries, request)
    if entries and not request.dry:
        study = searches[0].study
        print_line(stdout_console(), f"\n{study / 'horizon.json'}\n{study / 'horizon.png'}")
    if unfinished:
        print(f"\nnot ended: {', '.join(unfinished)}\nthis goes on with them: {request.command}")
    return 1 if unfinished else 0


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _rule(request: HorizonRequest) -> str:
    """Return the rule in two lines, its error rates among them."""
    rule = request.rule
    return (
        f"budget {request.budget:,} training sequences; within the horizon: {rule.needed} of {rule.seeds} seeds\n"
        f"a test is right in at least 95 % where {100 * rule.surely_within:.0f} % of all seeds solve a lag or more,"
        f" and where {100 * rule.surely_beyond:.0f} % do or less"
    )


def _titles(settings: Sequence[Sequence[str]]) -> list[tuple[str, str]]:
    """Return the name of each search: the cell with what is typed of it and all words that differ, and the task."""
    typed = [dict(word.lstrip("+").split("=", 1) for word in words) for words in settings]
    return [
        (
            " ".join([
                values.get("cell", "lstm"),
                *(f"{key.rpartition('.')[2]}={value}" for key, value in values.items() if _names(key, typed)),
            ]),
            values.get("task", "delayed_xor"),
        )
        for values in typed
    ]  # fmt: skip


def _names(key: str, typed: Sequence[Mapping[str, str]]) -> bool:
    """Return whether a key belongs to the name of a search."""
    if key in ("cell", "task"):
        return False
    return key == "init" or key.startswith("cell.") or len({values.get(key) for values in typed}) > 1


def _facts(search: "Search", found: "Horizon") -> dict[str, Any]:
    """Return what a reader needs to trust and cite a horizon."""
    from longlag.cli.horizon.half_lives import half_lives

    request, jobs = search.runs.request, search.jobs
    status = jobs[0].folder.read_status()
    seconds = [job.folder.read_summary().get("seconds") for job in jobs]
    return {
        "words": list(search.words),
        "budget": request.budget,
        "steps": search.runs.steps(jobs[0]),
        "rate": request.rate,
        "seeds": request.seeds,
        "first_seed": request.first_seed,
        "needed": request.rule.needed,
        "surely_within": round(request.rule.surely_within, 4),
        "surely_beyond": round(request.rule.surely_beyond, 4),
        "per_doubling": request.per_doubling,
        "tune": request.tune,
        "tuned": {str(T): values for T, values in search.chosen.items() if values},
        **found.to_dict(),
        **half_lives(search.starts(found.within)),
        "text": found.text,
        "interval": found.interval_text,
        "runs": len(jobs),
        "training_seconds": round(sum(x for x in seconds if isinstance(x, int | float)), 1),
        "date": "" if status is None else (status.ended or "")[:10],
        "processor": "" if status is None else status.processor,
        "versions": {} if status is None else status.versions,
    }


def _write(search: "Search", entries: Sequence[dict[str, Any]]) -> None:
    """Write the entries so far into the study's folder, so that a later interruption costs none.

    Raises:
        RequestError: a file cannot be written.

    """
    from longlag.horizon.picture import save_foretelling, save_horizons
    from longlag.horizon.study_file import add_entries

    try:
        add_entries(search.study / "horizon.json", entries)
        save_horizons(entries, search.study / "horizon.png")
        save_foretelling(entries, search.study / "horizon_flow.png")
    except OSError as error:
        raise RequestError(f"cannot write to {search.study}: {error.strerror}") from error


def _print(entries: Sequence[dict[str, Any]], request: HorizonRequest) -> None:
    from longlag.horizon.foretelling import FLOWS, sentence
    from longlag.horizon.table import print_curve, print_horizons

    if not entries:
        return
    console = stdout_console(width=80)
    if len(entries) == 1:
        print_curve(entries[0], console)
    print_horizons(entries, console)
    tuned = "as configured" if request.tune == "none" else "tuned where a lag failed, on other seeds"
    print_line(
        console, f"\nbudget {request.budget:,} sequences; {request.rule.needed} of {request.rule.seeds} seeds; {tuned}"
    )
    for line in filter(None, (sentence(entries, flow) for flow in FLOWS)):
        print_line(console, line)
