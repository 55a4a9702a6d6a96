import pytest

from longlag.built_in_metrics import BUILT_IN_METRICS
from longlag.metric import Metric, Metrics
from longlag.runs import RunFolder

BUILT_IN = Metrics(BUILT_IN_METRICS)


@pytest.mark.parametrize(
    ("key", "label"),
    [
        ("val/acc", "validation accuracy"), ("test/acc", "test accuracy"),
        ("val/acc_max", "validation accuracy at best"),
        ("recent/acc", "recent training accuracy"), ("early_gradient_init", "early gradient at start"),
        ("layer2/gradient_half_life", "gradient half-life, layer 2 (steps)"),
        ("layer1/gradient_half_life_init", "gradient half-life at start, layer 1 (steps)"),
        ("layer1/gate_f", "mean of gate f, layer 1"), ("layer1/gate_f_shut", "share of gate f below 0.1, layer 1"),
        ("layer1/gate_f_init", "mean of gate f at start, layer 1"), ("seconds", "time (s)"),
        ("val/my_own", "validation my own"), ("somebody/else", "somebody else"),
    ],
)  # fmt: skip
def test_the_label_of_a_key(key, label):
    metric = BUILT_IN[key]
    assert (metric.key, metric.label) == (key, label)


def test_a_key_takes_scale_and_direction_from_its_declaration():
    metrics = Metrics(
        [Metric("f1", "F1 score", scale="share", better="higher"), Metric("noise", "noise", shown="page")]
    )
    assert metrics["val/f1"] == Metric("val/f1", "validation F1 score", "", "share", "higher")
    assert metrics["test/f1"] == Metric("test/f1", "test F1 score", "", "share", "higher", curve=False)
    assert not metrics["noise_init"].curve
    assert metrics["noise_init"].shown == "page"


def test_a_split_that_is_declared_by_itself_stands_in_the_place_of_its_metric():
    metrics = Metrics([Metric("acc", "accuracy"), Metric("loss", "loss"), Metric("acc", "hits").of("val", "held-out")])
    assert metrics["val/acc"].title == "held-out hits"
    assert metrics.ordered(["val/loss", "val/acc"]) == ["val/acc", "val/loss"]


def test_what_nobody_declared_is_shown_on_request():
    assert BUILT_IN["strange"] == Metric("strange", "strange", shown="on request")


def test_a_later_declaration_replaces_an_earlier_one():
    assert Metrics([*BUILT_IN_METRICS, Metric("acc", "hits")])["val/acc"].title == "validation hits"


def test_keys_come_in_the_order_of_the_declarations_and_unknown_ones_last():
    ordered = [
        "val/acc", "test/acc", "early_gradient", "layer1/gradient_half_life_init", "layer1/gradient_half_life",
        "layer2/gradient_half_life", "seconds", "unknown",
    ]  # fmt: skip
    assert BUILT_IN.ordered([*reversed(ordered), "val/acc"]) == ordered


def test_the_only_layer_is_not_named():
    metrics = Metrics(BUILT_IN_METRICS, name_layers=False)
    assert metrics["layer1/gradient_half_life_init"].label == "gradient half-life at start (steps)"


@pytest.mark.parametrize(("field", "value"), [("scale", "cubic"), ("better", "both"), ("shown", "never")])
def test_an_unknown_choice_is_refused(field, value):
    with pytest.raises(ValueError, match=f"{field} must be one of .*got '{value}'"):
        Metric("a", "a", **{field: value})


def test_declarations_are_read_back_without_those_that_are_damaged(tmp_path):
    folder = RunFolder(tmp_path)
    assert folder.read_metric_declarations() == {}
    metrics = [Metric("f1", "F1 score", better="higher"), Metric("damaged", "damaged"), Metric("wrong", "wrong")]
    folder.write_metric_declarations(metrics)
    text = (tmp_path / "metrics.json").read_text()
    text = text.replace('"title": "damaged"', '"title": 5').replace('"title": "wrong"', '"colour": "red"')
    (tmp_path / "metrics.json").write_text(text)
    assert folder.read_metric_declarations() == {"f1": metrics[0]}


def test_no_two_built_in_metrics_have_one_key():
    assert len({metric.key for metric in BUILT_IN_METRICS}) == len(BUILT_IN_METRICS)
