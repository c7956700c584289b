"""`thaw sweep`, in a repository of its own, as a user runs it."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from project import run


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
    """Start a sweep; once its point bins=5 evaluates, return it and the process of that stage."""
    fifo = folder / "../fifo"
    os.mkfifo(fifo)
    process = subprocess.Popen(
        ["thaw", "sweep", *words.split()],
        cwd=folder,
        env=environment(folder, HOLD=str(fifo)),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    with fifo.open() as stream:
        stage = psutil.Process(int(stream.read()))
    return process, stage


def test_each_point_is_an_experiment_and_the_tree_is_untouched(repository):
    before = (repository / "params.yaml").read_bytes()
    output = sweep(repository, "evaluate.bins=4,6 train.dropout=0.5")
    assert "2 points, 0 done, 2 to run" in output
    found = experiments(repository)
    assert set(found) == {"bins=4,dropout=0.5", "bins=6,dropout=0.5"}
    for name, (params, metrics) in found.items():
        bins = int(re.search(r"bins=(\d)", name)[1])
        assert f"bins: {bins}\n" in params and "# of the stored activations" in params
        assert metrics["accuracy"] == 1 - bins / 100
    assert run("git status --porcelain --ignored=no", repository) == ""
    assert (repository / "params.yaml").read_bytes() == before
    assert "bins=6" in run("dvc exp show --no-pager --csv", repository)
    assert [line for line in ran(repository) if line[0] == "prepare"] == []  # comes from the cache


def test_done_points_are_skipped_and_new_ones_run(repository):
    sweep(repository, "evaluate.bins=4,6")
    output = sweep(repository, "evaluate.bins=4,6,7")
    assert "3 points, 2 done, 1 to run" in output
    assert [line[-1] for line in ran(repository)] == ["4", "6", "7"]


@pytest.mark.parametrize("change", ["params.yaml", "stage.py"])
def test_a_point_is_done_only_with_the_same_params_and_code(repository, change):
    sweep(repository, "evaluate.bins=4")
    path = repository / change
    path.write_text(path.read_text().replace("seed: 20", "seed: 21") + "\n# changed\n")
    changed = path.read_bytes()
    is_code = change == "stage.py"
    output = sweep(repository, "evaluate.bins=4")
    assert "1 points, 0 done, 1 to run" in output
    assert ran(repository)[-2:] == [["prepare", *ran(repository)[-1][1:]], ran(repository)[-1]]
    assert ran(repository)[-1][1] == ("20" if is_code else "21")  # it ran the tree as it was
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


def test_a_failed_point_is_reported_with_its_log_and_the_others_go_on(repository):
    output = sweep(repository, "train.dropout=0.75,0.5", expect=1)
    [log] = re.findall(r"failed: \S+: evaluate: the dropout is too high; see (\S+\.log)", output)
    assert "error in evaluate" in Path(log).read_text()
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
        ("train.hidden_units=[32,[64]", "the value of train.hidden_units must be valid YAML"),
    ],
)
def test_mistakes_are_one_line_and_nothing_runs(repository, words, message):
    output = sweep(repository, f"'evaluate.bins=4,6' {words}", expect=1)
    assert output.startswith("error: ") and message in output and output.count("\n") == 1
    assert experiments(repository) == {} and ran(repository) == []


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


@pytest.mark.parametrize("how", ["Ctrl-C", "terminated"])
def test_an_interruption_ends_it_with_all_that_it_started(repository, how):
    process, stage = held(repository, "evaluate.bins=4,5,6")
    if how == "Ctrl-C":
        os.killpg(process.pid, signal.SIGINT)
    else:
        process.terminate()
    _, errors = process.communicate()
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
    grid = "seed=0,1 evaluate.bins=4,6"
    sweep(repository, f"{grid} --jobs 3")
    assert sorted(line[1] for line in ran(repository) if line[0] == "prepare") == ["0", "1"]
    several = experiments(repository)
    run("dvc exp remove --all-commits -q && rm -rf .dvc/cache/runs", repository)
    sweep(repository, grid)
    assert experiments(repository) == several and len(several) == 4


def test_after_the_time_no_further_point_starts(repository):
    output = sweep(repository, "evaluate.bins=4,6 --time 0s")
    assert ran(repository) == [] and "2 points are left: the same command continues" in output
    assert "must be such as 90s, 10m" in sweep(repository, "seed=1 --time soon", expect=2)


def test_the_best_is_chosen_on_val_and_only_its_test_metrics_are_shown(repository):
    output = sweep(repository, "evaluate.bins=4,7 seed=0,2")
    ranked = re.findall(r"(?m)^  (\S+)  .*seed=(\d).*bins=(\d)", output)
    assert ranked == [  # by the mean over seeds, then each by its own
        ("0.0700", "0", "7"), ("0.0500", "2", "7"), ("0.0400", "0", "4"), ("0.0200", "2", "4"),
    ]  # fmt: skip
    assert re.search(r"chosen: seed=0,bins=7-\w+; on test: accuracy 0.9300\n", output)
    assert "0.9600" not in output


def test_experiments_are_dvcs_own(repository):
    sweep(repository, "evaluate.bins=4")
    [name] = re.findall(r"bins=4-\w{8}", run("git for-each-ref refs/exps", repository))
    run(f"dvc exp apply {name}", repository)
    assert (repository / "outputs/predictions.csv").read_text().endswith(" 4")
    assert "up to date" in run("dvc status", repository)
    run("git checkout -q . && dvc checkout -q", repository)
    run(f"dvc exp branch {name} four", repository)
    assert "bins: 4\n" in run("git show four:params.yaml", repository)


def test_the_real_pipeline_sweeps(project):
    output = run("thaw sweep evaluate.bins=4,5", project)
    assert len(re.findall(r"(?m)^  \d\.\d{4}  bins=", output)) == 2
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
    sweep(repository, "train.freeze_till=100,60,117")
    names = run("git for-each-ref --format='%(refname)' refs/exps", repository).split()
    refs = {name.rpartition("/")[2].rsplit("-", 1)[0]: name for name in names}
    assert "0.0 MB are free again" in run("thaw sweep --clean", repository)
    assert not cached(repository, refs["freeze_till=100"], "data/prepared").exists()
    assert cached(repository, refs["freeze_till=100"], "outputs/predictions.csv").exists()
    assert cached(repository, refs["mine"], "data/prepared").exists()
    assert "up to date" in run("dvc checkout && dvc status", repository)
    assert {"mine", *(f"freeze_till={depth}" for depth in (60, 100, 117))} <= set(refs)


def test_clean_stands_alone(repository):
    assert "either keys with values or --clean" in sweep(repository, "seed=1 --clean", expect=2)
    assert "either keys with values or --clean" in sweep(repository, "", expect=2)
