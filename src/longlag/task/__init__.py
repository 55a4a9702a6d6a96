"""What a task is: the contract that every file in ``tasks/`` fills in, and what tasks are made of."""

from longlag.bounds import check_integer, check_number, check_switch
from longlag.task.batch import Batch
from longlag.task.classification import ClassificationTask
from longlag.task.drawing import distinct, integers, joined, one_hot, valid_steps
from longlag.task.means import Means
from longlag.task.regression import LogisticTask, RegressionTask, StreamTask
from longlag.task.splits import Split, Splits, stream
from longlag.task.task import Task

__all__ = [
    "Batch",
    "ClassificationTask",
    "LogisticTask",
    "Means",
    "RegressionTask",
    "Split",
    "Splits",
    "StreamTask",
    "Task",
    "check_integer",
    "check_number",
    "check_switch",
    "distinct",
    "integers",
    "joined",
    "one_hot",
    "stream",
    "valid_steps",
]
