"""Whether a source's data fits its declaration: every column is tried by itself, so all mistakes come at once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import duckdb

from featurestore.errors import FeatureStoreError, InputError
from featurestore.offline.accounts import account_of, read_source
from featurestore.offline.connection import connect
from featurestore.offline.interrupts import interruptible
from featurestore.offline.scan import History, reading, scan_sql
from featurestore.plan.nodes import Scan, ScanColumn
from featurestore.plan.outcomes import SetAside


@dataclass(frozen=True, slots=True)
class Fit:
    """What was found in a source's data and log: the rows, each mistake, and the account of what does not count.

    `rows` is None when nothing could be read; `account` is None where a column does not fit. `pushed` sources have no
    data of their own.
    """

    source: str
    pushed: bool
    rows: int | None
    mistakes: tuple[FeatureStoreError, ...] = ()
    account: SetAside | None = None

    @property
    def usable(self) -> int | None:
        """The rows that count (R16), if they could be read."""
        return None if self.account is None else self.account.rows - sum(self.account.quarantined.values())


def fit_of(scan: Scan, history: History) -> Fit:
    """Read a source's data and log with its declaration. Mistakes are collected, never raised."""
    pushed = scan.data is None
    try:
        connection = connect(history.folders(scan) or [history.root])
    except FeatureStoreError as error:  # there are no files
        return Fit(scan.source, pushed, None, (error,))
    try:
        found = {column.name: _tried(connection, scan, column, history) for column in scan.columns}
        mistakes = {str(error): error for error in found.values() if error is not None}
        if not mistakes:
            try:
                read_source(connection, scan, history, (), scan.source, identity=scan.row_id is not None)
                account = account_of(connection, scan, history, (), scan.source)
                return Fit(scan.source, pushed, account.rows, tuple(_misread(account)), account)
            except FeatureStoreError as error:  # seen only when the rows are read
                mistakes[str(error)] = error
        fitting = next((column for column in scan.columns if found[column.name] is None), None)
        rows = None if fitting is None else _count(connection, _only(scan, fitting), history)
        return Fit(scan.source, pushed, rows, tuple(mistakes.values()))
    finally:
        connection.close()


def _misread(account: SetAside) -> Iterator[FeatureStoreError]:
    """Mistakes: rows of which not one counts, and columns of which most values are none of their type."""
    quarantined = sum(account.quarantined.values())
    if account.rows and quarantined == account.rows:
        yield InputError(
            f"not one row of `{account.source}` can be used",
            where=f"its {account.rows:,} rows",
            has=", ".join(f"{count:,} {reason}" for reason, count in account.quarantined.items()),
            fix=f"run `featurestore quarantine {account.source}`, and change the data or the declaration",
        )
    for column, count in account.bad_values.items():
        if count * 2 > account.rows:
            yield InputError(
                f"most values of `{account.source}.{column}` are none of its type and would be read as null",
                where=f"its {account.rows:,} rows",
                has=f"{count:,} bad values",
                fix="declare the type that the data has, or convert the data",
            )


def _tried(
    connection: duckdb.DuckDBPyConnection, scan: Scan, column: ScanColumn, history: History
) -> FeatureStoreError | None:
    """What is wrong with one column of the data."""
    if scan.data is None:
        return None
    try:
        scan_sql(connection, _only(scan, column), replace(history, log=None))
    except FeatureStoreError as error:
        return error
    return None


def _only(scan: Scan, column: ScanColumn) -> Scan:
    """The source as if it had this column alone, and no times."""
    return replace(scan, columns=(column,), event_at=None, known_at=None, row_id=None, order=None, delay_us=0)


def _count(connection: duckdb.DuckDBPyConnection, scan: Scan, history: History) -> int | None:
    try:
        text = scan_sql(connection, scan, replace(history, log=None))
        with reading(scan):
            found = interruptible(connection, connection.execute, f"SELECT count(*) FROM ({text})")
            return int(found.fetchall()[0][0])
    except FeatureStoreError:
        return None
