"""Tests of the guards by what packets do, over plans and homes that no example suggested."""
