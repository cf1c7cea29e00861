"""Analyses that try to break a layout: any number of studies, labels of every script, extreme numbers."""

from __future__ import annotations

import dataclasses

import numpy as np

from k2meta.analysis import Analysis, Line
from k2meta.models.fit import Estimate
from k2meta.refits import Cumulative, Group, Grouped, Pulls, Refits
from k2meta.types import BIAS_WORDS, BiasJudgement, Effect, Judgements
from tests import samples

LABELS = (
    "",
    "Author 2001",
    "Author 2001",
    "A" * 120,
    "The Very Long Name of a Multinational Collaborative Group Investigating Calcification in Dialysis "
    + "x" * 25,
    "שלום עולם 2012",
    "مرحبا بالعالم 2013",
    "張偉 2014 血管石灰化研究",
    "🧬😀👩‍🔬 2015",
    "e\u0301\u0323\u0302\u0304\u0308 Zálgo\u0336\u0335\u0321 2016",
    "line\nbreak\tand\u202eoverride\u200d",
    "$\\alpha_{1}$ & <b>bold</b> 50 % _x^2_",
    "\ud800 half a pair",
    "\u0644\u0627 " * 40,
    "Ünïcödé Ångström–Müller 2017",
    "꧁༺ ⸻ ༻꧂",
)


def analysis(seed: int, *, refitted: bool = True) -> Analysis:
    """Return one random analysis: k from 0 to 80, any measure, hostile labels, some giant or tiny numbers."""
    rng = np.random.default_rng(seed)
    k = int(rng.choice([0, 1, 2, 3, 5, 9, 16, 30, 80], p=[0.1, 0.1, 0.15, 0.15, 0.2, 0.1, 0.1, 0.05, 0.05]))
    measure = str(rng.choice(["MD", "SMD", "LOGRATIO"]))
    base = samples.analysis(k, measure, seed, refitted=refitted)
    effects = tuple(
        dataclasses.replace(
            _wild(rng, effect),
            label=str(rng.choice(LABELS)),
            intervention=str(rng.choice(["MK-7", "K1", "", "MK-4 and vitamin D " * 3])),
            months=None if rng.random() < 0.3 else float(rng.integers(3, 60)),
            n_treat=effect.n_treat if rng.random() < 0.7 else None,
            n_total=None if rng.random() < 0.5 else float(rng.integers(20, 99999)),
            source_tier=str(rng.choice(["primary_full_text", "primary_abstract", "secondary_news"])),
        )
        for effect in base.effects
    )
    spec = dataclasses.replace(
        base.spec,
        title=str(rng.choice([base.spec.title, LABELS[4] * 2, LABELS[5], ""])),
        favours_low=str(rng.choice(["vitamin K", "higher intake of vitamin K2 (menaquinones) " * 4])),
        scale_note=str(rng.choice(["", "negative = less progression"])),
        lines=_lines(rng),
    )
    dropped = base.dropped * int(rng.integers(0, 3))
    dropped = tuple(
        dataclasses.replace(entry, study_id=f"{entry.study_id}-{i}", label=str(rng.choice(LABELS)))
        for i, entry in enumerate(dropped)
    )
    labels = {effect.study_id: effect.label for effect in effects}
    found = dataclasses.replace(base, spec=spec, effects=effects, dropped=dropped)
    return dataclasses.replace(
        found,
        refits=_relabelled(rng, base.refits, labels, k),
        leave_one_out=tuple(dataclasses.replace(row, label=labels[row.study_id]) for row in base.leave_one_out),
        judgements=Judgements(bias=_judged(rng, effects)),
    )


def _relabelled(rng: np.random.Generator, refits: Refits, labels: dict[str, str], k: int) -> Refits:
    def named[T](rows: tuple[T, ...]) -> tuple[T, ...]:
        return tuple(dataclasses.replace(row, label=labels[row.study_id]) for row in rows)  # type: ignore

    grouped = None
    if k and rng.random() < 0.4:
        names = [str(rng.choice([*LABELS[:6], "MK-7", "K1"])) for _ in range(k)]
        groups = []
        for name in dict.fromkeys(names):
            members = tuple(i for i, one in enumerate(names) if one == name)
            mu = None if rng.random() < 0.2 else Estimate(-3.0, 4.0, -11.0, 5.0)
            groups.append(Group(name, members, mu, 1.0))
        grouped = Grouped("vitamer", tuple(groups), 1.2, 2, None, 0.54, "meta-regression " * 9, True)
    return dataclasses.replace(
        refits,
        subgroups=grouped,
        cumulative=refits.cumulative and Cumulative(named(refits.cumulative.steps)),
        baujat=refits.baujat and Pulls(named(refits.baujat.studies)),
        gosh=refits.gosh and dataclasses.replace(refits.gosh, studies=named(refits.gosh.studies)),
    )


def _judged(rng: np.random.Generator, effects: tuple[Effect, ...]) -> tuple[BiasJudgement, ...]:
    if rng.random() < 0.6:
        return ()
    words = (*BIAS_WORDS, "")
    return tuple(
        BiasJudgement(
            effect.study_id,
            "",
            "RoB 2",
            tuple(words[j] for j in rng.integers(0, 5, 5)),
            "high",
            "a test",
            "",
            "",
            "",
        )
        for effect in effects
        if rng.random() < 0.8
    )


def _wild(rng: np.random.Generator, effect: Effect) -> Effect:
    """Let a few results leave the scale of the others, as a slip in an extraction would."""
    fate = rng.random()
    if fate < 0.04:
        return dataclasses.replace(effect, yi=effect.yi * 1000)
    return dataclasses.replace(effect, vi=effect.vi * (1e6 if fate < 0.08 else 1e-4 if fate < 0.12 else 1.0))


def _lines(rng: np.random.Generator) -> tuple[Line, ...]:
    found = (
        Line(-0.2, "relevance", "invented", "relevance"),
        Line(-25.0, "15 % per year", "invented", "anchor"),
        Line(-24.0, "a very long label of an anchor that nobody agreed upon " * 3, "invented", "anchor"),
        Line(1e6, "far away", "invented", "anchor"),
    )
    return tuple(line for line in found if rng.random() < 0.5)
