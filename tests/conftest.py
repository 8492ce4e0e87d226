"""What holds for all tests: examples may be slow to make where the machine has other things to do."""

from hypothesis import HealthCheck, settings

settings.register_profile("kyber", suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("kyber")
