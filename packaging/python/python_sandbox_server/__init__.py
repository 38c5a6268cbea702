"""Starts Vivarium by the name that existing client configurations use."""
