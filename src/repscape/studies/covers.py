"""Which tables of scores serve a study: those that are there, and one more for what is new.

The decision is written down in the store before anything is computed. So a run that was killed
goes on with the same parts, two drivers agree, and a study that is run again finds the same
tables: the bytes of its results depend on the study file and on which studies came before.

Where some extraction failed, the others are scored all the same. What a run without that failure
would have chosen is written down before, and holds once everything is there: so the bytes do not
depend on what failed on the way. Parts of that choice which need nothing that failed serve both.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from repscape.studies.estimate import Size, size_of
from repscape.studies.pairs import Pairs, all_pairs, cover
from repscape.studies.steps.score import KIND as SCORES
from repscape.studies.steps.score import VERSION as SCORES_VERSION
from repscape.tasks import Recipe, digest_json

if TYPE_CHECKING:
    import pandas as pd

    from repscape.store import Store
    from repscape.studies.phases import Extraction

KIND = "cover"
VERSION = 1


class Covers:
    """Chooses parts; with `record`, writes each choice down.

    Parameters
    ----------
    store : Store, optional
        Without one nothing is known and nothing is recorded.
    record : bool
        Planning does not record; running does.
    """

    def __init__(self, store: Store | None, record: bool = False) -> None:
        self._store, self._record = store, record
        self._sizes: dict[str, Size | None] = {}

    def parts(
        self,
        family: Mapping[str, Any],
        keys: Sequence[str],
        group: int | None = None,
        additive: bool = True,
        divide: Callable[[Pairs], Pairs] = lambda part: part,
        hoped: Sequence[str] = (),
    ) -> list[Pairs]:
        """The parts that hold all pairs of these extractions.

        Parameters
        ----------
        family
            All that determines a score beside the two representations.
        keys
            The extractions, in the order of the study.
        group
            How many models a side new parts have.
        additive
            Whether the scores of a pair do not depend on what else is there.
        divide
            Says of a new part how its sweep is divided; only asked if the pairs are additive.
        hoped
            The extractions that there would be if none had failed.
        """
        if not additive:
            return all_pairs(keys)
        if self._store is None:
            return [divide(part) for part in all_pairs(keys, group)]
        recipe = _recipe(family, keys)
        if self._store.has(recipe.key):
            return _read(self._store.read_table(recipe.key))
        known = self._known.get(digest_json(family), [])
        found = self._promised(family, keys)
        if found is None:
            rest = self._promise(family, hoped, group) if set(hoped) > set(keys) else []
            shared = [part for part in rest if set(part.keys) <= set(keys)]
            found = cover(keys, [*shared, *known], group)
        chosen = [part if part in known else divide(part) for part in found]
        if not self._record:
            return chosen
        # Another driver may be first: what stands in the store counts.
        self._store.write_table(recipe, _frame(chosen))
        return _read(self._store.read_table(recipe.key))

    def _promised(self, family: Mapping[str, Any], keys: Sequence[str]) -> list[Pairs] | None:
        """The parts that were chosen for these when some of them had failed."""
        assert self._store is not None
        key = _recipe(family, keys, promised=True).key
        return _read(self._store.read_table(key)) if self._store.has(key) else None

    def _promise(
        self, family: Mapping[str, Any], keys: Sequence[str], group: int | None
    ) -> list[Pairs]:
        """Choose parts for all that there would be, not yet divided: some sizes are not known."""
        assert self._store is not None
        if self._store.has((whole := _recipe(family, keys)).key):
            return _read(self._store.read_table(whole.key))
        known = self._known.get(digest_json(family), [])
        found = self._promised(family, keys) or cover(keys, known, group)
        if not self._record:
            return found
        recipe = _recipe(family, keys, promised=True)
        self._store.write_table(recipe, _frame(found))
        return _read(self._store.read_table(recipe.key))

    def has(self, key: str) -> bool:
        """Whether the store has an artefact."""
        return self._store is not None and self._store.has(key)

    def size(self, extraction: Extraction) -> Size | None:
        """How large the representations of an extraction are, if that is known."""
        key = extraction.task.key
        if key not in self._sizes:
            self._sizes[key] = size_of(extraction, self._store)
        return self._sizes[key]

    @cached_property
    def _known(self) -> dict[str, list[Pairs]]:
        """The committed parts by family, the largest first."""
        assert self._store is not None
        found: dict[str, list[tuple[int, str, Pairs]]] = {}
        for key in self._store.keys(SCORES):
            recipe = self._store.manifest(key).recipe
            if recipe.version != SCORES_VERSION:
                continue
            parameters = dict(recipe.parameters)
            part = Pairs.from_dict(parameters.pop("pairs"))
            entry = (-len(part.keys), key, part)
            found.setdefault(digest_json(parameters), []).append(entry)
        return {
            family: [part for *_, part in sorted(entries, key=lambda entry: entry[:2])]
            for family, entries in found.items()
        }


def _recipe(family: Mapping[str, Any], keys: Sequence[str], promised: bool = False) -> Recipe:
    inputs = {key: key for key in sorted(keys)}
    parameters: dict[str, Any] = {"of": dict(family), "scores": SCORES_VERSION}
    return Recipe(KIND, VERSION, parameters | ({"promised": True} if promised else {}), inputs)


def _frame(parts: Sequence[Pairs]) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame({"pairs": [json.dumps(part.to_dict()) for part in parts]})


def _read(table: pd.DataFrame) -> list[Pairs]:
    return [Pairs.from_dict(json.loads(text)) for text in table["pairs"]]
