"""What holds for all tests: examples may be slow to make where the machine has other things to do, and no test keeps
anything in the account's own cache."""

import os
from tempfile import TemporaryDirectory

from hypothesis import HealthCheck, settings

settings.register_profile("kyber", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("kyber")

_CACHE = TemporaryDirectory(prefix="kyber-test-cache-")
os.environ["XDG_CACHE_HOME"] = _CACHE.name
