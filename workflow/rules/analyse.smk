# From tidy tables to figures, LaTeX tables and verdicts.

# What the study published and claimed, which one notebook sets beside ours.
STUDY = sorted(map(str, RUN.folder.glob("published/*.csv"))) + [
    str(RUN.folder / name) for name in ("claims.yaml", "experiment.yaml")
]
BESIDE = "study-of-2018"


# Papermill by hand: Snakemake's own `notebook:` keeps the executed notebook only as a log.
rule notebook:
    input:
        tables=TIDY_TABLES,
        notebook=lambda wildcards: NOTEBOOKS[wildcards.notebook],
        study=lambda wildcards: STUDY if wildcards.notebook == BESIDE else [],
        code=lambda wildcards: sources(
            "analysis", *(["claims"] if wildcards.notebook == BESIDE else [])
        ),
    output:
        f"{RESULTS}/notebooks/{{notebook}}.ipynb",
    log:
        f"{LOGS}/notebook/{{notebook}}.log",
    conda:
        "../envs/workbench.yaml"
    params:
        tidy=subpath(input[0], parent=True),
        out=subpath(output[0], ancestor=2),
        study=lambda wildcards: (
            f"-p experiment {RUN.folder}" if wildcards.notebook == BESIDE else ""
        ),
    message:
        "Executing the notebook {wildcards.notebook}"
    shell:
        "papermill -p tidy {params.tidy} -p out {params.out} {params.study} --no-progress-bar"
        " {input.notebook} {output} > {log} 2>&1"


rule claims:
    input:
        tables=TIDY_TABLES,
        claims=f"{RUN.folder}/claims.yaml",
        published=sorted(map(str, RUN.folder.glob("published/*.csv"))),
        code=sources("claims", "analysis"),
    output:
        report(CLAIMS, caption="../report/claims.rst", category="Claims"),
    log:
        f"{LOGS}/claims.log",
    conda:
        "../envs/workbench.yaml"
    params:
        experiment=RUN.folder,
        tidy=subpath(input[0], parent=True),
    message:
        "Judging the claims"
    shell:
        "discovery claims --experiment {params.experiment} --tidy {params.tidy}"
        " --out {output} 2> {log}"
