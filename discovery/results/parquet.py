"""Reading Parquet files of others in bounded memory: what they hold is counted before it is made.

A file of some kilobytes may hold gigabytes: a text that stands once in it and is meant a million
times, or pages that were packed well. So what its metadata says is added up first; then it is read
in batches, each counted, since metadata may lie, with every text kept once until all are counted.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from discovery.errors import ResultError
from discovery.reading import MOST_RESULT, require_regular

MOST_OF_A_CELL = 2**30
"""The most bytes of a table of one cell; three hours of 45 servers' counters have as many."""
MOST_OF_A_RUN = 2**31
"""The most bytes of a tidy table; the largest that was measured has 7 × 10⁷."""
LONGEST = 100_000
"""The most bytes of one text of a tidy table; the longest that was measured has 700."""

_VALUE = 8
_MOST_DESCRIPTION = 2**22
_ROWS_AT_ONCE = 2**16


def read_bounded(
    path: Path, columns: Iterable[str] | None, *, most: int, longest: int, instead: str
) -> pa.Table:
    """The ``columns`` of ``path`` (else all): at most ``most`` bytes, once they are values.

    A value counts as 8 bytes, and a text as those of its letters too, of which it has at most
    ``longest``. What has more is a :class:`ResultError` that ends in ``instead``, what to do.
    """
    check_description(path, instead)
    with pq.ParquetFile(path) as file:
        schema = file.schema_arrow
    wanted = [*columns] if columns is not None else schema.names
    kinds = {name: schema.field(name).type for name in wanted}
    for name, kind in kinds.items():
        if not _is_flat(kind):
            raise ResultError(
                f"{path}: its column {name!a} holds {str(kind)[:60]}, and no table of ours has "
                f"that; {instead}."
            )
    texts = [name for name, kind in kinds.items() if _is_text(kind)]
    with pq.ParquetFile(path, read_dictionary=texts) as file:
        _refuse_more(path, _told(file.metadata, wanted), most, instead)
        batches, held = [], 0
        for batch in file.iter_batches(_ROWS_AT_ONCE, columns=wanted, use_threads=False):
            for name in wanted:
                held += _size(path, name, batch[name], longest, instead)
            _refuse_more(path, held, most, instead)
            batches.append(batch.select(wanted))
        table = pa.Table.from_batches(batches) if batches else schema.empty_table().select(wanted)
    return table.cast(pa.schema([*kinds.items()])).replace_schema_metadata(schema.metadata)


def check_description(path: Path, instead: str) -> None:
    """Refuse a file, or a description at its end, that is larger than any of ours."""
    require_regular(path)
    size = path.stat().st_size
    if size > MOST_RESULT:
        raise ResultError(
            f"{path}: has {size:,} bytes, and at most {MOST_RESULT:,} are read; {instead}."
        )
    with path.open("rb") as file:
        file.seek(max(0, size - 8))
        described = int.from_bytes(file.read(4), "little")
    if _MOST_DESCRIPTION < described <= size:
        raise ResultError(
            f"{path}: its description has {described:,} bytes, and at most {_MOST_DESCRIPTION:,} "
            f"are read; {instead}."
        )


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _is_flat(kind: pa.DataType) -> bool:
    """Whether a value of ``kind`` is one text or has at most 8 bytes."""
    if pa.types.is_nested(kind) or pa.types.is_dictionary(kind):
        return False
    return (
        _is_text(kind)
        or pa.types.is_null(kind)
        or (pa.types.is_primitive(kind) and kind.bit_width <= 8 * _VALUE)
    )


def _told(metadata: pq.FileMetaData, columns: Iterable[str]) -> int:
    """How many bytes the file says that its ``columns`` have: of all values, and as it packs them.

    Each of the two may be the larger one: a text that is meant often is packed once.
    """
    wanted = {*columns}
    packed = 0
    for group in (metadata.row_group(number) for number in range(metadata.num_row_groups)):
        for column in (group.column(number) for number in range(group.num_columns)):
            if column.path_in_schema in wanted:
                packed += int(column.total_uncompressed_size)
    return max(packed, int(metadata.num_rows) * len(wanted) * _VALUE)


def check_size(path: Path, table: pa.Table, *, most: int, longest: int, instead: str) -> None:
    """Refuse to write as ``path`` what :func:`read_bounded` would not read."""
    held = sum(
        _size(path, name, chunk, longest, instead)
        for name in table.column_names
        for chunk in table[name].chunks
    )
    _refuse_more(path, held, most, instead)


def _size(path: Path, name: str, values: pa.Array, longest: int, instead: str) -> int:
    """The bytes of ``values`` once each is a value of its own; a text is refused by its length."""
    size = len(values) * _VALUE
    texts = values.dictionary if isinstance(values, pa.DictionaryArray) else values
    if not _is_text(texts.type):
        return size
    lengths = pc.binary_length(texts).cast(pa.int64())
    most = pc.max(lengths).as_py() or 0
    if most > longest:
        raise ResultError(
            f"{path}: its column {name} holds a text of {most:,} bytes, and at most {longest:,} "
            f"are read; {instead}."
        )
    if texts is not values:
        lengths = lengths.take(values.indices)
    return size + int(pc.sum(lengths).as_py() or 0)


def _refuse_more(path: Path, held: int, most: int, instead: str) -> None:
    if held > most:
        raise ResultError(
            f"{path}: holds {held:,} bytes or more once it is read, and at most {most:,} are "
            f"read; {instead}."
        )
