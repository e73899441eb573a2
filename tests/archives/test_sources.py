"""Sources: data fit for JSON and back, and names for people."""

import json
import pickle
from base64 import b64encode
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exjournal import InvalidValue, MboxVariant, Source

# Names as file systems have them: any text, and bytes that are not text.
NAMES = (
    st.text(max_size=10)
    | st.text(st.characters(categories=["Cs"]))
    | st.binary(min_size=1, max_size=6).map(lambda name: name.decode("utf-8", "surrogateescape"))
)
NUMBERS = st.integers(0, 1 << 70)
SOURCES = st.builds(
    Source,
    NAMES,
    st.lists(st.tuples(NAMES, NUMBERS), max_size=3).map(tuple),
    st.none() | NUMBERS,
    st.none() | NUMBERS,
    st.none() | st.sampled_from(MboxVariant),
)


@given(SOURCES)
def test_data(source: Source) -> None:
    """A source comes back from its data through JSON and through pickle, with any names."""
    data = json.loads(json.dumps(source.to_dict()))
    found = Source.from_dict({**data, "more": 1})
    assert found == source
    assert type(found.mbox) is type(source.mbox)
    assert hash(found) == hash(source)
    assert pickle.loads(pickle.dumps(source)) == source


def test_to_dict() -> None:
    """The data has every key, with null or an empty list where there is nothing."""
    nothing = {"members": [], "offset": None, "size": None, "mbox": None, "escaped": False, "exact": None}
    assert Source("a.eml").to_dict() == {"path": "a.eml", **nothing}
    source = Source("a.tar", (("b.mbox", 512),), 40, 99, MboxVariant.MBOXRD)
    assert source.to_dict() == {
        "path": "a.tar",
        "members": [{"name": "b.mbox", "place": 512}],
        "offset": 40,
        "size": 99,
        "mbox": "mboxrd",
        "escaped": False,
        "exact": None,
    }


@pytest.mark.parametrize(
    ("name", "shown", "exact"),
    [
        ("a\0b", "a\u2400b", b"a\0b"),
        ("caf\udce9", "caf\ufffd", b"caf\xe9"),
        ("\udced\udca0\udc80", "\ufffd" * 3, b"\xed\xa0\x80"),
        ("\ud800", "\ufffd", b"\xed\xa0\x80"),
        ("\udcff\ud800", "\ufffd" * 2, b"\xed\xb3\xbf\xed\xa0\x80"),
    ],
)
def test_escaped(name: str, shown: str, exact: bytes) -> None:
    """Names have neither NUL nor a lone surrogate in the data, and their bytes come with them."""
    source = Source(name, ((name, 1), ("\u00e9", 2)))
    data = source.to_dict()
    assert (data["path"], data["members"]) == (shown, [{"name": shown, "place": 1}, {"name": "\u00e9", "place": 2}])
    assert data["escaped"] is True
    encoded = b64encode(exact).decode()
    assert data["exact"] == [encoded, encoded, "w6k="]
    assert Source.from_dict(data) == source


def test_data_of_earlier_versions() -> None:
    """A source is read from data without the keys that have no value, and with lone surrogates."""
    assert Source.from_dict({"path": "caf\udce9"}) == Source("caf\udce9")


def test_str() -> None:
    """As a string a source is its path, the names on the way, and the offset."""
    assert str(Source("a.eml")) == "a.eml"
    assert str(Source("a.zip", (("b.tar", 3), ("c", 512)), 0, 9)) == "a.zip:b.tar:c@0"


@pytest.mark.parametrize(
    "data",
    [
        {},
        [],
        None,
        "a",
        {"path": 1},
        {"path": None},
        {"path": b"a"},
        {"path": "a", "members": 1},
        {"path": "a", "members": ["b"]},
        {"path": "a", "members": [{"name": "b"}]},
        {"path": "a", "members": [{"name": 1, "place": 1}]},
        {"path": "a", "members": [{"name": "b", "place": "1"}]},
        {"path": "a", "members": [{"name": "b", "place": -1}]},
        {"path": "a", "members": [{"name": "b", "place": True}]},
        {"path": "a", "members": [{"name": "b", "place": None}]},
        {"path": "a", "members": [["b", 1]]},
        {"path": "a", "members": None},
        {"path": "a", "offset": -1},
        {"path": "a", "offset": 1.0},
        {"path": "a", "size": "1"},
        {"path": "a", "mbox": "mboxx"},
        {"path": "a", "mbox": 1},
        {"path": "a", "mbox": []},
        {"path": "a", "exact": 1},
        {"path": "a", "exact": "YQ=="},
        {"path": "a", "exact": []},
        {"path": "a", "exact": [None]},
        {"path": "a", "exact": ["YQ"]},
        {"path": "a", "exact": ["Yg=="]},
        {"path": "\ufffd", "exact": ["gA==", "YQ=="]},
        {"path": "\ufffd", "exact": ["YQ=="]},
    ],
    ids=repr,
)
def test_other_data(data: Any) -> None:
    """Data of another form is refused, and the error repeats none of it."""
    with pytest.raises(InvalidValue) as caught:
        Source.from_dict(data)
    kind = "the result of Source.to_dict()"
    expected = kind if isinstance(data, dict) else f"a mapping, {kind}, not {type(data).__name__}"
    assert str(caught.value) == f"source: must be {expected}"


def test_variants() -> None:
    """The variants have the names that the field gives them."""
    assert [str(variant) for variant in MboxVariant] == ["mboxo", "mboxrd", "mboxcl", "mboxcl2", "from-any"]
