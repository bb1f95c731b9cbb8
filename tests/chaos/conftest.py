"""Chaos is run on a cluster of the system tests'."""

import os
import sys

TESTS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(TESTS, "system"))
sys.path.insert(0, TESTS)
