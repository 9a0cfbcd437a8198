"""Text columns of a long table as numbers into a short list of texts; a text stands in memory once, not in each row."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow


class Coded(NamedTuple):
    """A text column: codes (rows,), each a place in names, below 0 where there is no text."""

    codes: NDArray[Any]
    names: pd.Index[Any]

    def rows(self, places: NDArray[Any]) -> Coded:
        """The rows at some places, in their order."""
        return Coded(self.codes[places], self.names)


def from_arrow(column: pyarrow.ChunkedArray) -> Coded:
    """Take a dictionary-encoded Arrow column, whose chunks share one dictionary."""
    import pandas as pd

    array = column.combine_chunks()
    codes = array.indices.fill_null(-1).to_numpy(zero_copy_only=False)
    return Coded(codes, pd.Index(array.dictionary.to_pandas(), dtype="str"))


def from_texts(texts: pd.Series[Any]) -> Coded:
    """Take a column of texts."""
    import pandas as pd

    codes, names = pd.factorize(texts)
    return Coded(codes.astype(np.int32), pd.Index(names, dtype="str"))


def places_in(known: pd.Series[Any], column: Coded) -> NDArray[np.int32]:
    """Where each row's text stands among known texts, each of which is there once: (rows,)."""
    import pandas as pd

    places: NDArray[np.int32] = pd.Index(known).get_indexer(column.names).astype(np.int32)[column.codes]
    return places


def to_texts(column: Coded) -> pd.api.extensions.ExtensionArray:
    """Write the text into each row, so that comparing two columns needs no common categories; NaN where there is none.

    Gives pandas' array of "str".
    """
    import pandas as pd
    import pyarrow

    codes = pyarrow.array(column.codes, type=pyarrow.int32(), mask=column.codes < 0)
    texts = pyarrow.DictionaryArray.from_arrays(codes, pyarrow.array(column.names, type=pyarrow.large_string()))
    return pd.Series(texts.cast(pyarrow.large_string()).to_pandas(), dtype="str").array
