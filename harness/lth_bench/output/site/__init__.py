"""A folder of static pages about one or many databases, readable without a server or a network."""

from lth_bench.output.site.folder import check_folder, replace_folder
from lth_bench.output.site.query import find_query_files
from lth_bench.output.site.write import Database, SiteOptions, write_site

__all__ = [
    "Database",
    "SiteOptions",
    "check_folder",
    "find_query_files",
    "replace_folder",
    "write_site",
]
