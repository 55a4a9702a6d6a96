import copy
import json
from pathlib import Path

import pytest
from studies import make_study

from longlag.metric import Metric
from longlag.report.wandb.workspace import SOLVE_RATES, build_workspace, identifier, workspace_json
from longlag.runs import read_study
from longlag.runs.error_flow_csv import COLUMNS
from longlag.runs.metrics_csv import MetricsTable, read_metrics

GOLDEN = Path(__file__).parent / "golden" / "workspace.json"


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("studies") / "first"
    make_study(folder, lags=(20,), biases=(0.0, 1.0), seeds=range(2), flow=False)
    return read_study(folder)


def test_the_workspace_is_the_one_that_was_looked_at(runs):
    text = workspace_json(build_workspace("first", runs, "longlag", "somebody"))
    assert text == GOLDEN.read_text(), f"if it is meant to change, write this to {GOLDEN}:\n{text}"


def test_it_is_the_same_every_time_and_another_for_another_study(runs):
    one, same, other = (workspace_json(build_workspace(study, runs, "p", "e")) for study in ("a", "a", "b"))
    assert one == same
    ids = [{panel["__id__"] for panel in panels(json.loads(text))} for text in (one, other)]
    assert not ids[0] & ids[1]
    assert len(ids[0]) == len(panels(json.loads(one)))
    assert json.loads(one)["name"] != json.loads(other)["name"]


def test_it_shows_the_runs_of_its_study_alone(runs):
    model = json.loads(workspace_json(build_workspace("first", runs, "longlag", "somebody")))
    (shown,) = model["spec"]["section"]["runSets"]
    (one,) = shown["filters"]["filters"]
    assert (one["key"], one["op"], one["value"]) == ({"name": "group", "section": "run"}, "=", "first")


def test_every_figure_that_a_panel_asks_for_is_one_that_a_run_records(runs):
    model = json.loads(workspace_json(build_workspace("first", runs, "longlag", "somebody")))
    asked = {name for panel in panels(model) for name in panel["config"].get("metrics", [])}
    asked |= {panel["config"]["xAxis"] for panel in panels(model) if panel["viewType"] == "Run History Line Plot"}
    recorded = set(read_metrics(runs[0].folder.metrics)[0])
    assert asked == {*recorded, "solved", "trainer/global_step"}
    assert "sequences" in recorded
    asked_media = {key for panel in panels(model) for key in panel["config"].get("mediaKeys", [])}
    assert asked_media == {SOLVE_RATES, "error_flow/map", "error_flow/curve"}
    assert "dx" in COLUMNS  # what the pictures are of


def test_stacked_layers_each_have_their_panels(tmp_path):
    (folder,) = make_study(tmp_path, lags=(20,), biases=(0.0,), seeds=[0], flow=False)
    folder.write_config({**folder.read_config(), "model": {"layers": 2}})
    table = MetricsTable(folder.metrics, until=10**9)
    table.add(0, {f"layer{layer}/gradient_half_life": 3.0 for layer in (1, 2)})
    table.write()
    text = workspace_json(build_workspace("first", read_study(tmp_path), "longlag", "somebody"))
    for name in ("layer2/gradient_half_life", "error_flow/layer1/map", "error_flow/layer2/curve"):
        assert f'"{name}"' in text
    assert '"error_flow/map"' not in text


def test_a_metric_that_a_run_declares_has_its_panels(tmp_path):
    (folder,) = make_study(tmp_path, lags=(20,), biases=(0.0,), seeds=[0], flow=False)
    folder.write_metric_declarations([Metric("f1", "F1 score", scale="share"), Metric("noise", "noise", "dB", "log")])
    folder.write_summary({**folder.read_summary(), "test/f1": 0.5})
    table = MetricsTable(folder.metrics, until=10**9)
    table.add(0, {"val/f1": 0.5, "noise": 1.0})
    table.write()
    model = json.loads(workspace_json(build_workspace("first", read_study(tmp_path), "longlag", "somebody")))
    titles = {panel["config"].get("chartTitle"): panel["config"] for panel in panels(model)}
    assert titles["Validation F1 score"]["yAxisMax"] == 1
    assert titles["Noise"]["yAxisTitle"] == "noise (dB)"
    assert titles["Noise"]["yLogScale"]
    assert "summary:test/f1" in json.dumps(model)


@pytest.mark.parametrize("model", [None, "deep", {}, {"layers": "two"}])
def test_a_run_with_damaged_settings_does_not_keep_the_workspace_from_being_made(runs, model):
    damaged = copy.deepcopy(runs)
    damaged[0].config["model"] = model
    assert workspace_json(build_workspace("first", damaged, "p", "e")) == workspace_json(
        build_workspace("first", runs, "p", "e")
    )


def test_names_follow_from_what_they_name():
    assert identifier("a", 1) == identifier("a", 1)
    assert len({identifier("a", 1), identifier("a", 2), identifier("b", 1), identifier("a")}) == 4
    assert identifier("a").isalnum()
    assert len(identifier("a")) == 11


def panels(model):
    return [p for section in model["spec"]["section"]["panelBankConfig"]["sections"] for p in section["panels"]]
