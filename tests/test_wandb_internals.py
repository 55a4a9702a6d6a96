"""If one of these fails after a new W&B, longlag.wandb_internals is the one place to change."""

import inspect
import json
import warnings

import pytest
import wandb

from longlag.wandb_internals import (
    api_key,
    as_sent,
    fix_names,
    last_step,
    packages_listed_once,
    quiet_settings,
    replace_view,
)


@pytest.fixture
def workspace():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        import wandb_workspaces.reports.v2 as wr
        import wandb_workspaces.workspaces as ws
    section = ws.Section(name="one", panels=[wr.LinePlot(y=["val/acc"]), wr.ScalarChart(metric="val/acc")])
    return ws.Workspace(entity="somebody", project="longlag", name="a study", sections=[section])


def test_the_settings_of_a_run_exist():
    settings = quiet_settings(silent=True)
    assert (settings.console, settings.x_disable_stats, settings.silent) == ("off", True, True)


def test_the_names_that_are_fixed_are_those_that_are_sent(workspace):
    fix_names(workspace, "abc", "def", {("one", 0): "first", ("one", 1): "second"})
    sent = as_sent(workspace)
    assert json.loads(sent)
    assert all(f'"{name}"' in sent for name in ("nw-abc-v", "def", "first", "second"))


def test_a_view_is_asked_for_by_its_name_and_replaced(workspace, monkeypatch):
    from wandb_workspaces.workspaces import internal

    fix_names(workspace, "abc", "def", {("one", 0): "first", ("one", 1): "second"})
    asked = []

    def view(entity, project, name):
        asked.append((entity, project, name))
        if len(asked) == 1:
            raise ValueError("no such view")
        return {"id": "a view"}

    assert list(inspect.signature(internal.get_view_dict).parameters)[:3] == ["entity", "project", "view_name"]
    monkeypatch.setattr(internal, "get_view_dict", view)
    replace_view(workspace)
    assert workspace._internal_id == ""
    replace_view(workspace)
    assert workspace._internal_id == "a view"
    assert asked == [("somebody", "longlag", "abc")] * 2


def test_without_a_key_there_is_none(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    wandb.teardown()
    assert api_key("http://127.0.0.1:1") is None


def test_a_file_that_is_no_log_has_no_step():
    for content in (b"", b":W&B", b"\xff" * 100_000, bytes(range(256)) * 400):
        assert last_step([content]) is None


def test_the_packages_are_those_that_the_library_would_list_itself():
    import wandb.util

    themselves = {(each.key, each.version) for each in wandb.util.working_set()}
    with packages_listed_once():
        assert {(each.key, each.version) for each in wandb.util.working_set()} == themselves
    assert wandb.util.working_set.__module__ == "wandb.util"
