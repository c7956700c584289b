"""What members of archives and folders must satisfy: sizes, names, and that they can be read."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from thaw.errors import ThawError

MAX_MEMBER_BYTES = 256 * 2**20  # a 50-megapixel BMP with alpha has 200 MB; each is read in one go
MAX_TOTAL_BYTES = 64 * 2**30  # a million photographs of 64 KiB
MAX_RATIO = 200  # photographs hardly compress, drawings tenfold, zip bombs a thousandfold
RATIO_MIN_BYTES = 2**20  # smaller unpacked sizes are harmless at any ratio


class SizeLimits:
    """Checks the members of an archive against MAX_MEMBER_BYTES, MAX_TOTAL_BYTES and MAX_RATIO."""

    def __init__(self, path: Path) -> None:
        self._path, self._archive_bytes, self._total = path, path.stat().st_size, 0

    def add(self, name: str, size: int, packed: int) -> None:
        """Add one member of `size` bytes, `packed` when compressed.

        Raises ThawError if the member, or the total so far, exceeds a limit.
        """
        self._total += size
        for count, what in ((size, "unpacks to"), (packed, "takes")):
            if count > MAX_MEMBER_BYTES:
                raise unsafe(
                    self._path, name, f"{what} {count} bytes, over the limit of {MAX_MEMBER_BYTES}"
                )
        if self._total > MAX_TOTAL_BYTES:
            raise unsafe(
                self._path, name, f"brings the total over the limit of {MAX_TOTAL_BYTES} bytes"
            )
        for unpacked, compressed, what in (
            (size, packed, "unpacks"),
            (self._total, self._archive_bytes, "brings the archive"),
        ):
            if unpacked > RATIO_MIN_BYTES and unpacked > MAX_RATIO * compressed:
                raise unsafe(
                    self._path, name, f"{what} to more than {MAX_RATIO} times its compressed size"
                )


def normalize_name(name: str, archive: Path) -> str:
    """A member's path with forward slashes; empty for the archive's own folder, `./`.

    Raises ThawError if it is not printable or leads out of the archive.
    """
    path = check_printable(name.replace("\\", "/"), archive)
    if path.startswith("/") or re.match("[A-Za-z]:", path) or ".." in path.split("/"):
        raise unsafe(archive, name, "has a path outside the archive")
    return "/".join(part for part in path.split("/") if part not in ("", "."))


def check_printable(path: str, source: Path) -> str:
    """Return `path`. Raises ThawError if it is not printable."""
    if not path.isprintable():
        raise ThawError(f"file names must be printable, but {source} has {path!r}: rename it")
    return path


@contextmanager
def unreadable_refused(path: Path) -> Iterator[None]:
    """Turn an OSError while reading `path`, or what is in it, into a ThawError that names it."""
    try:
        yield
    except OSError as error:
        raise ThawError(
            f"{error.filename or path} cannot be read ({error.strerror}): allow reading it, or "
            "remove it"
        ) from None


def unsafe(archive: Path, member: str, what: str) -> ThawError:
    """The error for a member that must not be read."""
    return ThawError(f"{archive} is unsafe: member {member!r} {what}; repack the images")


def damaged(archive: Path, what: str) -> ThawError:
    """The error for an archive that cannot be read, or not as a whole."""
    return ThawError(f"{archive} is damaged ({what}): download or pack it again")
