"""The commands of ``longlag``."""

#: command -> (module with a function ``run(arguments) -> exit code``, one line of help)
COMMANDS = {
    "train": ("longlag.cli.train", "train a cell on a task; -m for a grid of runs"),
    "horizon": ("longlag.cli.horizon", "the longest lag that most seeds solve within a budget"),
    "test": ("longlag.cli.test", "trained runs at other lags: does it hold at 2T, 5T, 10T?"),
    "cells": ("longlag.cli.cells", "the cells that there are, a line each"),
    "tasks": ("longlag.cli.tasks", "the tasks that there are, a line each"),
    "runs": ("longlag.cli.runs", "the table of what ran, and how often it was solved"),
    "report": ("longlag.cli.report", "compare runs on one HTML page: curves, error flow, solve rates"),
    "reproduce": ("longlag.cli.reproduce", "the published rows of a paper beside our trials of them"),
    "jacobian": ("longlag.cli.jacobian", "the Jacobian of a trained run: singular values, Lyapunov exponents"),
    "publish": ("longlag.cli.publish", "send a study to W&B, with a workspace that compares its runs"),
    "check": ("longlag.cli.check", "test the claims of a cell, yours too, and print its figures"),
    "show": ("longlag.cli.show", "draw some sequences of a task, in the terminal or as a picture"),
    "audit": ("longlag.cli.audit", "is a task really long-lag? three baselines try it"),
    "bench": ("longlag.cli.bench", "how fast is each way to run a cell, on this machine?"),
}
