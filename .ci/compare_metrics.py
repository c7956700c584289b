"""Does the reproduced sample score as the committed one does?

On the same kind of processor every digit is the same. Processors differ in how they sum, and
training carries such differences on, so the check is a tolerance.
"""

import json
import subprocess
import sys
from pathlib import Path

METRICS = "metrics/eval.json"
TOLERANCE = {  # absolute
    "accuracy": 0.03,
    "val_accuracy": 0.03,
    "f1": 0.03,
    "roc_auc": 0.02,
    "loss": 0.08,
    "ece": 0.05,
    "n": 0,
    "freeze_till": 0,
}


def main() -> None:
    """Print both, side by side; exit 1 when one differs by more than its tolerance."""
    shown = subprocess.run(
        ["git", "show", f"HEAD:{METRICS}"], capture_output=True, text=True, check=True
    )
    committed, found = json.loads(shown.stdout), json.loads(Path(METRICS).read_text())
    wrong = []
    for name, tolerance in TOLERANCE.items():
        print(f"{name:22} committed {committed[name]!r:24} reproduced {found[name]!r}")
        if abs(committed[name] - found[name]) > tolerance:
            wrong.append(f"{name} differs by more than {tolerance}")
    print("all digits agree" if committed == found else "some digits differ")
    if wrong:
        sys.exit("; ".join(wrong))


if __name__ == "__main__":
    main()
