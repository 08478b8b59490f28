"""Repscape measures what neural networks represent.

How alike are two networks, what shape do their representations have, and is a score more than
chance? Public names load lazily: `import repscape` imports neither torch nor pandas.
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from repscape.catalogue import measures as measures
    from repscape.compare import compare as compare
    from repscape.compare import similarity_matrix as similarity_matrix
    from repscape.data.files import load as load
    from repscape.data.load_data import load_data as load_data
    from repscape.describe import Descriptions as Descriptions
    from repscape.describe import describe as describe
    from repscape.extract.extract import extract as extract
    from repscape.extract.models.base import LoadedModel as LoadedModel
    from repscape.extract.models.base import load_model as load_model
    from repscape.geometry.base import Descriptor as Descriptor
    from repscape.geometry.base import get_descriptor as get_descriptor
    from repscape.measures.base import Measure as Measure
    from repscape.measures.base import get_measure as get_measure
    from repscape.profile import Profile as Profile
    from repscape.profile import profile as profile
    from repscape.representation import Origin as Origin
    from repscape.representation import Representation as Representation
    from repscape.score import Score as Score
    from repscape.significance.layers import compare_layers as compare_layers
    from repscape.significance.questions import closer as closer
    from repscape.significance.questions import dependence_on_n as dependence_on_n
    from repscape.similarities import Similarities as Similarities
    from repscape.store import Store as Store
    from repscape.streaming import compare_streams as compare_streams

__version__ = "0.1.0"

_HOMES = {
    "Descriptions": "repscape.describe",
    "Descriptor": "repscape.geometry.base",
    "LoadedModel": "repscape.extract.models.base",
    "Measure": "repscape.measures.base",
    "Origin": "repscape.representation",
    "Profile": "repscape.profile",
    "Representation": "repscape.representation",
    "Score": "repscape.score",
    "Similarities": "repscape.similarities",
    "Store": "repscape.store",
    "closer": "repscape.significance.questions",
    "compare": "repscape.compare",
    "compare_layers": "repscape.significance.layers",
    "dependence_on_n": "repscape.significance.questions",
    "describe": "repscape.describe",
    "compare_streams": "repscape.streaming",
    "extract": "repscape.extract.extract",
    "get_descriptor": "repscape.geometry.base",
    "get_measure": "repscape.measures.base",
    "load": "repscape.data.files",
    "load_data": "repscape.data.load_data",
    "load_model": "repscape.extract.models.base",
    "measures": "repscape.catalogue",
    "profile": "repscape.profile",
    "similarity_matrix": "repscape.compare",
}

__all__ = sorted(_HOMES)


class _Package(ModuleType):
    """Some public functions share their name with the module or room that defines them.

    `repscape.compare` is the function; the module `repscape.compare` is still imported by
    `from repscape.compare import …`. So the import system may not overwrite a public name.
    """

    def __setattr__(self, name: str, value: Any) -> None:
        if name in _HOMES and isinstance(value, ModuleType):
            return
        super().__setattr__(name, value)

    def __getattr__(self, name: str) -> Any:
        if name not in _HOMES:
            raise AttributeError(f"module 'repscape' has no attribute {name!r}")
        value = getattr(importlib.import_module(_HOMES[name]), name)
        super().__setattr__(name, value)
        return value

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *_HOMES})


sys.modules[__name__].__class__ = _Package
