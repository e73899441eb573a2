"""Files of other programs: their first bytes, their names, and the advice."""

import pytest

from exjournal import DefectCode
from exjournal.archives.foreign import FOREIGN_BEGINNINGS, foreign_refusal


@pytest.mark.parametrize("begin", FOREIGN_BEGINNINGS)
def test_first_bytes(begin: bytes) -> None:
    """A file with these bytes is refused, one with all but the last of them is not."""
    refusal = foreign_refusal(begin + b"\0")
    assert refusal is not None
    assert refusal.code is DefectCode.ARCHIVE_UNSUPPORTED
    assert "first" in refusal.detail or "unpack" in refusal.detail
    assert foreign_refusal(begin[:-1]) is None


@pytest.mark.parametrize("name", ["a.pst", "B.OST", "c.Msg", "d.dbx", "e.7z", "f.rar", "g.zst", "h.lz4", "i.Z"])
def test_names(name: str) -> None:
    """A name with the suffix of such a file is refused in any letter case, and only with the suffix at its end."""
    assert foreign_refusal(b"", name) is not None
    assert foreign_refusal(b"", name + ".eml") is None
    assert foreign_refusal(b"", "") is None
