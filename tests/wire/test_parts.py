"""The leaves of a multipart message."""

import pytest

from exjournal import DefectCode, ParseError
from exjournal._wire.multipart import declared
from exjournal._wire.parts import leaves_of


class TestLeaves:
    """The parts without parts inside."""

    def test_too_many_parts(self) -> None:
        """A body of too many parts is refused."""
        data = b"\n" + b"--b\n" * 1000
        with pytest.raises(ParseError) as caught:
            leaves_of(data, 0, 1, len(data), declared(b"multipart/mixed; boundary=b"), [])
        assert caught.value.code is DefectCode.TOO_MANY_PARTS
