"""Claims to verdicts: every part by its rule, then the claim as a whole."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from k2meta.analysis import Analysis
from k2meta.claims.rules import DECISIONS, NOT_TESTABLE
from k2meta.claims.types import EVIDENCE, Claim, Decided, Decision, Part, VerdictWord
from k2meta.claims.wording import interval_name, joined, measured

_WORST_FIRST: tuple[VerdictWord, ...] = ("contradicted", "not shown", "not testable", "supported")


def decide(claims: Sequence[Claim], analyses: Sequence[Analysis]) -> tuple[Decided, ...]:
    """Decide every claim by the fits.

    Parameters
    ----------
    claims : sequence of Claim
        Checked against the settings (``k2meta.claims.claim_problems``).
    analyses : sequence of Analysis
        Every analysis of the settings.

    Returns
    -------
    tuple of Decided
        In the order of the claims. A claim of several parts is as good as its weakest part: contradicted if one
        part is, else not shown, else not testable; supported only where every part is.
    """
    by_id = {analysis.spec.id: analysis for analysis in analyses}
    return tuple(_decided(claim, by_id) for claim in claims)


def _decided(claim: Claim, analyses: Mapping[str, Analysis]) -> Decided:
    decisions = tuple(decision(part, analyses) for part in claim.parts)
    weakest = min(decisions, key=lambda one: _WORST_FIRST.index(one.verdict))
    return Decided(
        claim=claim,
        verdict=weakest.verdict,
        short=weakest.short,
        decisions=decisions,
        labels=_labels(claim, decisions),
        beside=tuple(_beside(analyses[name]) for name in claim.beside),
    )


def decision(part: Part, analyses: Mapping[str, Analysis]) -> Decision:
    """Decide one part; a part that doubts an effect is supported where the effect is not shown."""
    if part.rule == NOT_TESTABLE:
        return Decision(part, "not testable", part.why_not)
    found = DECISIONS[part.rule].decide(part, analyses[part.analysis])
    return found if part.stance == "asserts" else _doubted(found)


def _doubted(found: Decision) -> Decision:
    """Turn the verdict on an effect into the verdict on a claim that it has not been shown."""
    if found.verdict == "not testable":
        return found
    verdict: Literal["contradicted", "supported"] = "contradicted" if found.verdict == "supported" else "supported"
    says = "The claim says that this has not been shown"
    agrees = f"{says}, and here it is {found.verdict}." if verdict == "supported" else f"{says}; here it is shown."
    return found.because(verdict, joined(found.reading, agrees))


def _labels(claim: Claim, decisions: Sequence[Decision]) -> tuple[str, ...]:
    """Return what has to stand beside a claim: the kind of study it leans on, its stance, a within-arm reading."""
    found = [EVIDENCE[kind] for kind in claim.evidence]
    found += ["says that it is not shown" for one in decisions if one.part.stance == "doubts"]
    found += ["decided within one arm" for one in decisions if one.part.rule == "within_arm"]
    return tuple(dict.fromkeys(filter(None, found)))


def _beside(analysis: Analysis) -> str:
    """Write what another question says, without letting it decide."""
    fit = analysis.fits.get(analysis.lead)
    if fit is None:
        return f"{analysis.spec.title}: not pooled."
    kind = "An association, which decides nothing here" if analysis.spec.source == "cohorts" else "Beside it"
    return f"{kind}: {analysis.spec.title}, {measured(analysis.spec, fit.mu, interval_name(fit))}."
