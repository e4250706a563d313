"""Claims: what a study said, judged on what was measured.

Nothing is imported here: the workflow checks claims at each start, and judging needs scipy.
"""
