"""Calibration: factors that measured runs determine, how sure they are, and where they apply."""
