"""Attacks: what a stranger, or an insider who has seen stamped and sealed mail, writes to get mail past the journal.

A stamp or seal that still holds must hold for what every reader shows: the standard `email` package under both of its policies
stands for readers of mail, `parse_report` for readers of reports.
"""

import base64
import email
import email.policy
import random
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from exjournal import (
    Envelope,
    JournalAgent,
    JournalReport,
    JournalRule,
    Organization,
    ParseError,
    Recipient,
    ReportFormat,
    RuleSet,
    Scope,
    Seal,
    decide,
    parse_report,
    strip_headers,
    verify_seal,
)
from exjournal.addresses import mailbox_key
from strategies import any_bytes, built, message_like
from test_laws import steps

if TYPE_CHECKING:
    from email.message import Message

SECRET = b"the first secret"
INSIDER = "mallory@example.com"
ARCHIVE = "journal@archive.example"
ORGANIZATION = Organization(["example.com"], alternate_mailbox="alternate@example.com")
EVERYTHING = RuleSet([JournalRule("everything", ARCHIVE)], ORGANIZATION)
AGENT = JournalAgent(EVERYTHING, domain="example.com", secrets=[SECRET])
BOSS = RuleSet([JournalRule("the boss", ARCHIVE, recipient="boss@example.com")], ORGANIZATION)

HEAD = b"From: mallory@example.com\r\nTo: bob@example.net\r\nSubject: Lunch\r\nMIME-Version: 1.0\r\n"
PLAIN = HEAD + b"\r\nShall we meet at noon?\r\n"
MIXED = HEAD + b'Content-Type: multipart/mixed; boundary="edge"\r\n\r\n'
NO_ADDRESS_FIELD = b"To: bob@example.net\r\n"
_SHOWN = ("From", "Sender", "Reply-To", "To", "Cc", "Date", "Subject")
_POLICIES = (email.policy.compat32, email.policy.default)


def typed(kind: bytes, encoding: bytes, content: bytes) -> bytes:
    """A message of one content, with its type and its transfer encoding as they are written."""
    return b"%bContent-Type: %b\r\nContent-Transfer-Encoding: %b\r\n\r\n%b" % (HEAD, kind, encoding, content)


def parted(part: bytes, kind: bytes = b"multipart/mixed; boundary=edge", edge: bytes = b"edge") -> bytes:
    """A message with one part, header and content as they are written."""
    return b"%bContent-Type: %b\r\n\r\n--%b\r\n%b\r\n--%b--\r\n" % (HEAD, kind, edge, part, edge)


def shown_fields(part: "Message[str, str]") -> list[tuple[str, str]]:
    """The fields that a reader shows, with one blank for a fold."""
    fields = [(name.title(), " ".join(value.split())) for name, value in part.raw_items()]
    return sorted((field for field in fields if field[0] in _SHOWN), key=lambda field: field[0])


def shown_by(message: bytes, policy: "email.policy.Policy[Message[str, str]]") -> object:
    """What the standard package shows: the fields of every message inside, the name and the decoded content of every part."""
    try:
        found = email.message_from_bytes(message, policy=policy)
        parts = [(part, " ".join(part.get_content_type().split()), part.get_filename()) for part in found.walk()]
    except (ValueError, LookupError, TypeError, AttributeError):
        return None  # the standard package has gaps of its own
    shown: list[object] = [shown_fields(found)]
    for part, kind, name in parts:
        if part.is_multipart():
            shown.append(
                (kind, [shown_fields(one) for one in part.get_payload()] if kind == "message/rfc822" else None)
            )
        else:
            content = part.get_payload(decode=True)
            lines = content.replace(b"\r\n", b"\n").rstrip(b"\r\n") if isinstance(content, bytes) else b""
            shown.append((kind, None if name is None else " ".join(name.split()), lines))
    return shown


def shown(message: bytes) -> list[object]:
    """What it shows under both policies."""
    return [shown_by(message, policy) for policy in _POLICIES]


def journaled_again(journaled: bytes, sent: bytes, *, before: bytes = b"") -> bool:
    """Whether a message under the stamp of another one is journaled, sent by the same insider to the same recipients."""
    envelope = Envelope(INSIDER, ["bob@example.net"], authenticated=True)
    fields = AGENT.process(journaled, envelope).header_fields
    if not fields:
        return True  # without a header there is no stamp to be used again
    ((name, value),) = fields
    outcome = AGENT.process(before + f"{name}: {value}\r\n".encode() + sent, envelope)
    return bool(outcome.deliveries or outcome.hold)


def fires(message: bytes, envelope: Envelope, rules: RuleSet = BOSS) -> list[str]:
    """The rules that fire, by name."""
    return [one.rule for one in decide(message, envelope, rules).matches]


class TestStampedMail:
    """Under the stamp of a journaled message nothing else can be shown to a reader."""

    def test_the_same_message(self) -> None:
        """The very message that was journaled is not journaled again: what follows would prove nothing otherwise."""
        assert not journaled_again(PLAIN, PLAIN)
        assert not journaled_again(PLAIN, b"Received: from a by b\r\n" + PLAIN)

    @pytest.mark.parametrize(
        ("before", "after"),
        [
            (b"", b"X-Note : Transfer the money today.\r\n"),
            (b"X-Note : Transfer the money today.\r\n", b""),
            (b"\xef\xbb\xbfX-Note: Transfer the money today.\r\n", b""),
            (b"\xef\xbb\xbf", b""),
            (b"From x\rSubject: Transfer the money today\n", b""),
            (b"From x\r\rTransfer the money today.\n", b""),
        ],
        ids=[
            "a blank before the colon",
            "a blank before the first colon",
            "a mark and a field",
            "a mark",
            "a From line with a field in it",
            "a From line with a body in it",
        ],
    )
    def test_any_message_with_something_before_it(self, before: bytes, after: bytes) -> None:
        """Lines put before any stamped message are shown as its text or its fields: they are part of what it says."""
        assert shown(before + after + PLAIN) != shown(PLAIN)
        assert journaled_again(PLAIN, after + PLAIN, before=before)

    @pytest.mark.parametrize(
        "encoding", [b"quoted-printable ", b"quoted-printable\x0b", b"\r\n quoted-printable"], ids=repr
    )
    def test_any_message_in_an_encoding_that_is_not_read(self, encoding: bytes) -> None:
        """A transfer encoding that a reader does not take for one shows the text of the encoding."""
        sent = HEAD + b"Content-Transfer-Encoding: " + encoding + b"\r\n\r\nShall we meet =\r\nat =6Eoon?\r\n"
        assert shown(sent) != shown(PLAIN)
        assert journaled_again(PLAIN, sent)

    @pytest.mark.parametrize(
        ("journaled", "sent"),
        [
            pytest.param(
                HEAD + b"a line that is no field\r\n\r\nHi.\r\n",
                HEAD + b"a line that is no field\r\nReceived: Transfer the money.\r\n\r\nHi.\r\n",
                id="a trace field after a line that ends the header",
            ),
            pytest.param(
                HEAD + b"\r\n=53=45=4C=4C\r.\r\n",
                HEAD + b"Content-Transfer-Encoding: quoted-printable\r\n\r\n=53=45=4C=4C\r.\r\n",
                id="quoted-printable declared afterwards",
            ),
            pytest.param(
                typed(b"text/plain", b"quoted-printable;x", b"Sell.\r\n"),
                typed(b"text/plain", b"quoted-printable;x", b"=53ell.\r\n"),
                id="an encoding with a parameter",
            ),
            pytest.param(
                HEAD + b"X: a\r\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nSell.\r\n",
                HEAD + b"X: a\r\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n=53ell.\r\n",
                id="an encoding after the blank line of another reader",
            ),
            pytest.param(
                parted(b"Content-Type: message/rfc822\r\n\r\nSubject: one\r\n\r\nSubject: two\r\n"),
                parted(
                    b"Content-Type: message/rfc822\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
                    b"Subject=3A one=0A=0A=\r\nSubject: two\r\n"
                ),
                id="an attached message in an encoding",
            ),
            pytest.param(
                parted(
                    b"Content-Transfer-Encoding: quoted-printable\r\n\r\nSubject: one\r\n\r\nHi.",
                    b"multipart/digest; boundary=edge",
                ),
                parted(
                    b"Content-Transfer-Encoding: quoted-printable\r\n\r\nSubject: =6Fne\r\n\r\nHi.",
                    b"multipart/digest; boundary=edge",
                ),
                id="a digest, whose parts are messages",
            ),
            pytest.param(
                typed(
                    b"multipart/mixed; a=1; b=2; c=3; d=4; e=5; f=6; g=7; h=8; boundary=edge",
                    b"quoted-printable",
                    b"--edge\r\n\r\nOne.\r\n--edge\r\n\r\nTwo.\r\n--edge--\r\n",
                ),
                typed(
                    b"multipart/mixed; a=1; b=2; c=3; d=4; e=5; f=6; g=7; h=8; boundary=edge",
                    b"quoted-printable",
                    b"--edge\r\n\r\nOne.\r\n=2D-edge\r\n\r\nTwo.\r\n--edge--\r\n",
                ),
                id="a multipart that stays closed, in an encoding",
            ),
            pytest.param(
                parted(
                    b"Content-Transfer-Encoding: base64\r\n\r\nQUJD--edgeSell",
                ),
                parted(
                    b"Content-Transfer-Encoding: base64\r\n\r\nQUJD\r--edge\r\rSell",
                ),
                id="a delimiter between carriage returns, in base64",
            ),
            pytest.param(
                parted(b"\r\nOne.\r--new\r\rTwo.\r--new--\r"),
                parted(b"\r\nOne.\r--new\r\rTwo.\r--new--\r", b"multipart/mixed; boundary=new", b"new"),
                id="a new boundary between carriage returns",
            ),
            pytest.param(
                parted(b"\r\nHi.", b"multipart/a/b; boundary=edge"),
                parted(b"\r\nHi.", b'multipart/a/b; boundary="Transfer the money."', b"Transfer the money."),
                id="an invalid type, and so text",
            ),
            pytest.param(
                parted(b"\r\nHi.", b'multipart/mixed; "; boundary=edge; "; boundary=c'),
                parted(
                    b"\r\nHi.",
                    b'multipart/mixed; "; boundary="Transfer the money."; "; boundary=c',
                    b"Transfer the money.",
                ),
                id="a boundary inside quotes",
            ),
            pytest.param(
                parted(b"\r\nHi.", b'multipart/mixed; boundary="e\\d"', b"ed"),
                parted(b"\r\nHi.", b'multipart/mixed; boundary="Transfer\\ the money."', b"Transfer the money."),
                id="a boundary with a backslash",
            ),
            pytest.param(
                parted(b"\r\nHi.", b"multipart/mixed; boundary=edge"),
                parted(b"\r\nHi.", b"multipart/mixed; boundary=\xc3\xa9", b"\xc3\xa9"),
                id="a boundary beyond ASCII",
            ),
            pytest.param(
                parted(b"\r\nHi.", b"multipart/mixed; boundary=edge"),
                parted(b"\r\nHi.", b'multipart/mixed; boundary="edge', b"edge"),
                id="a boundary whose quotes are not closed",
            ),
            pytest.param(
                parted(
                    b"Content-Transfer-Encoding: quoted-printable\r\nX-Long: %b\r\n"
                    b"Content-Type: multipart/mixed; boundary=in\r\n\r\n--in\r\n\r\nSell.\r\n--in--" % (b"x" * 4100)
                ),
                parted(
                    b"Content-Transfer-Encoding: quoted-printable\r\nX-Long: %b\r\n"
                    b"Content-Type: multipart/mixed; boundary=in\r\n\r\n=2D-in\r\n\r\nSell.\r\n--in--" % (b"x" * 4100)
                ),
                id="a type far down in the header of a part",
            ),
            pytest.param(
                HEAD + b"\r\n" + b"a" * ((256 << 10) - 1) + b"\r\r\nb",
                HEAD + b"\r\n" + b"a" * ((256 << 10) - 1) + b"\r\r\r\nb",
                id="a carriage return where two chunks meet",
            ),
        ],
    )
    def test_pairs(self, journaled: bytes, sent: bytes) -> None:
        """Of two messages that show something else the second is journaled, though it bears the stamp of the first."""
        assert shown(journaled) != shown(sent)
        assert journaled_again(journaled, sent)

    @pytest.mark.parametrize("more", [b" ", b"\t", b"\r"], ids=repr)
    def test_blanks_in_damaged_base64(self, more: bytes) -> None:
        """A space in damaged base64, which readers show as it is, is a change."""
        journaled = typed(b"text/html", b"base64", b"A:QQQQ\r\nPHA+SGk8L3A+\r\n")
        sent = typed(b"text/html", b"base64", b"A:QQQQ\r\nPHA+SGk" + more + b"8L3A+\r\n")
        assert shown(sent) == shown(journaled) or journaled_again(journaled, sent)

    def test_wide_charsets(self) -> None:
        """In UTF-16 what looks like a line end is one character: without half of it all that follows is another text."""
        journaled, sent = (
            "\u0d0a\u0053\u0045\u004c\u004c".encode("utf-16-be"),
            "\u0a00\u5300\u4500\u4c00\u4c00".encode("utf-16-be"),
        )
        assert journaled == b"\x0d" + sent[:-1]
        kind = b"text/plain; charset=utf-16-be"
        one, other = (typed(kind, b"base64", base64.b64encode(text)) for text in (journaled, sent[:-1]))
        assert journaled_again(one, other)

    def test_bytes_in_quoted_printable(self) -> None:
        """A byte that quoted-printable spells out is content, unless the content is text, as it is in base64."""
        one, other = (typed(b"application/octet-stream", b"quoted-printable", b"a%b=0Ab" % cr) for cr in (b"=0D", b""))
        assert shown_by(one, email.policy.default) is not None
        assert journaled_again(one, other)


class TestSomebodyNew:
    """A stamped message that goes to somebody who was in no report is journaled."""

    @pytest.mark.parametrize(
        ("journaled", "sent"),
        [
            ("strasse@example.net", "stra\u00dfe@example.net"),
            ("kim@example.net", "\u212aim@example.net"),
            ("file@example.net", "\ufb01le@example.net"),
            ("\u03c3@example.net", "\u03c2@example.net"),
            ("bob@strasse.example", "bob@stra\u00dfe.example"),
            ("bob@example.net", '"bob "@example.net'),
            ("bob@example.net", "bob@example.org"),
        ],
    )
    def test_letters_that_are_not_the_same(self, journaled: str, sent: str) -> None:
        """Two mailboxes of a stranger's domain are two, though their names fold to the same letters."""
        outcome = AGENT.process(PLAIN, Envelope(INSIDER, [journaled], authenticated=True))
        assert AGENT.process(outcome.message(), Envelope(INSIDER, [sent], authenticated=True)).deliveries

    def test_subaddresses_outside(self) -> None:
        """What a plus means in a stranger's domain nobody knows: another tag there is another recipient."""
        rules = RuleSet(
            EVERYTHING.rules,
            Organization(["example.com"], alternate_mailbox="alternate@example.com", subaddresses=True),
        )
        agent = JournalAgent(rules, domain="example.com", secrets=[SECRET])
        stamped = agent.process(PLAIN, Envelope(INSIDER, ["team+a@example.net"], authenticated=True)).message()
        assert agent.process(stamped, Envelope(INSIDER, ["team+b@example.net"], authenticated=True)).deliveries

    def test_another_sender(self) -> None:
        """The stamp of one sender's message is worth nothing under another MAIL FROM."""
        stamped = AGENT.process(PLAIN, Envelope(INSIDER, ["bob@example.net"], authenticated=True)).message()
        for sender in ("alice@example.com", "", "mallory@example.net"):
            assert AGENT.process(stamped, Envelope(sender, ["bob@example.net"], authenticated=True)).deliveries

    def test_a_stamp_is_not_a_seal(self) -> None:
        """The digests of a stamp and of a seal are not exchangeable."""
        envelope = Envelope(INSIDER, ["bob@example.net"], authenticated=True)
        ((_, stamp),) = AGENT.process(PLAIN, envelope).header_fields
        forged = f"X-ExJournal-Seal: {stamp.partition('; t=')[0]}\r\n".encode() + PLAIN
        assert verify_seal(forged, secrets=[SECRET]) is Seal.INVALID
        assert AGENT.process(forged, envelope).deliveries
        sealed = built(secret=SECRET)
        seal = sealed.partition(b"s=")[2][:43]
        assert AGENT.process(
            b"X-ExJournal-Stamp: v=2; s=%b; t=\r\n" % seal + strip_headers(sealed, ["X-ExJournal-*"]), envelope
        ).deliveries


class TestSealedReports:
    """What a sealed report says to any reader cannot be changed while it verifies."""

    @pytest.mark.parametrize("format", [ReportFormat.ENVELOPE, ReportFormat.ENVELOPE_2003])
    @pytest.mark.parametrize(
        "marker",
        [
            b"X-MS-Journal-Report:\r\n",
            b"X-MS-Exchange-Organization-Journal-Report:\r\n",
            b"X-GM-Journal-ID: 1\r\n",
            b"X-WM-Journal-Report: TRUE\r\n",
            b"Content-Identifer: ExJournalReport\r\n",
            b"X-MS-Embedded-Report:\r\n",
            b"X-ExJournal-Envelope-Sender: <other@example.net>\r\n",
        ],
        ids=lambda value: value.decode().partition(":")[0],
    )
    def test_another_marker(self, format: ReportFormat, marker: bytes) -> None:
        """A second marker on a sealed report does not make its text be read by another grammar."""
        sealed = built(secret=SECRET, format=format)
        report = parse_report(sealed)
        changed = marker + sealed
        assert verify_seal(sealed, secrets=[SECRET]) is Seal.VALID
        found = parse_report(changed)
        if verify_seal(changed, secrets=[SECRET]) is Seal.VALID:
            assert (found.report, found.format) == (report.report, report.format)

    @pytest.mark.parametrize(
        "before",
        [b"X-Note : Ignore this report.\r\n", b"\xef\xbb\xbf", b"From x\rSubject: another\n", b"From x\r\rIgnore.\n"],
        ids=repr,
    )
    def test_something_before_it(self, before: bytes) -> None:
        """Lines put before a sealed report, which a reader shows in its place, break the seal."""
        sealed = built(secret=SECRET)
        assert shown(before + sealed) != shown(sealed)
        assert verify_seal(before + sealed, secrets=[SECRET]) is not Seal.VALID

    def test_a_boundary_of_the_sender(self) -> None:
        """The sender of a message cannot prepare it so that another boundary cuts the original in two for other readers."""
        original = PLAIN + b"\r--cut\rContent-Type: text/plain\r\rAnother text.\r--cut--\r\r\n"
        sealed = built(original, secret=SECRET)
        boundary = sealed.partition(b'boundary="')[2].partition(b'"')[0]
        changed = sealed.replace(boundary, b"cut")
        assert shown(changed) != shown(sealed)
        assert verify_seal(changed, secrets=[SECRET]) is not Seal.VALID

    @pytest.mark.parametrize("encoding", ["base64", "quoted-printable"])
    def test_the_encoding_of_the_original(self, encoding: str) -> None:
        """An original in a transfer encoding, which no reader of mail decodes in a message, breaks the seal."""
        sealed = built(PLAIN, secret=SECRET)
        coded = base64.encodebytes(PLAIN) if encoding == "base64" else PLAIN.replace(b"Subject:", b"Subject=3A")
        changed = sealed.replace(
            b"message/rfc822\r\n\r\n" + PLAIN,
            b"message/rfc822\r\nContent-Transfer-Encoding: %b\r\n\r\n" % encoding.encode() + coded,
        )
        assert shown(changed) != shown(sealed)
        assert verify_seal(changed, secrets=[SECRET]) is not Seal.VALID


# What attackers put into messages; each is tried at the beginning of a line and inside one.
_FRAGMENTS = (
    *(b"\r\n", b"\n", b"\r", b"\r\r\n", b" ", b"\t", b"\0", b"=", b"=\r\n", b"=41", b"=0D=0A", b"(", b'"', b"\\", b";"),
    *(b"\xef\xbb\xbf", b"\xe9", b"--edge\r\n", b"--edge--\r\n", b"\r--edge\r", b"--other\r\n"),
    *(b"X-A: b\r\n", b"X-A : b\r\n", b": b\r\n", b" b\r\n", b"From x\r\n", b"From x\r", b">From x\r\n"),
    *(b"From: eve@example.net\r\n", b"Subject : other\r\n", b"Received: x\r\n", b"Resent-From: eve@example.net\r\n"),
    *(b"Content-Transfer-Encoding: %b\r\n" % name for name in (b"quoted-printable", b"base64", b"8bit", b"binary")),
    *(b"Content-Type: message/%b\r\n" % name for name in (b"rfc822", b"partial; id=1", b"external-body")),
    *(b"Content-Type: text/enriched\r\n", b"Content-Type: multipart/digest; boundary=other\r\n"),
    *(b"; boundary=other", b"; boundary*=''other", b"; charset=utf-16", b"; name=a"),
    b"Content-Disposition: attachment; filename*0=a; filename*1=b\r\n",
)
_MESSAGES = (
    PLAIN,
    typed(b"text/plain; charset=utf-8", b"quoted-printable", b"caf=C3=A9 and =\r\ncake\r\n"),
    typed(b"text/html", b"base64", base64.encodebytes(b"<p>Hi</p>")),
    parted(b"Content-Type: text/plain\r\n\r\nHi.\r\n--edge\r\nContent-Type: message/rfc822\r\n\r\n" + PLAIN),
    parted(b"Content-Type: image/png; name=a.png\r\nContent-Transfer-Encoding: base64\r\n\r\nQUJD\r\nREVG"),
    parted(
        b'Content-Type: multipart/alternative; boundary="other"\r\n\r\n--other\r\n\r\nHi.\r\n--other\r\n'
        b"Content-Type: text/html\r\n\r\n<p>Hi.\r\n--other--"
    ),
)


@st.composite
def tampered(draw: st.DrawFn, message: bytes) -> bytes:
    """A message after one to three changes: something put in or taken out, a line moved or doubled, letters encoded."""
    for _ in range(draw(st.integers(1, 3))):
        starts = [0, *[place + 1 for place in range(len(message)) if message[place] == 10]]
        place = draw(st.sampled_from(starts) | st.integers(0, len(message)))
        behind = draw(st.integers(place, min(len(message), place + 80)))
        kind = draw(st.sampled_from(["put", "put", "put", "cut", "line", "encode", "ends"]))
        if kind == "put":
            message = message[:place] + draw(st.sampled_from(_FRAGMENTS)) + message[place:]
        elif kind == "cut":
            message = message[:place] + message[behind:]
        elif kind == "line":
            lines = message.splitlines(keepends=True)
            line = draw(st.sampled_from(lines)) if lines else b""
            message = message[:place] + line + message[place:]
        elif kind == "encode":
            message = (
                message[:place] + b"".join([b"=%02X" % octet for octet in message[place:behind]]) + message[behind:]
            )
        else:
            message = message.replace(b"\r\n", draw(st.sampled_from([b"\n", b"\r\n", b"\r"])))
    return message


class TestDifferential:
    """After any change: if a stamp or seal still holds, every reader shows the stamped or sealed content."""

    @pytest.mark.slow
    @given(st.data())
    def test_stamps(self, data: st.DataObject) -> None:
        """A changed message under the stamp of the first is journaled again, or shows what the first shows."""
        message = data.draw(st.sampled_from(_MESSAGES))
        changed = data.draw(tampered(message))
        assert shown(changed) == shown(message) or journaled_again(message, changed)

    @pytest.mark.slow
    @given(st.data())
    def test_two_changed_ones(self, data: st.DataObject) -> None:
        """Of a message that was prepared for it there is no second version under one stamp."""
        message = data.draw(tampered(data.draw(st.sampled_from(_MESSAGES))))
        changed = data.draw(tampered(message))
        assert shown(changed) == shown(message) or journaled_again(message, changed)

    @given(st.sampled_from([ReportFormat.ENVELOPE, ReportFormat.ENVELOPE_2003]), st.data())
    def test_seals(self, format: ReportFormat, data: st.DataObject) -> None:
        """A changed report does not verify, or gives the same report and original, and shows the same."""
        sealed = built(data.draw(st.sampled_from(_MESSAGES)), secret=SECRET, format=format)
        changed = data.draw(tampered(sealed))
        if verify_seal(changed, secrets=[SECRET]) is not Seal.VALID:
            return
        before = parse_report(sealed)
        try:
            after = parse_report(changed)
        except ParseError:
            return
        assert after.report == before.report
        first, second = (b"".join((one.original_bytes() or b"").split()) for one in (before, after))
        assert first == second
        assert shown(changed) == shown(sealed)

    @given(any_bytes() | message_like() | st.sampled_from(_MESSAGES).flatmap(tampered))
    def test_total(self, message: bytes) -> None:
        """The agent has an outcome for any message, and nothing from an untrusted path passes unjournaled."""
        outcome = AGENT.process(message, Envelope("eve@example.net", ["bob@example.com"]))
        assert outcome.deliveries or outcome.hold

    @given(st.text('boss@example.com <>(),;:"\\.[]\t', max_size=12), st.text('<>(),;:"\\. ', max_size=6))
    def test_authors(self, before: str, after: str) -> None:
        """Where the modern reader of the standard package shows an author without complaint, a rule on that author fires."""
        message = f"From: {before} boss@example.com{after}\r\n\r\nHi.\r\n".encode()
        try:
            field = email.message_from_bytes(message, policy=email.policy.default)["From"]
            authors = [one.addr_spec for one in field.addresses] if not field.defects else []
        except (ValueError, LookupError, TypeError, AttributeError):
            authors = []
        if "boss@example.com" in authors:
            assert fires(message, Envelope("eve@example.net", ["bob@example.net"]))


class TestSpellings:
    """A rule on an address fires however the address is spelled, as long as mail from or to it is so spelled."""

    @pytest.mark.parametrize(
        "author",
        [
            b"boss@example.com",
            b"BOSS@EXAMPLE.COM.",
            b"The boss <boss@example.com>",
            b"Bosses: boss@example.com, other@example.net;",
            b'"boss"@example.com',
            b'<"bo\\ss"@example.com>',
            b"<@relay.example:boss@example.com>",
            b"boss @ example.com",
            b"boss@(at)example.com",
            b"other@example.net boss@example.com",
            b"boss@example\xe3\x80\x82com",
            b"<boss@(at)example.com>",
            b"<boss@example.com(the boss)>",
            b"<(the boss)boss@example.com>",
            b"boss@example . com",
            b"<boss @ example . com>",
            b"<boss@example.\r\n com>",
            b"<other@example.net> <boss@example.com>",
            b"<boss@example.com,>",
            b"<other@example.net,boss@example.com>",
            b'"bo"."ss"@example.com, boss@example.com',
        ],
        ids=repr,
    )
    def test_authors(self, author: bytes) -> None:
        """A From that readers show as the boss is a message from the boss."""
        message = b"From: " + author + b"\r\nSubject: Lunch\r\n\r\nHi.\r\n"
        assert fires(message, Envelope("eve@example.net", ["bob@example.net"])) == ["the boss"]

    @pytest.mark.parametrize(
        "before",
        [
            b"X-A: b\rFrom: boss@example.com\r\n",
            b"From x\rFrom: boss@example.com\n",
            b"From: eve@example.net\r\nFrom: boss@example.com\r\n",
            b"From : boss@example.com\r\n",
            b"fROM:\r\n boss@example.com\r\n",
            b"Sender: boss@example.com\r\nSender: eve@example.net\r\n",
        ],
        ids=repr,
    )
    def test_fields(self, before: bytes) -> None:
        """Several fields, odd ones, and fields after a carriage return alone are read."""
        message = before + b"To: bob@example.net\r\n\r\nHi.\r\n"
        assert fires(message, Envelope("eve@example.net", ["bob@example.net"])) == ["the boss"]

    @pytest.mark.parametrize(
        "recipient",
        [
            "boss@example.com",
            "BOSS@EXAMPLE.COM.",
            '"boss"@example.com',
            '"b\\oss"@example.com',
            "boss@\uff45\uff58ample.com",
            "boss@example\u3002com\u3002",
            "boss @ example.com",
            "@relay.example:boss@example.com",
            "boss@\u3000example.com",
            "boss@example.com .",
            "boss@example.com\u3000",
        ],
    )
    def test_recipients(self, recipient: str) -> None:
        """However RCPT TO spells the boss, mail to the boss is mail to the boss."""
        envelope = Envelope("eve@example.net", [recipient])
        assert fires(NO_ADDRESS_FIELD, envelope) == ["the boss"]
        redirected = Envelope("eve@example.net", [Recipient("bob@example.net", forwarded_from=recipient)])
        assert fires(NO_ADDRESS_FIELD, redirected) == ["the boss"]
        assert fires(NO_ADDRESS_FIELD, Envelope(recipient, ["bob@example.net"])) == ["the boss"]

    @given(st.text('a@.\u3000\u3002\xdf\u0130 "\\\u00adK', min_size=1, max_size=12))
    @example("@K.\u00ad K")
    def test_keys_stay(self, address: str) -> None:
        """The key of a mailbox is its own key, so that it does not matter how often it is made."""
        assert mailbox_key(mailbox_key(address)) == mailbox_key(address)

    @pytest.mark.parametrize("local", ["bob@", "bob@.", "bob"])
    def test_no_domain(self, local: str) -> None:
        """An address without a domain, which servers take for one of their own, is on both sides in any place."""
        rules = RuleSet(
            [JournalRule(str(scope), ARCHIVE, scope=scope) for scope in (Scope.INTERNAL, Scope.EXTERNAL)], ORGANIZATION
        )
        inside = Envelope(INSIDER, [local], authenticated=True)
        assert fires(PLAIN, inside, rules) == ["external", "internal"]
        believing = RuleSet(rules.rules, ORGANIZATION, believe_senders=True)
        assert decide(PLAIN, Envelope(local, ["alice@example.com"]), believing).sender_sides == ("inside", "outside")


def letters(count: int) -> str:
    """Letters beyond ASCII, nearly all different."""
    choice = random.Random(1)
    return "".join([chr(choice.randrange(0x4E00, 0x9FFF)) for _ in range(count)])


class TestSlow:
    """No message takes far more work than an ordinary one of its size."""

    @pytest.mark.parametrize("first", ["", "\xdf"], ids=["a label", "a label that maps to itself"])
    def test_long_labels(self, first: str) -> None:
        """A label of a domain that is longer than any can be is not translated: that takes its length squared."""
        short, long = (f"a@{first}{letters(size)}.example" for size in (60, 540))
        assert steps(lambda: mailbox_key(long)) < 20 * steps(lambda: mailbox_key(short))

    def test_many_long_labels(self) -> None:
        """Nor is it where a From names many of them."""
        addresses = ", ".join([f"a@{letters(540)}.example" for _ in range(4)])
        hostile = f"From: {addresses}\r\n\r\nHi.\r\n".encode()
        ordinary = b"From: " + b"a@example.net, " * (len(hostile) // 15) + b"\r\n\r\nHi.\r\n"
        envelope = Envelope("eve@example.net", ["bob@example.com"])
        assert steps(lambda: decide(hostile, envelope, EVERYTHING)) < 5 * steps(
            lambda: decide(ordinary, envelope, EVERYTHING)
        )

    @pytest.mark.parametrize(
        "make",
        [
            lambda size: b"From: " + b"(" * size + b"\r\n\r\nHi.",
            lambda size: b"From: " + b"()" * size + b"\r\n\r\nHi.",
            lambda size: b"From: " + b'"\\' * size + b"\r\n\r\nHi.",
            lambda size: b"From: " + b"<" * size + b"\r\n\r\nHi.",
            lambda size: b"From: " + b" @ " * size + b"\r\n\r\nHi.",
            lambda size: MIXED + b"--edge\r\n\r\n.\r\n" * (size // 8),
            lambda size: HEAD + b" \r\n" * size + b"\r\nHi.",
            lambda size: b"X-ExJournal-Stamp: v=2; s=%b; t=\r\n" % (b"A" * 43) * (size // 8) + PLAIN,
            lambda size: b"X-ExJournal-Seal: v=2; s=%b\r\n" % (b"A" * 43) * (size // 8) + PLAIN,
        ],
        ids=["comments", "comment pairs", "quotes", "angles", "signs", "parts", "folds", "stamps", "seals"],
    )
    def test_linear(self, make: Callable[[int], bytes]) -> None:
        """Twice as much of anything takes about twice the work."""
        envelope = Envelope("eve@example.net", ["bob@example.com"])
        one, two = make(400), make(800)
        assert steps(lambda: AGENT.process(two, envelope)) < 3 * steps(lambda: AGENT.process(one, envelope))

    @pytest.mark.slow
    @pytest.mark.parametrize("name", ["From", "Sender", "To", "Cc"])
    @pytest.mark.parametrize(
        "token",
        [
            '"',
            '\\"',
            "<",
            "(",
            "()",
            "[",
            "\\",
            "@",
            " ",
            "\t",
            ".",
            " .",
            "a",
            "a,",
            "a@",
            "a@[",
            "a@b,",
            "=?",
            "=?a?q?",
            '"a"',
            ":;",
        ],
    )
    def test_address_fields(self, name: str, token: str) -> None:
        """A field of 200 KB takes no longer than one pass over it, with and without a quote before it that is not closed."""
        line = token * (900 // len(token)) + "\r\n "
        for before in ("", '"'):
            data = f"{name}: {before}{line * 220}\r\n\r\nHi.".encode()
            begin = time.process_time()
            AGENT.process(data, Envelope("eve@example.net", ["bob@example.com"], authenticated=True))
            parse_report(data, format=ReportFormat.BCC)
            assert time.process_time() - begin < 6  # of one that starts again from each byte: 26 s and more


def test_a_report_of_two_grammars() -> None:
    """A sealed report in the text of Exchange 2003 cannot be made one without recipients by a second marker."""
    report = JournalReport(
        sender=INSIDER, recipients=["bob@example.net", "hidden@example.org"], message_id="<1@example.com>"
    )
    sealed = built(PLAIN, report=report, secret=SECRET, format=ReportFormat.ENVELOPE_2003)
    changed = b"X-GM-Journal-ID: 1\r\n" + sealed
    assert parse_report(changed).report != parse_report(sealed).report
    assert verify_seal(changed, secrets=[SECRET]) is not Seal.VALID
