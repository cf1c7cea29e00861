"""Words that say more than a meta-analysis can: found by pattern, in any text the report generates."""

from __future__ import annotations

import re
from html.parser import HTMLParser

THEIRS = "theirs"
"""Value of ``data-words`` on what other people wrote: claims, titles of papers, cells of the data files."""

_FALLS = r"(?:reduc|lower|slow|improv|decreas|prevent|increas|rais|halt)\w*"
_HELPS = r"(?:prevents?|saves?|protects?|stops?|removes?|dissolves?|blocks?|halts?|heals?|fixes)"

OVERCLAIMS: dict[str, str] = {
    # an interval that includes zero
    "absence of evidence read as evidence of absence": (
        r"\b(?:no|zero|without(?: any)?) (?:effect|impact|influence|benefit|harm|difference in effect)s?\b"
    ),
    "failure declared": (
        r"\bineffective\b|\b(?:does|do|did)(?: not|n't) work\b|\buseless\b|\bof no use\b|\bworthless\b"
    ),
    "equivalence": (
        r"\bequally effective\b|\bas effective as\b|\bmakes no difference\b"
        r"|\bequivalent to (?:placebo|control)\b"
    ),
    "no better than control": r"\b(?:no (?:better|different)|the same) (?:than|as|from) (?:placebo|control)\b",
    "denial of an effect": rf"\b(?:does|do|did|will)(?: not|n't) (?:{_FALLS}|affect|help|cause)\b",
    "evidence of absence": r"\bevidence (?:of no|for no|of absence|against any)\b|\bthere is nothing to\b",
    "effect ruled out": (
        r"(?<!not )\brul(?:es?|ed|ing) out (?:a |an |any |every )?(?:benefit|effect|harm|difference)"
    ),
    # certainty
    "proof": r"\b(?:dis)?prove[sdn]?\b|\bproof\b|\bproving\b",
    "last word": (
        r"\bconclusive(?:ly)?\b|\bdefinitive(?:ly)?\b|\bbeyond doubt\b|\birrefutabl[ey]\b"
        r"|\bunequivocal(?:ly)?\b"
    ),
    "certainty": (
        r"\b(?:certainly|undoubtedly|obviously|unquestionabl[ey]|without question|guarantee[sd]?)\b"
        r"|\bclearly (?:shows?|works?|helps?)\b|\b100 ?% (?:certain|sure)\b|\bcertain to\b"
    ),
    "established as fact": (
        r"\b(?:demonstrat|establish|confirm)(?:es|ed) (?:that|the (?:benefit|effect|efficacy))\b"
    ),
    # reversal and repair
    "cure": r"\bcur(?:e[sd]?|ing)\b",
    "reversal": r"\brevers(?:e|es|ed|al|als|ing|ible)\b|\bregress(?:es|ed|ing)?\b calcif",
    "cleaning": (
        r"\b(?:clean|scrub|flush|clear|unclog)(?:s|es|ed|ged|ing)?\b[^.]{0,20}\barter|\bunclogs?\b"
        r"|\b(?:dissolv|melt)\w*[^.]{0,20}\b(?:calcium|plaque|calcification)\b"
    ),
    "rejuvenation": (
        r"\brejuvenat\w*|\b(?:younger|like new|flexible again) arter"
        r"|\brestor(?:es|ed|ing) (?:the )?(?:arter|elastic)\w*"
    ),
    # cause
    "cause from association": rf"\bvitamin k\d?\s+{_HELPS}\b",
    "protection": (
        r"\bprotects? (?:the|your|their) (?:heart|arter(?:y|ies)|vessels?)\b|\b(?:saves?|saving) lives\b"
    ),
    "cause from diet": (
        rf"\b(?:intake|diet|eating|consumption|consuming)\b[^.;]{{0,40}}\b(?:{_FALLS}|cuts?|protects?|causes?|{_HELPS})\b"
    ),
    "cause from cohorts": (
        rf"\bcohorts? (?:shows?|showed|found|finds?)\b[^.;]{{0,60}}\b(?:effects? of|{_HELPS}|{_FALLS})\b"
    ),
    "credit": r"\b(?:thanks to|owing to|due to|because of) (?:the )?(?:treatment|supplement\w*|vitamin k\d?)\b",
    "risk of events from a surrogate": (
        r"\b(?:reduc|lower|cut|slash|halv)\w* (?:the |your )?(?:risk|chance|odds)s? of "
        r"(?:death|dying|heart|strokes?|cardio)"
    ),
    "headline arithmetic": (
        r"\b(?:slash|halv|doubl|tripl)(?:es|e|ed|ing) (?:the |your )?(?:risk|chance|odds|progress)\w*"
    ),
    # praise
    "size in adjectives": (
        r"\b(?:strong(?:ly)?|dramatic(?:ally)?|remarkabl[ey]|impressive(?:ly)?|huge|massive(?:ly)?"
        r"|substantial(?:ly)?|powerful(?:ly)?)\b"
    ),
    "wonder": r"\b(?:breakthrough|miracle|miraculous|game.?chang\w+|revolutionary|unprecedented|superfood)\b",
    "promise": r"\b(?:promising|encouraging|exciting|hopeful)\b",
    "works for all": r"\bworks? (?:for|in) (?:everyone|everybody|all|most)\b|\bis (?:highly |very )?effective\b",
    # significance
    "significance as praise": r"\b(?:highly|marginally|nearly|almost|borderline|clinically) significant\b",
    "trend": r"\btrend(?:s|ed|ing)? to(?:ward|wards)?\b",
    "a miss told as a near hit": (
        r"\bfail(?:s|ed) to reach\b|\bapproach(?:es|ed|ing) (?:statistical )?significance\b"
        r"|\bjust missed\b"
    ),
    "a surrogate not named": rf"\bsignificant(?:ly)? {_FALLS}\b(?![^.]*\bsurrogate)",
    "p of zero": r"\bp\s*=\s*0?\.0+\b(?!\d)",
    # safety and advice
    "safety": (
        r"\b(?:is|are|was|be|perfectly|completely|entirely) (?:\w+ )?safe\b|\bharmless\b|\bnon-?toxic\b"
        r"|\brisk.free\b|\bno side effects\b"
    ),
    "advice": (
        r"\b(?:everyone|you|patients|people|users?) (?:should|must|need to|ought to) "
        r"(?:take|supplement|use|avoid|eat)\b"
        r"|\bwe recommend\b|\bis recommended for\b"
    ),
}
"""What is looked for, by the fault it would be (patterns are searched without regard to case)."""

_COMPILED = tuple(re.compile(pattern, re.IGNORECASE) for pattern in OVERCLAIMS.values())
_VOID = {"meta", "img", "br", "link", "input", "hr"}


def overclaims(text: str) -> tuple[str, ...]:
    """Return every phrase of ``text`` that claims more than an interval can carry, in reading order."""
    hits = [(m.start(), m.group()) for pattern in _COMPILED for m in pattern.finditer(text)]
    return tuple(phrase for _, phrase in sorted(hits))


def generated(html: str) -> str:
    """Return the text of a page that the report wrote itself.

    Left out is what other people wrote and the page marks as theirs (``data-words="theirs"``): quoted claims,
    titles of papers, cells of the data files, settings. Attributes that are read aloud (``alt``, ``title``,
    ``aria-label``) belong to the text.
    """
    return _Own(html).text


class _Own(HTMLParser):
    """Collects the text of a page outside styles, scripts and what is marked as theirs."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.pieces: list[str] = []
        self.skipped: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        if tag not in _VOID and (self.skipped or tag in ("style", "script") or found.get("data-words") == THEIRS):
            self.skipped.append(tag)
        if not self.skipped:
            self.pieces += [said for name in ("alt", "title", "aria-label") if (said := found.get(name))]

    def handle_endtag(self, tag: str) -> None:
        if self.skipped and self.skipped[-1] == tag:
            self.skipped.pop()

    def handle_data(self, data: str) -> None:
        if not self.skipped:
            self.pieces.append(data)

    @property
    def text(self) -> str:
        """The pieces with single spaces."""
        return " ".join(" ".join(self.pieces).split())
