"""What holds for all tests."""

import hypothesis

# No test is timed: on a busy machine any example may take long, and that proves nothing.
hypothesis.settings.register_profile(
    "workbench", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("workbench")
