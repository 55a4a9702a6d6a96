"""Builds the Triton kernels for a GPU that need not be there, and prints the bytes of shared memory that each takes."""

import json

from native_cells import CELLS, busy
from triton import compile as build
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

from longlag.engine.kernel_cells import packed
from longlag.engine.triton.autograd import built
from longlag.engine.triton.kernels import backward_kernel, forward_kernel

SIZES = ("T", "B", "H", "K")

found = {}
for name in CELLS:
    for hidden in (5, 128) if name == "lstm_1997-full" else (32,):  # the one that has the most to it
        weights = packed(busy(name, 2, hidden))
        gates = len(weights.weights) // weights.hidden
        constants, options = built(weights, gates)
        for kernel, more in ((forward_kernel, {}), (backward_kernel, {"CUT": bool(weights.cut)})):
            fixed = {**constants, **more}
            signature = {
                argument: "constexpr" if argument in fixed else "i32" if argument in SIZES else "*fp32"
                for argument in kernel.arg_names
            }
            made = build(ASTSource(kernel, signature, fixed), target=GPUTarget("cuda", 90, 32), options=options)
            assert made.asm["cubin"]
            found[f"{name} {hidden} {kernel.__name__}"] = made.metadata.shared
print(json.dumps(found))
