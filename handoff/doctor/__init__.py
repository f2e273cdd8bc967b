"""What a server can do, found out by asking it: few, small and bounded requests, made by the backends themselves.

`examine` never raises for what a server does; a server that cannot be used has its `problem` in the report. Nothing in
a report holds the key.
"""

from __future__ import annotations

from handoff.doctor.examining import examine
from handoff.doctor.report import Finding, Fit, Report

__all__ = ["Finding", "Fit", "Report", "examine"]
