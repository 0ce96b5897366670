"""Pictures of results: overlays, contact sheets, videos and the report page."""

from vos_core.visual.mp4 import Mp4Writer
from vos_core.visual.overlay import contact_sheet, object_colours, overlay
from vos_core.visual.report import ReportRun, ReportSequence, write_report
from vos_core.visual.worst import WorstFrame, WorstFrames

__all__ = [
    "Mp4Writer",
    "ReportRun",
    "ReportSequence",
    "WorstFrame",
    "WorstFrames",
    "contact_sheet",
    "object_colours",
    "overlay",
    "write_report",
]
