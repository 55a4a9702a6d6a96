import io

from made_report import measured, report
from rich.console import Console

from longlag.benchmark.results import rows_of
from longlag.benchmark.table import markdown, print_report


def printed(**changes):
    out = io.StringIO()
    print_report(report(**changes), Console(file=out, width=80))
    return out.getvalue().splitlines()


def test_the_table_has_the_machine_the_floor_and_a_row_for_each():
    lines = printed()
    assert lines[0] == "a processor, 2 cores; 1 thread; torch 2; native engine with avx2"
    assert any("at 100 GFLOP/s" in line and "torch.mm 512 × 512" in line for line in lines)
    rows = {line.split()[0]: line.split() for line in lines if line.startswith("  ")}
    assert rows["native"] == ["native", "1e-07", "0.50", "25.0", "20.0–40.0", "8.8", "%", "8.00", "4.00–9.00"]
    assert rows["wrong"] == ["wrong", "nan", "0.10", "wrong", "-", "-", "-", "-"]
    assert rows["eager"] == ["eager", "2e-07", "0.10", "40.0", "40.0–40.0", "-", "9.00", "9.00–9.00"]
    assert "lstm H=16 B=32 T=100 R=2, floor 2.21 µs" in lines
    assert "min_gru H=16 B=32 T=100 R=2" in lines
    assert "wrong: wrong for lstm H=16 B=32 T=100 R=2: its gradient is off by nan: not timed" in lines
    assert "  scan (lstm, min_gru): others" in lines
    assert lines[-1] == "a note"


def test_the_columns_stand_below_each_other_and_fit_a_narrow_terminal():
    lines = [line for line in printed() if line.startswith(("  native", "  eager"))]
    first, second = (line.index("–") for line in lines)
    assert first == second
    assert max(map(len, lines)) <= 80


def test_with_nothing_measured_the_machine_is_still_named():
    lines = printed(rows=[], rate_gflops=0.0)
    assert lines[0].startswith("a processor")
    assert any("was not measured" in line for line in lines)


def test_brackets_are_no_markup():
    (line,) = [line for line in printed(notes=["[bold] is a word"]) if "word" in line]
    assert line == "[bold] is a word"


def test_markdown_read_back():
    text = markdown(report())
    assert text.startswith("a processor, 2 cores; 1 thread; torch 2; native engine with avx2. 6·G·H·(H+I)·B")
    lines = [line for line in text.splitlines() if line.startswith("|")]
    tables = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    assert {len(row) for row in tables} == {9}
    assert tables[0] == ["cell", "H", "B", "T", "R", "floor", "native", "wrong", "eager"]
    assert tables[2] == ["lstm", "16", "32", "100", "2", "2.21", "**25.0** (20.0–40.0) 8.8 %", "wrong", "-"]
    assert tables[3] == ["min_gru", "16", "32", "100", "2", "-", "-", "-", "**40.0** (40.0–40.0)"]
    assert tables[6] == ["lstm", "16", "32", "100", "2", "0.74", "**8.00** (4.00–9.00)", "wrong", "-"]
    assert "within 2e-07 of the float64 eager loop's." in text
    assert "Left out: scan (lstm, min_gru): others." in text
    assert text.endswith("a note.\n")


def test_figures_have_three_digits():
    rows = rows_of(measured(), 1e6)  # a slow machine
    assert "221184" in markdown(report(rows=rows))
