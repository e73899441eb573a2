"""The shapes of the data for JSON, and the JSON Schemas written from them: `python tests/shapes.py` after a change.

Each schema is one file that needs no other, so definitions that several shapes share are written once here. Every object is
closed and every key is required. A change of a shape raises its number in `VERSIONS`.
"""

import json
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any, Final, TypeAlias

from exjournal import Evidence, MboxVariant, ReportFormat, Role, Scope, Seal
from exjournal.reports.models import PartKind

Schema: TypeAlias = dict[str, Any]

FOLDER: Final = Path(__file__).parents[1] / "src" / "exjournal" / "schemas"
# The number of each shape, which is the last part of the `$id` of its schema.
VERSIONS: Final = {
    "report": 1,
    "statement": 1,
    "identity": 1,
    "source": 1,
    "merged": 1,
    "decision": 1,
    "parse": 1,
    "scan": 1,
    "quarantine": 1,
    "merge": 1,
    "decide": 1,
    "check-config": 1,
    "check": 1,
}

TEXT: Final[Schema] = {"type": "string"}
NUMBER: Final[Schema] = {"type": "integer", "minimum": 0}
FLAG: Final[Schema] = {"type": "boolean"}
NULL: Final[Schema] = {"type": "null"}


def ref(name: str) -> Schema:
    """A definition of the same file."""
    return {"$ref": f"#/$defs/{name}"}


def optional(schema: Schema) -> Schema:
    """A value or null."""
    kind = schema.get("type")
    return {**schema, "type": [kind, "null"]} if isinstance(kind, str) else {"anyOf": [schema, NULL]}


def some(schema: Schema) -> Schema:
    """An array of values of one shape."""
    return {"type": "array", "items": schema}


def closed(properties: Mapping[str, Schema]) -> Schema:
    """An object that has all of these keys and no other."""
    return {
        "type": "object",
        "properties": dict(properties),
        "required": list(properties),
        "additionalProperties": False,
    }


def one_of(values: type[StrEnum]) -> Schema:
    """A closed vocabulary."""
    return {"enum": [str(value) for value in values]}


# Vocabularies that grow: a reader must expect words that it does not know.
CODE: Final[Schema] = {"type": "string", "pattern": "^[a-z0-9]+(-[a-z0-9]+)*$"}
# A code, or the name of a system's error, such as ENOENT.
REASON: Final[Schema] = {"type": "string", "pattern": "^[A-Za-z0-9]+(-[a-z0-9]+)*$"}
SIDES: Final[Schema] = some({"enum": ["inside", "outside"]})
SHA256: Final[Schema] = {"type": "string", "pattern": "^[0-9a-f]{64}$"}
MD5: Final[Schema] = {"type": "string", "pattern": "^[0-9A-F]{32}$"}
BASE64: Final[Schema] = {"type": "string", "contentEncoding": "base64"}
# Paths below the folder of an output.
KEPT: Final[Schema] = {"type": "string", "pattern": "^[0-9a-f]{2}/[0-9a-f]{64}(\\.incomplete)?\\.eml$"}

FACTS: Final = {
    "format": ref("format"),
    "marker": TEXT,
    "report_id": TEXT,
    "recipients_from": ref("evidence"),
    "sender": TEXT,
    "sender_display_name": TEXT,
    "on_behalf_of": optional(TEXT),
    "envelope_sender": optional(TEXT),
    "subject": TEXT,
    "message_id": TEXT,
    "label": optional(TEXT),
    "mailbox": optional(TEXT),
    "sent_utc": optional(TEXT),
    "received_utc": optional(TEXT),
    "recipients": some(ref("recipient")),
}
PLACE: Final = {"offset": NUMBER, "size": NUMBER}
DIGEST: Final = {"sha256": ref("sha256")}
HEADER: Final = {"header": ref("header")}
FILE: Final = {"file": optional(ref("kept"))}


def facts_and_parts(content: Mapping[str, Schema], original: Mapping[str, Schema] | None = None) -> dict[str, Schema]:
    """The keys of a report, with those of its original and its decrypted copy; `original`: those of the original alone."""
    return {
        **FACTS,
        "original": optional(closed({**content, **(original or {})})),
        "decrypted": optional(closed(content)),
        "decrypted_evidence": optional({"enum": ["content-class", "message.rpmsg", "order"]}),
        "parts": some(ref("part")),
        "defects": some(ref("defect")),
        "unparsed": some(TEXT),
        "escaped": FLAG,
    }


FROM_ARCHIVE: Final = {
    "archive_defects": some(ref("defect")),
    "undeliverable": optional(some(ref("status"))),
    "found": optional({"enum": ["attached", "mixed", "text"]}),
}
REFUSED: Final = {
    "code": ref("reason"),
    "detail": TEXT,
    "offset": optional(NUMBER),
    "octets": optional(NUMBER),
    "sha256": optional(ref("sha256")),
    **FILE,
    "archive_defects": some(ref("defect")),
}
MERGED: Final = {
    "content_sha256": optional(ref("sha256")),
    "complete": FLAG,
    "message_ids": some(TEXT),
    "senders": some(TEXT),
    "on_behalf_of": some(TEXT),
    "envelope_senders": some(TEXT),
    "subjects": some(TEXT),
    "recipients": some(ref("merged_recipient")),
    "escaped": FLAG,
    "reports": some(ref("statement")),
}
DECISION: Final = {
    "hold": optional(closed({"reason": ref("code"), "detail": TEXT})),
    "loops": some(closed({"reason": ref("code"), "header": TEXT, "forgeable": FLAG})),
    "sender_sides": ref("sides"),
    "recipient_sides": ref("sides"),
    "reports": some(
        closed({"journal_to": TEXT, "format": ref("format"), "rules": some(TEXT), "recipients": some(TEXT)})
    ),
    "rules": some(ref("explanation")),
}
SOURCE: Final = {
    "path": TEXT,
    "members": some(closed({"name": TEXT, "place": NUMBER})),
    "offset": optional(NUMBER),
    "size": optional(NUMBER),
    "mbox": {"enum": [*map(str, MboxVariant), None]},
    "escaped": FLAG,
    "exact": optional(some(BASE64)),
}
DEFINITIONS: Final[dict[str, Schema]] = {
    "code": CODE,
    "defect": closed({"code": ref("code"), "detail": TEXT, "offset": NUMBER}),
    "evidence": one_of(Evidence),
    "explanation": closed(
        {
            "rule": TEXT,
            "journal_to": TEXT,
            "scope": one_of(Scope),
            "matched": FLAG,
            "reason": ref("code"),
            "matches": some(
                closed({"address": TEXT, "place": ref("code"), "member_of": optional(TEXT), "holds": optional(TEXT)})
            ),
        }
    ),
    "format": one_of(ReportFormat),
    "identity": closed(
        {
            "report_id": TEXT,
            "message_id": TEXT,
            "message_id_sha256": optional(ref("sha256")),
            "mih": optional(MD5),
            "original_sha256": optional(ref("sha256")),
            "content_sha256": optional(ref("sha256")),
            "decrypted_sha256": optional(ref("sha256")),
            "recipients_sha256": ref("sha256"),
            "message_key": ref("sha256"),
            "report_key": ref("sha256"),
            "complete": FLAG,
            "nested": FLAG,
        }
    ),
    "kept": KEPT,
    "merged_recipient": closed(
        {
            "role": one_of(Role),
            "address": TEXT,
            "expanded_from": optional(TEXT),
            "forwarded_from": optional(TEXT),
            "display_names": some(TEXT),
            "claimed_names": some(TEXT),
            "evidence": ref("evidence"),
            "seen_in": some(NUMBER),
        }
    ),
    "part": closed(
        {
            "kind": one_of(PartKind),
            "media_type": TEXT,
            "encoding": TEXT,
            **PLACE,
            "content": optional(BASE64),
        }
    ),
    "header": closed(
        {
            "date": optional(TEXT),
            "date_utc": optional({"type": "string", "format": "date-time"}),
            "from": some(TEXT),
            "to": some(TEXT),
            "cc": some(TEXT),
            "escaped": FLAG,
        }
    ),
    "reason": REASON,
    "recipient": closed(
        {
            "role": one_of(Role),
            "address": TEXT,
            "expanded_from": optional(TEXT),
            "forwarded_from": optional(TEXT),
            "display_name": optional(TEXT),
        }
    ),
    "sha256": SHA256,
    "sides": SIDES,
    "source": closed(SOURCE),
    "statement": closed(
        {
            **FACTS,
            "defects": some(ref("defect")),
            "unparsed": some(TEXT),
            "escaped": FLAG,
            "identity": ref("identity"),
        }
    ),
    "status": closed(
        {
            "recipient": TEXT,
            "action": TEXT,
            "status": TEXT,
            "diagnostic": TEXT,
            "original_recipient": TEXT,
            "remote_mta": TEXT,
        }
    ),
}

REPORT_LINE: Final = {
    "kind": {"const": "report"},
    "source": ref("source"),
    **facts_and_parts({**PLACE, **DIGEST, **FILE}, HEADER),
    **HEADER,
    **FROM_ARCHIVE,
}
MESSAGE_LINE: Final = {
    "kind": {"const": "message"},
    "source": ref("source"),
    "code": ref("code"),
    "reads_like": {"enum": [str(ReportFormat.ENVELOPE), None]},
    "octets": NUMBER,
    **DIGEST,
    **HEADER,
    **FILE,
    "archive_defects": some(ref("defect")),
}
SIZE: Final = {"size": NUMBER}
# A place of a report that a scan merged.
SCANNED: Final = {
    **SOURCE,
    "original": optional(closed({**SIZE, **DIGEST, **FILE, **HEADER})),
    "decrypted": optional(closed({**SIZE, **DIGEST, **FILE})),
    **HEADER,
    **FROM_ARCHIVE,
}


def places(place: Mapping[str, Schema]) -> Schema:
    """For each of the reports of a message, the places where it is."""
    return some(some(closed(place)))


SHAPES: Final[dict[str, tuple[str, Schema]]] = {
    "report": ("ParsedReport.to_dict()", closed(facts_and_parts(PLACE))),
    "statement": ("Statement.to_dict()", DEFINITIONS["statement"]),
    "identity": ("Identity.to_dict()", DEFINITIONS["identity"]),
    "source": ("Source.to_dict()", DEFINITIONS["source"]),
    "merged": ("MergedReport.to_dict()", closed(MERGED)),
    "decision": ("Decision.to_dict()", closed(DECISION)),
    "parse": (
        "a line of exjournal parse --json",
        closed(
            {
                "file": TEXT,
                "source": ref("source"),
                **FROM_ARCHIVE,
                **facts_and_parts({**PLACE, **DIGEST}),
                "identity": optional(ref("identity")),
            }
        ),
    ),
    "scan": (
        "a line of exjournal scan --json",
        {
            "oneOf": [
                closed(REPORT_LINE),
                closed({"kind": {"const": "merged"}, **MERGED, "conflict": FLAG, "sources": places(SCANNED)}),
                closed(MESSAGE_LINE),
                closed({"kind": {"const": "unreadable"}, "source": ref("source"), **REFUSED}),
            ]
        },
    ),
    "quarantine": (
        "a line of reasons.jsonl, which exjournal scan --quarantine writes",
        closed({"kind": {"enum": ["unreadable", "report", "message"]}, "source": ref("source"), **REFUSED}),
    ),
    "merge": (
        "a line of exjournal merge --json",
        closed({**MERGED, "conflict": FLAG, "files": some(some(TEXT)), "sources": places({**SOURCE, **FROM_ARCHIVE})}),
    ),
    "decide": ("exjournal decide --json", closed({"file": TEXT, **DECISION, "escaped": FLAG})),
    "check-config": (
        "exjournal decide --check-config --json",
        closed(
            {
                "file": TEXT,
                "rules": NUMBER,
                "enabled": NUMBER,
                "journal_mailboxes": NUMBER,
                "groups": NUMBER,
                "secrets": NUMBER,
                "warnings": some(TEXT),
                "escaped": FLAG,
            }
        ),
    ),
    "check": (
        "a line of exjournal check --json",
        closed(
            {
                "file": TEXT,
                "source": ref("source"),
                "report": FLAG,
                "format": optional(ref("format")),
                "marker": optional(TEXT),
                "defects": some(closed({"code": ref("code"), "count": {"type": "integer", "minimum": 1}})),
                "seal": {"enum": [*map(str, Seal), None]},
                "code": optional(ref("code")),
                "offset": optional(NUMBER),
            }
        ),
    ),
}


def schema(name: str) -> Schema:
    """The schema of a shape, with the definitions that it uses."""
    title, shape = SHAPES[name]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:exjournal:{name}:{VERSIONS[name]}",
        "title": title[0].upper() + title[1:],
        **shape,
        "$defs": {used: DEFINITIONS[used] for used in sorted(_used(shape))},
    }


def _used(value: object) -> set[str]:
    """The names of the definitions that a schema uses, directly or through others."""
    if isinstance(value, list):
        return set().union(*map(_used, value))
    if not isinstance(value, dict):
        return set()
    own = {value["$ref"].rpartition("/")[2]} if "$ref" in value else set()
    return set().union(own, *map(_used, value.values()), *[_used(DEFINITIONS[name]) for name in own])


def text_of(name: str) -> str:
    """The file of a schema."""
    return json.dumps(schema(name), indent=2) + "\n"


if __name__ == "__main__":
    for name in SHAPES:
        (FOLDER / f"{name}.json").write_text(text_of(name), encoding="utf-8")
