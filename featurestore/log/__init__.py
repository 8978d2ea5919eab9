"""The event log: every pushed row, appended durably and numbered per source (R13, and the row id of R6).

The log is what has happened; the online state is what was made of it, and can be made again from here.
"""

from featurestore.log.event_log import Entry, EventLog

__all__ = ["Entry", "EventLog"]
