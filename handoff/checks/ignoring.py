"""What a flow's author has looked at and means: a comment on the line of a warning, naming its code.

`# handoff: ignore[left-out]` on the line that the report names; several codes are separated by commas. Errors are no
matter of taste, and stay.
"""

from __future__ import annotations

import linecache
import re

from handoff.checks.findings import Finding, Severity

_COMMENT = re.compile(r"#\s*handoff:\s*ignore\[([a-z, -]+)\]")


def is_ignored(finding: Finding) -> bool:
    """Whether the line of a finding says that it is meant so.

    Args:
        finding: the finding.
    """
    if finding.severity is not Severity.WARNING:
        return False
    said = _COMMENT.search(linecache.getline(finding.place.file, finding.place.line))
    return said is not None and finding.code in {code.strip() for code in said[1].split(",")}
