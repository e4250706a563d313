# From tidy tables to figures, LaTeX tables and verdicts.


# Papermill by hand: Snakemake's own `notebook:` keeps the executed notebook only as a log.
rule notebook:
    input:
        notebook="notebooks/{notebook}.ipynb",
        tables=TIDY_TABLES,
        code=sources("analysis"),
    output:
        f"{RESULTS}/notebooks/{{notebook}}.ipynb",
    log:
        f"{LOGS}/notebook/{{notebook}}.log",
    conda:
        "../envs/workbench.yaml"
    params:
        tidy=TIDY,
        out=subpath(output[0], ancestor=2),
    shell:
        "papermill -p tidy {params.tidy} -p out {params.out} --no-progress-bar"
        " {input.notebook} {output} > {log} 2>&1"


rule claims:
    input:
        claims=f"{RUN.folder}/claims.yaml",
        published=sorted(map(str, RUN.folder.glob("published/*.csv"))),
        tables=TIDY_TABLES,
        code=sources("claims", "analysis"),
    output:
        report(CLAIMS, caption="../report/claims.rst", category="Claims"),
    log:
        f"{LOGS}/claims.log",
    conda:
        "../envs/workbench.yaml"
    params:
        experiment=RUN.folder,
        tidy=TIDY,
    shell:
        "discovery claims --experiment {params.experiment} --tidy {params.tidy}"
        " --out {output} 2> {log}"
