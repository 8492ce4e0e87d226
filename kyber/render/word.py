"""The body of a text and its pictures in, a DOCX file out: the same bytes for the same, whenever it is made.

The one module that knows python-docx. What a body may name: the styles of `document_styles.xml`, the pictures by
`picture(n)`, the numbered lists by `numbered(n)`, and the foot of each page by FOOT.
"""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

if TYPE_CHECKING:
    from docx.document import Document

STYLES: Final = Path(__file__).parent / "document_styles.xml"
FOOT: Final = "foot"
"""What a section calls the foot of its pages."""
PROPERTY: Final = 255
"""Letters that a property of a file may have."""
_YEARS: Final = (1980, 2107)
"""A zip archive knows no year before and after."""
_DECLARED: Final = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
_NAMESPACES: Final = " ".join(
    f'xmlns:{prefix}="http://schemas.openxmlformats.org/{name}"'
    for prefix, name in (
        ("w", "wordprocessingml/2006/main"),
        ("r", "officeDocument/2006/relationships"),
        ("wp", "drawingml/2006/wordprocessingDrawing"),
        ("a", "drawingml/2006/main"),
        ("pic", "drawingml/2006/picture"),
    )
)
_FIRST: Final = (17, 16, 15, 14)
"""The size of type of the first page, in half points."""
_NUMBERED_FROM: Final = 3
_LEVEL: Final = (
    '<w:abstractNum w:abstractNumId="{id}"><w:multiLevelType w:val="singleLevel"/><w:lvl w:ilvl="0">'
    '<w:start w:val="1"/><w:numFmt w:val="{form}"/><w:pStyle w:val="{style}"/><w:lvlText w:val="{text}"/>'
    '<w:lvlJc w:val="left"/><w:pPr><w:ind w:left="340" w:hanging="255"/></w:pPr></w:lvl></w:abstractNum>'
)
_NEEDLESS: Final = ("/thumbnail", "/customXml", "/stylesWithEffects", "/extended-properties")
"""What the empty file that python-docx begins with says of itself, and no text needs."""


def picture(number: int) -> str:
    """What the body calls one of the pictures."""
    return f"picture{number}"


def numbered(number: int) -> int:
    """What the body calls one of the numbered lists, each of which begins with 1."""
    return _NUMBERED_FROM + number


def packed(
    body: str,
    foot: str,
    pictures: Sequence[bytes],
    lists: int,
    *,
    language: str,
    title: str,
    author: str,
    day: date,
    dense: int = 0,
) -> bytes:
    """The file. `body` and `foot` are WordprocessingML without an outer element; `lists`: how many are numbered;
    `language` as `fi-FI`; `title` and `author` are plain; `dense`: how small the type of the first page is, 0 to 3."""
    import docx

    document = docx.Document()
    _drop(document.part.package.rels)
    _drop(document.part.rels)
    _replace(document.part.numbering_part.element, _numbering(lists))
    _replace(document.styles.element, _styles(language, dense))
    _settle(document, language)
    _describe(document, language, title, author, day)
    _attach(document, foot, pictures)
    stream = BytesIO()
    document.save(stream)
    whole = f"{_DECLARED}<w:document {_NAMESPACES}><w:body>{body}</w:body></w:document>"
    return _fixed(stream, day, {document.part.partname.membername: whole.encode()})


def _drop(relations: Any) -> None:
    for key in [key for key, one in relations.items() if one.reltype.endswith(_NEEDLESS)]:
        del relations[key]


def _replace(element: Any, made: str) -> None:
    """What is in the element gives way to what is in the other one."""
    from docx.oxml import parse_xml

    for child in list(element):
        element.remove(child)
    element.extend(list(parse_xml(made)))


def _styles(language: str, dense: int) -> str:
    found = STYLES.read_text(encoding="utf-8").replace("LANGUAGE", language)
    return found.replace("FIRST-TEXT", str(_FIRST[dense])).replace("FIRST-TABLE", str(_FIRST[dense] - 1))


def _numbering(lists: int) -> str:
    kinds = _LEVEL.format(id=0, form="bullet", style="ListBullet", text="•") + _LEVEL.format(
        id=1, form="decimal", style="ListNumber", text="%1."
    )
    from_one = '<w:lvlOverride w:ilvl="0"><w:startOverride w:val="1"/></w:lvlOverride>'
    every = [(1, 0, ""), (2, 1, ""), *((numbered(number), 1, from_one) for number in range(lists))]
    return f"<w:numbering {_NAMESPACES}>{kinds}" + "".join(
        f'<w:num w:numId="{id_}"><w:abstractNumId w:val="{kind}"/>{more}</w:num>' for id_, kind, more in every
    ) + "</w:numbering>"  # fmt: skip


def _settle(document: "Document", language: str) -> None:
    """Words are divided, and the file is one of today, not of 2010."""
    _replace(
        document.settings.element,
        f'<w:settings {_NAMESPACES}><w:zoom w:percent="100"/><w:defaultTabStop w:val="720"/><w:autoHyphenation/>'
        '<w:compat><w:compatSetting w:name="compatibilityMode" w:uri="http://schemas.microsoft.com/office/word" '
        f'w:val="15"/></w:compat><w:themeFontLang w:val="{language}"/></w:settings>',
    )


def _describe(document: "Document", language: str, title: str, author: str, day: date) -> None:
    about = document.core_properties
    about.title, about.author = title[:PROPERTY], author[:PROPERTY]
    about.language = language
    about.created = about.modified = datetime(day.year, day.month, day.day)
    about.last_modified_by = about.author
    about.comments = about.keywords = ""
    about.revision = 1


def _attach(document: "Document", foot: str, pictures: Sequence[bytes]) -> None:
    from docx.opc.constants import RELATIONSHIP_TYPE
    from docx.parts.hdrftr import FooterPart

    below = FooterPart.new(document.part.package)
    _replace(below.element, f"<w:ftr {_NAMESPACES}>{foot}</w:ftr>")
    document.part.rels.add_relationship(RELATIONSHIP_TYPE.FOOTER, below, FOOT)
    for number, png in enumerate(pictures):
        part = document.part.package.get_or_add_image_part(BytesIO(png))
        document.part.rels.add_relationship(RELATIONSHIP_TYPE.IMAGE, part, picture(number))


def _fixed(stream: BytesIO, day: date, instead: Mapping[str, bytes]) -> bytes:
    """The same archive as if made on that day. `instead`: what some files hold; a large text is not read as XML only to
    be written again."""
    made = BytesIO()
    when = (min(max(_YEARS[0], day.year), _YEARS[1]), day.month, day.day, 0, 0, 0)
    with ZipFile(stream) as old, ZipFile(made, "w", ZIP_DEFLATED) as archive:
        for name in old.namelist():
            entry = ZipInfo(name, when)
            entry.compress_type = ZIP_DEFLATED
            entry.create_system = 3
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, instead.get(name) or old.read(name))
    return made.getvalue()
