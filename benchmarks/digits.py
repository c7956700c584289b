"""Run the sample on other processors, emulated, and compare every hash with the committed ones.

    python benchmarks/digits.py [--cores 1] [CPU ...]

CPU: names of QEMU, such as Haswell (the first with AVX2, the default) or EPYC-Rome; they need
qemu-x86_64 of Debian's package qemu-user. An emulated run takes about ten times as long. --cores
limits the emulated program to so many cores. `dvc.lock` holds the hash of every output, so an equal
`dvc.lock` means equal digits. Prints a Markdown table; exits 1 if anything differs.
"""

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path

from clone import clone, environment

EMULATED = """#!/bin/sh
exec taskset --cpu-list 0-{last} qemu-x86_64 -cpu {cpu} {python} "$@"
"""


def emulated_python(folder: Path, cpu: str, cores: int) -> Path:
    """Write a `python` that runs on an emulated processor, and return its folder."""
    folder.mkdir()
    program = folder / "python"
    program.write_text(EMULATED.format(cpu=cpu, last=cores - 1, python=sys.executable))
    program.chmod(0o755)
    return folder


def changed(cpu: str, cores: int) -> list[str]:
    """Run all stages of the sample on `cpu`; return the tracked files that differ afterwards."""
    folder = clone()
    variables = environment(folder)
    programs = emulated_python(folder.parent / "bin", cpu, cores)
    variables["PATH"] = f"{programs}{os.pathsep}{variables['PATH']}"
    with (folder.parent / "digits.log").open("w") as log:
        done = subprocess.run(
            [sys.executable, "-m", "dvc", "repro", "--force", "--no-run-cache"],
            cwd=folder,
            env=variables,
            stdout=log,
            stderr=log,
        )
    if done.returncode:
        sys.exit(f"dvc repro failed: see {log.name}")
    status = subprocess.run(
        ["git", "status", "--porcelain"], cwd=folder, capture_output=True, text=True, check=True
    )
    return [line[3:] for line in status.stdout.splitlines()]


def main() -> None:
    """Run the sample on each processor and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cores", type=int, default=os.cpu_count())
    parser.add_argument("cpus", nargs="*", default=["Haswell"])
    arguments = parser.parse_args()
    if shutil.which("qemu-x86_64") is None:
        sys.exit("qemu-x86_64 must be installed: it is in Debian's package qemu-user")
    print("| processor | cores | files that differ |\n|---|---|---|")
    results = {cpu: changed(cpu, arguments.cores) for cpu in arguments.cpus}
    for cpu, files in results.items():
        print(f"| {cpu} | {arguments.cores} | {', '.join(files) or 'none'} |")
    if any(results.values()):
        sys.exit(1)


if __name__ == "__main__":
    main()
