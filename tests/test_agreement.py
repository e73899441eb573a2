"""Agreement: the standard library's `email` package, another reader altogether, finds the same in well-formed reports."""

import email
import re
from email import policy
from email.generator import BytesGenerator
from email.message import EmailMessage, Message
from io import BytesIO
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exjournal import Envelope, JournalReport, Recipient, Role, parse_report, report_for
from strategies import DATE, ORIGINAL, Arguments, a_report, addresses, built, plain_addresses

# Bytes out as they came in: no line is folded anew, and no `From ` at a line start is quoted.
AS_IT_IS = policy.compat32.clone(linesep="\r\n", mangle_from_=False, max_line_length=None)


def written(message: Any) -> bytes:
    """A message of the standard library as bytes."""
    out = BytesIO()
    BytesGenerator(out, policy=AS_IT_IS).flatten(message)
    return out.getvalue()


# A report line by another grammar: any of the labels, one redirect of each kind in the order written.
ADDRESS = r'(?:"(?:[^"\\]|\\.)*"|[^",])+?'
RECIPIENT = re.compile(rf"({'|'.join(Role)}): ({ADDRESS})(?:, Expanded: ({ADDRESS}))?(?:, Forwarded: ({ADDRESS}))?")
FIELDS = {
    "Sender": "sender",
    "On-Behalf-Of": "on_behalf_of",
    "Subject": "subject",
    "Message-Id": "message_id",
    "Label": "label",
    "Mailbox": "mailbox",
    "SentUtc": "sent_utc",
    "ReceivedUtc": "received_utc",
}


def by_the_standard_library(data: bytes) -> tuple[JournalReport, list[bytes], Message]:
    """The fields of a report and the messages in it, without any part of this library."""
    message = email.message_from_bytes(data, policy=AS_IT_IS)
    payload: Any = message.get_payload()
    text, *rest = payload
    assert text.get_content_type() == "text/plain"
    decoded = text.get_payload(decode=True).decode(text.get_content_charset())
    values: dict[str, Any] = {"recipients": []}
    for line in decoded.removesuffix("\r\n").split("\r\n"):
        label, _, value = line.partition(": ")
        if label in FIELDS:
            values[FIELDS[label]] = "" if value == "<>" else value
        else:
            found = RECIPIENT.fullmatch(line)
            assert found is not None
            role, address, expanded, forwarded = found.groups()
            values["recipients"].append(
                Recipient(address, Role(role), expanded_from=expanded, forwarded_from=forwarded)
            )
    assert all(part.get_content_type() == "message/rfc822" for part in rest)
    return JournalReport(**values), [written(part.get_payload(0)) for part in rest], message


_WORDS = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=12)
_TEXT = st.lists(_WORDS, max_size=6).map(" ".join)
_SUBJECTS = _TEXT | st.text(st.sampled_from("caf\u00e9 \u4e2d\u6587"), max_size=20).map(str.strip)


@st.composite
def well_formed_messages(draw: st.DrawFn) -> bytes:
    """Messages as a careful writer makes them: short lines in CRLF, a header, seven or eight bits."""
    lines = [f"From: {draw(plain_addresses())}", f"Message-ID: <{draw(st.integers(0, 999))}@example.com>"]
    lines += [f"X-{name}: {draw(_WORDS)}" for name in draw(st.lists(st.sampled_from("ABC"), max_size=3))]
    if draw(st.booleans()):
        lines.append("Subject: a folded\r\n subject")
    if draw(st.booleans()):
        lines += [
            "MIME-Version: 1.0",
            'Content-Type: multipart/mixed; boundary="in"',
            "",
            "--in",
            "",
            "text",
            "--in--",
            "",
        ]
    else:
        lines += ["", *draw(st.lists(_TEXT | st.sampled_from(["", "--", "From x", ".", "caf\u00e9"]), max_size=5)), ""]
    return "\r\n".join(lines).encode()


@st.composite
def well_formed_arguments(draw: st.DrawFn) -> Arguments:
    """A report and a message that another reader understands as well."""
    address = plain_addresses() | addresses().filter(
        lambda value: not re.search(r"[^\x20-\uffff]|[\x7f-\x9f\u2028\u2029]", value)
    )
    redirect = st.none() | address
    recipient = st.builds(Recipient, address, st.sampled_from(Role), expanded_from=redirect, forwarded_from=redirect)
    optional = st.none() | _TEXT.filter(bool)
    report = JournalReport(
        sender=draw(st.just("") | address),
        recipients=draw(st.lists(recipient, min_size=1, max_size=4)),
        subject=draw(_SUBJECTS),
        message_id=draw(st.sampled_from(["", "<1@example.com>"])),
        on_behalf_of=draw(redirect),
        label=draw(optional),
        mailbox=draw(optional),
        sent_utc=draw(optional),
        received_utc=draw(optional),
    )
    copy = draw(st.none() | well_formed_messages())
    options = {"domain": "example.com", "date": DATE, "internal": draw(st.booleans()), "decrypted": copy}
    return Arguments(report, draw(well_formed_messages()), options)


class TestAgreement:
    """On well-formed reports the standard `email` package finds the same fields and the same embedded bytes."""

    @pytest.mark.slow
    @given(well_formed_arguments())
    def test_fields_and_messages(self, arguments: Arguments) -> None:
        """Two readers that share nothing agree on every field and on every byte inside."""
        data = arguments.build()
        report, messages, message = by_the_standard_library(data)
        parsed = parse_report(data)
        assert report == parsed.report == arguments.report
        assert messages == [part.content for part in parsed.parts[1:]]
        assert messages[0] == parsed.original == arguments.original
        assert not message.defects

    @pytest.mark.slow
    @given(well_formed_arguments())
    def test_headers(self, arguments: Arguments) -> None:
        """The outer headers are the same by name and value, and have the copied fields."""
        data = arguments.build()
        parsed = parse_report(data)
        message = email.message_from_bytes(data, policy=AS_IT_IS)
        assert [name for name, _ in parsed.headers] == message.keys()
        assert message["Message-ID"] == parsed.report_id == parsed.headers.get("message-id")
        assert message["Auto-Submitted"] == "auto-generated"
        assert message.get_content_type() == "multipart/mixed"
        inner = email.message_from_bytes(arguments.original or b"", policy=AS_IT_IS)
        assert message["From"] == inner["From"]
        if inner["Subject"] is not None:
            assert message["Subject"] == inner["Subject"]

    @pytest.mark.parametrize("internal", [False, True])
    def test_no_defects(self, internal: bool) -> None:
        """The modern policy of the standard library finds nothing wrong with a report, in any header."""
        data = built(decrypted=ORIGINAL, internal=internal, report=a_report(envelope_sender="b@example.com"))
        message = email.message_from_bytes(data, policy=policy.default)
        assert not message.defects
        assert all(not value.defects for value in message.values())
        assert message["date"].datetime == DATE
        assert [part.get_content_type() for part in message.iter_parts()] == [
            "text/plain",
            "message/rfc822",
            "message/rfc822",
        ]

    @pytest.mark.parametrize(
        ("original", "line_end"),
        [(ORIGINAL, b"\n"), (ORIGINAL.replace(b"Hello", b"H\xe9llo"), b"\r\n"), (ORIGINAL + b"--edge\r\n", b"\n")],
    )
    def test_line_ends(self, original: bytes, line_end: bytes) -> None:
        """With LF alone two readers still agree."""
        data = built(original).replace(b"\r\n", line_end)
        part: Any = email.message_from_bytes(data, policy=AS_IT_IS).get_payload(1)
        inner = written(part.get_payload(0)).replace(b"\r\n", line_end)
        assert inner == parse_report(data).original

    @pytest.mark.slow
    @given(st.lists(st.from_regex(r"[a-z0-9+_-]{1,8}(\.[A-Z]{1,4})?@example\.(com|NET)", fullmatch=True), min_size=2))
    def test_addressing(self, given_addresses: list[str]) -> None:
        """What the standard library writes as From, Sender, To and Cc is read as it was meant."""
        message = EmailMessage(policy=policy.SMTP.clone(refold_source="none"))
        author, *others = given_addresses
        message["From"] = f"Alice <{author}>"
        message["To"] = ", ".join(others)
        message["Subject"] = "caf\u00e9 " * 20
        message["Message-ID"] = "<1@example.com>"
        message.set_content("Hello.\n")
        report = report_for(message.as_bytes(), Envelope("bounces@example.net", others, authenticated=True))
        assert report.sender == author
        assert {recipient.role for recipient in report.recipients} == {Role.TO}
        assert report.subject == message["Subject"].strip()
        assert report.message_id == "<1@example.com>"
