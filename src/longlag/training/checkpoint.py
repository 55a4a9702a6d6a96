"""Reading a checkpoint: weights and figures, and no code."""

import pickle
import warnings
from pathlib import Path
from typing import Any

import torch

from longlag.runs import DamagedRunError
from longlag.runs.files import open_file


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Read a checkpoint of a run on the CPU; nothing in the file is executed.

    Raises:
        FileNotFoundError: there is no such file.
        DamagedRunError: the file cannot be read, or is no checkpoint of a run.

    """
    try:
        with open_file(path, "rb") as file, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about a file that is then refused
            stored: dict[str, Any] = torch.load(file, weights_only=True, map_location="cpu")
        if not isinstance(stored["state_dict"], dict) or not isinstance(stored["global_step"], int):
            raise TypeError("it holds no weights and no step")
    except FileNotFoundError:
        raise
    except OSError as error:
        raise DamagedRunError(f"cannot use {path}: {error.strerror}") from error
    except pickle.UnpicklingError as error:  # torch would advise to execute what is in the file
        raise DamagedRunError(f"cannot use {path}: it holds something else than weights and figures") from error
    except Exception as error:
        raise DamagedRunError(f"cannot use {path}: {type(error).__name__}: {error}"[:300]) from error
    return stored
