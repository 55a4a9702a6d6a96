"""The page: one HTML file that shows runs and lets a reader compare them."""

from longlag.report.page.build import build_page

__all__ = ["build_page"]
