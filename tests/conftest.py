"""What every test shares: how generated examples are drawn.

`test` draws the same examples each time, so a red run means the code changed; `fuzz` (`make fuzz`) draws new ones.
No deadline in either: a slow machine is not a wrong answer.
"""

from __future__ import annotations

import os
import signal
import threading

from hypothesis import HealthCheck, Phase, settings

# Whoever runs the tests in the background may have made them, and all that they start, deaf to Ctrl-C.
if threading.current_thread() is threading.main_thread():
    signal.signal(signal.SIGINT, signal.default_int_handler)

settings.register_profile("test", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile(
    "fuzz",
    deadline=None,
    max_examples=int(os.environ.get("EXAMPLES", "2000")),
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
# finds, and does not look for the smallest: minutes saved while one thing is being built
settings.register_profile(
    "quick",
    settings.get_profile("test"),
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
)
settings.load_profile("test")
