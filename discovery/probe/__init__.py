"""Times every call of Nova's data-access layer, inside an unmodified Nova, with its round trips.

=============== ===================================================================
`driver`        the entry point: an oslo.messaging notification driver by name
`settings`      its options: where records go, and of which site they are
`layer`         what is watched: functions of ``nova.db``, and oslo.db's transactions
`calls`         one call: nested ones belong to the outermost
`round_trips`   what each back end's driver sends, from SQLAlchemy's events
`record`        a file per process, written through shared memory
`lines`         the format of its lines, both ways
`errors`        what is wrong with a setting, or with a record
=============== ===================================================================

Loaded inside services' processes; imports SQLAlchemy, oslo and Nova, and nothing of the workbench.
"""
