# From an experiment's archive to tidy tables; takes the place of measure.smk.


rule unpack:
    input:
        tables=expand(f"{RUN.folder}/archive/{{table}}.parquet", table=TABLES),
        code=sources("results"),
    output:
        expand(f"{TIDY}/{{table}}.parquet", table=TABLES),
    log:
        f"{LOGS}/unpack.log",
    conda:
        "../envs/workbench.yaml"
    params:
        archive=subpath(input[0], parent=True),
        folder=subpath(output[0], parent=True),
    shell:
        "discovery archive unpack {params.archive} {params.folder} 2> {log}"
