"""Names that people give to API keys."""

import re
import unicodedata

from countersign.domain.errors import InvalidName

# No canonical composition makes one character of more than four (UAX 15), so longer text cannot get short enough;
# normalizing it all the same would take time quadratic in the combining marks.
_LONGEST_DECOMPOSITION = 4

# Invisible although Unicode calls them letters, marks or symbols: joiners, fillers, selectors, the blank Braille cell.
_INVISIBLE = re.compile("[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180d\u180f\u2800\u3164\uffa0\U000e0100-\U000e01ef]")
_REFUSED_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})

# These choose between the coloured and the plain form of an emoji; keyboards add them unasked.
_EMOJI_SELECTORS = re.compile("[\ufe00-\ufe0f]")


def parse_name(text: str, *, limit: int) -> str:
    """Return the name trimmed and in Unicode NFC, or raise ``InvalidName``.

    A name has 1 to ``limit`` characters; control, format, surrogate, private-use, unassigned and invisible
    characters are refused, and a combining mark at the start, because a name is read aloud, mailed and printed.
    """
    trimmed = text.strip()
    if len(trimmed) > _LONGEST_DECOMPOSITION * limit:
        raise _too_long(trimmed, limit=limit)
    name = unicodedata.normalize("NFC", trimmed)
    if not _EMOJI_SELECTORS.sub("", name):
        raise InvalidName("A name is required.")
    if len(name) > limit:
        raise _too_long(name, limit=limit)
    if _INVISIBLE.search(name) or not _REFUSED_CATEGORIES.isdisjoint(map(unicodedata.category, name)):
        raise InvalidName("A name may not contain control, invisible or unknown characters.")
    if unicodedata.category(name[0]).startswith("M"):
        raise InvalidName("A name may not begin with an accent that belongs to the character before it.")
    return name


def fold_name(name: str) -> str:
    """Return what two names share that a person would take for the same one; the unique index is over this.

    Case, width, ligatures, the kind and number of spaces and emoji variation selectors don't count
    (Unicode NFKC_Casefold, toolkit for identifiers in UAX 31).
    """
    decomposed = unicodedata.normalize("NFD", _EMOJI_SELECTORS.sub("", name))
    again = unicodedata.normalize("NFKC", decomposed.casefold()).casefold()
    return " ".join(unicodedata.normalize("NFKC", again).split())


def _too_long(name: str, *, limit: int) -> InvalidName:
    return InvalidName(f"A name has at most {limit} characters; this one has {len(name)}.", limit=limit)
