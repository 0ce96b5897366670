"""Tests of lucid dreams."""
