# From an experiment's archive to tidy tables; takes the place of measure.smk.


rule unpack:
    input:
        # It holds the checksum of every table; the command proves each one.
        manifest=f"{RUN.archive}/manifest.json",
        code=sources("results"),
    output:
        TIDY_TABLES,
    log:
        f"{LOGS}/unpack.log",
    conda:
        "../envs/workbench.yaml"
    params:
        archive=RUN.archive,
        folder=subpath(output[0], parent=True),
    message:
        "Unpacking the archive"
    shell:
        "discovery archive unpack {params.archive} {params.folder} 2> {log}"
