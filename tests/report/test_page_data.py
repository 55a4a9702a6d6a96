import base64
import dataclasses
import json
import math
import random
import struct

import pytest
from studies import make_run, make_study

from longlag.metric import Metric
from longlag.report.page.build import build_page, script_safe
from longlag.report.page.data import FLOW_BYTES, METRICS_BYTES, flow_most, page_data
from longlag.report.page.pack import evenly, packed, packed_metrics, thinned_by
from longlag.report.page.pack_flow import packed_flow
from longlag.report.page.read import read_for_page
from longlag.runs import read_study
from longlag.runs.claim import Claim
from longlag.runs.error_flow_csv import COLUMNS, ErrorFlowTable, read_error_flow

FEW = 10**9  # more values than any test has: nothing is thinned


def unpacked(text):
    log, raw = text.startswith("~"), base64.b64decode(text.removeprefix("~"))
    values = struct.unpack(f"<{len(raw) // 4}f", raw)
    return [10.0**x for x in values] if log else list(values)


def of_study(path, warn=lambda message: None):
    records = read_study(path)
    return page_data((read_for_page(record, flow_most(len(records)), warn) for record in records), records)


def test_numbers_come_back_from_float32():
    given = [0.1, -3.5, 1e-40, math.inf, -math.inf, 1e300, -1e300]
    assert unpacked(packed(given)) == pytest.approx([0.1, -3.5, 1e-40, math.inf, -math.inf, math.inf, -math.inf], 1e-5)
    assert math.isnan(unpacked(packed([math.nan]))[0])


def test_a_figure_below_the_reach_of_float32_keeps_its_digits():
    metrics = {0: {"early_gradient": 3e-290, "loss": 0.5}, 20: {"early_gradient": 0.0, "loss": 0.25}}
    columns = packed_metrics(metrics, FEW)["columns"]
    assert columns["early_gradient"].startswith("~")
    assert unpacked(columns["early_gradient"]) == pytest.approx([3e-290, 0.0], rel=1e-4, abs=0)  # 290 in float32
    assert unpacked(columns["loss"]) == [0.5, 0.25]


def test_runs_that_are_thinned_differently_have_steps_in_common():
    steps = list(range(0, 1001, 20))
    coarse, fine = thinned_by(steps, 8), thinned_by(steps, 4)
    assert coarse[0] == fine[0] == 0
    assert coarse[-1] == fine[-1] == 1000  # the end is what a reader looks for
    assert set(coarse) < set(fine)


@pytest.mark.parametrize("most", [20, 60, 150, 1000])
def test_curves_are_thinned_to_their_room(most):
    metrics = {step: {"a": step / 7, "b": 1.0} for step in range(0, 2000, 20)}
    found = packed_metrics(metrics, most)
    steps = unpacked(found["steps"])
    assert 3 * len(steps) <= most + 6  # the last step comes on top
    assert 6 * len(steps) > min(most, 300) - 6  # and the room is used
    assert unpacked(found["columns"]["a"]) == pytest.approx([step / 7 for step in steps], rel=1e-6)


def test_what_was_measured_once_is_no_curve_and_what_was_not_is_missing():
    metrics = {0: {"a": 1.0}, 20: {"a": 2.0, "b": 3.0}, 40: {"b": 4.0, "test/acc": 1.0}}
    found = packed_metrics(metrics, FEW)
    assert sorted(found["columns"]) == ["a", "b"]
    assert [math.isnan(x) for x in unpacked(found["columns"]["b"])] == [True, False, False]


def test_evenly_keeps_the_ends():
    assert evenly(range(5), 5) == [0, 1, 2, 3, 4]
    assert evenly(range(100), 4) == [0, 33, 66, 99]


@pytest.fixture
def flow(tmp_path):
    """Two layers, one without a cell state; twelve steps of fifty lags, the lag and the step seen in each value."""
    table = ErrorFlowTable(tmp_path / "error_flow.csv")
    for step in range(0, 240, 20):
        for layer in (1, 2):
            names = ("dx", "dh", "dx_direct") if layer == 1 else ("dx", "dh", "dc", "dx_direct", "dc_direct")
            lags = {name: [-lag - step / 1000 - 100 * k for lag in range(50)] for k, name in enumerate(names)}
            lags["dh"][7] = -math.inf
            table.add(step, layer, {"sequences": [32.0] * 50, **lags})
    table.write()
    return table.path


def test_the_flow_is_that_of_the_file(flow):
    found = packed_flow(flow.read_text(), FEW)
    whole = read_error_flow(flow)
    assert sorted(found) == ["1", "2"]
    assert sorted(found["1"]) == ["dh", "dx", "dx_direct", "lags", "of", "steps"]
    assert found["2"]["of"] == [12, 50]
    for layer, kept in found.items():
        steps = [int(step) for step in unpacked(kept["steps"])]
        assert steps == list(range(0, 240, 20))
        for name in set(kept) - {"steps", "lags", "of"}:
            wanted = [x for step in steps for x in whole[step, int(layer)][name]]
            assert unpacked(kept[name]) == pytest.approx(wanted, rel=1e-6)  # float32


def test_the_flow_is_thinned_to_its_room_and_says_how_much_there_was(flow):
    found = packed_flow(flow.read_text(), 2000)["2"]
    steps, lags = unpacked(found["steps"]), unpacked(found["lags"])
    assert (steps[0], steps[-1], lags[0], lags[-1]) == (0, 220, 0, 49)
    assert 500 < 5 * len(steps) * len(lags) <= 1000  # half of the room: there are two layers
    assert found["of"] == [12, 50]
    dx = unpacked(found["dx"])
    assert dx[len(lags) + 1] == pytest.approx(-lags[1] - steps[1] / 1000, rel=1e-6)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda text: text[: len(text) // 2], "its end is missing"),
        (lambda text: text[: text[: len(text) // 2].rindex(",")] + "\n", "is not whole or out of order"),
        (lambda text: text.replace("\n0,1,3,", "\n0,1,4,"), "line 5 is not whole or out of order"),
        (lambda text: text.replace("dc_10", "dc_11"), "other columns are wanted"),
        (lambda text: text.replace("\n0,1,3,32,-", "\n0,1,3,32,x"), "could not convert"),
        (lambda text: "", "other columns are wanted"),
    ],
)
def test_a_flow_that_is_damaged_is_refused(flow, spoil, message):
    with pytest.raises(ValueError, match=message):
        packed_flow(spoil(flow.read_text()), FEW)


def test_a_file_with_a_heading_and_no_measurement_is_empty():
    assert packed_flow(",".join(COLUMNS) + "\n", FEW) == {}


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("metrics.csv", b"step,val/acc\n0,0.5\n20,0.", "is not a table of metrics: its end is missing"),
        ("metrics.csv", b"val/acc\n0.5\n", "is not a table of metrics: its first column is not step"),
        ("metrics.csv", b"step,val/acc\n0,half\n", "is not a table of metrics: could not convert"),
        ("metrics.csv", b"\xff\x00\xfe\n", "is not a table of metrics"),
        ("error_flow.csv", b"\xff\x00\xfe\n", "is not a table of error flow: 'utf-8' codec"),
        ("error_flow.csv", b"step,layer\n", "is not a table of error flow: other columns are wanted"),
    ],
)
def test_a_damaged_file_costs_a_line_and_its_curves(tmp_path, name, content, said):
    (folder,) = make_study(tmp_path / "study", lags=(8,), biases=(1.0,), seeds=[0])
    (folder.path / name).write_bytes(content)
    (record,), told = read_study(tmp_path / "study"), []
    run = read_for_page(record, FEW, told.append)
    (line,) = told
    assert line.startswith(f"{folder.path / name} {said}")
    assert "\n" not in line
    assert (run.metrics == {}, run.flow == {}) == (name == "metrics.csv", name != "metrics.csv")


def test_the_data_says_what_a_run_is_and_how_it_ended(tmp_path):
    make_study(tmp_path / "study", lags=(20,), biases=(0.0, 3.0), seeds=[4])
    data = of_study(tmp_path / "study")
    run = data["runs"][1]
    named = {"cell": "lstm", "task": "delayed_xor", "T": 20, "forget_bias": 3.0, "seed": 4, "study": "study"}
    assert run["values"] == named
    assert (run["state"], run["study"], run["counts"]) == ("solved", "study", True)
    assert run["figures"]["solved_step"] == 60
    assert [setting["key"] for setting in data["settings"]] == ["cell", "task", "T", "forget_bias"]
    (differing,) = [entry for entry in data["config"] if entry["key"] == "cell.forget_bias"]
    assert [differing["values"][k] for k in differing["of"]] == ["0.0", "3.0"]
    assert data["common"]["task.T"] == "20"
    json.dumps(data, allow_nan=False)


def test_the_page_follows_the_declarations_of_the_runs(tmp_path):
    (folder,) = make_study(tmp_path / "study", lags=(20,), biases=(1.0,), seeds=[0])
    folder.write_metric_declarations([Metric("margin", "margin", "bits", better="higher")])
    folder.write_summary({**folder.read_summary(), "test/margin": 2.5, "val/margin": 2.0, "layer1/gate_f": 0.9})
    text = folder.metrics.read_text().splitlines()
    folder.metrics.write_text(
        "".join(f"{line},{end}\n" for line, end in zip(text, ["val/margin", *"123"], strict=False))
    )
    data = of_study(tmp_path / "study")
    column = {"key": "test/margin", "label": "test margin (bits)", "scale": "linear", "better": "higher"}
    assert column in data["columns"]
    assert [metric["key"] for metric in data["columns"]] == [
        "test/acc", "test/margin", "solved_step", "solved_sequences", "early_gradient_init", "early_gradient_end",
        "parameters", "seconds",
    ]  # fmt: skip
    assert data["runs"][0]["figures"]["test/margin"] == 2.5
    curves = {metric["key"]: metric for metric in data["curves"]}
    assert list(curves) == ["val/acc", "val/margin", "early_gradient", "val/loss", "train/loss"]
    assert curves["val/margin"]["label"] == "validation margin (bits)"
    assert (curves["val/acc"]["scale"], curves["early_gradient"]["scale"]) == ("share", "log")


def test_a_start_that_init_gives_stands_where_the_forget_bias_would(tmp_path):
    folders = make_study(tmp_path / "study", lags=(20,), biases=(1.0,), seeds=[0, 1])
    config = folders[1].read_config()
    config["run"]["forget_bias"] = config["cell"]["forget_bias"] = None
    config["init"] = {"_target_": "longlag.cells.init.Chrono", "T_max": 20}
    folders[1].write_config(config)
    assert sorted(str(run["values"]["forget_bias"]) for run in of_study(tmp_path / "study")["runs"]) == [
        "1.0",
        "chrono",
    ]


def test_a_run_whose_process_is_gone_says_so(tmp_path):
    folders = make_study(tmp_path / "study", lags=(8,), biases=(1.0,), seeds=[0, 1, 2])
    for folder in folders[:2]:
        folder.write_status(dataclasses.replace(folder.read_status(), state="running", ended=None))
    with Claim(folders[0].path):
        assert [run["state"] for run in of_study(tmp_path / "study")["runs"]] == ["running", "gone", "solved"]


def test_a_run_that_goes_on_has_its_early_gradient_from_the_curve(tmp_path):
    (folder,) = make_study(tmp_path / "study", lags=(8,), biases=(1.0,), seeds=[0])
    (folder.path / "summary.json").unlink()
    (run,) = of_study(tmp_path / "study")["runs"]
    assert 0 < run["figures"]["early_gradient_init"] < 1
    assert not run["counts"]


def test_a_summary_with_anything_in_it_is_no_trouble(tmp_path):
    (folder,) = make_study(tmp_path / "study", lags=(8,), biases=(1.0,), seeds=[0])
    text = '{"steps": 1e999, "seconds": NaN, "solved_step": "soon", "test/acc": true, "sequences": 1' + 400 * "0" + "}"
    (folder.path / "summary.json").write_text(text)
    (run,) = of_study(tmp_path / "study")["runs"]
    assert set(run["figures"]) <= {"early_gradient_init"}


def test_studies_of_one_name_are_told_apart(tmp_path):
    for place in ("here", "there"):
        make_study(tmp_path / place / "study", lags=(8,), biases=(1.0,), seeds=[0])
    records = [*read_study(tmp_path / "here" / "study"), *read_study(tmp_path / "there" / "study")]
    data = page_data((read_for_page(record, FEW, print) for record in records), records)
    assert [run["study"] for run in data["runs"]] == [str(tmp_path / p / "study") for p in ("here", "there")]


def test_the_curves_of_many_runs_keep_within_their_bytes():
    """What a thousand runs with long curves may take; the least that a run keeps is allowed for."""
    draw = random.Random(0)
    metrics = {step: {f"figure{k}": draw.random() for k in range(30)} for step in range(0, 20_000, 20)}
    runs = 1000
    one = packed_metrics(metrics, int(METRICS_BYTES / (16 / 3) / runs))
    assert runs * sum(map(len, [one["steps"], *one["columns"].values()])) < 1.3 * METRICS_BYTES
    values = ",".join(["-12.3456"] * 20)
    lines = [f"{step},1,{lag},32,{values}" for step in range(0, 1000, 20) for lag in range(400)]
    flow = packed_flow("\n".join([",".join(COLUMNS), *lines, ""]), flow_most(runs))["1"]
    assert runs * sum(len(text) for name, text in flow.items() if name != "of") < 1.1 * FLOW_BYTES


def test_no_text_ends_the_script_that_it_stands_in():
    data = {"name": "</script><script>&\u2028\ud800", "ü": "‖dL/dh‖"}
    text = script_safe(data)
    assert not set("<>&\u2028") & set(text)
    assert json.loads(text) == data
    text.encode()


def test_the_page_holds_all_that_it_needs(tmp_path):
    make_study(tmp_path / "study", lags=(8,), biases=(1.0,), seeds=[0])
    page = build_page(read_study(tmp_path / "study"))
    assert page.count("plotly.js v") == 1
    assert "<title>study – longlag</title>" in page
    for outside in ('src="', '<link rel="stylesheet', "@import", "url("):
        assert outside not in page.split("<script>")[0]  # what comes before Plotly
    assert "default-src 'none'" in page


def test_a_name_with_markup_in_it_is_text(tmp_path):
    (folder,) = make_study(tmp_path / "<b>study", lags=(8,), biases=(1.0,), seeds=[0])
    make_run(tmp_path / "<b>study" / "{{style}}{{data}}", folder.read_config())
    page = build_page(read_study(tmp_path / "<b>study"))
    assert "<title>&lt;b&gt;study – longlag</title>" in page
    assert page.count('"name":"{{style}}{{data}}"') == 1
