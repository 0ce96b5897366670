"""Is what lies on disk whole, and is it what it is taken for?

* ``findings``: what can be found, and what to do about it.
* ``mask_files``: how one mask file is stored, beyond the ids that a reader makes of it.
* ``inspection``: every file of one clip or still image.
* ``editions``: the published counts, and what a folder is that does not match them.
* ``repair``: masks mended in a copy.

The inspections are pure functions of the disk, and are handed to worker processes.
"""

from datasets_vos.integrity.editions import (
    Counts,
    Usage,
    check_edition,
    check_split_lists,
    other_edition,
    require_edition,
    usage,
)
from datasets_vos.integrity.findings import (
    KINDS,
    Finding,
    Inspection,
    Kind,
    Severity,
    by_severity,
    refusal,
)
from datasets_vos.integrity.inspection import check_modes, inspect_clip, inspect_still
from datasets_vos.integrity.repair import copy_tree, mend_masks

__all__ = [
    "KINDS",
    "Counts",
    "Finding",
    "Inspection",
    "Kind",
    "Severity",
    "Usage",
    "by_severity",
    "check_edition",
    "check_modes",
    "check_split_lists",
    "copy_tree",
    "inspect_clip",
    "inspect_still",
    "mend_masks",
    "other_edition",
    "refusal",
    "require_edition",
    "usage",
]
