# From figures and verdicts to the paper and the report page.


rule paper:
    input:
        notebooks=EXECUTED,
        claims=CLAIMS,
        text=sorted(map(str, Path("paper").rglob("*.*"))),
        code=sources("evaluation", "claims", "analysis"),
    output:
        report(PAPER, caption="../report/paper.rst", category="Paper"),
    log:
        f"{LOGS}/paper.log",
    conda:
        "../envs/workbench.yaml"
    params:
        results=subpath(output[0], parent=True),
    message:
        "Setting the paper"
    shell:
        "discovery paper --results {params.results} --out {output} > {log} 2>&1"


rule report:
    input:
        experiment=f"{RUN.folder}/experiment.yaml",
        notebooks=EXECUTED,
        claims=CLAIMS,
        tables=TIDY_TABLES,
        code=sources("evaluation", "claims", "analysis"),
    output:
        report(REPORT, caption="../report/page.rst", category="Report"),
    log:
        f"{LOGS}/report.log",
    conda:
        "../envs/workbench.yaml"
    params:
        experiment=RUN.folder,
        results=subpath(output[0], ancestor=2),
    message:
        "Writing the report page"
    shell:
        "discovery report --experiment {params.experiment} --results {params.results}"
        " --out {output} > {log} 2>&1"
