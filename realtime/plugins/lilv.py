"""The C library lilv, which reads the texts of LV2 plugins and loads them: its functions, typed for ctypes.

    pointers     nodes, plugins, ports and collections are opaque
    each         walks a collection;  text  reads a node;  taken  reads one that the caller owns, and frees it

No state but the library itself; any thread, one at a time for what belongs to one world.
"""

from __future__ import annotations

import ctypes
import functools
import sys
from collections.abc import Iterator
from ctypes import c_bool, c_char_p, c_double, c_float, c_int, c_uint32, c_void_p
from ctypes.util import find_library
from typing import Any

from realtime.errors import PluginError

_POINTER, _TEXT = c_void_p, c_char_p
_FLOATS = ctypes.POINTER(c_float)
# name: (result, arguments). Nodes, plugins, ports and collections are all opaque pointers.
_SIGNATURES: dict[str, tuple[Any, tuple[Any, ...]]] = {
    "lilv_world_new": (_POINTER, ()),
    "lilv_world_load_all": (None, (_POINTER,)),
    "lilv_world_get_all_plugins": (_POINTER, (_POINTER,)),
    "lilv_world_load_resource": (c_int, (_POINTER, _POINTER)),
    "lilv_world_get": (_POINTER, (_POINTER, _POINTER, _POINTER, _POINTER)),
    "lilv_new_uri": (_POINTER, (_POINTER, _TEXT)),
    "lilv_node_free": (None, (_POINTER,)),
    "lilv_node_as_string": (_TEXT, (_POINTER,)),
    "lilv_node_as_float": (c_float, (_POINTER,)),
    "lilv_node_is_blank": (c_bool, (_POINTER,)),
    "lilv_nodes_begin": (_POINTER, (_POINTER,)),
    "lilv_nodes_next": (_POINTER, (_POINTER, _POINTER)),
    "lilv_nodes_is_end": (c_bool, (_POINTER, _POINTER)),
    "lilv_nodes_get": (_POINTER, (_POINTER, _POINTER)),
    "lilv_nodes_free": (None, (_POINTER,)),
    "lilv_plugins_begin": (_POINTER, (_POINTER,)),
    "lilv_plugins_next": (_POINTER, (_POINTER, _POINTER)),
    "lilv_plugins_is_end": (c_bool, (_POINTER, _POINTER)),
    "lilv_plugins_get": (_POINTER, (_POINTER, _POINTER)),
    "lilv_plugins_get_by_uri": (_POINTER, (_POINTER, _POINTER)),
    "lilv_plugin_get_uri": (_POINTER, (_POINTER,)),
    "lilv_plugin_get_name": (_POINTER, (_POINTER,)),
    "lilv_plugin_get_author_name": (_POINTER, (_POINTER,)),
    "lilv_plugin_get_bundle_uri": (_POINTER, (_POINTER,)),
    "lilv_plugin_get_value": (_POINTER, (_POINTER, _POINTER)),
    "lilv_plugin_get_required_features": (_POINTER, (_POINTER,)),
    "lilv_plugin_get_related": (_POINTER, (_POINTER, _POINTER)),
    "lilv_plugin_get_num_ports": (c_uint32, (_POINTER,)),
    "lilv_plugin_get_port_by_index": (_POINTER, (_POINTER, c_uint32)),
    "lilv_plugin_get_port_ranges_float": (None, (_POINTER, _FLOATS, _FLOATS, _FLOATS)),
    "lilv_plugin_has_latency": (c_bool, (_POINTER,)),
    "lilv_plugin_get_latency_port_index": (c_uint32, (_POINTER,)),
    "lilv_plugin_instantiate": (_POINTER, (_POINTER, c_double, _POINTER)),
    "lilv_instance_free": (None, (_POINTER,)),
    "lilv_port_get_symbol": (_POINTER, (_POINTER, _POINTER)),
    "lilv_port_get_name": (_POINTER, (_POINTER, _POINTER)),
    "lilv_port_get_value": (_POINTER, (_POINTER, _POINTER, _POINTER)),
    "lilv_port_is_a": (c_bool, (_POINTER, _POINTER, _POINTER)),
    "lilv_port_has_property": (c_bool, (_POINTER, _POINTER, _POINTER)),
    "lilv_port_get_scale_points": (_POINTER, (_POINTER, _POINTER)),
    "lilv_scale_points_begin": (_POINTER, (_POINTER,)),
    "lilv_scale_points_next": (_POINTER, (_POINTER, _POINTER)),
    "lilv_scale_points_is_end": (c_bool, (_POINTER, _POINTER)),
    "lilv_scale_points_get": (_POINTER, (_POINTER, _POINTER)),
    "lilv_scale_points_free": (None, (_POINTER,)),
    "lilv_scale_point_get_label": (_POINTER, (_POINTER,)),
    "lilv_scale_point_get_value": (_POINTER, (_POINTER,)),
    "lilv_state_new_from_world": (_POINTER, (_POINTER, _POINTER, _POINTER)),
    "lilv_state_restore": (None, (_POINTER, _POINTER, _POINTER, _POINTER, c_uint32, _POINTER)),
    "lilv_state_free": (None, (_POINTER,)),
}


@functools.cache
def library() -> Any:
    """The C library, its functions typed. Raises `PluginError` when it is not installed."""
    names = [find_library("lilv-0"), "liblilv-0.so.0", "liblilv-0.0.dylib", "liblilv-0.dylib", "lilv-0.dll"]
    for name in names:
        try:
            loaded = ctypes.CDLL(name) if name else None
        except OSError:
            loaded = None
        if loaded is not None:
            break
    else:
        how = "brew install lilv" if sys.platform == "darwin" else "Debian: apt install liblilv-0-0"
        raise PluginError(f"The library lilv, which LV2 plugins need, was not found: install it ({how}).")
    for name, (result, arguments) in _SIGNATURES.items():
        function = getattr(loaded, name)
        function.restype, function.argtypes = result, arguments
    return loaded


def each(kind: str, collection: int | None, *, free: bool = False) -> Iterator[int]:
    """Walk a collection of `kind` (nodes, plugins, scale_points); `free` it after, when it is the caller's."""
    if not collection:
        return
    lilv = library()
    begin, after, is_end, get = (getattr(lilv, f"lilv_{kind}_{what}") for what in ("begin", "next", "is_end", "get"))
    place = begin(collection)
    while not is_end(collection, place):
        yield get(collection, place)
        place = after(collection, place)
    if free:
        getattr(lilv, f"lilv_{kind}_free")(collection)


def text(node: int | None) -> str:
    """The text of a node; none: empty."""
    found = library().lilv_node_as_string(node) if node else None
    return found.decode(errors="replace") if found else ""


def taken(node: int | None) -> str:
    """The text of a node that is the caller's, which is freed."""
    found = text(node)
    if node:
        library().lilv_node_free(node)
    return found
