"""Any report has keys; forks keep them, data keeps all facts, and a message that readers show differently has another content.

An input is a number, a line end and a report; the number chooses the byte of the original to change in the last part. Run it
as `python fuzz/fuzz_identity.py -max_total_time=60`; arguments go to libFuzzer.
"""

import json
import pickle
import sys
from contextlib import suppress
from email import message_from_bytes, policy

import atheris

with atheris.instrument_imports(include=["exjournal"]):
    from exjournal import (
        MemoryStore,
        MergedReport,
        ParseError,
        Sighting,
        identify,
        look_up,
        merge,
        parse_report,
        remember,
    )
    from exjournal.identity.content_digest import same_content

import clock
import seeds

_TRACE = (
    b"Received: from a.example by b.example; Thu, 1 Jan 2026 00:00:00 +0000\r\nX-MS-Exchange-Organization-SCL: -1\r\n"
)
_SHOWN = ("from", "to", "cc", "date", "subject")


def test_one_input(data: bytes) -> None:
    """Check the invariant of the keys of a report, its place in a store, and its merged form."""
    number, _, octets = data.partition(b"\n")
    try:
        parsed = parse_report(octets)
    except ParseError:
        return
    identity = identify(parsed)
    assert pickle.loads(pickle.dumps(identity)) == identity  # noqa: S301
    assert identify(parse_report(bytearray(octets))) == identity
    assert (identity.content_sha256 is None) <= (not identity.complete)
    with MemoryStore() as store:
        assert look_up(identity, store) is remember(identity, store) is Sighting.FIRST
        assert look_up(identity, store) is (Sighting.DUPLICATE if identity.complete else Sighting.SIBLING)
    [merged] = merge([parsed])
    assert merge(
        [json.loads(json.dumps({**parsed.to_dict(), "identity": identify(parsed).to_dict()})), parsed, merged]
    ) == (merged,)
    assert MergedReport.from_dict(json.loads(json.dumps(merged.to_dict()))) == merged
    assert {one.address.rpartition("@")[0] for one in merged.recipients} == {
        one.address.rpartition("@")[0] for one in parsed.report.recipients
    }
    original = parsed.original_bytes()
    if original:
        _hold_content(original, int(number[:9]) if number[:9].isdigit() else len(number))


def _hold_content(original: bytes, number: int) -> None:
    digest, has_header = same_content(original, 0, len(original))
    assert same_content(b"--" + original + b"--", 2, len(original) + 2) == (digest, has_header)
    if has_header and not original.startswith((b"From ", b">From ", b"\xef\xbb\xbf")):
        assert same_content(_TRACE + original, 0, len(_TRACE) + len(original)).digest == digest
    place = number % len(original)
    changed = original[:place] + bytes([original[place] ^ 1]) + original[place + 1 :]
    # `email` takes a quoted separator for the beginning of the body.
    if not original.startswith(b">From ") and same_content(changed, 0, len(changed)).digest == digest:
        assert _shown(changed) == _shown(original), place


def _shown(data: bytes) -> list[object]:
    """Return the parts of a message that a mail reader shows."""
    shown: list[object] = []
    message = message_from_bytes(data, policy=policy.compat32)
    with suppress(Exception):
        shown += [[" ".join(str(value).split()) for value in message.get_all(name, [])] for name in _SHOWN]
        for part in message.walk():
            if not part.is_multipart():
                payload = part.get_payload()
                shown.append((part.get_content_type(), str(payload).replace("\r\n", "\n").rstrip("\r\n")))
    return shown


def main() -> None:
    """Fuzz, starting from the reports of the tests and of the writer."""
    with seeds.folder(b"%d\n%b" % (len(one) // 2, one) for one in seeds.reports()) as folder:
        arguments = seeds.arguments(sys.argv, folder)
        atheris.Setup(arguments, clock.timed(test_one_input, arguments), custom_mutator=clock.repeated)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
