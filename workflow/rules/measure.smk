# From the testbed to tidy tables.


rule cell:
    output:
        f"{RAW}/{{cell}}/cell.json",
    log:
        f"{LOGS}/cell/{{cell}}.log",
    # The experiment's order: whole repetitions first, and back ends in turn.
    priority: lambda wildcards: len(CELLS) - list(CELLS).index(wildcards.cell)
    # A broken testbed is an accident, worth another try. A broken system under test is a result: the
    # command writes it down and succeeds.
    retries: 2
    conda:
        "../envs/workbench.yaml"
    # All cores of this machine, so that no other job runs beside a measurement.
    threads: workflow.cores
    resources:
        testbed=1,
    params:
        # The command reads the cell from the experiment by its id. The parameters stand here so that
        # an edited experiment measures again exactly the cells whose parameters the edit changed.
        parameters=parameters,
        experiment=RUN.folder,
        testbed=RUN.testbed,
        tier=RUN.tier,
        folder=subpath(output[0], parent=True),
    message:
        "Measuring {wildcards.cell}"
    # Standard output is for the person at the terminal, all the rest for the log.
    shell:
        "discovery cell run --experiment {params.experiment} --tier {params.tier}"
        " --cell {wildcards.cell} --testbed {params.testbed} --out {params.folder} 2> {log}"


rule tidy:
    input:
        cells=MANIFESTS,
        code=sources("results"),
    output:
        TIDY_TABLES,
    log:
        f"{LOGS}/tidy.log",
    conda:
        "../envs/workbench.yaml"
    params:
        experiment=RUN.folder,
        tier=RUN.tier,
        raw=subpath(input[0], ancestor=2),
        folder=subpath(output[0], parent=True),
    message:
        "Turning raw results into tidy tables"
    shell:
        "discovery tidy --experiment {params.experiment} --tier {params.tier}"
        " --raw {params.raw} --out {params.folder} 2> {log}"
