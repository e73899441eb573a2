"""What mkdocstrings does not see in the source: the fields of named tuples, and the members of enumerations, in one line."""

from typing import Any

import griffe


class Signatures(griffe.Extension):
    """Give a named tuple the signature of its fields, and an enumeration a list of its members."""

    def on_class(self, *, cls: griffe.Class, **_: Any) -> None:
        """Complete a class, once its source was read."""
        bases = {str(base) for base in cls.bases}
        fields = [member for member in cls.members.values() if member.is_attribute and not member.name.startswith("_")]
        if bases & {"NamedTuple", "_Kept", "_Item"} and "__init__" not in cls.members:
            _add_signature(cls, [field for field in fields if field.annotation is not None])
        elif bases & {"StrEnum", "IntFlag"} and cls.docstring is not None:
            members = ", ".join(f"`{field.name}` {str(field.value).replace(chr(39), chr(34))}" for field in fields)
            cls.docstring.value += f"\n\nMembers: {members}."


def _add_signature(cls: griffe.Class, fields: list[griffe.Attribute]) -> None:
    """Write the constructor that a named tuple has."""
    kind = griffe.ParameterKind.positional_or_keyword
    given = [griffe.Parameter(field.name, annotation=field.annotation, kind=kind, default=field.value) for field in fields]
    init = griffe.Function("__init__", parameters=griffe.Parameters(griffe.Parameter("self", kind=kind), *given), returns="None")
    cls.set_member("__init__", init)
