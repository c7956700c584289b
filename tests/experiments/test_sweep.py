"""`thaw sweep`, in a repository of its own, as a user runs it."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import psutil
import pytest
from project import run

from thaw.cli.sweep import sweep as command
from thaw.errors import ThawError

MANY = ",".join(map(str, range(300)))


def experiments(folder):
    """The experiments of the last commit: name without hash → the params and metrics in Git."""
    refs = run("git for-each-ref --format='%(refname)' refs/exps", folder).split()
    return {ref.rpartition("/")[2].rpartition("-")[0]: files(folder, ref) for ref in refs}


def files(folder, ref):
    """What an experiment recorded: its params.yaml and its metrics."""
    return (
        run(f"git show '{ref}:params.yaml'", folder),
        json.loads(run(f"git show '{ref}:metrics/eval.json'", folder)),
    )


def environment(folder, **more):
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    source = str(folder / "src")
    return os.environ | {"PATH": path, "PYTHONPATH": source, "RAN": str(folder / "../ran")} | more


def ran(folder):
    """Stage, seed, depth, dropout and bins of each stage that ran, in order."""
    path = folder / "../ran"
    return [line.split() for line in path.read_text().splitlines()] if path.exists() else []


def sweep(folder, words, expect=0):
    """Run `thaw sweep`, noting which stages run; its output."""
    return run(f"RAN={folder}/../ran thaw sweep {words}", folder, expect)


def held(folder, words):
    """Start a sweep; once it runs the model of bins=5, return it and the process of that stage."""
    held = folder / "../held"
    process = subprocess.Popen(
        ["thaw", "sweep", *words.split()],
        cwd=folder,
        env=environment(folder, HOLD=str(held)),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # It is ignored where a shell script runs these tests in the background.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    while not held.exists():
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.05)
    return process, psutil.Process(int(held.read_text()))


def test_each_point_is_an_experiment_and_the_tree_is_untouched(repository):
    before = (repository / "params.yaml").read_bytes()
    output = sweep(repository, "evaluate.bins=4,6 train.dropout=0.5")
    assert "2 points, 0 done, 2 to run" in output
    found = experiments(repository)
    assert set(found) == {"bins=4,dropout=0.5", "bins=6,dropout=0.5"}
    for name, (params, metrics) in found.items():
        bins = int(re.search(r"bins=(\d)", name)[1])
        assert f"bins: {bins}\n" in params and "# of the stored activations" in params
        assert 0.9 < metrics["accuracy"] < 1
    assert run("git status --porcelain --ignored=no", repository) == ""
    assert (repository / "params.yaml").read_bytes() == before
    assert "bins=6" in run("dvc exp show --no-pager --csv", repository)
    assert {line[0] for line in ran(repository)} == {"model"}  # the others come from the cache


def test_done_points_are_skipped_and_new_ones_run(repository):
    sweep(repository, "evaluate.bins=4,6")
    output = sweep(repository, "evaluate.bins=4,6,7")
    assert "3 points, 2 done, 1 to run" in output and "not distinguishable" in output
    assert [line[-1] for line in ran(repository)] == ["4", "6", "7"]


@pytest.mark.parametrize("change", ["params.yaml", "small_pipeline.py"])
def test_a_point_is_done_only_with_the_same_params_and_code(repository, change):
    sweep(repository, "evaluate.bins=4")
    path = repository / change
    path.write_text(path.read_text().replace("seed: 1\n", "seed: 2\n") + "\n# changed\n")
    changed = path.read_bytes()
    seed = {"small_pipeline.py": "1", "params.yaml": "2"}[change]
    output = sweep(repository, "evaluate.bins=4")
    assert "1 points, 0 done, 1 to run" in output
    assert ran(repository)[-1][:2] == ["model", seed]  # it ran the tree as it was
    assert [line[0] for line in ran(repository)].count("data") == 1
    assert path.read_bytes() == changed
    assert run("git status --porcelain", repository) == f" M {change}\n"
    run("git commit -qam changed", repository)
    assert "0 done, 1 to run" in sweep(repository, "evaluate.bins=4")  # under the new commit


def test_a_changed_source_that_git_does_not_hold_makes_points_new(repository):
    (repository / "data/photos").mkdir()
    run("thaw use data.source=data/photos", repository)
    sweep(repository, "evaluate.bins=4")
    assert "1 done, 0 to run" in sweep(repository, "evaluate.bins=4")
    (repository / "data/photos/1.png").write_bytes(b"image")
    assert "0 done, 1 to run" in sweep(repository, "evaluate.bins=4")


def test_json_has_the_points_and_what_is_chosen(repository):
    done = run("thaw sweep evaluate.bins=4,6 train.dropout=0.5 --json 2>errors", repository)
    found, errors = json.loads(done), (repository / "errors").read_text()
    assert (found["points"], found["left"], found["failed"]) == (2, 0, [])
    names = [setting["name"] for setting in found["settings"]]
    assert {name.rpartition("-")[0] for name in names} == set(experiments(repository))
    assert found["chosen"]["experiment"] in names
    assert 0.9 < found["chosen"]["test"]["accuracy"] < 1
    assert "2 points, 0 done, 2 to run" in errors and "all points: outputs/sweep" in errors
    assert found["pairs"] and found["left_out"] == []


def test_json_of_a_sweep_that_fails_and_of_one_that_cleans(repository):
    command = "thaw sweep train.dropout=0.75 --json 2>errors"
    found = json.loads(run(command, repository, expect=1))
    [failed] = found["failed"]
    assert found["chosen"] is None and found["left"] == 0
    assert failed["experiment"].startswith("dropout=0.75-")
    assert failed["error"] == "model: the dropout is too high"
    found = json.loads(run("thaw sweep --clean --json 2>errors", repository))
    assert list(found) == ["bytes_freed"] and found["bytes_freed"] >= 0


def test_only_the_ranking_is_on_standard_output(repository):
    lines = run("thaw sweep evaluate.bins=4,6 2>errors", repository).splitlines()
    assert len(lines) == 5 and lines[0].endswith("accuracy, best setting first:")
    assert lines[3].startswith("chosen: ") and "not distinguishable" in lines[4]


def test_a_failed_point_is_reported_with_its_log_and_the_others_go_on(repository):
    output = sweep(repository, "train.dropout=0.75,0.5", expect=1)
    [log] = re.findall(r"failed: \S+: model: the dropout is too high; see (\S+\.log)", output)
    assert "error in model" in Path(log).read_text()
    assert set(experiments(repository)) == {"dropout=0.5"}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("train.freze_till=3,4", "did you mean train.freeze_till"),
        ("train.dropout=0.1,many", "train.dropout must be a number, but is 'many'"),
        ("train.freeze_till=all,100,400", "at most the 155 layers of MobileNetV2, but is 400"),
        ("seed=1,,2", "the values of seed must be separated by single commas"),
        ("seed=1 seed=2", "must be given each key once"),
        ("seed", "as key=value,value"),
        ("data.source=../..", "must be an absolute path"),
        ("train.hidden_units=[32,[64]", "the value of train.hidden_units must be valid YAML"),
        (f"seed={MANY} split.seed={MANY} train.patience={MANY}", "but has 54,000,000: leave out"),
    ],
)
def test_mistakes_are_one_line_and_nothing_runs(repository, monkeypatch, words, message):
    monkeypatch.chdir(repository)
    with pytest.raises(ThawError) as error:
        command(["evaluate.bins=4,6", *words.split()])
    [line] = str(error.value).splitlines()
    assert message in line
    assert experiments(repository) == {} and ran(repository) == []


def test_a_sweep_that_does_not_fit_on_the_disk_does_not_start(repository, monkeypatch):
    monkeypatch.chdir(repository)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=10))
    with pytest.raises(ThawError, match="must fit on the disk"):
        command(["seed=1"])
    assert ran(repository) == []


def test_without_a_commit_it_is_one_line(tmp_path, repository):
    run("rm -rf .git && git init -q", repository)
    output = sweep(repository, "seed=1", expect=1)
    assert output.startswith("error: ") and output.count("\n") == 1


def test_values_are_yaml_split_at_commas_outside_of_brackets(repository):
    sweep(repository, "'train.hidden_units=[],[64,32]' 'augment.extra_views={Cat: 1, Dog: 2}'")
    found = experiments(repository)
    assert {frozenset(name.split(",")) for name in found} == {
        frozenset({"extra_views=Cat-1-Dog-2", "hidden_units=none"}),
        frozenset({"extra_views=Cat-1-Dog-2", "hidden_units=64-32"}),
    }
    text = "".join(params for params, _ in found.values())
    assert "hidden_units: [64, 32]" in text and "extra_views: {Cat: 1, Dog: 2}" in text


def test_killed_at_a_point_and_started_again_it_continues(repository):
    grid = "evaluate.bins=4,5,6"
    process, _ = held(repository, grid)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    assert set(experiments(repository)) == {"bins=4"}
    assert run("git status --porcelain", repository) == ""
    assert "3 points, 1 done, 2 to run" in sweep(repository, grid)
    assert set(experiments(repository)) == {"bins=4", "bins=5", "bins=6"}
    assert [line[-1] for line in ran(repository)] == ["4", "5", "5", "6"]
    assert list((repository / ".thaw/sweep/runs").iterdir()) == []


@pytest.mark.parametrize("how", ["Ctrl-C", "terminated", "hung up"])
def test_an_interruption_ends_it_with_all_that_it_started(repository, how):
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)  # under `nohup` it would be ignored
    process, stage = held(repository, "evaluate.bins=4,5,6")
    signal.signal(signal.SIGHUP, before)
    if how == "Ctrl-C":
        os.killpg(process.pid, signal.SIGINT)
    elif how == "hung up":  # its terminal is closed
        process.send_signal(signal.SIGHUP)
    else:
        process.terminate()
        process.terminate()  # an impatient one
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130 and "Traceback" not in errors
    assert not stage.is_running()
    assert set(experiments(repository)) == {"bins=4"}
    assert list((repository / ".thaw/sweep/runs").iterdir()) == []


def test_two_sweeps_at_once_are_refused(repository):
    process, _ = held(repository, "evaluate.bins=5")
    output = sweep(repository, "evaluate.bins=4", expect=1)
    assert output.startswith("error: a repository must run one sweep at a time")
    process.terminate()
    process.communicate()


def test_jobs_give_the_same_results_and_do_no_work_twice(repository):
    grid = "seed=2,3 evaluate.bins=4,6"
    sweep(repository, f"{grid} --jobs 3")
    assert sorted(line[1] for line in ran(repository) if line[0] == "data") == ["2", "3"]
    several = experiments(repository)
    run("dvc exp remove --all-commits -q && rm -rf .dvc/cache/runs", repository)
    sweep(repository, grid)
    assert experiments(repository) == several and len(several) == 4


def test_after_the_time_no_further_point_starts(repository):
    output = sweep(repository, "evaluate.bins=4,6 --time 0s")
    assert ran(repository) == [] and "2 points are left: the same command continues" in output
    assert "must be such as 90s, 10m" in sweep(repository, "seed=1 --time soon", expect=2)


def compared(folder):
    """What `thaw compare` says of the experiments of the last commit."""
    names = " ".join(run("dvc exp list --name-only", folder).split())
    return json.JSONDecoder().raw_decode(run(f"thaw compare --json {names}", folder))[0]


def test_the_best_is_that_of_a_comparison_and_only_its_test_metrics_are_shown(repository):
    output = sweep(repository, "train.freeze_till=80,12 seed=1,2")
    shown = re.findall(r"(?m)^    (\S+)  seed=(\d),freeze_till=(\d+)-\w{8}$", output)
    best, other = compared(repository)["settings"]
    assert [float(accuracy) for accuracy, *_ in shown] == pytest.approx(
        [*best["accuracies"], *other["accuracies"]], abs=1e-4
    )
    assert [depth for _, _, depth in shown] == ["12", "12", "80", "80"]
    assert f"  {best['accuracy']:.4f} ± {best['spread']:.4f}  freeze_till=12\n" in output
    assert best["seconds"] > 0 and other["seconds"] > 0
    assert "val accuracy, best setting first" in output
    [chosen] = re.findall(r"chosen: (\S+); on test: accuracy \d\.\d{4}", output)
    assert chosen in best["experiments"] and output.count("on test") == 1
    assert re.search(r"(?m)^freeze_till=12 and freeze_till=80: the former is better", output)
    table = pd.read_csv(repository / "outputs/sweep/sweep.csv")
    assert list(table["experiment"]) == [*best["experiments"], *other["experiments"]]
    assert not any("test" in column for column in table)
    assert (repository / "outputs/sweep/sweep.png").stat().st_size > 10_000


def test_there_is_a_best_so_far_while_seeds_and_splits_are_in_progress(repository):
    output = sweep(repository, "train.freeze_till=12,80 seed=2,3 split.seed=null")
    assert re.search(r"1/4 .*best 0\.\d{4} \(val\) seed=2,split.seed=null,freeze_till=12", output)
    assert re.search(r"4/4 .*best 0\.\d{4} \(val\) seed=\d,split.seed=null,freeze_till=12", output)


def test_points_on_other_data_are_left_out_of_the_ranking(repository):
    output = sweep(repository, "data.limit_per_class=200,150")
    assert output.count("is left out: other data or another split") == 1
    assert "points are left" not in output


def test_experiments_are_dvcs_own(repository):
    sweep(repository, "evaluate.bins=4")
    [name] = re.findall(r"bins=4-\w{8}", run("git for-each-ref refs/exps", repository))
    run(f"dvc exp apply {name}", repository)
    assert "up to date" in run("dvc status", repository)
    run("git checkout -q . && dvc checkout -q", repository)
    run(f"dvc exp branch {name} four", repository)
    assert "bins: 4\n" in run("git show four:params.yaml", repository)


def test_the_real_pipeline_sweeps(project):
    output = run("thaw sweep train.freeze_till=all evaluate.bins=4,5", project)
    assert "out-of-fold accuracy, best setting first" in output  # of the very training: a head
    assert len(re.findall(r"(?m)^  \d\.\d{4}  freeze_till=all,bins=", output)) == 2
    curves = (project / "logs/tensorboard").glob("freeze_till=all,*/train/events*")
    assert len(list(curves)) == 1
    assert "up to date" in run("dvc repro", project)
    assert run("git status --porcelain", project) == ""
    run("dvc exp remove -q --all-commits", project)


def cached(folder, experiment, path):
    """The file of the cache that is an output of an experiment."""
    lock = run(f"git show '{experiment}:dvc.lock'", folder)
    md5 = re.search(rf"path: {path}\n +hash: md5\n +md5: (\w+)", lock)[1]
    return folder / ".dvc/cache/files/md5" / md5[:2] / md5[2:]


def test_clean_frees_the_data_that_nothing_but_sweeps_names(repository):
    run("dvc exp run --temp -q --name mine -S train.freeze_till=60", repository)
    grid = "train.freeze_till=100,60,10 split.seed=5"
    sweep(repository, grid)
    names = run("git for-each-ref --format='%(refname)' refs/exps", repository).split()
    refs = {re.split("[/,]", name)[-1].partition("-")[0]: name for name in names}
    assert "0.0 MB are free again" in run("thaw sweep --clean", repository)
    assert not cached(repository, refs["freeze_till=100"], "data/features").exists()
    assert cached(repository, refs["freeze_till=100"], "outputs/predictions.csv").exists()
    assert cached(repository, refs["mine"], "data/features").exists()
    assert "up to date" in run("dvc checkout && dvc status", repository)
    again = sweep(repository, grid)
    assert "3 done, 0 to run" in again and "is left out" not in again
    assert {"mine", *(f"freeze_till={depth}" for depth in (60, 100, 10))} <= set(refs)


def test_clean_stands_alone(repository):
    assert "either keys with values or --clean" in sweep(repository, "seed=1 --clean", expect=2)
    assert "either keys with values or --clean" in sweep(repository, "", expect=2)
