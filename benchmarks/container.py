"""Build the image of the API and ask it, without Docker.

    python benchmarks/container.py [BUNDLES] [--target serve]

As root, with Debian's buildah and debootstrap. The base, which the Dockerfile takes as an argument,
is a Debian with Python that debootstrap makes, so no registry of images is asked. Builds the target
with its steps isolated by chroot, starts it as its own user with the folder BUNDLES (models) at
/bundles, and waits until it answers. Prints a Markdown table.
"""

import argparse
import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from clone import ROOT

MIRROR = "http://deb.debian.org/debian"
PACKAGES = "python3,python3-venv,ca-certificates"
CERTIFICATES = "/etc/ssl/certs"  # this machine's, for a proxy between it and the package registry
COMMANDS = {"serve": ("thaw", "serve"), "page": ("thaw", "page")}
READY = {
    "serve": "http://127.0.0.1:5001/health/ready",
    "page": "http://127.0.0.1:8501/_stcore/health",
}
SECONDS = 60  # until it is ready, at most
os.environ |= {"STORAGE_DRIVER": "vfs", "BUILDAH_ISOLATION": "chroot"}


def main() -> None:
    """Build, ask, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("bundles", type=Path, nargs="?", default=ROOT / "models")
    parser.add_argument("--target", choices=COMMANDS, default="serve")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="thaw-") as folder:
        buildah = ["buildah", "--root", f"{folder}/images", "--runroot", f"{folder}/running"]
        try:
            measure(buildah, Path(folder), options.target, options.bundles.absolute())
        finally:
            subprocess.run([*buildah, "rm", "--all"], check=True, stdout=subprocess.DEVNULL)


def measure(buildah: list[str], folder: Path, target: str, bundles: Path) -> None:
    """Print what the image of a target takes. buildah: the command, with its folders."""

    def call(*words: str | Path) -> str:
        command = [*buildah, *map(str, words)]
        return subprocess.run(command, check=True, cwd=ROOT, text=True, stdout=-1).stdout.strip()

    system = folder / "system"
    debootstrap = ["debootstrap", "--variant=minbase", f"--include={PACKAGES}", "bookworm"]
    subprocess.run([*debootstrap, system, MIRROR], check=True, stdout=subprocess.DEVNULL)
    container = call("from", "scratch")
    call("add", "--quiet", container, system, "/")
    call("commit", "--quiet", container, "localhost/base")

    start = time.perf_counter()
    mounted = ["--network", "host", "--volume", f"{CERTIFICATES}:{CERTIFICATES}:ro"]
    chosen = ["--target", target, "--build-arg", "BASE=localhost/base", "--format", "docker"]
    call("build", "--quiet", *mounted, *chosen, "--tag", "localhost/thaw", ".")
    built = time.perf_counter() - start

    container = call("from", "localhost/thaw")
    environment = Path(call("mount", container)) / "opt/thaw"
    files = [path for path in environment.rglob("*") if not path.is_symlink()]
    megabytes = sum(path.stat().st_size for path in files if path.is_file()) / 1e6
    shared = ["--network", "host", "--volume", f"{bundles}:/bundles:ro", container, "--"]
    options = ["--host", "127.0.0.1", "--bundle", "/bundles/bundle"]
    with running([*buildah, "run", *shared, *COMMANDS[target], *options]) as users:
        ready = until_ready(READY[target])
        print("| target | build, s | environment, MB | ready after, s | runs as |")
        print("|---|---|---|---|---|")
        print(f"| `{target}` | {built:.0f} | {megabytes:.0f} | {ready:.1f} | user {users()} |")


@contextmanager
def running(command: list[str]) -> Iterator[Callable[[], str]]:
    """Run a container until the end of the block; yields what finds the user of its program."""
    process = subprocess.Popen(command, start_new_session=True)

    def user() -> str:
        listed = ["ps", "-o", "uid=", "-g", str(process.pid)]
        found = subprocess.run(listed, check=True, capture_output=True, text=True).stdout.split()
        return found[-1]

    try:
        yield user
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        process.wait()


def until_ready(url: str) -> float:
    """Seconds until it answers."""
    start = time.perf_counter()
    while time.perf_counter() < start + SECONDS:
        with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=5) as answer:
            if answer.status == 200:
                return time.perf_counter() - start
        time.sleep(0.05)
    sys.exit(f"nothing answers at {url} after {SECONDS} s")


if __name__ == "__main__":
    main()
