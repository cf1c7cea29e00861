# From the printed cell to the sentence: every stage of a review, read from top to bottom.
# Plain `snakemake` rebuilds reports/; `snakemake -s path/to/Snakefile --directory my-review` builds another folder.


include: "workflow/common.smk"


report: "workflow/report/workflow.rst"


rule all:
    input:
        "reports/report.html",
        "reports/report.pdf",
        "reports/provenance.json",
        "ro-crate-metadata.json",


# data/*.csv → validated records and data queries of rows and of pools; every problem of every file at once
rule records:
    input:
        DATA,
        code("records"),
        config="results/config.json",
    output:
        records="results/records.json",
        judgements="results/judgements.json",
    log:
        "results/logs/records.log",
    shell:
        "k2meta records . --config {input.config} --out {output.records} 2>&1 | tee {log}"


# records → one yi, vi per trial and analysis, with the route; beside it what was left out and why
rule effects:
    input:
        code("effects"),
        config="results/config.json",
        records="results/records.json",
    output:
        expand(
            "results/effects/{analysis}.{kind}",
            analysis=ANALYSES,
            kind=["csv", "dropped.json", "variants.json"],
        ),
    log:
        "results/logs/effects.log",
    shell:
        "k2meta effects --config {input.config} --records {input.records} --into results/effects 2>&1 | tee {log}"


# effects → common-effect, random-effects and exact Bayesian fits
rule fits:
    input:
        code("models"),
        expand("results/effects/{analysis}.csv", analysis=ANALYSES),
        config="results/config.json",
    output:
        expand(
            "results/fits/{analysis}/{model}.json",
            analysis=ANALYSES,
            model=models(mcmc=False),
        ),
    log:
        "results/logs/fits.log",
    shell:
        "k2meta fits --config {input.config} --effects results/effects --into results/fits 2>&1 | tee {log}"


# effects → the same Bayesian model by MCMC, and its checks; one compilation serves every analysis
rule mcmc:
    input:
        code("models"),
        expand("results/effects/{analysis}.csv", analysis=ANALYSES),
        config="results/config.json",
    output:
        expand(
            "results/fits/{analysis}/{model}.{kind}",
            analysis=ANALYSES,
            model=models(mcmc=True),
            kind=["json", "checks.json"],
        ),
        expand(
            "results/draws/{analysis}/{model}.h5",
            analysis=ANALYSES,
            model=models(mcmc=True),
        ),
    log:
        "results/logs/mcmc.log",
    shell:
        "k2meta mcmc --config {input.config} --effects results/effects --into results 2>&1 | tee {log}"


# effects, fits → everything that refits: leave-one-out, other priors, other conversions, a second engine
rule sensitivity:
    input:
        code("sensitivity"),
        expand("results/effects/{analysis}.csv", analysis=ANALYSES),
        expand("results/effects/{analysis}.variants.json", analysis=ANALYSES),
        expand("results/effects/{analysis}.dropped.json", analysis=ANALYSES),
        expand(
            "results/fits/{analysis}/{model}.json",
            analysis=ANALYSES,
            model=models(mcmc=False),
        ),
        records="results/records.json",
        config="results/config.json",
    output:
        expand(
            "results/sensitivity/{analysis}/{check}.json",
            analysis=ANALYSES,
            check=SENSITIVITY,
        ),
    log:
        "results/logs/sensitivity.log",
    shell:
        "k2meta sensitivity --config {input.config} --results results 2>&1 | tee {log}"


# everything exact about an analysis → figures, each with the CSV it was drawn from; for the page, with their text
rule figures:
    input:
        code("figures"),
        EXACT,
    output:
        into=report(
            directory("reports/figures"),
            patterns=["{figure}.svg"],
            caption="workflow/report/figure.rst",
            category="Figures",
            labels={"figure": "{figure}"},
        ),
        page=directory("results/figures"),
    log:
        "results/logs/figures.log",
    shell:
        "k2meta figures --results results --into {output.into} 2>&1 | tee {log}"


# everything known about all analyses → tables, each as CSV and LaTeX; those of a manuscript in one Word file
rule tables:
    input:
        code("tables"),
        RESULTS,
    output:
        into=report(
            directory("reports/tables"),
            patterns=["{table}.csv"],
            caption="workflow/report/table.rst",
            category="Tables",
            labels={"table": "{table}"},
        ),
        word=report(
            "reports/tables.docx",
            caption="workflow/report/word.rst",
            category="Tables",
            labels={"table": "for a manuscript (Word)"},
        ),
    log:
        "results/logs/tables.log",
    shell:
        "k2meta tables --results results --into {output.into} 2>&1 | tee {log}"


# inputs, settings and versions → what is needed to build the same bytes again
rule provenance:
    input:
        DATA,
        code("provenance"),
        config="results/config.json",
    output:
        report(
            "reports/provenance.json",
            caption="workflow/report/provenance.rst",
            category="Provenance",
            labels={"file": "provenance"},
        ),
    log:
        "results/logs/provenance.log",
    shell:
        "k2meta provenance . --config {input.config} --out {output} 2>&1 | tee {log}"


# all of it → one page
rule report:
    input:
        code("report"),
        RESULTS,
        "results/figures",
        "reports/figures",
        "reports/tables",
        provenance="reports/provenance.json",
    output:
        page=report(
            "reports/report.html",
            caption="workflow/report/page.rst",
            category="Report",
            labels={"format": "page"},
        ),
        numbers=report(
            "reports/numbers.csv",
            caption="workflow/report/numbers.rst",
            category="Report",
            labels={"format": "numbers"},
        ),
    log:
        "results/logs/report.log",
    shell:
        "k2meta report . --results results --provenance {input.provenance} --out {output.page} 2>&1 | tee {log}"


# the page → the same sentences, numbers and figures on A4
rule pdf:
    input:
        code("report"),
        page="reports/report.html",
    output:
        report(
            "reports/report.pdf",
            caption="workflow/report/pdf.rst",
            category="Report",
            labels={"format": "PDF"},
        ),
    log:
        "results/logs/pdf.log",
    shell:
        "k2meta pdf --page {input.page} --out {output} 2>&1 | tee {log}"


# all that went in and came out → sizes and hashes, as archives read them; the project is the root of the crate
rule crate:
    input:
        DATA,
        code("citation"),
        "config/config.yaml",
        "reports/report.html",
        "reports/report.pdf",
        "reports/numbers.csv",
        "reports/provenance.json",
        "reports/figures",
        "reports/tables",
        "reports/tables.docx",
        config="results/config.json",
    output:
        report(
            "ro-crate-metadata.json",
            caption="workflow/report/crate.rst",
            category="Provenance",
            labels={"file": "RO-Crate"},
        ),
    log:
        "results/logs/crate.log",
    shell:
        "k2meta crate . --config {input.config} --out {output} 2>&1 | tee {log}"
