"""Runs -> tables and pictures. It reads run folders and never trains."""
