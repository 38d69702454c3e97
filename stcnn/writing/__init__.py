"""The one place where files are written: whole or not at all, and never two processes in one.

=================== ===============================================================================================
``atomic_write``    a path to write to; what was written takes the place of the file when the block ends well
``atomic_folder``   the same for a folder
``atomic_files``    several files of one folder, together
``locked``          the only process that does something in a folder
``is_locked``       whether another process does
``cache_folder``    where this machine keeps what can be made again
``is_draft``        whether a path lies in something that is being written
=================== ===============================================================================================

Files that libraries write are written in these blocks too, so that each fault (a full disk, a quota, a file system for
reading only, too many open files) has the same sentence whoever meets it.
"""

from stcnn.writing.caches import cache_folder
from stcnn.writing.drafts import is_draft
from stcnn.writing.files import TakenError, atomic_files, atomic_folder, atomic_write
from stcnn.writing.locks import is_locked, locked

__all__ = [
    "TakenError",
    "atomic_files",
    "atomic_folder",
    "atomic_write",
    "cache_folder",
    "is_draft",
    "is_locked",
    "locked",
]
