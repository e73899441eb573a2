"""Files of other programs that may hold mail and are not read: how each is recognized, and how its mail can be read.

They are refused with the advice, which names a widespread free program where there is one.
"""

from typing import Final, NamedTuple

from exjournal.errors import DefectCode, ParseError


class _Form(NamedTuple):
    begin: bytes
    suffixes: tuple[str, ...]
    advice: str


_UNPACK: Final = "unpack it, and read the folder"
_DECOMPRESS: Final = "decompress it first"
_FORMS: Final = (
    _Form(
        b"!BDN",
        (".pst", ".ost"),
        "an Outlook data file (.pst, .ost): convert it to mbox or .eml files first, for example with readpst",
    ),
    _Form(
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
        (".msg",),
        "an Outlook message (.msg) or another OLE file: save it as .eml first, for example with msgconvert",
    ),
    _Form(b"\xcf\xad\x12\xfe", (".dbx",), "an Outlook Express mailbox (.dbx): convert it to mbox or .eml files first"),
    _Form(b"7z\xbc\xaf\x27\x1c", (".7z",), f"a 7-Zip archive (.7z): {_UNPACK}"),
    _Form(b"Rar!\x1a\x07", (".rar",), f"a RAR archive (.rar): {_UNPACK}"),
    _Form(b"\x28\xb5\x2f\xfd", (".zst",), f"compressed with Zstandard (.zst): {_DECOMPRESS}"),
    _Form(b"\x04\x22\x4d\x18", (".lz4",), f"compressed with LZ4 (.lz4): {_DECOMPRESS}"),
    _Form(b"\x1f\x9d", (".z",), f"compressed with compress (.Z): {_DECOMPRESS}"),
)
FOREIGN_BEGINNINGS: Final = tuple([form.begin for form in _FORMS])


def foreign_refusal(begin: bytes, name: str = "", /) -> ParseError | None:
    """Return the error for a file of another program, None for any other file.

    Its first bytes decide. A `name` decides for a file that does not begin as a message, for example one that is damaged.
    """
    for form in _FORMS:
        if begin.startswith(form.begin) or name.lower().endswith(form.suffixes):
            return ParseError(DefectCode.ARCHIVE_UNSUPPORTED, form.advice)
    return None
