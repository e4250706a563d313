"""The suite itself is collected by a process of its own."""

collect_ignore = ["suite"]
