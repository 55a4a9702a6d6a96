"""Write a file so that readers see the whole file or none."""

import os
import tempfile
from pathlib import Path


def write_whole(path: Path, content: str | bytes, durable: bool = True) -> None:
    """Write text or bytes to a temporary file beside ``path`` and rename this file: no reader ever sees half a file.

    Args:
        path: the file.
        content: the content of the file.
        durable: whether to wait, some milliseconds, until the file is on the disk and survives a loss of power.

    """
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content.encode() if isinstance(content, str) else content)
            file.flush()
            if durable:
                os.fsync(file.fileno())
        temporary.chmod(0o666 & ~_umask())  # mkstemp gives 0o600
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
