"""The page: one HTML file that shows the runs and lets a person compare them."""

from longlag.report.page.build import build_page

__all__ = ["build_page"]
