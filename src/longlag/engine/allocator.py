"""Memory that PyTorch frees stays with this process.

For many steps, sequences or units PyTorch's fused functions want tens of megabytes at each call. glibc hands them back
to the system as soon as they are freed, so that the next call waits for as many pages to be cleared again: more than
half of the time at 1000 steps. It can be told to keep them, for what the main thread does. Other systems' allocators
are left as they are.
"""

import ctypes
import functools
import platform

_TRIM_THRESHOLD, _MMAP_MAX = -1, -4  # the parameters of mallopt, see glibc's malloc.h


@functools.cache
def keep_freed_memory() -> None:
    """Keep what is freed for what comes next, until the process ends or there are two gigabytes of it at the end."""
    if platform.libc_ver()[0] == "glibc":
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_MMAP_MAX, 0)  # large arrays come from where the small ones do, not from the system each
        mallopt(_TRIM_THRESHOLD, 2**31 - 1)
