"""Requests that lost a conflict or a connection are run again, if nothing of them was committed.

============== =====================================================================
`middleware`   the WSGI layer: runs a request, judges what it sees, runs it again
`wsgi`         a module for WSGI servers: any application, wrapped
`observation`  what a request did to its databases, from SQLAlchemy's events
`statements`   what a statement does: read, write, or commit by itself
`kinds`        what an error means: conflict, lost, unknown, refused
`backoff`      how long it waits
`answers`      an application's answer, kept until it is known to be the last; and 503
`settings`     environment variables and options of paste
`counters`     what happened, as JSON lines
`errors`       what is wrong with a setting
============== =====================================================================

Any back end of SQLAlchemy's; loaded inside services' processes, it imports SQLAlchemy and nothing
of the workbench.
"""
