"""Compare the metrics of this result with the committed ones of the same code and params.

With `compute.max_cpu_isa: AVX2` and a fixed number of threads all digits are the same. With other
settings, and on processors that are not x86-64, sums round differently and training carries that
on, so differences within a tolerance are named but pass. Prints one line, or none if code or
params differ from the commit; exits 1 if a metric differs by more.
"""

import json
import subprocess
import sys
from pathlib import Path

METRICS = "metrics/eval.json"
INPUTS = ("params.yaml", "dvc.yaml", "src", "stages")
TOLERANCE = {  # absolute
    "accuracy": 0.03,
    "val_accuracy": 0.03,
    "f1": 0.03,
    "roc_auc": 0.02,
    "loss": 0.08,
    "ece": 0.05,
    "n": 0,
}


def git(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run git."""
    return subprocess.run(["git", *arguments], capture_output=True, text=True)


def verdict(committed: dict[str, float], found: dict[str, float]) -> str:
    """One line. Raises SystemExit if a metric differs by more than its tolerance."""
    changes = {
        name: f"{name} {committed[name]:.5g} -> {found[name]:.5g}"
        for name in TOLERANCE
        if committed[name] != found[name]
    }
    if not changes:
        return f"{METRICS} agrees with the committed one in every digit"
    wrong = [changes[name] for name in changes if off(name, committed, found) > TOLERANCE[name]]
    if wrong:
        sys.exit(f"{METRICS} differs from the committed one by more than rounding: {wrong}")
    return (
        f"{METRICS} differs from the committed one only by rounding ({', '.join(changes.values())})"
        ": see Digits in docs/sample.md"
    )


def off(name: str, committed: dict[str, float], found: dict[str, float]) -> float:
    """Absolute difference of a metric."""
    return abs(committed[name] - found[name])


def main() -> None:
    """Print the verdict, if code and params are those of the commit."""
    shown = git("show", f"HEAD:{METRICS}")
    if shown.returncode == 0 and git("diff", "--quiet", "HEAD", "--", *INPUTS).returncode == 0:
        print(verdict(json.loads(shown.stdout), json.loads(Path(METRICS).read_text())))


if __name__ == "__main__":
    main()
