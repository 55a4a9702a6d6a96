"""The contract of a task, which every file in ``tasks/`` fulfils, and the parts that tasks are made of."""

from longlag.checks import check_channels, check_choice, check_integer, check_number, check_switch, is_number
from longlag.metric import Metric
from longlag.task.base import Task
from longlag.task.batch import Batch
from longlag.task.classification import ClassificationTask
from longlag.task.metrics import Means
from longlag.task.regression import CRITERION_ERRORS, SQUARED_ERROR, LogisticTask, RegressionTask, StreamTask
from longlag.task.sampling import (
    RANGE_ENDS,
    distinct,
    highest,
    integers,
    joined,
    one_hot,
    valid_steps,
)
from longlag.task.splits import Split, Splits, stream

__all__ = [
    "CRITERION_ERRORS",
    "RANGE_ENDS",
    "SQUARED_ERROR",
    "Batch",
    "ClassificationTask",
    "LogisticTask",
    "Means",
    "Metric",
    "RegressionTask",
    "Split",
    "Splits",
    "StreamTask",
    "Task",
    "check_channels",
    "check_choice",
    "check_integer",
    "check_number",
    "check_switch",
    "distinct",
    "highest",
    "integers",
    "is_number",
    "joined",
    "one_hot",
    "stream",
    "valid_steps",
]
