"""Runs -> tables and pictures. This package reads run folders and never trains."""
