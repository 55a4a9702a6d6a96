"""Type odd requests, damage run folders and kill grids: ``make fuzz``.

Prints how many cases ran, and how many ended in a traceback, hung, lost a run or made a run twice. Every fault is
printed with the case that caused it. The same seed draws the same cases.
"""

import argparse
import json
import random
import selectors
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Collection
from pathlib import Path

import damaged_folders
import kills
import odd_requests
import torch

from longlag.runs import read_study

HERE = Path(__file__).parent
LIMIT_S = 60.0
MARKS = ("Traceback", "Exception ignored")
FAULTS = ("tracebacks", "hangs", "wrong codes", "left behind", "runs lost", "runs made twice")


class Worker:
    """A process that runs commands in itself, so that a case takes a moment; a case that hangs costs this process."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None

    def run(self, arguments: list[str], folder: Path) -> dict[str, object]:
        """Run ``longlag ARGUMENTS`` in a folder; return its code and output, or that it hung or died."""
        if self._process is None:
            self._process = subprocess.Popen(
                [sys.executable, str(HERE / "worker.py")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
            )
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps([arguments, str(folder)]) + "\n")
        process.stdin.flush()
        with selectors.DefaultSelector() as selector:
            selector.register(process.stdout, selectors.EVENT_READ)
            answered = selector.select(LIMIT_S)
        line = process.stdout.readline() if answered else ""
        if not line:
            self.close()
            return {"code": None, "out": "", "err": "it died" if answered else "it hung"}
        result: dict[str, object] = json.loads(line)
        return result

    def close(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None


class Tally:
    """Cases and faults."""

    def __init__(self) -> None:
        self.cases = 0
        self.faults: Counter[str] = Counter()

    def fault(self, kind: str, case: str, said: object) -> None:
        """Count a fault and print it."""
        self.faults[kind] += 1
        lines = str(said).strip().splitlines()
        first = next((k for k, line in enumerate(lines) if line.startswith(MARKS)), len(lines) - 3)
        print(f"{kind}: {case}\n    " + "\n    ".join(lines[max(0, first) :][:40]), flush=True)

    def judge(self, case: str, result: dict[str, object], codes: Collection[int], lines: int | None = None) -> None:
        """Count a case: no traceback, no hang, one of some exit codes, so many lines where the request was wrong."""
        self.cases += 1
        code, said = result["code"], f"{result['out']}{result['err']}"
        if any(mark in said for mark in MARKS) or said.endswith("it died"):
            self.fault("tracebacks", case, said)
        elif code is None:
            self.fault("hangs", case, said)
        elif code not in codes:
            self.fault("wrong codes", f"{code}: {case}", said)
        elif code == 2 and lines is not None and len(str(result["err"]).strip().splitlines()) != lines:
            self.fault("wrong codes", f"not {lines} line: {case}", said)


def odd(tally: Tally, draw: random.Random, count: int, folder: Path) -> None:
    """Type odd requests; a refused one leaves no run behind."""
    every, worker = list(odd_requests.cases()), Worker()
    for arguments in draw.sample(every, min(count, len(every))):
        place = Path(tempfile.mkdtemp(dir=folder))
        result = worker.run(arguments, place)
        tally.judge(" ".join(arguments), result, (0, 2), lines=1)
        if result["code"] == 2 and list(place.rglob("status.json")):
            tally.fault("left behind", " ".join(arguments), result["err"])
        shutil.rmtree(place, ignore_errors=True)
    worker.close()


def damage(tally: Tally, draw: random.Random, count: int, folder: Path) -> None:
    """Damage run folders and read them; nothing outside of a folder changes."""
    worker, sound = Worker(), folder / "sound"
    sound.mkdir()
    made = worker.run(list(damaged_folders.RUN), sound)
    assert made["code"] == 0, made
    (run,) = (path for path in (sound / "outputs" / "default").iterdir() if path.is_dir())
    every = list(damaged_folders.cases(run))
    for file, harm, command in draw.sample(every, min(count, len(every))):
        place = folder / "damaged"
        name = damaged_folders.damaged(sound, file, harm, place)
        result = worker.run([part.format(run=name) for part in command], place)
        case = f"{file} is {harm}: {' '.join(command[:2])}"
        tally.judge(case, result, (0, 1, 2))
        outside = place / "outputs" / "default" / "outside"
        if outside.exists() and outside.read_text() != "somebody's file\n":
            tally.fault("left behind", case, outside.read_text()[:200])
        shutil.rmtree(place)
    worker.close()


def kill(tally: Tally, draw: random.Random, count: int, folder: Path) -> None:
    """Kill a grid again and again, let it end, and compare its runs with those of a grid that nobody killed."""
    whole = subprocess.run(
        [sys.executable, "-m", "longlag", *kills.GRID, "study=whole"], cwd=folder, capture_output=True, text=True
    )
    assert whole.returncode == 0, whole.stderr
    expected = kills.weights(folder, "whole")
    cuts = 0
    for _ in range(count):
        how, code, said = kills.cut_once(folder, draw)
        cuts += 1
        tally.judge(how, {"code": code, "out": said, "err": ""}, kills.expected_codes(how))
        if code == 0 or cuts == 3:
            _ended(tally, folder, expected, how)
            cuts = 0


def _ended(tally: Tally, folder: Path, expected: dict[int, dict[str, torch.Tensor]], how: str) -> None:
    """Let the grid end; compare, and remove the study."""
    again = subprocess.run(
        [sys.executable, "-m", "longlag", *kills.GRID, "study=cut"], cwd=folder, capture_output=True, text=True
    )
    study = folder / "outputs" / "cut"
    tally.judge(f"typed again after {how}", {"code": again.returncode, "out": again.stdout, "err": again.stderr}, (0,))
    got = kills.weights(folder, "cut")
    for seed, weights in expected.items():
        if seed not in got or any(not torch.equal(weights[name], got[seed][name]) for name in weights):
            tally.fault("runs lost", f"seed {seed} after {how}", "its weights differ, or it is missing")
    if len(list(study.glob("*/status.json"))) != len(read_study(study)) or len(got) != len(expected):
        tally.fault("runs made twice", how, sorted(path.name for path in study.iterdir()))
    shutil.rmtree(study)


def main() -> int:
    """Run the parts, print the tally, and return 1 if there was a fault."""
    parser = argparse.ArgumentParser(prog="make fuzz", description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--requests", type=int, default=100_000, help="how many of the odd requests at most")
    parser.add_argument("--folders", type=int, default=100_000, help="how many of the damaged folders at most")
    parser.add_argument("--kills", type=int, default=40, help="how many kills of grids")
    options = parser.parse_args()
    tally, start = Tally(), time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        for part, count in ((odd, options.requests), (damage, options.folders), (kill, options.kills)):
            place = Path(folder) / part.__name__
            place.mkdir()
            if count:
                part(tally, random.Random(options.seed), count, place)
    print(f"{tally.cases} cases in {time.monotonic() - start:.0f} s, seed {options.seed}")
    for kind in FAULTS:
        print(f"{kind}: {tally.faults[kind]}")
    return 1 if tally.faults else 0


if __name__ == "__main__":
    sys.exit(main())
