"""`thaw compare` on real experiments."""

import json
import re

import pandas as pd
import pytest
import yaml
from project import run
from scipy.stats import binomtest

from thaw.cli.compare import compare as command
from thaw.errors import ThawError
from thaw.experiments.compare import compare as compare_experiments
from thaw.experiments.comparison_numbers import numbers
from thaw.experiments.disagreement import find_disagreements, thumbnails
from thaw.experiments.experiment import read_experiments


@pytest.fixture
def inside(compared, monkeypatch):
    """The repository as the working directory; it must be as before afterwards."""
    monkeypatch.chdir(compared)
    yield compared
    assert run("git status --porcelain", compared) == ""


@pytest.fixture
def compare(inside, capsys):
    """A function that compares, and returns what `thaw compare --json` prints."""

    def compare(*names):
        capsys.readouterr()
        command(list(names), json_=True)
        return json.loads(capsys.readouterr().out)

    return compare


@pytest.fixture
def refusal(inside):
    """A function that compares, and returns the line with which that is refused."""

    def refusal(*names):
        with pytest.raises(ThawError) as error:
            command(list(names))
        [line] = str(error.value).splitlines()
        return line

    return refusal


def runs(result):
    return [setting["experiments"] for setting in result["settings"]]


def verdicts(result):
    return {(pair["first"], pair["second"]): pair["verdict"] for pair in result["pairs"]}


def test_without_names_it_compares_the_commit_and_its_experiments(compare):
    result = compare()
    assert runs(result) == [["HEAD"], ["near"], ["deep-1", "deep-2"], ["frozen"]]
    assert result["images"] == "val"
    assert [line.partition(":")[0] for line in result["left_out"]] == ["fewer is left out"]
    assert verdicts(result) == {
        ("HEAD", "near"): "not distinguishable",
        ("HEAD", "deep-1 +1"): "better",
        ("HEAD", "frozen"): "better",
        ("near", "deep-1 +1"): "better",
        ("near", "frozen"): "better",
        ("deep-1 +1", "frozen"): "better",
    }


def test_test_figures_are_of_named_experiments_only(compare):
    assert not any("test" in setting for setting in compare()["settings"])
    [first, second] = compare("HEAD", "frozen")["settings"]
    assert first["test"]["accuracy"] > second["test"]["accuracy"]


def cached_predictions(compared, revision):
    """Path of the predictions of a revision in DVC's cache."""
    lock = yaml.safe_load(run(f"git show {revision}:dvc.lock", compared))
    outs = {out["path"]: out["md5"] for out in lock["stages"]["model"]["outs"]}
    md5 = outs["outputs/predictions.csv"]
    return compared / f".dvc/cache/files/md5/{md5[:2]}/{md5[2:]}"


def test_the_pair_is_the_exact_test_of_the_predictions(compare, compared):
    [pair] = compare("HEAD", "deep-1")["pairs"]
    deep = run("git for-each-ref --format='%(objectname)' 'refs/exps/**/deep-1'", compared)
    files = [cached_predictions(compared, revision) for revision in ("HEAD", deep.strip())]
    tables = [pd.read_csv(file).query("split == 'val'") for file in files]
    right = [table["label"] == table["predicted"] for table in tables]
    difference = right[0].astype(int) - right[1].astype(int)
    names = tables[0]["name"].str.extract(r"(\w+)/(\d+)")
    number = names[1].astype(int)
    group = names[0] + (number - 2 * (number % 10 >= 8)).astype(str)
    sums = difference.groupby(group).sum()
    assert pair["n"] == len(difference)
    assert pair["difference"] == pytest.approx(difference.mean())
    assert set(sums) == {0, 1, 2}  # some groups have two images
    disagreeing = (sums != 0).sum()
    assert pair["p_value"] == pytest.approx(binomtest(disagreeing, disagreeing).pvalue)
    assert pair["low"] < pair["difference"] < pair["high"]


def test_out_of_fold_predictions_count_only_for_the_training_that_they_had(compare):
    result = compare("crossed", "frozen")  # of the full training, and of a head without a tail
    assert result["images"] == result["pairs"][0]["images"] == "out-of-fold"
    result = compare("crossed", "half-crossed")  # of a head, but the tail was trained too
    assert result["images"] == result["pairs"][0]["images"] == "val"
    result = compare("crossed", "frozen", "half-crossed")
    assert result["images"] == "val"
    images = {(pair["first"], pair["second"]): pair["images"] for pair in result["pairs"]}
    assert images["crossed", "frozen"] == "out-of-fold"
    assert images["crossed", "half-crossed"] == "val"


def test_splits_of_several_seeds_are_paired_seed_by_seed(compare):
    result = compare("split-3", "split-4", "deep-split-3", "deep-split-4")
    assert runs(result) == [["split-3", "split-4"], ["deep-split-3", "deep-split-4"]]
    [pair] = result["pairs"]
    assert pair["runs"] == 2 and pair["verdict"] == "better"
    [alone] = compare("split-3", "deep-split-3")["pairs"]
    assert pair["n"] > alone["n"]  # images of either split
    assert result["settings"][0]["spread"] > 0


def test_seeds_of_one_setting_on_one_split_are_compared_with_each_other(compare):
    result = compare("deep-1", "deep-2")
    assert [setting["params"] for setting in result["settings"]] in (
        [{"seed": 1}, {"seed": 2}],
        [{"seed": 2}, {"seed": 1}],
    )
    assert set(verdicts(result).values()) == {"not distinguishable"}


def test_seeds_of_one_setting_on_several_splits_are_runs(compare):
    result = compare("deep-split-3", "deep-split-4")
    assert runs(result) == [["deep-split-3", "deep-split-4"]]
    assert result["pairs"] == []


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ("HEAD fewer", "must be on the same data and splits"),
        ("split-3 deep-split-4", "must be on the same data and splits"),
        ("HEAD nobody", "nobody must be an experiment, a Git revision or workspace"),
    ],
)
def test_what_cannot_be_compared_is_one_line(refusal, names, message):
    assert message in refusal(*names.split())


def test_a_result_that_is_not_in_the_cache_is_left_out_unless_named(compare, refusal, compared):
    file = cached_predictions(compared, "HEAD")
    file.rename(compared / ".dvc/away")
    try:
        assert any(line.startswith("HEAD is left out") for line in compare()["left_out"])
        assert "predictions.csv of HEAD must be in DVC's cache" in refusal("HEAD", "near")
    finally:
        (compared / ".dvc/away").rename(file)


def test_the_workspace_counts_where_it_is_the_result_of_a_run(compare, refusal, compared):
    try:
        run("thaw use train.freeze_till=30 && dvc repro -q", compared)
        assert ["workspace"] in runs(compare())
        run("thaw use data.limit_per_class=100 && dvc repro -q data", compared)
        assert "workspace must be the result of one run" in refusal("HEAD", "workspace")
    finally:
        run("git checkout -q . && dvc checkout -q", compared)


def test_the_table_fits_in_100_columns_and_nothing_is_left_out(inside, capsys):
    command(["HEAD", "deep-1", "deep-2", "frozen", "near"])
    text = capsys.readouterr().out
    assert max(map(len, text.splitlines())) <= 100
    assert "..." not in text and "…" not in text
    words = set(text.split())
    assert {"HEAD", "near", "deep-1", "+1", "frozen", "choice"} <= words
    assert {f"freeze_till={depth}" for depth in ("10", "12", "80", "all")} <= words


def test_markdown_is_one_table_with_the_settings(inside, capsys):
    command(markdown=True)
    lines = capsys.readouterr().out.splitlines()
    cells = [line.strip("| ").split(" | ") for line in lines if line.startswith("|")]
    assert {len(row) for row in cells} == {6}
    assert [row[0] for row in cells[2:]] == ["HEAD", "near", "deep-1 +1", "frozen"]


def test_the_page_needs_no_network_and_shows_where_they_disagree(compare, compared):
    compare("HEAD", "deep-1", "frozen")
    page = (compared / "outputs/compare/index.html").read_text()
    assert not re.search(r"(src|href)=(?![\"']data:)", page)
    assert "://" not in re.sub(r"base64,[\w+/=]+", "", page)
    assert "default-src 'none'" in page
    assert page.count("data:image/jpeg") == 24  # the most for each of two pairs
    assert page.count("data:image/svg+xml") == 4  # intervals, and curves of each
    assert "HEAD is better" in page


def test_numbers_can_be_sorted(inside):
    comparison = compare_experiments(read_experiments([])[0], strict=False)
    table = numbers(comparison, with_test=True)
    assert list(table["experiment"]) == ["HEAD", "near", "deep-1 +1", "frozen"]
    assert list(table["freeze_till"]) == [10, 12, 80, 155]
    measured = ("accuracy", "low", "high", "loss", "trainable_parameters", "test_accuracy")
    assert all(pd.api.types.is_numeric_dtype(table[name]) for name in measured)
    assert table["spread"].notna().tolist() == [False, False, True, False]
    assert "seconds" not in table  # no sweep ran them
    assert "test_accuracy" not in numbers(comparison, with_test=False)


def test_disagreements_are_images_on_which_one_alone_is_right(inside):
    comparison = compare_experiments(read_experiments(["HEAD", "deep-1"])[0], strict=True)
    [pair] = comparison.pairs
    found, count = find_disagreements(comparison, pair)
    assert len(found) == 12 and count > 12
    assert all(one.answers[0][0] == one.truth != one.answers[1][0] for one in found)
    images = thumbnails(comparison.settings[0].runs[0], {one.name for one in found})
    assert {image.shape for image in images.values()} == {(16, 24, 3)} and len(images) == 12


def test_the_sweep_has_a_row_for_each_experiment_and_no_test_figure(compare, compared):
    compare()
    table = pd.read_csv(compared / "outputs/sweep/sweep.csv")
    assert list(table["experiment"]) == ["HEAD", "near", "deep-1", "deep-2", "frozen"]
    assert list(table["freeze_till"]) == [10, 12, 80, 80, 155]
    assert {"train_loss", "val_loss", "train_accuracy", "val_accuracy"} <= set(table)
    assert not any("test" in column for column in table)
    assert list(table["trainable_parameters"]) == [1000 - 6 * n for n in table["freeze_till"]]
    assert (compared / "outputs/sweep/sweep.png").stat().st_size > 10_000
