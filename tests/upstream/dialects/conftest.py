"""The suites themselves are collected by a process of their own."""

collect_ignore = ["suites"]
