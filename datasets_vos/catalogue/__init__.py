"""Facts about every dataset: what it is, under which licence, and how to get it.

Contents are as their publishers count them; "about" marks numbers that are quoted but not checked.
No address is known to answer: many have moved before, so all can be replaced when downloading.
"""

from datasets_vos.catalogue.info import NOT_STATED, Archive, DatasetInfo
from datasets_vos.catalogue.stills import STILLS
from datasets_vos.catalogue.videos import VIDEOS

__all__ = ["CATALOGUE", "NOT_STATED", "Archive", "DatasetInfo"]

CATALOGUE = VIDEOS | STILLS
"""Facts by name, for all of ``list_datasets()`` and ``list_still_datasets()``."""
