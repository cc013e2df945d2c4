"""A field in one HTML file: a page that evaluates it in the visitor's browser, with WebGL 2 and no server.

:func:`network_of` turns a field into layers, :func:`write_page` makes a page of them and a viewer, and
:mod:`wsapps.web.views` has the viewers that need no more than a field: pictures, films, sounds, globes and
solids.
"""

from wsapps.web.network import Network, network_of
from wsapps.web.page import Page, write_page

__all__ = ["Network", "Page", "network_of", "write_page"]
