"""What mkdocstrings does not see in the source: the fields of named tuples, and the members of enumerations, in one line."""

from typing import Any

import griffe


class Signatures(griffe.Extension):
    """Give a named tuple the signature of its fields, and an enumeration a list of its members."""

    def on_class(self, *, cls: griffe.Class, **_: Any) -> None:
        """Complete a class, once its source was read."""
        # Results are not constructed by a caller, and the private values in one are nobody's business.
        if "__init__" in cls.members:
            init = cls.members["__init__"]
            for name in [one.name for one in init.parameters if str(one.annotation).startswith("_")]:
                del init.parameters[name]
        bases = {str(base) for base in cls.bases}
        fields = [one for one in cls.members.values() if one.is_attribute and not one.name.startswith("_")]
        if "NamedTuple" in bases and "__init__" not in cls.members:
            _add_signature(
                cls, [field for field in fields if field.annotation is not None and "property" not in field.labels]
            )
        elif "StrEnum" in bases and cls.docstring is not None and len(fields) < 20:
            members = ", ".join(f"`{field.name}` {field.value}" for field in fields)
            cls.docstring.value += f"\n\nMembers: {members}."


def _add_signature(cls: griffe.Class, fields: list[griffe.Attribute]) -> None:
    """Write the constructor that a named tuple has."""
    kind = griffe.ParameterKind.positional_or_keyword
    parameters = [griffe.Parameter("self", kind=kind)]
    parameters += [
        griffe.Parameter(one.name, annotation=one.annotation, kind=kind, default=one.value) for one in fields
    ]
    cls.set_member("__init__", griffe.Function("__init__", parameters=griffe.Parameters(*parameters), returns="None"))
