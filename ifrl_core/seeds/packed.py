"""Files that are packed with gzip or zstd, whatever they are called: their content as a stream."""

import gzip
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pyarrow as pa

from ifrl_core.errors import InputError

_GZIP, _ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"


@contextmanager
def unpacked(stream: Any, path: str) -> Iterator[Any]:
    """The content of a binary stream that can be sought in; as it is when it is not packed.

    Raises:
        InputError: inside, when it cannot be unpacked.
    """
    start = stream.read(4)
    try:
        stream.seek(0)
    except ValueError:  # fsspec's stream of a server that says no length
        stream = io.BytesIO(start + stream.read())
    packed = start.startswith(_GZIP) or start == _ZSTD
    try:
        if start.startswith(_GZIP):
            with gzip.GzipFile(fileobj=stream) as content:
                yield content
        elif packed:
            with pa.CompressedInputStream(pa.PythonFile(stream, mode="r"), "zstd") as content:
                yield io.BytesIO(content.read())
        else:
            yield stream
    except (EOFError, zlib.error, OSError) as error:
        if not packed:
            raise
        raise InputError(f"{path}: cannot be unpacked ({error}); check that it is whole") from error
