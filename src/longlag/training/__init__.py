"""Training: the LightningModule, its callbacks and loggers, and one run from start to end."""

from longlag.training.callbacks.early_gradient import EarlyGradient
from longlag.training.callbacks.error_flow import ErrorFlow
from longlag.training.loggers.choices import CsvLoggers, NoLoggers, TensorBoardLoggers, WandbLoggers
from longlag.training.module import SequenceModule
from longlag.training.online import Online

__all__ = [
    "CsvLoggers",
    "EarlyGradient",
    "ErrorFlow",
    "NoLoggers",
    "Online",
    "SequenceModule",
    "TensorBoardLoggers",
    "WandbLoggers",
]
