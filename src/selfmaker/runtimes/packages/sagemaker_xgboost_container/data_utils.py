"""Channels to DMatrix, for the algorithm and for users' scripts."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from typing import Any

import numpy as np
from sagemaker_algorithm_toolkit.exceptions import UserError

from sagemaker_xgboost_container import csv_reader, libsvm_reader, pipes, recordio
from sagemaker_xgboost_container.constants import xgb_content_types
from sagemaker_xgboost_container.tables import Table, joined

CSV, LIBSVM, PARQUET, RECORDIO_PROTOBUF = "csv", "libsvm", "parquet", "recordio-protobuf"

_SPELLINGS = {
    CSV: CSV,
    LIBSVM: LIBSVM,
    PARQUET: PARQUET,
    RECORDIO_PROTOBUF: RECORDIO_PROTOBUF,
    xgb_content_types.CSV: CSV,
    xgb_content_types.LIBSVM: LIBSVM,
    xgb_content_types.X_LIBSVM: LIBSVM,
    xgb_content_types.X_PARQUET: PARQUET,
    xgb_content_types.X_RECORDIO_PROTOBUF: RECORDIO_PROTOBUF,
}
VALID_CONTENT_TYPES = list(_SPELLINGS)


def get_content_type(content_type_cfg_val: str | None) -> str:
    """The format (csv, libsvm, parquet, recordio-protobuf) that a channel's ContentType means; none means libsvm."""
    if not content_type_cfg_val:
        return LIBSVM
    name, *parameters = (part.strip() for part in content_type_cfg_val.lower().split(";"))
    sizes = [value.strip() for key, _, value in (p.partition("=") for p in parameters) if key.strip() == "label_size"]
    if name not in _SPELLINGS:
        raise UserError(f"{content_type_cfg_val} is not an accepted ContentType: {', '.join(VALID_CONTENT_TYPES)}.")
    if _SPELLINGS[name] == CSV and any(size != "1" for size in sizes):
        raise UserError(
            f"{content_type_cfg_val} is not an accepted csv ContentType. "
            "Optional parameter label_size must be equal to 1"
        )
    return _SPELLINGS[name]


def get_dmatrix(data_path: str | Sequence[str], content_type: str, csv_weights: int = 0, is_pipe: bool = False) -> Any:
    """A DMatrix of all files at ``data_path``: a file, a folder, or a list of such; None when there is none.
    ``is_pipe``: of what comes through the pipe of that name."""
    table = get_table(data_path, content_type, csv_weights, is_pipe)
    return None if table is None else table.dmatrix()


def get_table(
    data_path: str | Sequence[str], content_type: str, csv_weights: int = 0, is_pipe: bool = False
) -> Table | None:
    """What ``get_dmatrix`` puts in its matrix. Raises UserError naming the file, and where it can the line."""
    kind = get_content_type(content_type)
    if not is_pipe:
        return _table(data_files(data_path), kind, csv_weights == 1)
    if kind == LIBSVM:
        raise UserError("Pipe mode not supported for LibSVM.")
    there = [path for path in _paths(data_path) if pipes.exists(path)]
    with pipes.spooled(there, kind == PARQUET) as files:
        return _table(data_files(files), kind, csv_weights == 1)


def get_csv_dmatrix(path: str, csv_weights: int, is_pipe: bool = False) -> Any:
    return get_dmatrix(path, CSV, csv_weights, is_pipe)


def get_libsvm_dmatrix(files_path: str, is_pipe: bool = False) -> Any:
    return get_dmatrix(files_path, LIBSVM, is_pipe=is_pipe)


def get_parquet_dmatrix(path: str, is_pipe: bool = False) -> Any:
    return get_dmatrix(path, PARQUET, is_pipe=is_pipe)


def get_recordio_protobuf_dmatrix(path: str, is_pipe: bool = False) -> Any:
    return get_dmatrix(path, RECORDIO_PROTOBUF, is_pipe=is_pipe)


def data_files(data_path: str | Sequence[str]) -> list[str]:
    """The files with something in them, at any depth, in order. Hidden files and markers (_SUCCESS) are no data."""
    found = []
    for path in _paths(data_path):
        if os.path.isfile(path):
            found.append(os.fspath(path))
        for folder, inner, names in os.walk(path):
            inner[:] = sorted(name for name in inner if not name.startswith("."))
            found += [os.path.join(folder, name) for name in sorted(names) if not name.startswith((".", "_"))]
    return [path for path in found if os.path.getsize(path) > 0]


def get_size(data_path: str, is_pipe: bool = False) -> int:
    """Bytes of data at a path; 0 where there is nothing, 1 where there is a pipe."""
    if is_pipe and pipes.exists(data_path):
        return 1
    return sum(os.path.getsize(path) for path in data_files(data_path)) if os.path.exists(data_path) else 0


def validate_data_file_path(data_path: str, content_type: str) -> None:
    """Raises UserError where the path or a file's first lines are not what the content type says."""
    kind = get_content_type(content_type)
    if not os.path.exists(data_path):
        raise UserError(f"{data_path} is not a valid path!")
    for path in data_files(data_path):
        if kind == CSV:
            csv_reader.sniff(path)
        elif kind == LIBSVM:
            libsvm_reader.read(path)


def check_data_redundancy(train_path: str, validate_path: str) -> None:
    """Warn of files that are in both channels by name and size."""
    train, validation = ({os.path.basename(f): f for f in data_files(p)} for p in (train_path, validate_path))
    for name in sorted(set(train) & set(validation)):
        if os.path.getsize(train[name]) == os.path.getsize(validation[name]):
            logging.warning(
                "Suspected identical files found. (%s and %s with same size %d bytes). Note: Duplicate data in the "
                "training set and validation set is usually not intentional and can impair the validity of the model "
                "evaluation by the validation score.",
                train[name], validation[name], os.path.getsize(train[name]),
            )  # fmt: skip


def _paths(data_path: str | Sequence[str]) -> list[str]:
    return [os.fspath(data_path)] if isinstance(data_path, (str, os.PathLike)) else list(data_path)


def _table(files: list[str], kind: str, weighted: bool) -> Table | None:
    if not files:
        return None
    return joined([(os.path.basename(path), _read(path, kind, weighted)) for path in files])


def _read(path: str, kind: str, weighted: bool) -> Table:
    if kind == CSV:
        return csv_reader.read(path, weighted)
    if kind == LIBSVM:
        return libsvm_reader.read(path)
    return _read_parquet(path) if kind == PARQUET else _read_recordio(path)


def _read_parquet(path: str) -> Table:
    import pyarrow
    from pyarrow import parquet

    name = os.path.basename(path)
    try:
        with open(path, "rb") as file:
            table = parquet.ParquetFile(file).read()
    except (pyarrow.ArrowException, OSError, ValueError) as error:
        raise UserError(f"Failed to load parquet data of file '{name}': {error}") from None
    columns = []
    for field, column in zip(table.schema, table.itercolumns()):
        try:
            columns.append(column.to_pandas().to_numpy(dtype=np.float32, na_value=np.nan))
        except (ValueError, TypeError):
            raise UserError(f"File '{name}': column '{field.name}' ({field.type}) is not numeric.") from None
    if len(columns) < 2:
        raise UserError(f"File '{name}' has {len(columns)} column(s): the label and at least one feature are needed.")
    return Table(np.column_stack(columns[1:]), columns[0])


def _read_recordio(path: str) -> Table:
    name = os.path.basename(path)
    with open(path, "rb") as file:
        body = file.read()
    try:
        features, labels = recordio.read(body)
    except ValueError as error:
        raise UserError(f"Failed to load recordio-protobuf data of file '{name}': {error}") from None
    if labels is None:
        raise UserError(f"Got input data without labels in file '{name}'. Please check the input data set.")
    return Table(features, labels)
