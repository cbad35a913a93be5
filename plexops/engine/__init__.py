"""Observe, compare, plan, apply, verify, recover; and the runner over sites."""
