"""`exjournal parse`: reports for people and for programs."""

from pathlib import Path
from typing import Any

import pytest
from cli_helpers import OWN_FILE, WITH_OTHER_TEXT, WITHOUT_ORIGINAL, put, run, sha256

from exjournal import JournalReport, Recipient, Role, parse_report
from strategies import ORIGINAL, PART, TEXT, a_message, a_report, built

FULL_REPORT = JournalReport(
    sender="alice@example.com",
    on_behalf_of="head@example.com",
    recipients=[
        Recipient("bob@example.net", Role.TO),
        Recipient("dave@example.com", Role.CC, expanded_from="staff@example.com"),
        Recipient("hidden@example.org", Role.BCC),
        Recipient("erin@example.org", forwarded_from="carol@example.net"),
        Recipient("frank@example.com", Role.CC, expanded_from="staff@example.com"),
        Recipient("grace@example.org", expanded_from="staff@example.com", forwarded_from="old@example.org"),
    ],
    subject="Hello",
    message_id="<1@example.com>",
    envelope_sender="",
    label="Projects",
    mailbox="alice@example.com",
    sent_utc="2/29/2024 12:30:45 PM",
    received_utc="2/29/2024 12:30:46 PM",
)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that every test of this module works in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


class TestParseForPeople:
    """`exjournal parse`: a short view for people."""

    def test_everything(self) -> None:
        """It shows who sent, who received and through which list, the parts, the oddities."""
        clear = b"Subject: Hello\r\n\r\nclear"
        data = put("r.eml", built(report=FULL_REPORT, decrypted=clear) + b"trailing\r\n").read_bytes()
        text, original, decrypted = parse_report(data).parts
        outcome = run("parse", "r.eml")
        assert outcome == (0, outcome.data, "")
        assert outcome.out.split("\n") == [
            "r.eml",
            "  format       envelope (X-MS-Journal-Report)",
            "  report id    <r@example.com>",
            "  sender       alice@example.com",
            "  on behalf of head@example.com",
            "  mail from    <>",
            "  subject      Hello",
            "  message id   <1@example.com>",
            "  label        Projects",
            "  mailbox      alice@example.com",
            "  sent         2/29/2024 12:30:45 PM",
            "  received     2/29/2024 12:30:46 PM",
            "  recipients   6",
            "    To        bob@example.net",
            "    Bcc       hidden@example.org",
            "    list staff@example.com",
            "      Cc        dave@example.com",
            "      Cc        frank@example.com",
            "    forwarded by carol@example.net",
            "      Recipient erin@example.org",
            "    list staff@example.com, forwarded by old@example.org",
            "      Recipient grace@example.org",
            "  parts",
            f"    text      text/plain          {text.size:>10} bytes at {text.offset}",
            f"    original  message/rfc822      {len(ORIGINAL):>10} bytes at {original.offset}  sha256 {sha256(ORIGINAL)}",
            f"    decrypted message/rfc822      {len(clear):>10} bytes at {decrypted.offset}  sha256 {sha256(clear)}",
            "  oddities     1",
            f"    epilogue text after the last part (offset {data.index(b'trailing')})",
            "",
        ]

    def test_little(self) -> None:
        """The view leaves out missing values, and says that there are no defects."""
        put("r.eml", built(report=a_report(sender="", subject="", message_id=""), original=b"X: y\r\n\r\n"))
        lines = run("parse", "r.eml").out.split("\n")
        labels = [line[2:15].rstrip() for line in lines if line[:2] == "  " and line[:4] != "    "]
        assert labels == ["format", "report id", "sender", "recipients", "parts", "oddities"]
        assert "  sender       <>" in lines
        assert lines[-2:] == ["  oddities     none", ""]

    def test_no_recipients(self) -> None:
        """A report that names no recipient is shown with none."""
        put("r.eml", a_message(b"Sender: alice@example.com\r\n", PART))
        outcome = run("parse", "r.eml")
        assert outcome.status == 0
        assert "  recipients   0\n" in outcome.out
        assert "    recipients-missing (offset " in outcome.out

    def test_sender_known(self) -> None:
        """MAIL FROM is shown where it is known."""
        put("r.eml", built(report=a_report(envelope_sender="bounce@example.com")))
        assert "  mail from    bounce@example.com\n" in run("parse", "r.eml").out

    def test_oddities(self) -> None:
        """Each defect is shown with its code and offset, each unknown line as it is; nothing of that is a failure."""
        put("r.eml", WITH_OTHER_TEXT)
        outcome = run("parse", "r.eml")
        assert (outcome.status, outcome.err) == (0, "")
        parsed = parse_report(WITH_OTHER_TEXT)
        assert parsed.unparsed
        assert f"  oddities     {len(parsed.defects)}\n" in outcome.out
        for defect in parsed.defects:
            assert f"    {defect.code} {defect.detail}".rstrip() + f" (offset {defect.offset})\n" in outcome.out
        assert f"  not read     {len(parsed.unparsed)} lines of the report text\n" in outcome.out
        for line in parsed.unparsed:
            assert f"    {line}\n" in outcome.out

    def test_long_values(self) -> None:
        """Values of any length begin in the same column and keep every character."""
        put("r.eml", built(report=a_report(subject="s" * 5000, recipients=["b" * 571])))
        out = run("parse", "r.eml").out
        assert f"  subject      {'s' * 5000}\n" in out
        assert f"    Recipient {'b' * 571}\n" in out

    def test_several(self) -> None:
        """Each file's view begins with its name."""
        put("a/r.eml")
        put("b/r.eml")
        lines = run("parse", "a/r.eml", "b/r.eml", "-").out.split("\n")
        assert [line for line in lines if line[:1] != " "] == ["a/r.eml", "b/r.eml", ""]


class TestParseForPrograms:
    """`exjournal parse --json`: one object a line."""

    def test_object(self) -> None:
        """An object names the file, is otherwise the library's own form, and has the digests of the embedded messages."""
        clear = b"Subject: Hello\r\n\r\n\xe9"
        data = put("r.eml", built(report=FULL_REPORT, decrypted=clear)).read_bytes()
        wanted: dict[str, Any] = parse_report(data).to_dict() | OWN_FILE
        wanted["original"]["sha256"] = sha256(ORIGINAL)
        wanted["decrypted"]["sha256"] = sha256(clear)
        outcome = run("parse", "--json", "r.eml")
        assert (outcome.status, outcome.err) == (0, "")
        assert outcome.objects == [wanted]

    def test_digest_of_a_decoded_original(self) -> None:
        """The digest is that of the decoded original."""
        part = b"Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\nU3ViamVjdDogeA0KDQrp\r\n"
        put("r.eml", a_message(TEXT, part))
        (found,) = run("parse", "--json", "r.eml").objects
        assert found["original"]["sha256"] == sha256(b"Subject: x\r\n\r\n\xe9")
        assert found["original"]["size"] == 15

    def test_no_original(self) -> None:
        """Where there is no original there is no digest; an empty one has one."""
        put("none.eml", WITHOUT_ORIGINAL)
        put("empty.eml", built(b""))
        none, empty = run("parse", "--json", "none.eml", "empty.eml").objects
        assert none["original"] is None
        assert empty["original"] == {"offset": empty["parts"][1]["offset"], "size": 0, "sha256": sha256(b"")}

    def test_lines(self) -> None:
        """The object is one line of ASCII, for any report."""
        subject = 'a\u202eb\u200bc\td\u00e9\U0001f4e7"\\'
        put("1.eml", built(report=a_report(subject=subject)))
        put("2.eml", WITH_OTHER_TEXT)
        outcome = run("parse", "--json", "1.eml", "2.eml", "1.eml")
        assert [found["file"] for found in outcome.objects] == ["1.eml", "2.eml", "1.eml"]
        assert outcome.objects[0]["subject"] == subject
        assert outcome.data.isascii()
        assert len(outcome.out.splitlines()) == 3

    def test_defects(self) -> None:
        """Defects are in the object, and no failure."""
        put("r.eml", WITH_OTHER_TEXT)
        outcome = run("parse", "--json", "r.eml")
        assert (outcome.status, outcome.err) == (0, "")
        codes = [defect["code"] for defect in outcome.objects[0]["defects"]]
        assert codes == [defect.code for defect in parse_report(WITH_OTHER_TEXT).defects]
