# From tidy tables to figures, LaTeX tables and verdicts.


# Papermill by hand: Snakemake's own `notebook:` keeps the executed notebook only as a log.
rule notebook:
    input:
        tables=TIDY_TABLES,
        notebook="notebooks/{notebook}.ipynb",
        code=sources("analysis"),
    output:
        f"{RESULTS}/notebooks/{{notebook}}.ipynb",
    log:
        f"{LOGS}/notebook/{{notebook}}.log",
    conda:
        "../envs/workbench.yaml"
    params:
        tidy=subpath(input[0], parent=True),
        out=subpath(output[0], ancestor=2),
    message:
        "Executing the notebook {wildcards.notebook}"
    shell:
        "papermill -p tidy {params.tidy} -p out {params.out} --no-progress-bar"
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
