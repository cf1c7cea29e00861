"""Data sets on which meta-analysis software goes wrong, and what each program answers with its defaults.

    Rscript validation/failure_zoo/metafor.R                 metafor, into metafor.json
    PYTHONPATH=src python validation/failure_zoo/zoo.py      ours and the Python peers that are installed

The second writes ``answers.json``, where an engine that is not installed keeps its stored answers, the data sets
for R (``zoo.json``; after a new one it runs before R too) and the tables of ``README.md``. Neither writes the
answers of the other. Answers of peers are facts about one version, named beside them.
"""

from __future__ import annotations

import json
import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).parent
ANSWERS = HERE / "answers.json"
METAFOR = HERE / "metafor.json"
Answer = dict[str, float | str | None]


@dataclass(frozen=True)
class Animal:
    """One data set, why it is in the zoo, and what a right answer looks like."""

    id: str
    why: str
    right: str
    yi: tuple[float, ...]
    vi: tuple[float, ...]


# dat.hine1989 of the R package metadat 1.2-0 (risk differences by escalc of metafor 3.8-1).
HINE_YI = (
    0.0280262373285629,
    0.0,
    0.0197111299915038,
    0.0179611650485437,
    0.0353344768439108,
    0.0440313111545988,
)
HINE_VI = (
    0.0017757477454934,
    0.00375657400450789,
    0.000813233988978125,
    0.00108997519508532,
    0.000801140329907019,
    0.000613203061355608,
)

ZOO = (
    Animal(
        "homogeneous",
        "six studies that differ less than chance allows",
        "tau2 = 0, I2 = 0, an interval",
        (0.10, 0.11, 0.09, 0.10, 0.12, 0.08),
        (0.04, 0.05, 0.04, 0.06, 0.05, 0.04),
    ),
    Animal(
        "hine1989",
        "six mortality trials, nearly homogeneous (Hine 1989, in metadat)",
        "an interval no narrower than that of the common effect, 0.0038 to 0.0551",
        HINE_YI,
        HINE_VI,
    ),
    Animal("one study", "k = 1", "the study itself; tau2 is not estimable", (0.3,), (0.04,)),
    Animal(
        "two studies",
        "k = 2, one degree of freedom",
        "an interval, and the word uninformative",
        (0.1, 0.5),
        (0.04, 0.05),
    ),
    Animal("three studies", "k = 3", "an interval by t with 2 df", (0.1, 0.5, 0.2), (0.04, 0.05, 0.03)),
    Animal(
        "one giant",
        "one trial 10 000 times as precise as the other four",
        "close to the giant, with an interval that admits the others",
        (0.02, 0.5, -0.3, 0.4, 0.1),
        (1e-6, 0.01, 0.01, 0.01, 0.01),
    ),
    Animal(
        "twelve decades",
        "variances from 1e-6 to 1e6",
        "finite, and decided by the precise studies",
        (0.10, 0.12, 0.5, -3.0, 40.0),
        (1e-6, 1e-3, 1.0, 1e3, 1e6),
    ),
    Animal(
        "identical",
        "five identical results: Q is zero",
        "tau2 = 0 and an interval with a width",
        (0.25,) * 5,
        (0.04, 0.02, 0.03, 0.05, 0.01),
    ),
    Animal(
        "two optima",
        "a restricted likelihood of tau2 with two maxima",
        "the higher one, and the word optima",
        (-0.08, 0.76, 0.84, -0.03, 0.95),
        (0.003, 0.154, 0.158, 0.002, 3.212),
    ),
    Animal(
        "large units",
        "effects in the thousands: variances near 1e4",
        "finite, and the same in any unit",
        (1000.0, 1100.0, 700.0, 1900.0),
        (1e4, 4e4, 2.5e3, 9e4),
    ),
)


def k2meta_default(yi: Sequence[float], vi: Sequence[float]) -> Answer:
    """REML and the guarded Hartung-Knapp interval: the default of this package."""
    import k2meta as km

    fit = km.random_effects(yi, vi)
    said = fit.warnings[0] if fit.warnings else ""
    return {
        "tau2": fit.tau2.value,
        "i2": fit.i2,
        "mu": fit.mu.value,
        "low": fit.mu.low,
        "high": fit.mu.high,
        "said": said,
    }


def statsmodels_dl(yi: Sequence[float], vi: Sequence[float]) -> Answer:
    """combine_effects(method_re="dl"), with its random-effects t interval by use_t."""
    from statsmodels.stats.meta_analysis import combine_effects

    found = combine_effects(np.array(yi), np.array(vi), method_re="dl", use_t=True)
    low, high = found.conf_int()[3]  # random effects, estimated scale
    return {
        "tau2": found.tau2,
        "i2": 100 * found.i2,
        "mu": found.mean_effect_re,
        "low": low,
        "high": high,
        "said": "",
    }


def pymare_default(yi: Sequence[float], vi: Sequence[float]) -> Answer:
    """meta_regression with its defaults: maximum likelihood and plain Knapp-Hartung."""
    from pymare import meta_regression

    found = meta_regression(y=np.array(yi), v=np.array(vi))
    row = found.to_df().iloc[0]
    return {
        "tau2": float(np.ravel(found.get_re_stats()["tau^2"])[0]),
        "i2": float(np.ravel(found.get_heterogeneity_stats()["I^2"])[0]),
        "mu": float(row["estimate"]),
        "low": float(row["ci_0.025"]),
        "high": float(row["ci_0.975"]),
        "said": "",
    }


ENGINES: dict[str, tuple[str, Callable[[Sequence[float], Sequence[float]], Answer]]] = {
    "k2meta": ("k2meta", k2meta_default),
    "statsmodels DL": ("statsmodels", statsmodels_dl),
    "PyMARE": ("pymare", pymare_default),
}


def answer(engine: Callable[[Sequence[float], Sequence[float]], Answer], animal: Animal) -> Answer:
    """Return what an engine says, or the error it stops with; numbers that are not finite become words."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = engine(animal.yi, animal.vi)
    except Exception as error:
        return {"said": f"{type(error).__name__}: {error}"}
    return {name: str(x) if isinstance(x, float) and not math.isfinite(x) else x for name, x in found.items()}


def stored() -> dict[str, Any]:
    """Return the stored answers of every engine, those of metafor from the file that R writes."""
    return {**json.loads(ANSWERS.read_text("utf-8")), "metafor": json.loads(METAFOR.read_text("utf-8"))}


def run() -> dict[str, Any]:
    """Return the answers of the Python engines: the stored ones, renewed by each that can be imported here."""
    answers: dict[str, Any] = json.loads(ANSWERS.read_text("utf-8")) if ANSWERS.exists() else {}
    for name, (package, engine) in ENGINES.items():
        try:
            __import__(package)
        except ImportError:
            print(f"{package} is not installed here: its stored answers are kept")
            continue
        found = {animal.id: answer(engine, animal) for animal in ZOO}
        answers[name] = {"version": "this one" if package == "k2meta" else version(package), "answers": found}
    return answers


def cell(value: object) -> str:
    """Write a number with four significant digits; words as they are."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def tables(answers: dict[str, Any]) -> str:
    """Return one Markdown table per data set."""
    parts = []
    for animal in ZOO:
        parts += [f"### {animal.id}", "", f"{animal.why}. A right answer: {animal.right}.", ""]
        parts += ["| engine | tau2 | I2, % | mu | 95 % interval | it says |", "|---|---|---|---|---|---|"]
        for name, engine in answers.items():
            found = engine["answers"].get(animal.id, {"said": "not run"})
            tau2, i2, mu = (cell(found.get(key, "")) for key in ("tau2", "i2", "mu"))
            interval = f"{cell(found['low'])} to {cell(found['high'])}" if "low" in found else ""
            parts.append(f"| {name} | {tau2} | {i2} | {mu} | {interval} | {found.get('said') or ''} |")
        parts.append("")
    return "\n".join(parts)


def main() -> None:
    """Renew answers.json, zoo.json for R, and the tables of the README."""
    sets = {animal.id: {"yi": animal.yi, "vi": animal.vi} for animal in ZOO}
    (HERE / "zoo.json").write_text(json.dumps(sets, indent=1) + "\n", "utf-8")
    ANSWERS.write_text(json.dumps(run(), indent=1, sort_keys=True) + "\n", "utf-8")
    answers = stored()
    order = [name for name in ("k2meta", "metafor", "statsmodels DL", "PyMARE") if name in answers]
    readme = HERE / "README.md"
    head, _, _ = readme.read_text("utf-8").partition("<!-- tables -->")
    versions = ", ".join(f"{name} {answers[name]['version']}" for name in order)
    body = tables({name: answers[name] for name in order})
    readme.write_text(f"{head}<!-- tables -->\n\nVersions: {versions}.\n\n{body}", "utf-8")


if __name__ == "__main__":
    main()
