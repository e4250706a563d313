"""Correctness under faults: clients with a workload, faults, and what must hold of the history.

Made after Jepsen's tests: real client processes run transactions on a database while something
breaks, write down what they asked and what they were told, and a checker reads it afterwards.

    profile      what clients do, drawn by hypothesis or from the command line
    workloads    bank, sets, appends, uniques, references: their tables and transactions
    history      what each client writes down, and the whole history read back
    client       the client process
    faults       what breaks, on which servers
    checkers     what must hold, and how to show that it does not
    run          one trial: servers, clients, faults, check
    sabotage     ROME without its safeguards, for the checker to find
    mariadb      the same on MariaDB and Galera

``python -m tests.histories --transactions 10000`` runs long trials of every fault.
"""
