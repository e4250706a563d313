"""Reading the files of a raw cell, whoever wrote them: bounded, and of the right types.

Every file that is not what it should be is a :class:`ResultError` that names the file and the key
or column in it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, TypeVar

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

from discovery.errors import ResultError, shortened
from discovery.reading import MOST_RESULT, parse_json, read_text, require_regular
from discovery.results.parquet import MOST_OF_A_CELL, check_description, read_bounded

LARGEST = 2**63
"""No number of ours is larger: bytes since a machine was started are far from it."""

_AGAIN = "run the cell again"
_LONGEST_NAME = 1_000

ModelT = TypeVar("ModelT", bound=BaseModel)

Count = Annotated[int, Field(ge=0, le=2**53)]
Seconds = Annotated[float, Field(ge=0, le=LARGEST)]
# Whether it is a time of this cell, its window says (`discovery.results.window`).
Epoch = Annotated[float, Field(ge=0, le=LARGEST)]
Name = Annotated[str, Field(pattern=r"^[^\s\x00-\x1f\x7f]([^\x00-\x1f\x7f]*)$", max_length=1_000)]
"""Of a file, a node or another thing: one line that does not begin with a space."""
Text = Annotated[str, Field(pattern=r"^[^\x00-\x08\x0b-\x1f\x7f]*$")]
"""What a machine says of itself: anything but what a terminal obeys."""
Site = Annotated[str, Field(pattern=r"^site-[1-9][0-9]{0,3}$")]


class Recorded(BaseModel):
    """Base of what was recorded: frozen, and keys nobody described are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


def read_json(
    path: Path,
    model: type[ModelT],
    *,
    version: int | None,
    what: str = "",
    instead: str = "the file does not follow its schema",
) -> ModelT:
    """The JSON document in ``path`` as ``model``; its ``schema_version`` is ``version``, if any.

    ``what`` it is, and what is said of it if it does not fit, are for the sentence.
    """
    subject = f"{path}: {what}".rstrip()
    try:
        text = read_text(path, MOST_RESULT)
        document = parse_json(text)
    except (FileNotFoundError, NotADirectoryError):
        raise ResultError(
            f"{path}: no such file; this is not the folder of a finished cell."
        ) from None
    except OSError as error:
        raise ResultError(f"{path}: cannot be read: {error.strerror}; {_AGAIN}.") from None
    except ValueError as error:
        raise ResultError(f"{subject} is cut off or not JSON ({error}); {_AGAIN}.") from None
    if version is not None:
        _check_version(path, document, version)
    try:
        return model.model_validate_json(text, strict=True)
    except ValidationError as error:
        detail = error.errors(include_url=False)[0]
        if detail["type"] == "json_invalid":
            why = detail["msg"].removeprefix("Invalid JSON: ")
            raise ResultError(f"{subject} is cut off or not JSON ({why}); {_AGAIN}.") from None
        raise ResultError(f"{path}: {_explained(detail)}; {instead}.") from None


def _check_version(path: Path, document: Any, version: int) -> None:
    found = document.get("schema_version") if isinstance(document, dict) else None
    if type(found) is not int or found != version:
        raise ResultError(
            f"{path}: has schema version {shown(found)}, but this workbench reads version "
            f"{version}; read it with the workbench that wrote it, or {_AGAIN}."
        )


def _explained(detail: ErrorDetails) -> str:
    """What does not fit, by its key and value."""
    key = ".".join(plain(part) for part in detail["loc"])
    problem = detail["msg"].removeprefix("Value error, ")
    value = detail["input"]
    if detail["type"] != "missing" and (isinstance(value, str | int | float) or value is None):
        key = f"{key} = {shown(value)}"
    return f"{key}: {problem}" if key else problem


def shown(value: object) -> str:
    """``value`` as an error has it: short, and without a character that a terminal obeys."""
    return shortened(ascii(value) if isinstance(value, str) else repr(value))


def plain(part: object) -> str:
    """A key, or a name, as an error has it: as it is where that is harmless."""
    text = str(part)
    return text if re.fullmatch(r"[\w ./:#-]{1,200}", text) else shown(text)


def check_listed(folder: Path, manifest: Path, name: str) -> Path:
    """The file ``name`` of the cell in ``folder``, which is a regular one and inside of it."""
    path = folder / name
    try:
        # Not resolve(), which has an error of its own for a link to itself.
        outside = not Path(os.path.realpath(path)).is_relative_to(os.path.realpath(folder))
        if not outside:
            require_regular(path)
    except (OSError, ValueError) as error:
        if Path(name).is_absolute() or ".." in Path(name).parts:
            outside = True
        else:
            raise _unreadable(manifest, name, error) from None
    if outside:
        raise ResultError(
            f"{manifest}: lists {plain(name)}, which is outside the cell's folder; "
            "it may only list files of its own."
        )
    return path


def _unreadable(manifest: Path, name: str, error: Exception) -> ResultError:
    path = f"{manifest.parent}/{plain(name)}"
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        return ResultError(
            f"{path}: is missing, although {manifest.name} lists it; remove the cell's folder and "
            f"{_AGAIN}."
        )
    why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return ResultError(f"{path}: cannot be read: {why}; remove the cell's folder and {_AGAIN}.")


# What a column of a raw table holds, by its name, which means the same in every one of them.
_TEXT = frozenset(
    {"node", "site", "role", "unit", "counter", "process", "database", "error", "function"}
    | {"peer", "peer_site", "peer_role"}
)
# A server that was restarted counts from zero, and what the sampler had asked it is subtracted.
_SIGNED = frozenset({"value"})
# A line that tells of packets that were missed has nothing else, and the others have nothing of it.
_ABSENT = frozenset(
    {"peer", "peer_site", "peer_role", "rx_bytes", "tx_bytes", "rx_packets", "tx_packets", "missed"}
)


def read_frame(path: Path, columns: Iterable[str], *, absent: bool = False) -> pd.DataFrame:
    """The ``columns`` of the Parquet file ``path``: texts, and numbers as 64-bit ones.

    Every number is finite and, but for counters' values, none is negative; none is missing unless
    ``absent`` says that it may, as in a line about packets that were missed.
    """
    wanted = [*columns]
    try:
        check_description(path, _AGAIN)
        with pq.ParquetFile(path) as file:
            names = file.schema_arrow.names
        missing = [column for column in wanted if column not in names]
        if missing:
            raise ResultError(
                f"{path}: lacks the column {missing[0]}; it has "
                f"{shortened(', '.join(map(plain, names)))}."
            )
        for column in wanted:
            if names.count(column) > 1:
                raise ResultError(f"{path}: has the column {column} twice; {_AGAIN}.")
        table = read_bounded(
            path, wanted, most=MOST_OF_A_CELL, longest=_LONGEST_NAME, instead=_AGAIN
        )
        for column in wanted:
            _check_column(path, table, column, may_be_absent=absent and column in _ABSENT)
        frame: pd.DataFrame = table.to_pandas(ignore_metadata=True)
    except (OSError, pa.ArrowException, ValueError, OverflowError, KeyError):
        raise ResultError(f"{path}: is cut off or not Parquet; {_AGAIN}.") from None
    return frame


def _check_column(path: Path, table: pa.Table, column: str, *, may_be_absent: bool) -> None:
    values, kind = table[column], table.schema.field(column).type
    nothing = pa.types.is_null(kind) and (len(values) == 0 or may_be_absent)
    if column in _TEXT:
        fits, wanted = pa.types.is_string(kind) or pa.types.is_large_string(kind), "text"
    else:
        fits, wanted = pa.types.is_integer(kind) or pa.types.is_floating(kind), "numbers"
    if not (fits or nothing):
        raise ResultError(f"{path}: its column {column} holds {kind}, and not {wanted}; {_AGAIN}.")
    if values.null_count and not may_be_absent:
        raise ResultError(
            f"{path}: its column {column} has no value in {values.null_count} of {len(values)} "
            f"rows; {_AGAIN}."
        )
    if nothing:
        return
    if column in _TEXT:
        _check_texts(path, column, values)
    else:
        _check_numbers(path, column, values, may_be_absent=may_be_absent)


def _check_texts(path: Path, column: str, values: pa.ChunkedArray) -> None:
    for text in values.unique().to_pylist():
        if text is not None and any(not one.isprintable() for one in text):
            raise ResultError(
                f"{path}: its column {column} holds {shown(text)}, which is no name; {_AGAIN}."
            )


def _check_numbers(
    path: Path, column: str, values: pa.ChunkedArray, *, may_be_absent: bool
) -> None:
    numbers = values.to_pandas().to_numpy(dtype=float)
    wrong = ~np.isfinite(numbers) | (np.abs(numbers) > LARGEST)
    if may_be_absent:
        wrong &= ~np.isnan(numbers)
    if column not in _SIGNED:
        wrong |= numbers < 0
    if wrong.any():
        raise ResultError(
            f"{path}: its column {column} holds {numbers[wrong][0]:g}, which is none of its "
            f"values; {_AGAIN}."
        )
