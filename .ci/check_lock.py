"""Is dvc.lock the result of this code and these params? A clone has no outputs, which is fine."""

import json
import subprocess
import sys


def stale(status: dict[str, list]) -> list[str]:
    """What has changed since dvc.lock was written, a line each; missing files do not count."""
    lines = []
    for stage, changes in status.items():
        for change in changes:
            if isinstance(change, str):
                lines.append(f"{stage}: {change}")
            else:
                found = change.get("changed deps", {})
                lines += [
                    f"{stage}: {what} {path}" for path, what in found.items() if what != "deleted"
                ]
    return lines


def main() -> None:
    """Exit 1, with the list, when `dvc repro` would run a stage because its inputs changed."""
    answer = subprocess.run(["dvc", "status", "--json"], capture_output=True, text=True, check=True)
    if lines := stale(json.loads(answer.stdout)):
        sys.exit("dvc.lock is not up to date, run `dvc repro` and commit it:\n" + "\n".join(lines))
    print("dvc.lock is up to date with code and params")


if __name__ == "__main__":
    main()
