"""What Sigma means, a sentence a row: a selection (or a whole detection), an event, and whether it fires."""

import re
from collections.abc import Mapping
from datetime import UTC
from typing import Any, cast
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sigma.rule import SigmaRule
from sigma.rule.detection import SigmaDetectionItem
from sigma.types import SigmaExpansion, SigmaString, SpecialChars

from tests.logs.sigma.strategies import PLACEHOLDERS, cases
from tests.reference import (
    RefusedRuleError,
    UnresolvedPlaceholderError,
    Wild,
    fold_character,
    matches,
    pattern_of,
    wild_match,
)

YES, NO = True, False
KELVIN, DOTTED_I, LONG_S, FINAL_SIGMA = "\u212a", "\u0130", "\u017f", "\u03c2"

Row = tuple[str, Any, Mapping[str, Any], bool]


def rule_of(selection: Any, condition: Any = "sel") -> dict[str, Any]:
    return {"title": "t", "logsource": {"product": "x"}, "detection": {"sel": selection, "condition": condition}}


def detection(condition: Any, **selections: Any) -> dict[str, Any]:
    return {"title": "t", "logsource": {"product": "x"}, "detection": {**selections, "condition": condition}}


def ids(rows: list[Row]) -> list[str]:
    return [row[0] for row in rows]


VALUES: list[Row] = [
    ("case does not matter", {"A": "CMD.exe"}, {"A": "cmd.EXE"}, YES),
    ("case does not matter beyond ASCII", {"A": "ÄÖÅ"}, {"A": "äöå"}, YES),
    ("case folds one character at a time: sharp s is not ss", {"A": "straße"}, {"A": "STRASSE"}, NO),
    ("the Kelvin sign folds to k", {"A": "k"}, {"A": KELVIN}, YES),
    ("dotted capital I folds to i", {"A": "i?"}, {"A": DOTTED_I + "x"}, YES),
    ("long s is not s, since lower() leaves it", {"A": "s"}, {"A": LONG_S}, NO),
    ("final sigma is sigma", {"A": "ΟΔΟΣ"}, {"A": "οδο" + FINAL_SIGMA}, YES),
    ("cased flips that", {"A|cased": "CMD"}, {"A": "cmd"}, NO),
    ("cased finds its needle", {"A|cased": "CMD"}, {"A": "CMD"}, YES),
    ("cased finds its needle inside", {"A|contains|cased": "Enc"}, {"A": "x Enc y"}, YES),
    ("cased says no to the other case inside", {"A|cased|contains": "Enc"}, {"A": "x enc y"}, NO),
    ("cased keeps wildcards", {"A|cased": "C?D*"}, {"A": "CMD.exe"}, YES),
    ("a plain value matches the whole field", {"A": "cmd"}, {"A": "cmd.exe"}, NO),
    ("a plain value does not match the end alone", {"A": "exe"}, {"A": "cmd.exe"}, NO),
    ("a star is nothing", {"A": "a*b"}, {"A": "ab"}, YES),
    ("a star is much", {"A": "a*b"}, {"A": "a---b"}, YES),
    ("a star backtracks", {"A": "*ab*ab"}, {"A": "xabyabab"}, YES),
    ("a question mark is exactly one", {"A": "a?b"}, {"A": "a-b"}, YES),
    ("a question mark is not nothing", {"A": "a?b"}, {"A": "ab"}, NO),
    ("a question mark is not two", {"A": "a?b"}, {"A": "a--b"}, NO),
    ("a question mark is one character also outside the basic plane", {"A": "a?b"}, {"A": "a\U0001f600b"}, YES),
    ("a star spans newlines", {"A": "a*b"}, {"A": "a\r\n\nb"}, YES),
    ("a question mark spans a newline", {"A": "a?b"}, {"A": "a\nb"}, YES),
    ("a wildcard is anchored at both ends", {"A": "net*user"}, {"A": "mynetXuserZ"}, NO),
    ("a wildcard is anchored at the end", {"A": "net*user"}, {"A": "netXuserZ"}, NO),
    ("a lone backslash is literal", {"A": r"C:\x"}, {"A": r"C:\x"}, YES),
    ("a leading backslash is kept", {"A": r"*\cmd.exe"}, {"A": r"C:\cmd.exe"}, YES),
    ("a leading backslash is asked for", {"A": r"*\cmd.exe"}, {"A": "C:cmd.exe"}, NO),
    ("a leading backslash at the very start is asked for", {"A": r"\cmd*"}, {"A": "cmd"}, NO),
    ("two backslashes are one", {"A": r"C:\\x"}, {"A": r"C:\x"}, YES),
    ("two backslashes are not two", {"A": r"C:\\x"}, {"A": r"C:\\x"}, NO),
    ("an escaped star is literal", {"A": r"a\*b"}, {"A": "a*b"}, YES),
    ("an escaped star is no wildcard", {"A": r"a\*b"}, {"A": "axb"}, NO),
    ("an escaped question mark is literal", {"A": r"a\?b"}, {"A": "a?b"}, YES),
    ("an escaped question mark is no wildcard", {"A": r"a\?b"}, {"A": "axb"}, NO),
    ("two backslashes and a star are a backslash, then a wildcard", {"A": r"C:\\*"}, {"A": r"C:\x"}, YES),
    ("two backslashes and a star ask for the backslash", {"A": r"C:\\*"}, {"A": "C:x"}, NO),
    ("three backslashes and a star are a backslash, then a star", {"A": r"C:\\\*"}, {"A": r"C:\*"}, YES),
    ("three backslashes and a star have no wildcard", {"A": r"C:\\\*"}, {"A": r"C:\x"}, NO),
    ("three backslashes are two", {"A": r"\\\x"}, {"A": r"\\x"}, YES),
    ("four backslashes are two", {"A": r"\\\\x"}, {"A": r"\\x"}, YES),
    ("four backslashes are not four", {"A": r"\\\\x"}, {"A": r"\\\\x"}, NO),
    ("four backslashes are not one", {"A": r"\\\\x"}, {"A": r"\x"}, NO),
    ("a backslash at the end is literal", {"A": "C:\\"}, {"A": "C:\\"}, YES),
    ("a backslash at the end does not eat the wildcard of contains", {"A|contains": "C:\\"}, {"A": r"C:\x"}, YES),
    ("brackets, braces and percent are literal", {"A": "[a]{2}%b%"}, {"A": "[A]{2}%B%"}, YES),
    ("a bracket is no class", {"A": "[ab]"}, {"A": "a"}, NO),
    ("a map is AND", {"A": "a", "B": "b"}, {"A": "a", "B": "x"}, NO),
    ("a map holds when all of it holds", {"A": "a", "B": "b"}, {"A": "a", "B": "b"}, YES),
    ("a list of values is OR", {"A": ["a", "b"]}, {"A": "b"}, YES),
    ("with all, a list of values is AND", {"A|contains|all": ["a", "b"]}, {"A": "xb"}, NO),
    ("with all, each value may be anywhere", {"A|contains|all": ["a", "b"]}, {"A": "b-a"}, YES),
    ("a list of maps is OR", [{"A": "a"}, {"B": "b"}], {"B": "b"}, YES),
    ("a list of maps is no AND", [{"A": "a"}, {"B": "b"}], {"C": "c"}, NO),
    ("field names are told apart by case", {"a": "x"}, {"A": "x"}, NO),
    ("a dotted name is a name", {"D.E": "x"}, {"D.E": "x"}, YES),
    ("keywords are OR", ["foo", "bar"], {"A": "x", "B": "a BAR b"}, YES),
    ("keywords that are nowhere say no", ["foo", "bar"], {"A": "fo", "B": "o"}, NO),
    ("a keyword stays within one value", ["foobar"], {"A": "foo", "B": "bar"}, NO),
    ("a keyword may be alone", "foo", {"A": "a foo"}, YES),
    ("a keyword is looked for in the values, not in the names", ["foo"], {"foo": "x"}, NO),
    ("keywords have wildcards", ["f*r"], {"A": "a foo-bar b"}, YES),
    ("a keyword is found in a number", ["62"], {"A": 4625}, YES),
    ("a keyword is found in a boolean", ["true"], {"A": True}, YES),
    ("a keyword may be a number", [4625], {"A": "id 4625."}, YES),
    ("a keyword is found in an array", ["foo"], {"A": ["x", "a foo"]}, YES),
    ("null holds no keyword", ["null", "None"], {"A": None}, NO),
    ("with all, keywords are AND", {"|all": ["foo", "bar"]}, {"A": "foo", "B": "x"}, NO),
    ("with all, keywords may be in different values", {"|all": ["foo", "bar"]}, {"A": "foo", "B": "bar"}, YES),
    ("keywords and maps in one list are OR", ["foo", {"A": "a"}], {"A": "A"}, YES),
    ("a cased keyword", {"|cased": "Foo"}, {"A": "a foo"}, NO),
    ("a keyword may be a regular expression", {"|re": "^fo+$"}, {"A": "x", "B": "foo"}, YES),
    ("a keyword that must start a value", {"|startswith": "foo"}, {"A": "a foo"}, NO),
    ("empty is present and empty", {"A": ""}, {"A": ""}, YES),
    ("empty is not absent", {"A": ""}, {}, NO),
    ("empty is not null", {"A": ""}, {"A": None}, NO),
    ("empty is not a space", {"A": ""}, {"A": " "}, NO),
    ("empty may be one element of many", {"A": ""}, {"A": ["x", ""]}, YES),
    ("null is null", {"A": None}, {"A": None}, YES),
    ("null is absent", {"A": None}, {"B": "x"}, YES),
    ("null is not empty", {"A": None}, {"A": ""}, NO),
    ("null is not the text null", {"A": None}, {"A": "null"}, NO),
    ("the text null is not null", {"A": "null"}, {"A": None}, NO),
    ("null may be one value of a list", {"A": [None, "x"]}, {}, YES),
    ("the other value of that list still counts", {"A": [None, "x"]}, {"A": "x"}, YES),
    ("null may be one element of an array", {"A": None}, {"A": ["x", None]}, YES),
    ("an empty array is not null", {"A": None}, {"A": []}, NO),
    ("exists is presence", {"A|exists": True}, {"A": "x"}, YES),
    ("exists is presence although null", {"A|exists": True}, {"A": None}, YES),
    ("exists is presence although empty", {"A|exists": True}, {"A": ""}, YES),
    ("absent does not exist", {"A|exists": True}, {"B": 1}, NO),
    ("exists false is absence", {"A|exists": False}, {"B": 1}, YES),
    ("exists false says no to null", {"A|exists": False}, {"A": None}, NO),
    ("a star asks for presence, even of nothing", {"A": "*"}, {"A": ""}, YES),
    ("a star is not satisfied by null", {"A": "*"}, {"A": None}, NO),
    ("a number equals a number", {"A": 4625}, {"A": 4625}, YES),
    ("a number equals its string", {"A": 4625}, {"A": "4625"}, YES),
    ("a number equals another way to write it", {"A": 4625}, {"A": "4.625e3"}, YES),
    ("a number equals the float", {"A": 4625}, {"A": 4625.0}, YES),
    ("a number has no spaces around it", {"A": 4625}, {"A": " 4625"}, NO),
    ("a number is not hexadecimal", {"A": 16}, {"A": "0x10"}, NO),
    ("a number is not infinite", {"A": 16}, {"A": "inf"}, NO),
    ("a number is not written with underscores", {"A": 16}, {"A": "1_6"}, NO),
    ("a number is not written with other scripts' digits", {"A": 5}, {"A": "\u0665"}, NO),
    ("a number is not part of a longer one", {"A": 462}, {"A": "4625"}, NO),
    ("one is not true", {"A": 1}, {"A": True}, NO),
    ("large numbers are exact", {"A": 9007199254740993}, {"A": "9007199254740992"}, NO),
    ("a tenth is a tenth", {"A": 0.1}, {"A": "0.10"}, YES),
    ("a negative number", {"A": -1}, {"A": "-1"}, YES),
    ("a string equals the number's text", {"A": "4625"}, {"A": 4625}, YES),
    ("a string is not read as a number", {"A": "4625.0"}, {"A": 4625}, NO),
    ("a string with wildcards is compared with the number's text", {"A": "46*"}, {"A": 4625}, YES),
    ("a boolean equals a boolean", {"A": True}, {"A": True}, YES),
    ("a boolean equals its string", {"A": True}, {"A": "True"}, YES),
    ("false is not true", {"A": False}, {"A": True}, NO),
    ("false is not nothing", {"A": False}, {}, NO),
    ("a string equals the boolean's text", {"A": "TRUE"}, {"A": True}, YES),
    ("any element of an array", {"A": "b"}, {"A": ["a", "b"]}, YES),
    ("no element of an array", {"A": "b"}, {"A": ["a", "ab"]}, NO),
    ("an array of numbers", {"A": 2}, {"A": [1, 2]}, YES),
    ("an empty array has no element", {"A": "*"}, {"A": []}, NO),
    ("with all, each value may be another element", {"A|all": ["a", "b"]}, {"A": ["b", "a"]}, YES),
    ("an array is not searched as one text", {"A|contains": "ab"}, {"A": ["a", "b"]}, NO),
]

MODIFIERS: list[Row] = [
    ("contains is anywhere", {"A|contains": "b"}, {"A": "abc"}, YES),
    ("contains is case-insensitive", {"A|contains": "B"}, {"A": "abc"}, YES),
    ("contains on null is no", {"A|contains": ""}, {"A": None}, NO),
    ("contains on an absent field is no", {"A|contains": "x"}, {}, NO),
    ("contains of nothing is presence of a text", {"A|contains": ""}, {"A": "x"}, YES),
    ("contains keeps inner wildcards", {"A|contains": "a*c"}, {"A": "xabbcx"}, YES),
    ("contains of a number", {"A|contains": 62}, {"A": "4625"}, YES),
    ("contains in a number", {"A|contains": "62"}, {"A": 4625}, YES),
    ("startswith is at the start", {"A|startswith": "ab"}, {"A": "abc"}, YES),
    ("startswith is not inside", {"A|startswith": "b"}, {"A": "abc"}, NO),
    ("endswith is at the end", {"A|endswith": r"\cmd.exe"}, {"A": r"C:\CMD.EXE"}, YES),
    ("endswith is not inside", {"A|endswith": "b"}, {"A": "abc"}, NO),
    ("endswith any element", {"A|endswith": "b"}, {"A": ["x", "ab"]}, YES),
    ("neq is not equal", {"A|neq": "x"}, {"A": "y"}, YES),
    ("neq says no to the equal", {"A|neq": "x"}, {"A": "X"}, NO),
    ("neq to a list is neq to each", {"A|neq": ["x", "y"]}, {"A": "y"}, NO),
    ("neq holds for an absent field", {"A|neq": "x"}, {}, YES),
    ("neq holds for null", {"A|neq": "x"}, {"A": None}, YES),
    ("neq holds when no element equals", {"A|neq": "x"}, {"A": ["x", "y"]}, NO),
    ("neq of a number", {"A|neq": 5}, {"A": "5.0"}, NO),
    ("neq null is present and not null", {"A|neq": None}, {}, NO),
    ("neq null holds for a value", {"A|neq": None}, {"A": ""}, YES),
    ("neq with contains", {"A|contains|neq": "x"}, {"A": "axb"}, NO),
    ("neq with all denies the whole", {"A|contains|all|neq": ["a", "b"]}, {"A": "a"}, YES),
    ("a slash stands for the dash", {"A|contains|windash": " -enc"}, {"A": "x /enc"}, YES),
    ("the dash stands for itself", {"A|contains|windash": " -enc"}, {"A": "x -enc"}, YES),
    ("an en dash stands for the dash", {"A|contains|windash": " -enc"}, {"A": "x –enc"}, YES),
    ("an em dash stands for the dash", {"A|contains|windash": " -enc"}, {"A": "x —enc"}, YES),
    ("a horizontal bar stands for the dash", {"A|contains|windash": " -enc"}, {"A": "x ―enc"}, YES),
    ("no other dash stands for it", {"A|contains|windash": " -enc"}, {"A": "x \u2212enc"}, NO),
    ("a slash is an option's dash, too", {"A|contains|windash": " /enc"}, {"A": "x -enc"}, YES),
    ("an en dash in the rule is an option's dash, too", {"A|contains|windash": " –enc"}, {"A": "x -enc"}, YES),
    ("a dash within a word is no option", {"A|windash": "a-b"}, {"A": "a/b"}, NO),
    ("a dash at the start is an option", {"A|windash": "-b"}, {"A": "/b"}, YES),
    ("a dash without a word is no option", {"A|contains|windash": " - x"}, {"A": "a / x"}, NO),
    ("of two dashes the second is an option's", {"A|windash": "--b"}, {"A": "-/b"}, YES),
    ("of two dashes the first is not", {"A|windash": "--b"}, {"A": "/-b"}, NO),
    ("each dash varies on its own", {"A|contains|windash": " -s -i"}, {"A": "x /s —i"}, YES),
    ("windash keeps wildcards", {"A|windash": "*-e?c *foo*"}, {"A": "x /enc a foo b"}, YES),
    ("windash may come before contains", {"A|windash|contains": " -enc"}, {"A": "x /enc y"}, YES),
    ("windash with all", {"A|contains|all|windash": ["-a", "-b"]}, {"A": "/a"}, NO),
    ("windash with all holds", {"A|contains|all|windash": ["-a", "-b"]}, {"A": "/b /a"}, YES),
    ("windash with endswith", {"A|endswith|windash": " -x"}, {"A": "a /X"}, YES),
    ("re searches", {"A|re": "b+"}, {"A": "abbc"}, YES),
    ("re has anchors", {"A|re": "^b"}, {"A": "abbc"}, NO),
    ("re is case-sensitive", {"A|re": "B"}, {"A": "b"}, NO),
    ("re with i is not", {"A|re|i": "B"}, {"A": "b"}, YES),
    ("re with m has lines", {"A|re|m": "^b$"}, {"A": "a\nb\nc"}, YES),
    ("re without m has none", {"A|re": "^b$"}, {"A": "a\nb\nc"}, NO),
    ("re with s: a dot is also a newline", {"A|re|s": "a.b"}, {"A": "a\nb"}, YES),
    ("re without s: it is not", {"A|re": "a.b"}, {"A": "a\nb"}, NO),
    ("re with all three", {"A|re|i|m|s": "^A.B$"}, {"A": "x\na\nb\ny"}, YES),
    ("a dollar holds before a final newline", {"A|re": "b$"}, {"A": "ab\n"}, YES),
    (r"\d is ASCII", {"A|re": r"^\d$"}, {"A": "\u0665"}, NO),
    (r"\w is ASCII", {"A|re": r"^\w$"}, {"A": "ä"}, NO),
    (r"\s is ASCII", {"A|re": r"^\s$"}, {"A": "\u00a0"}, NO),
    ("re looks around", {"A|re": r"(?<!a)b(?=c)"}, {"A": "xbc"}, YES),
    ("re keeps its backslashes", {"A|re": r"\\\\x"}, {"A": r"\\x"}, YES),
    ("a star in re is no wildcard", {"A|re": "^ab*$"}, {"A": "abx"}, NO),
    ("re on a number reads its text", {"A|re": "^46"}, {"A": 4625}, YES),
    ("re on null is no", {"A|re": ".*"}, {"A": None}, NO),
    ("re of any element", {"A|re": "^b$"}, {"A": ["a", "b"]}, YES),
    ("re with all", {"A|re|all": ["a", "b"]}, {"A": "ab"}, YES),
    ("re with neq", {"A|re|neq": "a"}, {"A": "b"}, YES),
    ("base64 is the whole value encoded", {"A|base64": "foo"}, {"A": "Zm9v"}, YES),
    ("base64 has its padding", {"A|base64": "fo"}, {"A": "Zm8="}, YES),
    ("base64 is still case-insensitive", {"A|base64": "foo"}, {"A": "zM9V"}, YES),
    ("base64 of what is not ASCII is base64 of UTF-8", {"A|base64": "ä"}, {"A": "w6Q="}, YES),
    ("base64 and contains", {"A|base64|contains": "foo"}, {"A": "x Zm9v y"}, YES),
    ("base64 of an escaped star", {"A|base64": r"\*"}, {"A": "Kg=="}, YES),
    ("base64offset at the first place", {"A|base64offset|contains": "foobar"}, {"A": "Zm9vYmFy"}, YES),
    ("base64offset at the second place", {"A|base64offset|contains": "foobar"}, {"A": "eGZvb2Jhcnk="}, YES),
    ("base64offset at the third place", {"A|base64offset|contains": "foobar"}, {"A": "eHhmb29iYXJ5"}, YES),
    ("base64offset of something else", {"A|base64offset|contains": "foozap"}, {"A": "eHhmb29iYXJ5"}, NO),
    ("wide is UTF-16, little end first", {"A|wide|base64": "foo"}, {"A": "ZgBvAG8A"}, YES),
    ("utf16le is wide", {"A|utf16le|base64": "foo"}, {"A": "ZgBvAG8A"}, YES),
    ("utf16be has the big end first", {"A|utf16be|base64": "foo"}, {"A": "AGYAbwBv"}, YES),
    ("utf16 begins with a mark", {"A|utf16|base64": "foo"}, {"A": "//5mAG8AbwA="}, YES),
    ("wide of what is not ASCII", {"A|wide|base64": "ä"}, {"A": "5AA="}, YES),
    ("wide, base64offset, contains", {"A|wide|base64offset|contains": "ab"}, {"A": "AAAAYQBiAA=="}, YES),
    ("wide alone has zeros between", {"A|wide": "ab"}, {"A": "a\0b\0"}, YES),
    ("lt is less", {"A|lt": 5}, {"A": 4.9}, YES),
    ("lt is not equal", {"A|lt": 5}, {"A": 5}, NO),
    ("lte is less or equal", {"A|lte": 5}, {"A": "5.0"}, YES),
    ("gt is greater, also as a string", {"A|gt": 5}, {"A": "10"}, YES),
    ("gt is not equal", {"A|gt": 5}, {"A": 5}, NO),
    ("gte is greater or equal", {"A|gte": 5}, {"A": 5}, YES),
    ("gt of any element", {"A|gt": 5}, {"A": [1, 6]}, YES),
    ("gt is no for what is no number", {"A|gt": 5}, {"A": "many"}, NO),
    ("gt is no for a boolean", {"A|gte": 1}, {"A": True}, NO),
    ("lt is no for null", {"A|lt": 5}, {"A": None}, NO),
    ("lt is no for an absent field", {"A|lt": 5}, {}, NO),
    ("neq of lt turns it", {"A|lt|neq": 5}, {"A": 5}, YES),
    ("minute", {"A|minute": 7}, {"A": "2024-02-29T23:07:59Z"}, YES),
    ("hour", {"A|hour": 23}, {"A": "2024-02-29T23:07:59Z"}, YES),
    ("day", {"A|day": 29}, {"A": "2024-02-29T23:07:59Z"}, YES),
    ("week is the ISO week", {"A|week": 53}, {"A": "2021-01-01T12:00:00Z"}, YES),
    ("month", {"A|month": 2}, {"A": "2024-02-29T23:07:59Z"}, YES),
    ("year", {"A|year": 2024}, {"A": "2024-02-29T23:07:59Z"}, YES),
    ("another hour", {"A|hour": 22}, {"A": "2024-02-29T23:07:59Z"}, NO),
    ("an hour at least", {"A|hour|gte": 22}, {"A": "2024-02-29T23:07:59Z"}, YES),
    ("an hour at most", {"A|hour|lt": 6}, {"A": "2024-02-29T23:07:59Z"}, NO),
    ("a time's own offset is converted to the zone", {"A|hour": 21}, {"A": "2024-02-29T23:07:59+02:00"}, YES),
    ("seconds since 1970", {"A|year": 2023}, {"A": 1700000000}, YES),
    ("seconds since 1970 as a string", {"A|hour": 22}, {"A": "1700000000.5"}, YES),
    ("what is no time has no hour", {"A|hour": 0}, {"A": "yesterday"}, NO),
    ("null has no hour", {"A|hour": 0}, {"A": None}, NO),
    ("neq of an hour", {"A|hour|neq": 23}, {"A": "2024-02-29T22:00:00Z"}, YES),
    ("cidr holds its addresses", {"A|cidr": "10.0.0.0/8"}, {"A": "10.1.2.3"}, YES),
    ("cidr is not a prefix of the text", {"A|cidr": "10.0.0.0/12"}, {"A": "10.16.0.1"}, NO),
    ("cidr of version 6", {"A|cidr": "fe80::/10"}, {"A": "FEBF::1"}, YES),
    ("cidr of version 6, written at length", {"A|cidr": "::1/128"}, {"A": "0:0:0:0:0:0:0:1"}, YES),
    ("cidr does not mix the versions", {"A|cidr": "0.0.0.0/0"}, {"A": "::1"}, NO),
    ("IPv4 in IPv6 stays IPv6", {"A|cidr": "10.0.0.0/8"}, {"A": "::ffff:10.1.2.3"}, NO),
    ("cidr is no for what is no address", {"A|cidr": "0.0.0.0/0"}, {"A": "localhost"}, NO),
    ("cidr is no for a number", {"A|cidr": "0.0.0.0/0"}, {"A": 1}, NO),
    ("cidr list is OR", {"A|cidr": ["10.0.0.0/8", "192.168.0.0/16"]}, {"A": "192.168.1.1"}, YES),
    ("cidr of any element", {"A|cidr": "10.0.0.0/8"}, {"A": ["1.1.1.1", "10.0.0.1"]}, YES),
    ("cidr with neq", {"A|cidr|neq": "10.0.0.0/8"}, {"A": "11.0.0.1"}, YES),
    ("fieldref is the same text", {"A|fieldref": "B"}, {"A": "Root", "B": "root"}, YES),
    ("fieldref is another text", {"A|fieldref": "B"}, {"A": "root", "B": "roo"}, NO),
    ("fieldref reads no wildcards in logs", {"A|fieldref": "B"}, {"A": "root", "B": "*"}, NO),
    ("fieldref of a number is its text", {"A|fieldref": "B"}, {"A": 5, "B": "5"}, YES),
    ("fieldref to an absent field is no", {"A|fieldref": "B"}, {"A": "x"}, NO),
    ("fieldref of two absent fields is no", {"A|fieldref": "B"}, {}, NO),
    ("fieldref of two nulls is no", {"A|fieldref": "B"}, {"A": None, "B": None}, NO),
    ("fieldref of any with any", {"A|fieldref": "B"}, {"A": ["x", "y"], "B": ["z", "y"]}, YES),
    ("fieldref with neq", {"A|fieldref|neq": "B"}, {"A": "x", "B": "y"}, YES),
    ("fieldref with neq, the same", {"A|fieldref|neq": "B"}, {"A": "x", "B": "X"}, NO),
    ("fieldref with neq holds for an absent field", {"A|neq|fieldref": "B"}, {"A": "x"}, YES),
    ("fieldref at the start", {"A|fieldref|startswith": "B"}, {"A": "abc", "B": "AB"}, YES),
    ("fieldref not at the start", {"A|fieldref|startswith": "B"}, {"A": "abc", "B": "bc"}, NO),
    ("fieldref at the end", {"A|fieldref|endswith": "B"}, {"A": "abc", "B": "bc"}, YES),
    ("fieldref inside", {"A|fieldref|contains": "B"}, {"A": "abc", "B": "b"}, YES),
    ("fieldref is not the other way round", {"A|fieldref|contains": "B"}, {"A": "b", "B": "abc"}, NO),
    ("fieldref with cased", {"A|fieldref|cased": "B"}, {"A": "x", "B": "X"}, NO),
    ("fieldref to a list of fields is OR", {"A|fieldref": ["B", "C"]}, {"A": "x", "C": "x"}, YES),
    ("without expand a placeholder is a text", {"A": "%admins%"}, {"A": "%admins%"}, YES),
]


@pytest.mark.parametrize(("sentence", "selection", "event", "expected"), VALUES, ids=ids(VALUES))
def test_values_and_fields(sentence: str, selection: Any, event: Mapping[str, Any], expected: bool) -> None:
    assert matches(rule_of(selection), event) is expected, sentence


@pytest.mark.parametrize(("sentence", "selection", "event", "expected"), MODIFIERS, ids=ids(MODIFIERS))
def test_modifiers(sentence: str, selection: Any, event: Mapping[str, Any], expected: bool) -> None:
    assert matches(rule_of(selection), event) is expected, sentence


def holding(*names: str) -> dict[str, Any]:
    """An event for which the selections of these names hold."""
    return dict.fromkeys(names, "x")


CONDITIONS: list[tuple[str, Any, str, bool]] = [
    # A condition over s1, s2, f1, _h and both; each selection `n` is {n: x}. The third column names those that hold.
    ("or binds less than and", "s1 or s2 and f1", "s1", YES),
    ("or binds less than and, on the left", "s1 and s2 or f1", "f1", YES),
    ("and binds less than not", "not s1 and s2", "", NO),
    ("not takes what follows it", "not s1 and s2", "s2", YES),
    ("not before of", "not 1 of s* and f1", "f1", YES),
    ("not before of, denied", "not 1 of s* and f1", "f1 s2", NO),
    ("not before all of", "not all of s*", "s1", YES),
    ("not of not", "not not s1", "s1", YES),
    ("parentheses bind most", "(s1 or s2) and f1", "s1", NO),
    ("parentheses within parentheses", "((s1) or (s2 and (not f1)))", "s2", YES),
    ("parentheses need no spaces", "not(s1 or s2)and f1", "f1", YES),
    ("operators in capitals", "s1 AND NOT f1", "s1", YES),
    ("operators in capitals deny", "s1 AND NOT f1", "s1 f1", NO),
    ("operators in capitals, or", "s1 OR s2", "s2", YES),
    ("quantifiers in capitals", "ALL OF s*", "s1 s2", YES),
    ("1 of a pattern", "1 of s*", "s2", YES),
    ("1 of a pattern, none", "1 of s*", "f1", NO),
    ("any of is 1 of", "any of s*", "s2", YES),
    ("all of a pattern", "all of s*", "s1", NO),
    ("all of a pattern holds", "all of s*", "s1 s2", YES),
    ("a pattern may have its star anywhere", "1 of *1", "f1", YES),
    ("a pattern without a star is a name", "1 of s1", "s2", NO),
    ("1 of them", "1 of them", "f1", YES),
    ("them leaves out names with an underscore", "1 of them", "_h", NO),
    ("all of them leaves them out, too", "all of them", "s1 s2 f1 notepad", YES),
    ("a star leaves them out, too", "1 of *", "_h", NO),
    ("a pattern with an underscore means them", "1 of _*", "_h", YES),
    ("a name with an underscore can be named", "_h", "_h", YES),
    ("a name that begins as an operator is a name", "notepad", "notepad", YES),
    ("a list of conditions is OR", ["s1 and s2", "f1"], "f1", YES),
    ("a list of conditions, none", ["s1 and s2", "f1"], "s1", NO),
    ("or not", "s1 or not f1", "", YES),
    ("or not, denied", "s1 or not f1", "f1", NO),
    ("a, b and not c", "s1 and s2 and not f1", "s1 s2", YES),
    ("a condition may span lines", "s1\n  and\n  s2", "s1 s2", YES),
]


@pytest.mark.parametrize(("sentence", "condition", "held", "expected"), CONDITIONS, ids=[c[0] for c in CONDITIONS])
def test_conditions(sentence: str, condition: Any, held: str, expected: bool) -> None:
    selections = {name: {name: "x"} for name in ("s1", "s2", "f1", "_h", "notepad")}
    assert matches(detection(condition, **selections), holding(*held.split())) is expected, sentence


def test_a_filter_on_an_absent_field_keeps_the_event() -> None:
    rule = detection("a and not b", a={"A": "x"}, b={"B": "y"})
    assert matches(rule, {"A": "x"})
    assert matches(rule, {"A": "x", "B": None})
    assert not matches(rule, {"A": "x", "B": "y"})


def test_a_filter_on_null_drops_the_event_whose_field_is_absent() -> None:
    rule = detection("a and not b", a={"A": "x"}, b={"B": None})
    assert not matches(rule, {"A": "x"})
    assert matches(rule, {"A": "x", "B": "y"})


REFUSED: list[tuple[str, Any]] = [
    ("an unknown modifier", {"A|like": "x"}),
    ("cidr with contains", {"A|cidr|contains": "10.0.0.0/8"}),
    ("contains with cidr", {"A|contains|cidr": "10.0.0.0/8"}),
    ("a network with bits outside its mask", {"A|cidr": "10.0.0.1/8"}),
    ("a network that is none", {"A|cidr": "internal"}),
    ("base64 of a wildcard", {"A|base64": "a*"}),
    ("base64offset of a wildcard", {"A|base64offset|contains": "a*"}),
    ("base64 after contains", {"A|contains|base64": "a"}),
    ("a regular expression that is broken", {"A|re": "a("}),
    ("a regular expression after contains", {"A|contains|re": "a"}),
    ("a flag without a regular expression", {"A|i": "a"}),
    ("less than a text", {"A|lt": "5"}),
    ("less than a boolean", {"A|lt": True}),
    ("an hour that is a text", {"A|hour": "5"}),
    ("exists that is neither true nor false", {"A|exists": "yes"}),
    ("exists without a field", {"|exists": True}),
    ("a keyword that compares", {"|gt": 5}),
    ("a keyword that is null", [None]),
    ("a null that is contained", {"A|contains": None}),
    ("a field reference with a wildcard", {"A|fieldref": "B*"}),
    ("an empty list of values", {"A": []}),
    ("an empty map", {}),
    ("an empty list", []),
    ("a map for a value", {"A": {"B": "c"}}),
]


@pytest.mark.parametrize("selection", [row[1] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_a_broken_selection_is_refused_and_never_quiet(selection: Any) -> None:
    with pytest.raises(RefusedRuleError):
        matches(rule_of(selection), {"A": "x"})


@pytest.mark.parametrize(
    "condition",
    [
        "",
        "sel and",
        "and sel",
        "not",
        "sel sel",
        "(sel",
        "sel)",
        "other",
        "1 of other*",
        "1 of",
        "0 of sel",
        "of them",
        "sel | count() > 5",
        [],
        None,
        5,
    ],
)
def test_a_broken_condition_is_refused_and_never_quiet(condition: Any) -> None:
    with pytest.raises(RefusedRuleError):
        matches(rule_of({"A": "x"}, condition), {"A": "x"})


def test_a_selection_that_the_condition_never_names_is_still_read() -> None:
    with pytest.raises(RefusedRuleError):
        matches(detection("a", a={"A": "x"}, b={"B|like": "x"}), {"A": "x"})


def test_a_placeholder_takes_each_of_its_values() -> None:
    rule = rule_of({"A|expand": r"%domain%\%user%"})
    lists = {"domain": ["CORP", "LAB"], "user": ["anna", "b*"]}
    assert matches(rule, {"A": r"lab\ANNA"}, placeholders=lists)
    assert matches(rule, {"A": r"corp\bertil"}, placeholders=lists)
    assert not matches(rule, {"A": r"corp\cecilia"}, placeholders=lists)


def test_a_placeholder_works_with_contains_on_either_side() -> None:
    for modifiers in ("contains|expand", "expand|contains"):
        assert matches(rule_of({f"A|{modifiers}": "%p%"}), {"A": "a value b"}, placeholders={"p": ["x", "value"]})


def test_a_placeholder_with_neq_excludes_each_of_its_values() -> None:
    rule = rule_of({"A|expand|neq": "%p%"})
    assert not matches(rule, {"A": "y"}, placeholders={"p": ["x", "y"]})
    assert matches(rule, {"A": "z"}, placeholders={"p": ["x", "y"]})


def test_a_placeholder_may_hold_networks() -> None:
    assert matches(rule_of({"A|expand|cidr": "%p%"}), {"A": "10.1.1.1"}, placeholders={"p": ["10.0.0.0/8"]})


def test_a_placeholder_nobody_filled_is_said() -> None:
    with pytest.raises(UnresolvedPlaceholderError, match="admins"):
        matches(rule_of({"A|expand": "%admins%"}), {"A": "x"})


def test_a_placeholder_filled_with_nothing_matches_nothing() -> None:
    assert not matches(rule_of({"A|expand": "%admins%"}), {"A": ""}, placeholders={"admins": []})


def test_a_lone_percent_is_a_percent() -> None:
    assert matches(rule_of({"A|expand": "100%"}), {"A": "100%"})
    assert matches(rule_of({"A|expand": "%%"}), {"A": "%%"})


def test_time_parts_are_counted_in_the_zone() -> None:
    helsinki = ZoneInfo("Europe/Helsinki")
    rule = rule_of({"A|hour": 1})
    assert matches(rule, {"A": "2024-02-29T23:07:59Z"}, zone=helsinki)
    assert not matches(rule, {"A": "2024-02-29T23:07:59Z"}, zone=UTC)
    assert matches(rule, {"A": "2024-03-01 01:07:59"}, zone=helsinki), "a time without a zone is one of the zone"


def test_the_first_present_key_of_a_field_is_read() -> None:
    resolve = {"A": ["process.a", "native.a"]}.__getitem__
    rule = rule_of({"A": "x"})
    assert matches(rule, {"native.a": "x"}, resolve=resolve)
    assert matches(rule, {"process.a": "x", "native.a": "y"}, resolve=resolve)
    assert not matches(rule, {"process.a": "y", "native.a": "x"}, resolve=resolve)
    assert not matches(rule, {"process.a": None, "native.a": "x"}, resolve=resolve), "null is present"


@given(st.text(alphabet="aAbB*?\\", max_size=8), st.text(alphabet="aAbB*?\\\n", max_size=8))
def test_wildcards_agree_with_a_regular_expression(value: str, text: str) -> None:
    pattern = pattern_of(value)
    parts = {Wild.ANY: ".*", Wild.ONE: "."}
    regex = "".join(parts[part] if isinstance(part, Wild) else re.escape(part) for part in pattern)
    assert wild_match(pattern, text) is (re.fullmatch(regex, text, re.DOTALL) is not None)


@given(st.text(alphabet="ab*?\\%", max_size=10))
def test_escapes_are_read_as_pysigma_reads_them(value: str) -> None:
    theirs = {SpecialChars.WILDCARD_MULTI: Wild.ANY, SpecialChars.WILDCARD_SINGLE: Wild.ONE}
    parts: list[str | Wild] = []
    for part in SigmaString(value).s:
        parts += part if isinstance(part, str) else [theirs[cast(SpecialChars, part)]]
    assert pattern_of(value) == tuple(parts)


@given(
    st.sampled_from(["windash", "contains|windash", "base64", "base64offset", "wide|base64", "utf16be|base64offset"]),
    st.text(alphabet="ab -/_1", min_size=1, max_size=6).filter(lambda text: len(re.findall(r"\B[-/]\b", text)) <= 3),
)
def test_pysigma_expands_to_values_that_match(modifiers: str, value: str) -> None:
    """Each plain value that pySigma makes of a rule's value is one that the reference accepts."""
    selection = {f"A|{modifiers}": value}
    item = cast(SigmaDetectionItem, SigmaRule.from_dict(rule_of(selection)).detection["sel"].detection_items[0])
    strings = [each for one in item.value for each in (one.values if isinstance(one, SigmaExpansion) else [one])]
    assert strings
    for string in strings:
        plain = "".join(part for part in cast(SigmaString, string).s if isinstance(part, str))
        assert matches(rule_of(selection), {"A": plain})


@given(st.characters())
def test_folding_keeps_one_character_one(character: str) -> None:
    folded = fold_character(character)
    assert len(folded) == 1
    assert fold_character(folded) == folded


@given(cases())
def test_a_negated_rule_gives_the_other_answer(case: tuple[dict[str, Any], list[dict[str, Any]]]) -> None:
    rule, events = case
    written = rule["detection"]["condition"]
    denied = " and ".join(f"not ({one})" for one in (written if isinstance(written, list) else [written]))
    negated = {**rule, "detection": {**rule["detection"], "condition": denied}}
    for event in events:
        answer = matches(rule, event, placeholders=PLACEHOLDERS)
        assert matches(negated, event, placeholders=PLACEHOLDERS) is not answer


@given(cases())
def test_neq_on_every_item_alone_gives_the_other_answer(case: tuple[dict[str, Any], list[dict[str, Any]]]) -> None:
    rule, events = case
    for selection in rule["detection"].values():
        for key, values in selection.items() if isinstance(selection, dict) else ():
            for event in events:
                answer = matches(rule_of({key: values}), event, placeholders=PLACEHOLDERS)
                denied = matches(rule_of({key: values}, "not sel"), event, placeholders=PLACEHOLDERS)
                turned = key.replace("|neq", "") if "|neq" in key else key + "|neq"
                assert matches(rule_of({turned: values}), event, placeholders=PLACEHOLDERS) is denied is not answer
