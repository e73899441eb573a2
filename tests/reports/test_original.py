"""The original: which message it is, and the defects it can have."""

import base64

import pytest
from test_reader import BARE, PLAIN, SOUND, codes

from exjournal import Defect, DefectCode, PartKind, parse_report
from strategies import ORIGINAL, PART, TEXT, a_message, built

# A protected message (MS-OXORMMS), by its content class and by its attachment, and its readable copy.
CLEAR = ORIGINAL.replace(b"Hi.", b"In the clear.")
CLASSED = ORIGINAL.replace(b"\r\n\r\n", b"\r\nContent-class: rpmsg.message\r\n\r\n")
ATTACHED = ORIGINAL.replace(
    b"\r\n\r\nHi.\r\n",
    b"\r\nContent-Type: multipart/mixed; boundary=in\r\n\r\n--in\r\n"
    b'Content-Type: application/x-microsoft-rpmsg-message; name="message.rpmsg"\r\n\r\nx\r\n--in--\r\n',
)


class TestChoice:
    """Of two messages the protected one is the original, the other its decrypted copy, and the evidence is named."""

    @pytest.mark.parametrize(
        ("first", "second", "original", "evidence"),
        [
            (CLASSED, CLEAR, 0, "content-class"),
            (CLEAR, CLASSED, 1, "content-class"),
            (ATTACHED, CLEAR, 0, "message.rpmsg"),
            (CLEAR, ATTACHED, 1, "message.rpmsg"),
            (CLEAR, ORIGINAL, 0, "order"),
            (ORIGINAL, CLEAR, 0, "order"),
            (CLASSED, ATTACHED, 0, "content-class"),
            (ATTACHED, CLASSED, 1, "content-class"),
            (CLASSED, CLASSED, 0, "order"),
            (ATTACHED, ATTACHED, 0, "order"),
            (CLEAR, CLEAR + b"See message.rpmsg.", 0, "order"),
            (b"", ATTACHED, 1, "message.rpmsg"),
            (CLEAR, CLASSED.replace(b"rpmsg.message", b"\r\n RPMSG.Message"), 1, "content-class"),
            (CLEAR, ATTACHED.replace(b"x-microsoft-rpmsg-message", b"octet-stream"), 1, "message.rpmsg"),
            (CLEAR, ATTACHED.replace(b"message.rpmsg", b"other"), 1, "message.rpmsg"),
            (CLEAR, ORIGINAL + b"\r\nContent-class: rpmsg.message\r\n", 0, "order"),
        ],
        ids=str,
    )
    def test_two(self, first: bytes, second: bytes, original: int, evidence: str) -> None:
        """By their content, or else by their order; the order of parts is kept."""
        messages = [first, second]
        parsed = parse_report(a_message(TEXT, BARE + first, BARE + second))
        assert parsed.original == messages[original]
        assert parsed.decrypted == messages[1 - original]
        assert parsed.decrypted_evidence == parsed.to_dict()["decrypted_evidence"] == evidence
        assert [part.content for part in parsed.parts[1:]] == messages
        kinds = [PartKind.ORIGINAL, PartKind.DECRYPTED]
        assert [part.kind for part in parsed.parts[1:]] == (kinds[::-1] if original else kinds)

    def test_encoded(self) -> None:
        """A protected message is recognized after transfer decoding."""
        coded = b"Content-Transfer-Encoding: base64\r\n" + BARE + base64.encodebytes(ATTACHED)
        parsed = parse_report(a_message(TEXT, BARE + CLEAR, coded))
        assert (parsed.original, parsed.decrypted) == (ATTACHED, CLEAR)
        assert parsed.decrypted_evidence == "message.rpmsg"

    @pytest.mark.parametrize("original", [CLASSED, CLEAR])
    def test_one(self, original: bytes) -> None:
        """A single message is the original, without evidence."""
        parsed = parse_report(a_message(TEXT, BARE + original), strict=True)
        assert (parsed.original, parsed.decrypted, parsed.decrypted_evidence) == (original, None, "")
        assert parsed.to_dict()["decrypted_evidence"] is None

    def test_compared(self) -> None:
        """The original is compared with the report, in either place."""
        other = CLASSED.replace(b"Hello", b"Other")
        data = a_message(TEXT, BARE + CLEAR, BARE + other)
        parsed = parse_report(data)
        assert parsed.defects == (Defect(DefectCode.SUBJECT_MISMATCH, "", data.index(b" Other")),)


class TestOriginal:
    """The original's header block is compared with the report text."""

    @pytest.mark.parametrize(
        ("subject", "reported"),
        [
            ("Hello", "Hello"),
            ("=?utf-8?q?caf=C3=A9?=", "caf\u00e9"),
            ("=?utf-8?q?caf=C3=A9?=", "=?utf-8?q?caf=C3=A9?="),
            ("a\r\n b", "a b"),
            ("a\r\n\tb", "a b"),
            ("a  b", "a b"),
            ("caf\u00e9", "caf\u00e9"),
            ("", ""),
        ],
    )
    def test_agreement(self, subject: str, reported: str) -> None:
        """Encoded words, as written or decoded, and other spaces are the same subject."""
        original = ORIGINAL.replace(b"Hello", subject.encode())
        text = TEXT.replace(b"Hello", reported.encode())
        header = PLAIN + b"; charset=utf-8"
        assert parse_report(a_message(text, BARE + original, header=header), strict=True).original == original

    @pytest.mark.parametrize("reported", [b"<1@example.com>", b"<1@example.com> (added by mx.example.net)"])
    def test_comment_after_a_message_id(self, reported: bytes) -> None:
        """A comment that a gateway put after a Message-ID may be in the report or not."""
        original = ORIGINAL.replace(b"<1@example.com>", b"<1@example.com> (added by\r\n mx.example.net)")
        text = TEXT.replace(b"<1@example.com>", reported)
        assert parse_report(a_message(text, BARE + original), strict=True).original == original

    @pytest.mark.parametrize(
        ("before", "after", "code"),
        [
            (b"Subject: Hello", b"Subject: hello", DefectCode.SUBJECT_MISMATCH),
            (b"Subject: Hello", b"Subject:", DefectCode.SUBJECT_MISMATCH),
            (b"Subject: Hello", b"Subject: =?utf-8?q?Hallo?=", DefectCode.SUBJECT_MISMATCH),
            (b"Subject: Hello", b"X: y", DefectCode.SUBJECT_MISMATCH),
            (b"<1@example.com>", b"<2@example.com>", DefectCode.MESSAGE_ID_MISMATCH),
            (b"<1@example.com>", b"1@example.com", DefectCode.MESSAGE_ID_MISMATCH),
            (b"Message-ID: <1@example.com>", b"X: y", DefectCode.MESSAGE_ID_MISMATCH),
            pytest.param(
                b"<1@example.com>",
                b"<1@example.com> (%b)" % (b"x" * (64 << 10)),
                DefectCode.MESSAGE_ID_MISMATCH,
                id="too long to compare",
            ),
        ],
    )
    def test_mismatch(self, before: bytes, after: bytes, code: DefectCode) -> None:
        """Another subject or Message-ID than the report has is a defect, and so is one too long to compare."""
        assert codes(parse_report(a_message(TEXT, BARE + ORIGINAL.replace(before, after)))) == [code]

    def test_fields_that_are_not_reported(self) -> None:
        """Fields that the report does not state are not compared."""
        text = b"Sender: alice@example.com\r\nTo: bob@example.net\r\n"
        assert codes(parse_report(a_message(text, PART))) == [DefectCode.SUBJECT_MISSING, DefectCode.MESSAGE_ID_MISSING]

    def test_from_line(self) -> None:
        """A mailbox line before the original's header is part of the original, and hides no field."""
        original = b"From alice Thu Feb 29 12:30:45 2024\n" + ORIGINAL
        assert parse_report(a_message(TEXT, BARE + original), strict=True).original == original

    @pytest.mark.parametrize(
        ("inner", "is_report"),
        [
            (SOUND.replace(b"=edge", b"=in").replace(b"--edge", b"--in"), True),
            (built(), True),
            (built(internal=True), True),
            (b"Content-Type: multipart/mixed\r\nContent-Identifer: ExJournalReport\r\n\r\n", True),
            (b"Content-Type: multipart/mixed\r\nX-MS-Exchange-Organization-Processed-By-Journaling: x\r\n\r\n", False),
            (b"X-MS-Journal-Report:\r\n\r\nbody", False),
            (b"Content-Type: multipart/report\r\nX-MS-Journal-Report:\r\n\r\nbody", False),
            (b"Content-Type: multipart/mixed\r\n\r\nX-MS-Journal-Report:\r\n", False),
        ],
    )
    def test_nested_report(self, inner: bytes, is_report: bool) -> None:
        """An original that is a report is a defect; a stamp, or a marker elsewhere, does not make a report."""
        parsed = parse_report(a_message(TEXT, BARE + inner))
        assert (DefectCode.NESTED_REPORT in codes(parsed)) is is_report
        assert parsed.original == inner

    @pytest.mark.parametrize(
        "original", [b"\r\n\r\nbody", b"body only", b"From alice\n", b"\0\0", b": x\r\n", b" X: y\r\n"]
    )
    def test_without_headers(self, original: bytes) -> None:
        """An original that does not begin with a field is a defect, and is not compared."""
        assert codes(parse_report(a_message(TEXT, BARE + original))) == [DefectCode.ORIGINAL_WITHOUT_HEADERS]

    def test_copy_is_not_compared(self) -> None:
        """The decrypted copy is returned without a check."""
        parsed = parse_report(a_message(TEXT, PART, BARE + b"anything"), strict=True)
        assert parsed.decrypted == b"anything"
