"""Identity: each key and what it means, what leaves it as it is, and what changes it."""

import base64
import dataclasses
import hashlib
import mmap
import pickle
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_content_digest import OF_A_PART, SHOWN, compared

from exjournal import (
    BuildError,
    Identity,
    ParseError,
    Recipient,
    ReportFormat,
    Role,
    identify,
    parse_report,
)
from strategies import (
    DATE,
    HEAVY,
    ORIGINAL,
    PART,
    TEXT,
    a_message,
    a_report,
    any_bytes,
    arguments,
    built,
    changed_mails,
    copies,
    forked,
    mails,
    recipients,
)
from test_corpus import MESSAGES, expectation, read_as
from test_laws import act_quietly, peak, steps, watchdog

COPIES = (ReportFormat.BCC, ReportFormat.MESSAGE_ONLY)
ENVELOPES = (ReportFormat.ENVELOPE, ReportFormat.ENVELOPE_2003)
BOB, CAROL = Recipient("bob@example.net", Role.TO), Recipient("carol@example.org", Role.BCC)
HEX = re.compile("[0-9a-f]{64}")
# Keys that are about the message in a report, and not about the report.
OF_THE_MESSAGE = ("message_id", "message_id_sha256", "mih", "content_sha256", "message_key")


def identity_of(data: Any, format: ReportFormat | None = None) -> Identity:
    """The keys of a report."""
    return identify(parse_report(data, format=format))


def identity(original: Any = ORIGINAL, **options: Any) -> Identity:
    """The keys of a report built on an original."""
    format = options.get("format")
    return identity_of(built(original, **options), format if format in COPIES else None)


def by_hand(
    original: bytes, *more: bytes, header: bytes = b"Content-Type: message/rfc822", text: bytes = TEXT
) -> Identity:
    """The keys of a report made by hand from an original, with further parts."""
    return identity_of(a_message(text, header + b"\r\n\r\n" + original, *more))


def of_the_message(keys: Identity) -> list[object]:
    """The keys of an identity that are about the message."""
    return [getattr(keys, name) for name in OF_THE_MESSAGE]


def sha256(data: bytes) -> str:
    """SHA-256 in lower-case hex."""
    return hashlib.sha256(data).hexdigest()


class TestKeys:
    """Each key has its own meaning."""

    def test_all(self) -> None:
        """A report has the keys of its message, of its recipients and of itself."""
        keys = identity()
        assert keys.report_id == "<r@example.com>"
        assert keys.message_id == "<1@example.com>"
        assert keys.message_id_sha256 == sha256(b"<1@example.com>")
        assert keys.original_sha256 == sha256(ORIGINAL)
        assert keys.decrypted_sha256 is None
        assert keys.complete
        assert not keys.nested
        digests = (keys.content_sha256, keys.recipients_sha256, keys.message_key, keys.report_key)
        assert all(HEX.fullmatch(digest or "") for digest in digests)
        assert len(set(digests)) == len(digests)

    @pytest.mark.parametrize(
        ("field", "hashed"),
        [
            (b"<1@example.com>", b"<1@example.com>"),
            (b"\r\n <1@Example.com>\r\n", b"<1@Example.com>"),
            (b"<1@example.com> (added by a gateway)", b"<1@example.com>"),
            (b"x <1@example.com> <2@example.com>", b"<1@example.com>"),
            (b"1@example.com", None),
            (b"<1@example.com", None),
            (b"", None),
        ],
        ids=repr,
    )
    def test_mih(self, field: bytes, hashed: bytes | None) -> None:
        """The MIH is the MD5 in upper-case hex of the first value in angle brackets, brackets included."""
        keys = identity(b"Message-ID: " + field + b"\r\n\r\nHi.")
        expected = None if hashed is None else hashlib.md5(hashed, usedforsecurity=False).hexdigest().upper()
        assert keys.mih == expected

    def test_a_known_mih(self) -> None:
        """The MIH of a Message-ID is what other tools compute."""
        assert identity().mih == "6951B0C9AAAA6050ECDF88A23A82B609"

    def test_message_id_as_written(self) -> None:
        """The Message-ID is that of the original as written, even if the report text names another one."""
        assert identity(b"message-id:\r\n <2@Example.COM> (x)\r\n\r\n").message_id == "<2@Example.COM> (x)"
        assert identity(b"Message-ID: caf\xc3\xa9\r\n\r\n").message_id == "caf\u00e9"
        assert identity(b"Subject: x\r\n\r\n").message_id == ""
        assert identity(b"From someone\r\nMessage-ID: <2@example.com>\r\n\r\n").message_id == "<2@example.com>"

    @pytest.mark.parametrize("written", ["<", ">", "<>", "< >", "<<>", "<\t>", "> <", "<> <>"])
    def test_an_id_that_names_nothing(self, written: str) -> None:
        """A Message-ID of brackets and whitespace makes no key, in the original and in the report text."""
        original = identity(f"Message-ID: {written}\r\nSubject: x\r\n\r\nHi.".encode())
        assert original.message_id == ""
        assert original.message_id_sha256 is original.mih is None
        parsed = parse_report(a_message(f"Sender: <>\r\nMessage-Id: {written}\r\nTo: b@example.com\r\n".encode()))
        assert parsed.report.message_id.strip("<> \t") == ""
        assert identify(parsed).message_id == ""
        assert identify(parsed).message_id_sha256 is None

    def test_two_texts_under_an_id_that_names_nothing(self) -> None:
        """An original without a header is not known by a Message-ID that every careless program writes."""
        text = b"Sender: <>\r\nMessage-Id: <>\r\nTo: b@example.com\r\n"
        keys = by_hand(b"\r\nno header, only text\r\n", text=text)
        assert keys.content_sha256 is None
        assert not keys.complete

    def test_an_empty_id_before_another(self) -> None:
        """Empty brackets do not hide the Message-ID after them."""
        one = identity(b"Message-ID: < > <1@example.com>\r\n\r\nHi.")
        assert one.message_id == "< > <1@example.com>"
        assert one.message_id_sha256 == sha256(b"<1@example.com>")
        assert identity(b"Message-ID: <> 1@example.com\r\n\r\nHi.").mih is None

    def test_comments_around_an_id(self) -> None:
        """Text outside the angle brackets does not change the key; letter case does."""
        one, other, large = [
            identity(b"Message-ID: " + value + b"\r\n\r\nHi.")
            for value in (b"<a@example.com>", b"<a@example.com> (x)", b"<A@example.com>")
        ]
        assert one.message_id != other.message_id
        assert one.message_id_sha256 == other.message_id_sha256 != large.message_id_sha256
        assert one.message_key == other.message_key != large.message_key

    def test_a_missing_id(self) -> None:
        """A message without a Message-ID has no key of one, and its content identifies it."""
        one, other = [identity(b"Subject: x\r\n\r\n" + text) for text in (b"one", b"two")]
        assert one.message_id == other.message_id == ""
        assert one.message_id_sha256 is one.mih is other.message_id_sha256 is None
        assert one.message_key != other.message_key
        assert one.message_key == identity(b"Subject: x\r\nX: y\r\n\r\none").message_key

    def test_message_key(self) -> None:
        """The key of a message joins its Message-ID, or none, and its content."""
        first = identity()
        same_id = identity(ORIGINAL + b"more")
        same_content = identity(ORIGINAL.replace(b"<1@", b"<2@"))
        without_id = identity(ORIGINAL.replace(b"Message-ID: <1@example.com>\r\n", b""))
        assert first.message_id == same_id.message_id
        assert first.content_sha256 == same_content.content_sha256 == without_id.content_sha256
        assert len({keys.message_key for keys in (first, same_id, same_content, without_id)}) == 4

    def test_small_eager_picklable(self) -> None:
        """Keys are a tuple of strings that outlives its report, and a pickle that is small."""
        keys = identity(ORIGINAL + b"x" * 1_000_000)
        assert pickle.loads(pickle.dumps(keys)) == keys
        assert len(pickle.dumps(keys)) < 2000
        assert hash(keys) == hash(Identity(*keys))
        assert Identity(**keys._asdict()) == keys
        assert all(value is None or isinstance(value, (str, bool)) for value in keys)

    def test_in_data(self) -> None:
        """The data of a report holds its keys on request."""
        parsed = parse_report(built())
        assert identify(parsed).to_dict() == identify(parsed)._asdict()
        assert "identity" not in parsed.to_dict()


class TestOriginals:
    """The decoded original counts, in any place and transfer encoding."""

    @pytest.mark.parametrize(
        ("encoding", "write"),
        [
            ("7bit", bytes),
            ("binary", bytes),
            ("base64", lambda original: base64.encodebytes(original).replace(b"\n", b"\r\n")),
            ("quoted-printable", lambda original: original.replace(b"=", b"=3D").replace(b"Hi.", b"=48=\r\ni.")),
        ],
        ids=["7bit", "binary", "base64", "quoted-printable"],
    )
    def test_transfer_encodings(self, encoding: str, write: Callable[[bytes], bytes]) -> None:
        """The transfer encoding of the original leaves every key of the message as it is."""
        header = b"Content-Type: message/rfc822\r\nContent-Transfer-Encoding: " + encoding.encode()
        plain = by_hand(ORIGINAL)
        keys = by_hand(write(ORIGINAL), header=header)
        assert of_the_message(keys) == of_the_message(plain)
        assert keys.original_sha256 == plain.original_sha256
        assert keys.report_key == plain.report_key
        assert keys.complete

    def test_an_unknown_transfer_encoding(self) -> None:
        """An original with an unknown transfer encoding counts as written."""
        header = b"Content-Type: message/rfc822\r\nContent-Transfer-Encoding: x-other"
        assert of_the_message(by_hand(ORIGINAL, header=header)) == of_the_message(by_hand(ORIGINAL))

    def test_damaged_base64(self) -> None:
        """A damaged original is not complete."""
        header = b"Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64"
        keys = by_hand(base64.b64encode(ORIGINAL)[:-3], header=header)
        assert keys.content_sha256 is not None
        assert not keys.complete

    def test_buffers(self, tmp_path: Path) -> None:
        """Reports in any buffer have the same keys."""
        data = built()
        path = tmp_path / "report.eml"
        path.write_bytes(data)
        assert identity_of(bytearray(data)) == identity_of(memoryview(data)) == identity_of(data)
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
            parsed = parse_report(mapped)
            keys = identify(parsed)
            del parsed
        assert keys == identity_of(data)

    @pytest.mark.parametrize("original", [None, b""], ids=["missing", "empty"])
    def test_without_content(self, original: bytes | None) -> None:
        """A report without an original, or with an empty one, is known by itself alone."""
        keys = identity(original)
        assert keys.content_sha256 is None
        assert keys.original_sha256 == (None if original is None else sha256(b""))
        assert keys.message_id == "<1@example.com>"
        assert keys.message_key == keys.report_key
        assert not keys.complete
        assert keys.report_key == identity(original).report_key
        assert keys.report_key != identity(original, report_id="<s@example.com>").report_key

    @pytest.mark.parametrize(
        "original",
        [
            b"\r\nHi.",
            b"Hi.",
            b"\n",
            b"no field\r\nMessage-ID: <2@example.com>\r\n\r\nHi.",
            b"From here on",
            b"From A\r\nto B",
        ],
        ids=repr,
    )
    def test_without_a_header(self, original: bytes) -> None:
        """An original without a header has the Message-ID of the report text, and a content of its own."""
        keys = identity(original)
        assert keys.message_id == "<1@example.com>"
        assert keys.mih == identity().mih
        assert keys.content_sha256 is not None
        assert keys.content_sha256 != identity(original + b"!").content_sha256
        assert keys.original_sha256 == sha256(original)
        assert keys.complete

    @pytest.mark.parametrize(
        ("one", "other"), [(b"From A on", b"From B on"), (b"From A\r\nHi.", b"From B\r\nHi.")], ids=repr
    )
    def test_a_text_that_begins_like_a_from_line(self, one: bytes, other: bytes) -> None:
        """The first line of an original without a header is text, even if its first word is From."""
        assert identity(one).content_sha256 != identity(other).content_sha256

    @pytest.mark.parametrize("name", ["From", "To", "Cc", "Reply-To", "Subject"])
    def test_the_header_of_the_report(self, name: str) -> None:
        """For an original without a header, fields of the report's header count, and so does its Message-ID."""
        part = b"Content-Type: message/rfc822\r\n\r\n\r\nHi."
        field = f"{name}: one\r\n".encode()
        one = identity_of(field + a_message(TEXT, part))
        assert one.content_sha256 == identity_of(b"X: y\r\n" + field + a_message(TEXT, part)).content_sha256
        others = [
            identity_of(field.replace(b"one", b"two") + a_message(TEXT, part)),
            identity_of(a_message(TEXT, part)),
            identity_of(field + a_message(TEXT.replace(b"<1@", b"<2@"), part)),
            identity_of(field + a_message(TEXT, part + b"!")),
        ]
        assert len({keys.content_sha256 for keys in (one, *others)}) == 5

    @pytest.mark.parametrize("name", ["Date", "Sender", "Message-ID"])
    def test_fields_of_the_report_itself(self, name: str) -> None:
        """The report's own fields in that header do not count: they differ in each report of the message."""
        part = b"Content-Type: message/rfc822\r\n\r\n\r\nHi."
        data = a_message(TEXT, part).replace(b"Message-ID: <r@example.com>\r\n", b"")
        one, other = [identity_of(f"{name}: {value}\r\n".encode() + data) for value in ("<1@x>", "<2@x>")]
        assert of_the_message(one) == of_the_message(other)

    def test_without_a_header_and_an_id(self) -> None:
        """An original without a header, in a report that names no Message-ID, is nothing by which a message is known."""
        text = TEXT.replace(b"Message-Id: <1@example.com>\r\n", b"")
        keys = by_hand(b"\r\nHi.", text=text)
        assert (keys.content_sha256, keys.message_id, keys.message_id_sha256, keys.complete) == (None, "", None, False)
        assert keys.report_key != by_hand(b"\r\nHo.", text=text).report_key

    @pytest.mark.parametrize("format", ENVELOPES)
    def test_perhaps_truncated(self, format: ReportFormat) -> None:
        """A report without its end is not complete, although its content may be the same."""
        data = built(format=format)
        cut = identity_of(data[: data.rindex(b"\r\n--")])
        assert not cut.complete
        assert identity_of(data).complete

    def test_decrypted(self) -> None:
        """The decrypted copy has a key of its own, by the same rules, and is part of what a report says."""
        plain, one, same, other = [
            identity(decrypted=copy)
            for copy in (None, ORIGINAL + b"clear", b"Received: x\r\n" + ORIGINAL + b"clear\r\n", ORIGINAL + b"else")
        ]
        assert of_the_message(plain) == of_the_message(one) == of_the_message(other)
        assert one.decrypted_sha256 == same.decrypted_sha256 == identity(ORIGINAL + b"clear").content_sha256
        assert one.report_key == same.report_key
        assert len({keys.report_key for keys in (plain, one, other)}) == 3
        assert len({keys.decrypted_sha256 for keys in (plain, one, other)}) == 3


class TestNested:
    """A report about a report can be identified on either layer, and says that it is nested."""

    @pytest.mark.parametrize("format", ENVELOPES)
    @pytest.mark.parametrize("inner_format", ENVELOPES)
    def test_either_layer(self, format: ReportFormat, inner_format: ReportFormat) -> None:
        """The outer layer is about the report inside, the inner one about the message."""
        inner = built(format=inner_format)
        parsed = parse_report(built(inner, format=format, report_id="<outer@example.com>"))
        outer = identify(parsed)
        assert outer.nested
        assert outer.report_id == "<outer@example.com>"
        assert outer.message_id == "<r@example.com>"
        assert outer.original_sha256 == sha256(inner)
        assert parsed.original is not None
        assert identity_of(parsed.original) == identity_of(inner)
        assert not identity_of(inner).nested
        assert outer.content_sha256 != identity_of(inner).content_sha256

    @pytest.mark.parametrize("format", COPIES)
    def test_copies(self, format: ReportFormat) -> None:
        """A report that is kept as a copy is nested as well."""
        assert identity_of(built(), format).nested


class TestFormats:
    """Reports of one message in different formats are about one message."""

    @pytest.mark.parametrize("format", ReportFormat)
    def test_one_message(self, format: ReportFormat) -> None:
        """The format makes no difference to the message, and always one to the report."""
        keys = identity(format=format)
        assert of_the_message(keys) == of_the_message(identity())
        assert (keys.report_key == identity().report_key) == (format is ReportFormat.ENVELOPE)
        assert keys.complete

    def test_copies_have_no_id(self) -> None:
        """A copy has no report id, and its recipients are those of its header."""
        for format in COPIES:
            keys = identity(format=format)
            assert keys.report_id == ""
            assert keys.recipients_sha256 == identity(report=a_report(recipients=[BOB])).recipients_sha256

    def test_the_bcc_field_of_a_copy(self) -> None:
        """The Bcc field that the format adds does not count: the copy is on the same message."""
        copy = identity(format=ReportFormat.BCC, report=a_report(recipients=[BOB, CAROL]))
        assert copy.original_sha256 != identity().original_sha256
        assert of_the_message(copy) == of_the_message(identity())
        assert copy.recipients_sha256 == identity(report=a_report(recipients=[BOB, CAROL])).recipients_sha256

    def test_a_copy_without_a_header(self) -> None:
        """A copy without a header has no Message-ID, and no content by which its message is known."""
        keys = identity_of(b"Hi.", ReportFormat.MESSAGE_ONLY)
        assert (keys.message_id, keys.content_sha256, keys.original_sha256) == ("", None, sha256(b"Hi."))


class TestRecipients:
    """Recipients count by address, role and redirection."""

    @HEAVY
    @given(st.lists(recipients(), min_size=1, max_size=5), st.randoms())
    def test_order_and_names(self, given_recipients: list[Recipient], random: Any) -> None:
        """Order, repetition, display names and the letter case of domains do not matter."""
        changed = [
            dataclasses.replace(one, display_name="", address=_swapped_domain(one.address))
            for one in [*given_recipients, given_recipients[0]]
        ]
        random.shuffle(changed)
        one, other = [_of_recipients(some) for some in (given_recipients, changed)]
        assert one == other

    @pytest.mark.parametrize(
        "other",
        [
            Recipient("bob@example.net"),
            Recipient("bob@example.net", Role.CC),
            Recipient("Bob@example.net", Role.TO),
            Recipient("bob@example.org", Role.TO),
            Recipient("bob@example.net", Role.TO, expanded_from="list@example.com"),
            Recipient("bob@example.net", Role.TO, forwarded_from="list@example.com"),
            Recipient("bob@example.net", Role.TO, expanded_from="list@example.com", forwarded_from="list@example.com"),
        ],
        ids=str,
    )
    def test_what_counts(self, other: Recipient) -> None:
        """Another address, role or redirection makes another key, and another report of the same message."""
        one, two = [identity(report=a_report(recipients=[some])) for some in (BOB, other)]
        assert one.recipients_sha256 != two.recipients_sha256
        assert one.report_key != two.report_key
        assert of_the_message(one) == of_the_message(two)
        both = identity(report=a_report(recipients=[BOB, other]))
        assert len({keys.recipients_sha256 for keys in (one, two, both)}) == 3

    def test_redirection_from_another_domain(self) -> None:
        """The domain of what an address was redirected from has no letter case either."""
        lists = ["List@example.com", "List@EXAMPLE.com", "list@example.com"]
        keys = [_of_recipients([Recipient("bob@example.net", expanded_from=name)]) for name in lists]
        assert keys[0] == keys[1] != keys[2]


def _swapped_domain(address: str) -> str:
    local, at, domain = address.rpartition("@")
    return local + at + domain.swapcase() if at and domain.isascii() else address


def _of_recipients(some: list[Recipient]) -> str:
    return identify(dataclasses.replace(parse_report(built()), report=a_report(recipients=some))).recipients_sha256


class TestReportKey:
    """The key of a report covers all that the report says."""

    @pytest.mark.parametrize(
        "changes",
        [
            {"sender": "carol@example.com"},
            {"sender": ""},
            {"on_behalf_of": "carol@example.com"},
            {"envelope_sender": "carol@example.com"},
            {"envelope_sender": ""},
            {"subject": "Other"},
            {"message_id": "<2@example.com>"},
            {"label": "x"},
            {"mailbox": "x"},
            {"sent_utc": "x"},
            {"received_utc": "x"},
            {"recipients": ["bob@example.net", "carol@example.org"]},
        ],
        ids=str,
    )
    def test_fields(self, changes: dict[str, Any]) -> None:
        """A report that says something else in any field is another report of the same message."""
        one, other = identity(), identity(report=a_report(**changes))
        assert one.report_key != other.report_key
        assert of_the_message(one) == of_the_message(other)

    def test_which_field(self) -> None:
        """It matters which field says it."""
        names = ("label", "mailbox", "sent_utc", "received_utc")
        assert len({identity(report=a_report(**{name: "x"})).report_key for name in names}) == len(names)

    def test_what_a_report_is_made_of(self) -> None:
        """Its own id, date and marker, and forks of its message, make no other report."""
        first = identity()
        for options in ({"report_id": "<s@example.com>"}, {"date": DATE.replace(month=3)}, {"internal": True}):
            assert identity(**options).report_key == first.report_key
        fork = identity(b"X-MS-Exchange-Organization-SCL: -1\r\n" + ORIGINAL.replace(b"\r\n", b"\n"))
        assert fork.report_key == first.report_key
        assert fork.original_sha256 != first.original_sha256

    def test_letter_case_of_domains(self) -> None:
        """Addresses of a report are compared as written but for the letter case of domains."""
        one, other, local = [
            identity(report=a_report(sender=name)) for name in ("a@x.example", "a@X.example", "A@x.example")
        ]
        assert one.report_key == other.report_key != local.report_key

    def test_lines_that_are_not_fields(self) -> None:
        """Lines of the report text that were not understood are part of what it says."""
        keys = [by_hand(ORIGINAL, text=TEXT + line) for line in (b"", b"something else\r\n", b"something more\r\n")]
        assert len({one.report_key for one in keys}) == 3

    def test_other_parts(self) -> None:
        """Other parts change the key of the report, by their type and content."""
        extra = [
            b"Content-Type: text/plain\r\n\r\nA disclaimer",
            b"Content-Type: text/plain\r\n\r\nAnother one",
            b"Content-Type: application/octet-stream\r\n\r\nA disclaimer",
        ]
        keys = [by_hand(ORIGINAL), *[by_hand(ORIGINAL, part) for part in extra], by_hand(ORIGINAL, *extra)]
        assert len({one.report_key for one in keys}) == len(keys)
        assert len({tuple(of_the_message(one)) for one in keys}) == 1
        assert by_hand(ORIGINAL, extra[0] + b"\r\n").report_key == keys[1].report_key

    def test_a_third_message(self) -> None:
        """A third message in a report is one of its other parts."""
        messages = [PART, PART + b"clear", PART + b"more"]
        one = identity_of(a_message(TEXT, *messages[:2]))
        other = identity_of(a_message(TEXT, *messages))
        assert one.decrypted_sha256 == other.decrypted_sha256
        assert one.report_key != other.report_key


class TestForks:
    """Forks of one message have one content digest, in any report."""

    @HEAVY
    @given(st.data())
    def test_forks(self, data: st.DataObject) -> None:
        """A fork stays the same message when a server rewrites it, in any format."""
        mail = data.draw(mails())
        one, other = [
            identity(data.draw(forked(mail)), format=data.draw(st.sampled_from(ENVELOPES)), report=report)
            for report in (a_report(recipients=[BOB]), a_report(recipients=[BOB, CAROL]))
        ]
        assert one.report_key != other.report_key
        assert of_the_message(one) == of_the_message(other)

    @HEAVY
    @given(st.data())
    def test_changed(self, data: st.DataObject) -> None:
        """A message that says something else has another content, under the same Message-ID."""
        mail = data.draw(mails())
        other = data.draw(changed_mails(mail))
        keys = [identity(data.draw(forked(one))) for one in (mail, other)]
        assert (keys[0].content_sha256 == keys[1].content_sha256) == (compared(mail) == compared(other))

    @pytest.mark.parametrize(
        ("old", "new"),
        [
            (b"Hi.", b"Ho."),
            (b"Hi.", b"Hi. "),
            (b"alice@example.com", b"alice@example.net"),
            (b"From: alice", b"From: Alice"),
            (b"To: bob", b"To: rob"),
            (b"To: bob", b"Cc: bob"),
            (b"Subject: Hello", b"Subject: hello"),
            (b"Subject: Hello", b"Subject: Hello\r\nDate: Thu, 29 Feb 2024 12:30:45 +0000"),
            (b"Subject: Hello", b"Subject: Hello\r\nSubject: Hello"),
        ],
        ids=repr,
    )
    def test_fields_that_are_shown(self, old: bytes, new: bytes) -> None:
        """Any change of text, From, To, Cc, Date or Subject makes another content."""
        assert ORIGINAL.count(old) == 1
        assert identity(ORIGINAL.replace(old, new)).content_sha256 != identity().content_sha256


class TestTotal:
    """Everything that can be read has keys."""

    @pytest.mark.slow
    @given(
        any_bytes() | arguments(formats=ENVELOPES).map(lambda given: given.build()),
        st.none() | st.sampled_from(ReportFormat),
    )
    def test_reports(self, data: bytes, format: ReportFormat | None) -> None:
        """Any bytes that can be read as a report have keys, the same each time and in any buffer."""
        try:
            parsed = parse_report(data, format=format)
        except ParseError:
            return
        keys = identify(parsed)
        assert keys == identify(parsed) == identity_of(bytearray(data), format)
        original = parsed.original_bytes()
        assert keys.original_sha256 == (None if original is None else sha256(original))
        assert keys.content_sha256 is not None or not keys.complete
        assert (keys.message_id_sha256 is None) == (keys.message_id == "")
        assert pickle.loads(pickle.dumps(keys)) == keys

    @HEAVY
    @given(copies(), st.sampled_from(COPIES))
    def test_copies(self, data: bytes, format: ReportFormat) -> None:
        """Copies have keys as well."""
        if data not in {b"", b"\xef\xbb\xbf"}:
            act_quietly(lambda buffer: identity_of(buffer, format), data)

    @HEAVY
    @given(arguments(formats=ENVELOPES))
    def test_the_same_in_another_place(self, given_arguments: Any) -> None:
        """An original has the same keys at any offset of its report."""
        data = given_arguments.build()
        assert identity_of(b"X: " + b"y" * 500 + b"\r\n" + data) == identity_of(data)


# Forks of the corpus

TRACE = (
    b"Received: from mail.example.com (192.0.2.1) by\r\n hub.example.com (192.0.2.2) with Microsoft SMTP Server;\r\n"
    b"\tThu, 29 Feb 2024 12:30:45 +0000\r\n"
    b"X-MS-Exchange-Organization-SCL: -1\r\n"
    b"X-MS-Exchange-Organization-Network-Message-Id:\r\n\t01234567-89ab-cdef-0123-456789abcdef\r\n"
    b"Return-Path: alice@example.com\r\n"
)
DECLARED = re.compile(
    rb'^content-type:[ \t]*(?:\r?\n[ \t]+)?multipart/[^\n]*?(?:\n[ \t]+[^\n]*?)*?boundary=(?:"([^"\r\n]+)"|([^\s;"]+))',
    re.IGNORECASE | re.MULTILINE,
)
# Originals of the corpus whose forks count as other messages, and why.
NO_HEADER = "has no header: with a field before it, it is another message"
NOT_TOLERANT = {
    "message-only-copy-without-headers": NO_HEADER,
    "original-begins-with-body-text": NO_HEADER,
    "original-without-headers": NO_HEADER,
    "quoted-line-that-is-the-original": NO_HEADER,
    "original-empty-without-blank-line": "is empty: there is nothing by which it could be known",
}
# Originals in which a line end is content, so that those of a fork stay as they are.
BINARY = frozenset(("bare-cr-and-nul-in-original", "original-binary"))
# How many originals of the corpus take part, and how many of them have boundaries.
LEAST, LEAST_WITH_BOUNDARIES = 111, 22


def _corpus_originals() -> dict[str, bytes]:
    """Every original of the corpus once, by the name of the first file that holds it."""
    found: dict[bytes, str] = {}
    for path in MESSAGES:
        try:
            parsed = parse_report(path.read_bytes(), format=read_as(expectation(path)))
        except ParseError:
            continue
        if parsed.original is not None:
            found.setdefault(bytes(parsed.original), path.stem)
    return {name: original for original, name in found.items()}


CORPUS = _corpus_originals()


def rewritten(original: bytes) -> bytes:
    """A message with each boundary that it declares replaced, where it is declared and in its delimiters."""
    declared = {found[1] or found[2] for found in DECLARED.finditer(original)}
    for boundary in sorted(declared, key=len, reverse=True):
        other = b"_%b_" % hashlib.sha256(boundary).hexdigest()[:32].encode()
        original = re.sub(rb"(?<=\n--)%b(?=\s|--|\Z)" % re.escape(boundary), other, original)
        original = re.sub(rb'(?i)(?<=boundary=)("?)%b(?=[";\s])' % re.escape(boundary), rb"\1" + other, original)
    return original


def fork(original: bytes) -> bytes:
    """A message as Exchange writes it into another report: new boundaries, and trace fields of another server in front."""
    first = re.match(rb"From (?![ \t]*:)[^\n]*\n|>From [^\n]*\n(?=[!-9;-~]+:)", original)
    place = 0 if first is None else first.end()
    trace = TRACE if b"\r\n" in original else TRACE.replace(b"\r\n", b"\n")
    original = rewritten(original)
    return original[:place] + trace + original[place:]


class TestForksOfTheCorpus:
    """Forks of every original of the corpus are one message, but for those that are named with a reason."""

    def test_how_many(self) -> None:
        """Every original takes part that is not named, many of them with boundaries, and every name is one of the corpus."""
        taking_part = CORPUS.keys() - NOT_TOLERANT.keys()
        assert len(taking_part) >= LEAST
        assert len(CORPUS) == len(taking_part) + len(NOT_TOLERANT)
        assert sum(rewritten(CORPUS[name]) != CORPUS[name] for name in taking_part) >= LEAST_WITH_BOUNDARIES
        assert taking_part >= BINARY

    @pytest.mark.parametrize("name", sorted(CORPUS.keys() - NOT_TOLERANT.keys()))
    def test_forks(self, name: str) -> None:
        """Trace fields, boundaries, line ends, recipients and formats make no other message."""
        original = CORPUS[name]
        first = identity(original, report=a_report(recipients=[BOB, CAROL]))
        forks = [original, fork(original), fork(fork(original))]
        if name not in BINARY:
            forks += [fork(original).replace(b"\r\n", b"\n"), original.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")]
        for one in forks:
            for format in ReportFormat:
                try:
                    keys = identity(one, format=format, report=a_report(recipients=[BOB]), report_id="<f@example.com>")
                except BuildError:
                    assert format is ReportFormat.BCC
                    continue
                assert of_the_message(keys) == of_the_message(first)
                assert keys.report_key != first.report_key

    @pytest.mark.parametrize("name", NOT_TOLERANT)
    def test_not_tolerant(self, name: str) -> None:
        """An original without a header, or an empty one, differs after trace fields were added."""
        original = CORPUS[name]
        first, other = identity(original), identity(fork(original))
        assert first.content_sha256 != other.content_sha256

    def test_no_two_are_one(self) -> None:
        """Originals that are not forks of one another are not one message."""
        by_content: dict[str | None, set[bytes]] = {}
        for original in CORPUS.values():
            by_content.setdefault(identity(original).content_sha256, set()).add(original)
        for group in by_content.values():
            assert len({_without_traces(one) for one in group}) == 1


def _without_traces(message: bytes) -> bytes:
    """A message without what forks may differ in: fields that nobody is shown, boundaries, and kinds of line ends."""
    message = re.sub(rb"_[0-9a-f]{32}_", b"edge", rewritten(message))
    head, blank, body = message.replace(b"\r\n", b"\n").partition(b"\n\n")
    shown = {name.lower().encode() for name in (*SHOWN, *OF_A_PART)}
    kept = [line for line in re.split(rb"\n(?![ \t])", head) if line.partition(b":")[0].lower() in shown]
    return b"\n".join(sorted(kept)) + blank + body.rstrip(b"\n")


# Linear work


HOSTILE: dict[str, Callable[[int], bytes]] = {
    "recipients": lambda n: a_message(TEXT + b"To: carol@example.org, Expanded: list@example.com\r\n" * n, PART),
    "different recipients": lambda n: a_message(
        TEXT + b"".join([b"To: carol%d@example.org\r\n" % number for number in range(n)]), PART
    ),
    "unparsed lines": lambda n: a_message(TEXT + b"something else\r\n" * n, PART),
    "a long id": lambda n: built(b"Message-ID: " + b"<" * n + b">\r\n\r\n"),
    "folds of an id": lambda n: built(b"Message-ID: <1" + b"\r\n x" * n + b">\r\n\r\n"),
    "lines of the original": lambda n: built(ORIGINAL + b"line\r\n" * n),
    "boundaries of the original": lambda n: built(
        b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + b"--b\r\n\r\nx\r\n" * n
    ),
}


def _identify_quietly(data: bytes) -> None:
    act_quietly(identity_of, data)


@pytest.mark.parametrize("make", HOSTILE.values(), ids=HOSTILE)
class TestLinear:
    """Time and memory grow in proportion to the input."""

    def test_steps(self, make: Callable[[int], bytes]) -> None:
        """Four times the input takes at most about four times the steps."""
        small, large = make(250), make(1000)
        assert steps(lambda: _identify_quietly(large)) <= 5 * steps(lambda: _identify_quietly(small)) + 2000

    @pytest.mark.slow
    def test_memory(self, make: Callable[[int], bytes]) -> None:
        """Four times the input takes at most about four times the memory."""
        small, large = make(1000), make(4000)
        _identify_quietly(small)  # things made only once count for neither
        assert peak(lambda: _identify_quietly(large)) <= 6 * peak(lambda: _identify_quietly(small)) + 60_000

    @pytest.mark.slow
    def test_patterns(self, make: Callable[[int], bytes]) -> None:
        """No pattern goes over the same characters again and again."""
        message = make(60_000)
        with watchdog():
            _identify_quietly(message)
