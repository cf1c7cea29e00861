"""Zip packages, read member by member within limits of number, size, ratio and path."""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Iterable
from pathlib import PurePosixPath

from k2meta.intake.types import Source, refuse
from k2meta.types import Problem, ProjectError

MAX_MEMBERS = 1_000
MAX_MEMBER_BYTES = 50_000_000
MAX_TOTAL_BYTES = 200_000_000
MAX_RATIO = 200
"""Deflate can reach about 1 000; tables of numbers stay below 20."""


def unpacked(sources: Iterable[Source], keep: tuple[str, ...]) -> tuple[Source, ...]:
    """Return the files, with every zip archive replaced by its members.

    Parameters
    ----------
    keep : tuple of str
        How the names of the members end that are read, such as ``.csv``; others are never opened.
    """
    found: list[Source] = []
    for source in sources:
        found += _members(source, keep) if source.raw[:4] == b"PK\x03\x04" else [source]
    return tuple(found)


def _members(source: Source, keep: tuple[str, ...]) -> list[Source]:
    try:
        with zipfile.ZipFile(io.BytesIO(source.raw)) as archive:
            infos = [info for info in archive.infolist() if not info.is_dir()]
            problems = [*_limits(source.name, infos)]
            if problems:
                raise ProjectError(tuple(problems))
            # read() returns at most the size that the header states, and that is what was checked.
            return [
                Source(f"{source.name}/{info.filename}", archive.read(info))
                for info in infos
                if info.filename.lower().endswith(keep)
            ]
    except (
        zipfile.BadZipFile,
        zlib.error,
        NotImplementedError,
        RuntimeError,
        EOFError,
        ValueError,
        OSError,
    ) as error:
        fix = "pack the files again without a password, or name them one by one"
        raise refuse(source.name, f"is not a readable zip archive: {error}", fix) from None


def _limits(name: str, infos: list[zipfile.ZipInfo]) -> Iterable[Problem]:
    fix = "unpack it yourself, look at it, and name the files one by one"
    if len(infos) > MAX_MEMBERS:
        yield Problem(name, f"holds {len(infos)} files; at most {MAX_MEMBERS} are read", fix)
    if sum(info.file_size for info in infos) > MAX_TOTAL_BYTES:
        yield Problem(name, f"unpacks to more than {MAX_TOTAL_BYTES:,} bytes", fix)
    seen: set[str] = set()
    for info in infos:
        path = PurePosixPath(info.filename.replace("\\", "/"))
        if path.is_absolute() or ".." in path.parts or ":" in info.filename:
            yield Problem(name, f'the member "{info.filename}" points outside the archive', fix)
        if info.filename in seen:
            yield Problem(name, f'the member "{info.filename}" stands twice', fix)
        seen.add(info.filename)
        if info.file_size > MAX_MEMBER_BYTES:
            yield Problem(name, f'the member "{info.filename}" unpacks to {info.file_size:,} bytes', fix)
        elif info.file_size > MAX_RATIO * max(info.compress_size, 1):
            yield Problem(
                name, f'the member "{info.filename}" unpacks to more than {MAX_RATIO} times its size', fix
            )
