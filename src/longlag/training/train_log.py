"""``train.log``: it takes the remarks of Lightning, the warnings and the tracebacks, away from the progress bar."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from io import TextIOWrapper
from pathlib import Path

from longlag.runs.files import open_file

#: Warnings that say what is so by design: Lightning's own use of torch, a run that goes on in its folder, and ranks
#: that are started by us, on a cluster too.
_EXPECTED = (
    r".*isinstance\(treespec, LeafSpec\).*",
    r"Checkpoint directory .* exists and is not empty.*",
    r"The `srun` command is available on your system but is not used.*",
)
_SOURCES = ("longlag", "lightning", "lightning.pytorch", "lightning.fabric", "py.warnings")
_OTHERS = logging.WARNING  # what other libraries log from this level on would reach the terminal


class _FileHandler(logging.FileHandler):
    """Appends to a file of a run folder."""

    def _open(self) -> TextIOWrapper:
        opened = open_file(Path(self.baseFilename), "a")
        assert isinstance(opened, TextIOWrapper)
        return opened


@contextmanager
def logged_to(path: Path) -> Iterator[logging.Logger]:
    """While the context lasts, append the log records and warnings of this process to ``path``; yield our logger.

    Records of other libraries count from warnings on.
    """
    handler = _FileHandler(path, delay=True, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    loggers = [logging.getLogger(name) for name in (*_SOURCES, None)]  # the last is the root, for all others
    before = [(logger, logger.handlers, logger.propagate, logger.level) for logger in loggers]
    for logger in loggers:
        logger.handlers, logger.propagate = [handler], False
        logger.setLevel(logging.INFO if logger.parent else _OTHERS)
    logging.captureWarnings(True)
    try:
        with warnings.catch_warnings():
            for message in _EXPECTED:
                warnings.filterwarnings("ignore", message=message)
            yield loggers[0]
    finally:
        logging.captureWarnings(False)
        for logger, handlers, propagate, level in before:
            logger.handlers, logger.propagate = handlers, propagate
            logger.setLevel(level)
        handler.close()


@contextmanager
def silenced() -> Iterator[None]:
    """While the context lasts, drop Lightning's remarks and the warnings: the run makes them again."""
    logger = logging.getLogger("lightning.pytorch")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(before)
