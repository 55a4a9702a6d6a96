"""The metrics that every run of longlag may record, each declared once, in the order in which tables show them.

What a single task, or a probe or a metric of a reader, measures beside these is declared there.
"""

from longlag.metric import Metric

BUILT_IN_METRICS = (
    # of the sequences of a split: val/acc, test/acc, …; a task declares what else it measures
    Metric("acc", "accuracy", scale="share", better="higher"),
    # of the whole run
    Metric("solved_step", "solved at step", scale="log", better="lower", curve=False),
    Metric("solved_sequences", "solved after sequences", scale="log", better="lower", curve=False, shown="page"),
    # of the probe batch, and of training
    Metric("early_gradient", "early gradient", scale="log"),
    Metric("loss", "loss", scale="log", better="lower", shown="page"),
    Metric("grad_norm", "gradient norm", scale="log", shown="page"),
    Metric("grad_norm_clipped", "gradient norm after clipping", scale="log", shown="on request"),
    Metric("gradient_half_life", "gradient half-life", "steps", "log", shown="page"),
    Metric("memory_half_life", "memory half-life", "steps", "log", shown="page"),
    Metric("direct_half_life", "half-life along the direct path", "steps", "log", shown="on request"),
    Metric("gradient_decay", "decay of the gradient", "factor per step", shown="on request"),
    Metric("gate_*", "mean of gate *", scale="share", shown="on request"),
    Metric("gate_*_shut", "share of gate * below 0.1", scale="share", shown="on request"),
    Metric("gate_*_open", "share of gate * above 0.9", scale="share", shown="on request"),
    Metric("norm_*", "spectral norm of the recurrent matrix *", scale="log", shown="on request"),
    Metric("radius_*", "spectral radius of the recurrent matrix *", shown="on request"),
    Metric("sequences", "training sequences", scale="log", shown="on request"),
    Metric("steps", "optimizer steps", scale="log", curve=False, shown="on request"),
    Metric("parameters", "parameters", scale="log", curve=False, shown="page"),
    Metric("seconds", "time", "s", curve=False),
)
