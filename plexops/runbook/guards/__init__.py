"""The guards: safety rules that can only refuse a change."""
