"""Where PyTorch's fused functions want much memory, they get what this process has had before."""

import platform
import subprocess
import sys

import pytest

COUNT = """
import resource, sys, torch
from longlag.cells import LSTMCell
from longlag.engine import torch_modules
if sys.argv[1] == "as it is":
    torch_modules.keep_freed_memory = lambda: None
torch.manual_seed(0)
torch.set_num_threads(1)
cell, x = LSTMCell(2, 64), torch.randn(32, 1000, 2)
for call in range(6):
    if call == 3:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    h = torch_modules.unroll(cell, x)[1][0]
    found = torch.autograd.grad(h.sum(), list(cell.parameters()))
    del h
print((resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before) // 3, *(part.sum().item().hex() for part in found))
"""


def pages_and_gradients(way):
    """Return how many new pages a call takes, and the sums of its gradients."""
    said = subprocess.run([sys.executable, "-c", COUNT, way], capture_output=True, text=True, check=True)
    pages, *gradients = said.stdout.split()
    return int(pages), gradients


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="for glibc's allocator")
def test_a_long_lag_takes_no_new_pages_at_each_call():
    kept, gradients = pages_and_gradients("kept")
    given_back, same = pages_and_gradients("as it is")
    assert given_back > 1000  # or 40,000, where pages are not huge
    assert kept < given_back / 20
    assert gradients == same
