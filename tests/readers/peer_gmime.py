"""Reads messages with GMime: a size of four bytes and the message in, a size and JSON out.

Runs on the interpreter of the system, for which Debian packages GMime's bindings (python3-gi, gir1.2-gmime-3.0).
"""

import json
import sys

import gi

gi.require_version("GMime", "3.0")
from gi.repository import GMime  # noqa: E402

GMime.init()


def addresses(found: GMime.InternetAddressList | None) -> list[str]:
    """The addresses of a list, members of groups among them."""
    told: list[str] = []
    for number in range(found.length() if found is not None else 0):
        one = found.get_address(number)
        told += (
            addresses(one.get_members()) if hasattr(one, "get_members") else [one.get_addr() or one.get_name() or ""]
        )
    return told


def parts(entity: GMime.Object | None) -> list[object]:
    """Every part below an entity, with its decoded content."""
    if entity is None:
        return [None]
    kind = entity.get_content_type().get_mime_type()
    if isinstance(entity, GMime.Multipart):
        inner = [parts(entity.get_part(number)) for number in range(entity.get_count())]
        return [kind, entity.get_prologue() or "", inner, entity.get_epilogue() or ""]
    if isinstance(entity, GMime.MessagePart):
        message = entity.get_message()
        return [kind, read(message) if message is not None else None]
    content = entity.get_content()
    stream = GMime.StreamMem.new()
    if content is not None:
        content.write_to_stream(stream)
    return [kind, entity.get_filename() or "", bytes(stream.get_byte_array() or b"").decode("latin-1")]


def read(message: GMime.Message | None) -> object:
    """What GMime shows of a message."""
    if message is None:
        return None
    return {
        "recipients": addresses(message.get_to()) + addresses(message.get_cc()),
        "subject": message.get_subject() or "",
        "parts": parts(message.get_mime_part()),
    }


while head := sys.stdin.buffer.read(4):
    parser = GMime.Parser.new_with_stream(
        GMime.StreamMem.new_with_buffer(sys.stdin.buffer.read(int.from_bytes(head, "big")))
    )
    answer = json.dumps(read(parser.construct_message(None))).encode("ascii", "surrogatepass")
    sys.stdout.buffer.write(len(answer).to_bytes(4, "big") + answer)
    sys.stdout.buffer.flush()
