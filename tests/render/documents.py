"""Reports for tests: one as a management group gets it, with every kind of block, and one of a given text."""

from datetime import date

from kyber.document import (
    Bullets,
    Chart,
    Column,
    Document,
    Line,
    Paragraph,
    Piece,
    Row,
    Section,
    Table,
)
from kyber.render.heatmap import HeatMap, Move, svg

WORDS = {
    "fi": {
        "title": "Riskienhallinnan ja tietoturvan katsaus",
        "label": "Salassa pidettävä",
        "levels": ("Merkityksetön", "Vähäinen", "Kohtalainen", "Merkittävä", "Sietämätön"),
        "likely": ("Harvinainen", "Epätodennäköinen", "Mahdollinen", "Todennäköinen", "Lähes varma"),
        "impacts": ("Vähäinen", "Kohtalainen", "Merkittävä", "Vakava", "Kriittinen"),
        "axes": ("Todennäköisyys", "Vaikutus"),
        "matrix": "Riskimatriisi ja muutokset",
        "lead": "Suunta on parempi: kolme merkittävää riskiä pieneni, ja yksi uusi nousi yli riskinottohalukkuuden.",
        "heads": ("Riski", "Omistaja", "Merkittävyys", "Muutos", "Käsittely valmis"),
        "risk": "Kiristyshaittaohjelma pysäyttää potilastietojärjestelmän usean päivän ajaksi",
        "owner": "Hallintoylilääkäri",
        "level": "Merkittävä",
        "move": "▼ pieneni",
        "sections": (
            "Suunta", "Päätösesitykset", "Viisi suurinta riskiä", "Matriisi", "Jatkuvuus", "Hyväksynnät ja myöhässä",
            "Poikkeamat ja havainnot", "Kattavuus", "Vuosikello", "Kaikki riskit", "Menetelmä", "Mitä ei nähty",
        ),
        "text": "Kriittisistä palveluista kaksi palautuu hitaammin kuin tavoite sallii, ja yhtä on harjoiteltu.",
        "item": "Lokien keruu puuttuu kahdelta palvelimelta, joihin potilastiedon käyttö nojaa.",
        "ask": "Hyväksytään varmistusten erottaminen tuotantoverkosta",
        "empty": "Ei vanhenevia hyväksyntöjä.",
        "facts": ("Jakso", "Tilanne", "Tietojen laatu", "Muutos"),
        "quality": "3 riskiä 41:stä on arvioimatta",
    },
    "sv": {
        "title": "Översikt över riskhantering och informationssäkerhet",
        "label": "Sekretessbelagd",
        "levels": ("Obetydlig", "Liten", "Måttlig", "Betydande", "Outhärdlig"),
        "likely": ("Sällsynt", "Osannolik", "Möjlig", "Sannolik", "Nästan säker"),
        "impacts": ("Liten", "Måttlig", "Betydande", "Allvarlig", "Kritisk"),
        "axes": ("Sannolikhet", "Konsekvens"),
        "matrix": "Riskmatris och förändringar",
        "lead": "Riktningen är bättre: tre betydande risker minskade, och en ny steg över riskaptiten.",
        "heads": ("Risk", "Ägare", "Risknivå", "Förändring", "Åtgärdad senast"),
        "risk": "Utpressningsprogram stoppar patientdatasystemet i flera dagar",
        "owner": "Förvaltningsöverläkaren",
        "level": "Betydande",
        "move": "▼ minskade",
        "sections": (
            "Riktning", "Beslutsförslag", "De fem största riskerna", "Matris", "Kontinuitet",
            "Accepteranden och försenat",
            "Incidenter och fynd", "Täckning", "Årsklocka", "Alla risker", "Metod", "Vad som inte sågs",
        ),
        "text": "Av de kritiska tjänsterna återställs två långsammare än målet tillåter, och en har övats.",
        "item": "Loggar samlas inte in från två servrar som användningen av patientuppgifter vilar på.",
        "ask": "Säkerhetskopiorna skiljs från produktionsnätet",
        "empty": "Inga accepteranden går ut.",
        "facts": ("Period", "Läget", "Uppgifternas kvalitet", "Version"),
        "quality": "3 av 41 risker är inte bedömda",
    },
    "en": {
        "title": "Risk management and information security",
        "label": "Confidential",
        "levels": ("Negligible", "Minor", "Moderate", "Major", "Intolerable"),
        "likely": ("Rare", "Unlikely", "Possible", "Likely", "Almost certain"),
        "impacts": ("Minor", "Moderate", "Major", "Severe", "Critical"),
        "axes": ("Likelihood", "Impact"),
        "matrix": "Risk matrix and movement",
        "lead": "The direction is better: three major risks fell, and one new one rose above the appetite.",
        "heads": ("Risk", "Owner", "Level", "Movement", "Treatment due"),
        "risk": "Ransomware stops the patient record system for several days",
        "owner": "Chief medical officer",
        "level": "Major",
        "move": "▼ fell",
        "sections": (
            "Direction", "Decisions asked", "Top five risks", "Matrix", "Continuity", "Acceptances and overdue",
            "Incidents and findings", "Coverage", "The clock", "All risks", "Method", "What was not seen",
        ),
        "text": "Two of the critical services come back more slowly than their objective allows, one was exercised.",
        "item": "Logs are not collected from two servers that the use of patient data rests on.",
        "ask": "Keep the backups apart from the production network",
        "empty": "No acceptance expires.",
        "facts": ("Period", "As of", "Quality of data", "Version"),
        "quality": "3 of 41 risks are not assessed",
    },
}  # fmt: skip
IDS = (
    "direction", "decisions", "top-risks", "matrix", "continuity", "late", "findings", "coverage", "clock",
    "all-risks", "method", "unseen",
)  # fmt: skip
LEVELS = ((1, 1, 2, 2, 3), (1, 2, 2, 3, 4), (2, 2, 3, 4, 4), (2, 3, 4, 4, 5), (3, 4, 4, 5, 5))


def line(text: str, to: str = "", *, strong: bool = False) -> Line:
    return (Piece(text, to, strong),)


def report(language: str = "fi", *, risks: int = 41) -> Document:
    """A report of a made-up county."""
    said = WORDS[language]
    ids = [f"R-{n:03}" for n in range(1, risks + 1)]
    widths = (5, 3, 2, 2, 2)
    columns = tuple(Column(head, weight=weight) for head, weight in zip(said["heads"], widths, strict=True))

    def row(id_: str, *, own: bool) -> Row:
        name = (Piece(id_, "" if own else id_, strong=True), Piece(f" {said['risk']}"))
        return Row(
            cells=(name, line(said["owner"]), line(said["level"]), line(said["move"]), line("2027-01-31")),
            anchor=id_ if own else "",
        )

    blocks = {
        "direction": (Paragraph(line(said["lead"]), "lead"),),
        "decisions": (Bullets(tuple(line(f"{said['ask']} ({n} 000 €).") for n in (20, 35, 80)), numbered=True),),
        "top-risks": (
            Table(title=said["sections"][2], columns=columns, rows=tuple(row(one, own=False) for one in ids[:5])),
        ),
        "matrix": (matrix(language),),
        "continuity": (
            Paragraph(line(said["text"])),
            Table(
                title=said["sections"][4],
                columns=(
                    Column(said["sections"][4]),
                    Column("RTO", right=True, weight=0),
                    Column("RPO", right=True, weight=0),
                ),
                rows=tuple(Row(cells=(line(name), line("8 h"), line("1 h"))) for name in ("Aho", "Kivi", "Salo")),
            ),
        ),
        "late": (Table(title=said["sections"][5], columns=(Column(said["heads"][0]),), rows=(), empty=said["empty"]),),
        "findings": (
            Paragraph((Piece("R-003", "R-003"), Piece(f": {said['item']}"))),
            Bullets((line(said["item"]), line(said["text"]))),
        ),
        "coverage": (Paragraph(line(said["item"])), Paragraph(line(said["quality"]), "note")),
        "clock": (Paragraph(line(said["text"])),),
        "all-risks": (
            Table(title=said["sections"][9], columns=columns, rows=tuple(row(one, own=True) for one in ids)),
        ),
        "method": (Paragraph(line(said["text"])), matrix(language), Bullets((line(said["item"]),))),
        "unseen": (Bullets((line(said["item"]), line(said["quality"]))),),
    }  # fmt: skip
    places = {"all-risks": "annex", "method": "annex", "unseen": "last"}
    return Document(
        title=said["title"],
        organisation="Esimerkkilän hyvinvointialue",
        language=language,
        label=said["label"],
        as_of=date(2026, 12, 31),
        start=date(2026, 10, 1),
        end=date(2026, 12, 31),
        commit="2f1c9ab",
        facts=tuple(
            zip(said["facts"], ("2026-10-01 – 2026-12-31", "2026-12-31", said["quality"], "2f1c9ab"), strict=True)
        ),
        sections=tuple(
            Section(id=id_, title=title, place=places.get(id_, "first"), blocks=blocks[id_])  # type: ignore[arg-type]
            for id_, title in zip(IDS, said["sections"], strict=True)
        ),
        values=(("level.R-001", "major"),),
    )


def matrix(language: str = "fi") -> Chart:
    """The picture of a matrix with movement."""
    said = WORDS[language]
    described = f"R-001: {said['level']}, {said['move']}."
    map_ = HeatMap(
        title=said["matrix"],
        levels=LEVELS,
        names=said["levels"],
        likelihoods=said["likely"],
        impacts=said["impacts"],
        likelihood=said["axes"][0],
        impact=said["axes"][1],
        risks={(3, 4): ("R-001", "R-002", "R-003"), (2, 2): ("R-004",), (4, 5): ("R-005",)},
        moves=(Move("R-001", (5, 4), (3, 4)), Move("R-005", (2, 4), (4, 5))),
        described=described,
    )
    return Chart(title=said["matrix"], svg=svg(map_), described=described)


def filled(text: str, *, language: str = "fi") -> Document:
    """A report with one text in every place where one can stand, as often as it can."""
    columns = (Column(text), Column(text, right=True, weight=0), Column(text, weight=3), Column(text))
    rows = tuple(Row(cells=tuple(line(text, text) for _ in columns), anchor=f"{text}{n}") for n in range(2))
    blocks = (
        Paragraph((Piece(text), Piece(text, text, strong=True))),
        Paragraph(line(text), "lead"),
        Paragraph(line(text), "note"),
        Bullets((line(text), line(text, "no-such-place"))),
        Bullets((line(text),), numbered=True),
        Table(title=text, columns=columns, rows=rows),
        Table(title=text, columns=columns, rows=(), empty=text),
        Chart(title=text, svg=matrix(language).svg, described=text),
        Chart(title=text, svg=text, described=text),
    )
    return Document(
        title=text,
        organisation=text,
        language=language,
        label=text,
        as_of=date(2026, 12, 31),
        start=date(2026, 10, 1),
        end=date(2026, 12, 31),
        commit=text,
        facts=((text, text),),
        sections=tuple(
            Section(id=id_, title=text, place=place, blocks=blocks)  # type: ignore[arg-type]
            for id_, place in ((text, "first"), ("other", "annex"), (text, "annex"), ("third", "last"))
        ),
        values=((text, text),),
    )
