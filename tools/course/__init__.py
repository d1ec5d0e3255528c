"""Coursework: student notebooks and cohorts from the masters in coursework/, and grading."""
